/** Runs all checks of the services. Nothing is changed, and what fails does not keep other checks from running. */
import type { VariantSettings } from "../config/variants.ts";
import type { Database } from "../database/database.ts";
import { findInputs } from "../services/input-batches.ts";
import type { Services } from "../services/services.ts";
import { type Check, skip } from "./check.ts";
import {
  checkConnection,
  checkMlflowTables,
  checkPredictionTables,
  checkRoles,
  type DatabaseChecks,
} from "./databases.ts";
import { checkDeliveries } from "./deliveries.ts";
import { checkFiles, type InputsOf } from "./files.ts";
import { checkModels, checkServer } from "./registry.ts";
import {
  type CheckedLogin,
  checkPredictionsLogin,
  checkTrackingLogin,
} from "./secrets.ts";

/**
 * Checks files, secrets, databases, the registry and the newest periods, each
 * within 20 seconds and as far as possible at the same time.
 *
 * @param services Opened with `readOnly`.
 * @param chosen The variants whose files, models and periods are checked.
 */
export async function checkServices(
  services: Services,
  chosen: readonly VariantSettings[],
): Promise<Check[]> {
  const inputs = new Map<string, ReturnType<InputsOf>>();
  const inputsOf: InputsOf = (settings) => {
    const { key } = settings.variant;
    const found = inputs.get(key) ??
      findInputs(services.variantFiles(settings.variant), settings);
    inputs.set(key, found);
    return found;
  };
  const stores = services.config.embedded
    ? checkEmbedded(services, chosen, inputsOf)
    : checkConfigured(services, chosen, inputsOf);
  const [files, rest] = await Promise.all([
    checkFiles(services, chosen, { inputsOf }),
    stores,
  ]);
  return [...files, ...rest];
}

async function checkEmbedded(
  services: Services,
  chosen: readonly VariantSettings[],
  inputsOf: InputsOf,
): Promise<Check[]> {
  if (!await services.hasEmbeddedDatabase()) {
    return [{
      group: "Databases",
      title: "Embedded database",
      state: "warning",
      detail: `not created yet in ${services.config.home}/database`,
      remedy: "deno task predict",
      hint: "this creates it from the model file",
    }];
  }
  const { checks, database } = await checkConnection({
    title: "Embedded database",
    login: undefined,
    open: () => services.embeddedDatabase(),
  });
  return [
    ...checks,
    ...await checkMlflowTables(database),
    ...await checkPredictionTables(database),
    ...await checkContents(services, chosen, {
      inputsOf,
      tracking: database,
      predictions: database,
    }),
  ];
}

async function checkConfigured(
  services: Services,
  chosen: readonly VariantSettings[],
  inputsOf: InputsOf,
): Promise<Check[]> {
  const { config } = services;
  const [trackingLogin, predictionsLogin] = await Promise.all([
    checkTrackingLogin(config),
    checkPredictionsLogin(config),
  ]);
  const [tracking, predictions] = await Promise.all([
    trackingLogin && checkDatabase("MLflow's database", trackingLogin, {
      open: async () => (await services.trackingDatabase())!,
    }),
    predictionsLogin && checkDatabase("Predictions", predictionsLogin, {
      open: () => services.predictions(),
    }),
  ]);
  const [mlflowTables, predictionTables, roles, contents] = await Promise.all([
    tracking
      ? checkMlflowTables(tracking.database, trackingLogin?.settings)
      : [],
    checkPredictionTables(predictions?.database, predictionsLogin?.settings),
    checkRoles([tracking?.database, predictions?.database]),
    checkContents(services, chosen, {
      inputsOf,
      tracking: tracking?.database,
      predictions: predictions?.database,
    }),
  ]);
  return [
    ...[trackingLogin?.check, predictionsLogin?.check].filter((check) =>
      check !== undefined
    ),
    ...tracking?.checks ?? [],
    ...mlflowTables,
    ...predictions?.checks ?? [],
    ...predictionTables,
    ...roles,
    ...contents,
  ];
}

async function checkDatabase(
  title: string,
  login: CheckedLogin,
  { open }: { open: () => Promise<Database> },
): Promise<DatabaseChecks> {
  const { settings } = login;
  if (settings) return await checkConnection({ title, login: settings, open });
  const subject = { group: "Databases", title } as const;
  return {
    checks: [skip(subject, "its login cannot be used")],
    database: undefined,
  };
}

/** Checks what the databases or the MLflow server hold. */
async function checkContents(
  services: Services,
  chosen: readonly VariantSettings[],
  { inputsOf, tracking, predictions }: {
    inputsOf: InputsOf;
    tracking: Database | undefined;
    predictions: Database | undefined;
  },
): Promise<Check[]> {
  const server = await checkServer(services);
  // Why tables cannot be used is a finding of their own.
  const tables = tracking && await services.mlflow().catch(() => undefined);
  const mlflow = server ? server.mlflow : tables;
  const models = await checkModels(services, chosen, {
    mlflow,
    why: server
      ? "the MLflow server cannot be used"
      : "MLflow's tables cannot be used",
  });
  const deliveries = await checkDeliveries(services, chosen, {
    inputsOf,
    mlflow,
    why: predictions ? undefined : "the predictions cannot be read",
  });
  return [...server ? [server.check] : [], ...models, ...deliveries];
}
