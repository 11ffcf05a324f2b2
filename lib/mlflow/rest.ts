/**
 * MLflow through its server's REST API. It makes the same calls as MLflow's own
 * client (`mlflow/store/tracking/rest_store.py`), which are the same in 2.22.5,
 * 3.4.0 and 3.17.2.
 */
import { type Log, noLog } from "../base/log.ts";
import { UsageError } from "../base/errors.ts";
import {
  ApiError,
  ForbiddenError,
  type HttpSettings,
  type MlflowHttp,
  openHttp,
} from "./http.ts";
import { readsRequired } from "./schema-version.ts";
import { withChecks } from "./checked.ts";
import { loggedModelsOn } from "./rest/models.ts";
import { registryOn } from "./rest/registry.ts";
import { trackingOn } from "./rest/tracking.ts";
import { versionsOn } from "./rest/versions.ts";
import type { MlflowStore } from "./store.ts";

/**
 * Opens the store of a tracking server, and checks that the server answers and
 * accepts the login.
 *
 * @param options `log`: receives a warning for each value that was truncated.
 * @throws {UsageError} If the server refuses the login, or is not an MLflow server.
 * @throws {TransientError} If it cannot be reached.
 */
export async function openRest(
  options: HttpSettings & { log?: Pick<Log, "warn"> },
): Promise<MlflowStore> {
  const http = openHttp(options);
  const { log = noLog } = options;
  const hasLoggedModels = await askForLoggedModels(http);
  const mlflowVersion = await askVersion(http);
  const rest = { http, hasLoggedModels };
  return withChecks({
    description: `${http.baseUrl} (MLflow ${
      mlflowVersion ?? "of an unknown version"
    })`,
    mlflowVersion,
    hasLoggedModels,
    writesRequired: !mlflowVersion || readsRequired(mlflowVersion),
    ...trackingOn(rest),
    ...loggedModelsOn(rest),
    ...registryOn(rest),
    ...versionsOn(rest),
  }, log);
}

/**
 * Tells whether the server has logged models. Older servers do not have the call;
 * newer ones answer that there is no such model or, with MLflow's permissions
 * (from 3.17.2), refuse it to everyone but administrators.
 */
async function askForLoggedModels(http: MlflowHttp): Promise<boolean> {
  try {
    await http.json("GET", `/mlflow/logged-models/m-${"0".repeat(32)}`);
    return true;
  } catch (error) {
    if (error instanceof ForbiddenError) return true;
    if (!(error instanceof ApiError)) throw error;
    if (error.code !== "ENDPOINT_NOT_FOUND") return true;
  }
  await http.json("GET", "/mlflow/experiments/get", { experiment_id: "0" })
    .catch((error) => {
      if (error instanceof ApiError && error.code === "ENDPOINT_NOT_FOUND") {
        throw new UsageError(error.message);
      }
      if (!(error instanceof ApiError)) throw error;
    });
  return false;
}

async function askVersion(http: MlflowHttp): Promise<string | undefined> {
  const response = await http.send("/version");
  const text = (await response.text()).trim();
  return response.ok && /^\d+\.\d+[\w.+-]*$/.test(text) ? text : undefined;
}
