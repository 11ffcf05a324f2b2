/** The names of all settings in the environment, and names that look like one but are not. */
import { nearest } from "../base/nearest.ts";

/** Settings of services; if any of them is set, services are configured. */
export const serviceSettings: readonly string[] = [
  "MLFLOW_TRACKING_URI",
  "MLFLOW_SECRET_NAME",
  "MLFLOW_DB_NAME",
  "MLFLOW_DB_HOST",
  "MLFLOW_DB_PORT",
  "MLFLOW_S3_BUCKET",
  "MLFLOW_ARTIFACT_ROOT",
  "MLFLOW_S3_ENDPOINT_URL",
  "MLFLOW_SECRET_REGION",
  "MLFLOW_TRACKING_USERNAME",
  "MLFLOW_TRACKING_PASSWORD",
  "MLFLOW_TRACKING_TOKEN",
  "PREDICTIONS_SECRET_NAME",
  "PREDICTIONS_DATABASE_URL",
];

/** All settings whose names only this project or MLflow defines, and those of libpq that apply. */
const settings = [
  ...serviceSettings,
  "MLFLOW_TRACKING_USER",
  "CHURN_HOME",
  "CHURN_FILES",
  "CHURN_HOSTS",
  "CHURN_ALERT_WEBHOOK",
  "CHURN_ALERT_REMINDER_DAYS",
  "PGSSLMODE",
  "PGSSLROOTCERT",
  "PGOPTIONS",
];

/** A variable of MLflow's own server that is near a setting. */
const ofMlflow = ["MLFLOW_TRACKING_DIR"];

/** A name in the environment that is not a known setting. */
export interface UnknownSetting {
  readonly name: string;
  /** The setting that it most likely means; undefined if none is near. */
  readonly meant: string | undefined;
}

/**
 * Returns the names in an environment that are probably misspelled settings: those
 * near a setting, whatever they begin with, and all others that begin with
 * `CHURN_` or `PREDICTIONS_`, because only this project has such settings.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(findUnknownSettings(["MLFLOW_S3_BUKET", "MLFLOW_RUN_ID"]), [
 *   { name: "MLFLOW_S3_BUKET", meant: "MLFLOW_S3_BUCKET" },
 * ]);
 * ```
 */
export function findUnknownSettings(
  names: readonly string[],
): UnknownSetting[] {
  return names.toSorted().flatMap((name) => {
    if ([...settings, ...ofMlflow].includes(name)) return [];
    // A short name is near too many words of others.
    const meant = name.length < 8
      ? undefined
      : nearest(name.toUpperCase(), settings);
    const isOurs = /^(CHURN|PREDICTIONS)_/.test(name);
    return meant === undefined && !isOurs ? [] : [{ name, meant }];
  });
}

/** Says that a name is not a known setting. */
export function describeUnknown({ name, meant }: UnknownSetting): string {
  return `${name} is not a known setting and is ignored${
    meant === undefined ? "" : `; did you mean ${meant}?`
  }`;
}
