/** Checks the secrets that hold database logins. */
import type { Config } from "../config/environment.ts";
import type { PostgresSettings } from "../database/postgres.ts";
import { shellWord } from "../config/variant.ts";
import {
  predictionsSettings,
  trackingSettings,
} from "../services/connections.ts";
import { type Check, runCheck } from "./check.ts";

/** A database login that could be read, or not. */
export interface CheckedLogin {
  /** The check of its secret; undefined if there is none. */
  readonly check: Check | undefined;
  /** Undefined if the login cannot be used. */
  readonly settings: PostgresSettings | undefined;
}

/** Reads the login of MLflow's database; undefined if it is not in Postgres. */
export async function checkTrackingLogin(
  config: Config,
): Promise<CheckedLogin | undefined> {
  const { tracking } = config;
  if (tracking.kind !== "secret" && tracking.kind !== "login") return undefined;
  return await checkLogin("MLflow's database", {
    name: tracking.kind === "secret" ? tracking.name : undefined,
    region: config.aws.secretsRegion,
    setting: "MLFLOW_SECRET_NAME",
    fields: "{username, password}",
    read: () => trackingSettings(tracking, config),
  });
}

/** Reads the login of the predictions database; undefined if it is embedded. */
export async function checkPredictionsLogin(
  config: Config,
): Promise<CheckedLogin | undefined> {
  const { predictions } = config;
  if (predictions.kind === "embedded") return undefined;
  return await checkLogin("Predictions", {
    name: predictions.kind === "secret" ? predictions.name : undefined,
    region: config.aws.secretsRegion,
    setting: "PREDICTIONS_SECRET_NAME",
    fields: "{username, password, host, port, dbname}",
    read: () => predictionsSettings(predictions, config),
  });
}

async function checkLogin(
  title: string,
  { name, region, setting, fields, read }: {
    name: string | undefined;
    region: string;
    setting: string;
    fields: string;
    read: () => Promise<PostgresSettings>;
  },
): Promise<CheckedLogin> {
  let settings: PostgresSettings | undefined;
  const check = await runCheck(
    { group: "Secrets", title },
    async () => {
      settings = await read();
      const { user, host, port, database } = settings;
      return {
        state: "ok",
        detail:
          `${name} in ${region}: login ${user} for ${host}:${port}/${database}`,
      };
    },
    name === undefined ? {} : {
      remedy:
        `aws secretsmanager describe-secret --region ${region} --secret-id ${
          shellWord(name)
        }`,
      hint:
        `it must contain JSON ${fields}; ${setting} sets its name, MLFLOW_SECRET_REGION its region`,
    },
  );
  const isShown = name !== undefined || check.state !== "ok";
  return { check: isShown ? check : undefined, settings };
}
