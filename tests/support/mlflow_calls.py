"""Does a list of calls with MLflow's own client; prints what each one came to.

Usage: mlflow_calls.py TRACKING_URI JSON, where the JSON holds `calls` and the
`names` that earlier calls gave to ids. Prints {"outcomes": [...], "names": {...}}.
"""
import json
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException

uri, work = sys.argv[1], json.loads(sys.argv[2])
mlflow.set_tracking_uri(uri)
client = MlflowClient(tracking_uri=uri)
names = dict(work["names"])


def metric(m):
    more = (
        {
            "model_id": names[m["model"]],
            "dataset_name": m.get("datasetName"),
            "dataset_digest": m.get("datasetDigest"),
        }
        if "model" in m
        else {}
    )
    return Metric(
        m["key"], float(m["value"]), m["timestampMs"], m.get("step", 0), **more
    )


def dataset(d):
    return DatasetInput(
        Dataset(
            d["name"],
            d["digest"],
            d["sourceType"],
            d["source"],
            d.get("schema"),
            d.get("profile"),
        ),
        [InputTag("mlflow.data.context", d["context"])],
    )


def create_logged_model(c):
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(names[c["run"]])
    model = client.create_logged_model(
        experiment_id=run.info.experiment_id,
        name=c["name"],
        source_run_id=run.info.run_id,
        params=c.get("params"),
        tags=c.get("tags"),
    )
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    return model.model_id


def log_inputs(c):
    more = {}
    if "models" in c:
        from mlflow.entities import LoggedModelInput

        more = {"models": [LoggedModelInput(names[m]) for m in c["models"]]}
    datasets = [dataset(d) for d in c.get("datasets", [])]
    client.log_inputs(names[c["run"]], datasets, **more)


def ensure_registered_model(c):
    try:
        client.create_registered_model(c["name"], c["tags"], c.get("description"))
    except MlflowException as e:
        if e.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def register(c):
    if "model" in c and uri.startswith("http"):
        # The server tags the logged model; the fluent call would tag it again.
        return client.create_model_version(
            c["name"],
            f"models:/{names[c['model']]}",
            names[c["run"]],
            c["tags"],
            await_creation_for=0,
            model_id=names[c["model"]],
        ).version
    if "model" in c:
        # The fluent call tags the logged model, as a server does.
        return mlflow.register_model(
            f"models:/{names[c['model']]}",
            c["name"],
            await_registration_for=0,
            tags=c["tags"],
        ).version
    return client.create_model_version(
        c["name"],
        c["source"],
        names[c["run"]],
        c["tags"],
        description=c.get("description"),
        await_creation_for=0,
    ).version


def set_version_tags(c):
    for key, value in c["tags"].items():
        client.set_model_version_tag(c["name"], str(c["version"]), key, value)


def set_stage(c):
    name, version, stage = c["name"], c["version"], c["stage"]
    archives = stage in ("Staging", "Production")
    # Asked over HTTP to archive, a server of 3.17.2 on psycopg 3 fails with
    # "operator does not exist: integer <> character varying".
    over_http = uri.startswith("http")
    client.transition_model_version_stage(
        name, version, stage, archive_existing_versions=archives and not over_http
    )
    if not (archives and over_http):
        return
    for other in client.search_model_versions(f"name = '{name}'"):
        if other.current_stage == stage and int(other.version) != version:
            client.transition_model_version_stage(name, other.version, "Archived")


def finalize(c):
    from mlflow.entities import LoggedModelStatus

    status = {
        "READY": LoggedModelStatus.READY,
        "UPLOAD_FAILED": LoggedModelStatus.FAILED,
    }[c["status"]]
    client.finalize_logged_model(names[c["model"]], status)


does = {
    "createExperiment": lambda c: client.create_experiment(
        c["name"], c["location"], c.get("tags")
    ),
    "createRun": lambda c: client.create_run(
        names[c["experiment"]], c["startTimeMs"], c["tags"], c["name"]
    ).info.run_id,
    "logBatch": lambda c: client.log_batch(
        names[c["run"]],
        [metric(m) for m in c.get("metrics", [])],
        [Param(k, v) for k, v in c.get("params", {}).items()],
        [RunTag(k, v) for k, v in c.get("tags", {}).items()],
    ),
    "logInputs": log_inputs,
    "finishRun": lambda c: client.set_terminated(
        names[c["run"]], c["status"], c["endTimeMs"]
    ),
    "createLoggedModel": create_logged_model,
    "finalizeLoggedModel": finalize,
    "ensureRegisteredModel": ensure_registered_model,
    "register": register,
    "setVersionTags": set_version_tags,
    "setAlias": lambda c: client.set_registered_model_alias(
        c["name"], c["alias"], str(c["version"])
    ),
    "setStage": set_stage,
    "deleteVersion": lambda c: client.delete_model_version(
        c["name"], str(c["version"])
    ),
    "deleteExperiment": lambda c: client.delete_experiment(names[c["experiment"]]),
    "deleteRun": lambda c: client.delete_run(names[c["run"]]),
}

outcomes = []
for call in work["calls"]:
    try:
        given = does[call["do"]](call)
        if "as" in call:
            names[call["as"]] = given
        outcomes.append("done")
    except MlflowException as e:
        print(call["do"], e, file=sys.stderr)
        outcomes.append("refused")
print(json.dumps({"outcomes": outcomes, "names": names}))
