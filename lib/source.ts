/** Where a run came from, as MLflow's own tags say it. */
import type { Config } from "./config.ts";

/** The names of MLflow's tags (`mlflow/utils/mlflow_tags.py`). */
const commitTag = "mlflow.source.git.commit";

/**
 * The tags that every run of ours carries: who, which script, and under GitHub
 * Actions the commit and the run it belongs to.
 *
 * @param script Name of the script, without its suffix.
 */
export function sourceTags(
  script: string,
  config: Pick<Config, "user" | "job">,
): Record<string, string> {
  const { user, job } = config;
  return {
    "mlflow.user": user,
    "mlflow.source.name": `scripts/${script}.ts`,
    "mlflow.source.type": job ? "JOB" : "LOCAL",
    ...(job ? { [commitTag]: job.commit, "churn.job": job.url } : {}),
  };
}
