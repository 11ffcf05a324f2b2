"""Uses MlflowClient on the runs, models and versions that our scripts wrote; every assertion is MLflow's answer.

Arguments: experiment's name, registered model's name. Leaves version 1 with alias and stage moved away from it, and deletes version 2.
"""

import json
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

experiment_name, name = sys.argv[1:3]
client = MlflowClient()
has_logged_models = int(mlflow.__version__.split(".")[0]) >= 3

# Tracking: found by name, by tag, by metric, by param; history, more logging, delete and restore.
experiment = client.get_experiment_by_name(experiment_name)
logged = "tags.geography = 'US' and metrics.auc > 0 and params.objective = 'binary:logistic'"
runs = client.search_runs([experiment.experiment_id], logged, order_by=["metrics.auc DESC"])
assert len(runs) == 2, runs
run = next(r for r in runs if r.info.run_name == "Model Logging - Geo: US")
assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time
history = client.get_metric_history(run.info.run_id, "auc")
assert [m.value for m in history] == [run.data.metrics["auc"]], history
client.log_metric(run.info.run_id, "auc", 0.25, step=9)
assert client.get_run(run.info.run_id).data.metrics["auc"] == 0.25
client.set_tag(run.info.run_id, "reviewed", "yes")
client.log_param(run.info.run_id, "added", "1")
try:
    client.log_param(run.info.run_id, "objective", "another")
    raise SystemExit("a param was overwritten")
except MlflowException:
    pass
client.delete_run(run.info.run_id)
assert len(client.search_runs([experiment.experiment_id], logged)) == 1
client.restore_run(run.info.run_id)
artifacts = sorted(f.path for f in client.list_artifacts(run.info.run_id))

# Logged models of MLflow 3.
if has_logged_models:
    models = client.search_logged_models([experiment.experiment_id])
    assert {m.status.value for m in models} == {"READY"}, models
    assert len(models) == 2 and {m.source_run_id for m in models} == {r.info.run_id for r in runs}
    assert client.get_logged_model(models[0].model_id).params["objective"] == "binary:logistic"
    client.set_logged_model_tags(models[0].model_id, {"reviewed": "yes"})
    assert client.get_run(run.info.run_id).outputs.model_outputs, "the run has no model output"

# Registry: search, get, tags, aliases, stages.
assert [m.name for m in client.search_registered_models(f"name = '{name}'")] == [name]
versions = client.search_model_versions(f"name = '{name}'")
assert sorted(int(v.version) for v in versions) == [1, 2], versions
assert client.search_model_versions(f"run_id = '{run.info.run_id}'")
assert client.get_model_version_by_alias(name, "champion").version in ("1", 1)
assert [int(v.version) for v in client.get_latest_versions(name, ["Production"])] == [1]
client.set_model_version_tag(name, "1", "reviewed", "yes")
assert client.get_model_version(name, "1").tags["reviewed"] == "yes"
client.delete_model_version_tag(name, "1", "reviewed")
client.update_model_version(name, "1", description="first")
client.set_registered_model_tag(name, "team", "retention")
client.set_registered_model_alias(name, "champion", "2")
# An int: MLflow 3.17.2 compares it in SQL as it is, and psycopg 3 refuses a text.
client.transition_model_version_stage(name, 2, "Production", archive_existing_versions=True)
assert client.get_model_version(name, "1").current_stage == "Archived"
assert {k: int(v) for k, v in client.get_registered_model(name).aliases.items()} == {"champion": 2}
client.delete_registered_model_alias(name, "champion")
client.delete_model_version(name, "2")
assert [int(v.version) for v in client.search_model_versions(f"name = '{name}'")] == [1]

print(json.dumps({"artifacts": artifacts, "tags": client.get_model_version(name, "1").tags}))
