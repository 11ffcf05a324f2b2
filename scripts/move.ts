/** Copies the embedded store to the configured services: artifacts, then MLflow's tables, then the prediction tables. */
import { resolve } from "node:path";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import { checkBeforeSetup } from "../lib/checks/before-setup.ts";
import { openEmbeddedStore } from "../lib/services/embedded-store.ts";
import { checkMayMove, checkTargets, moveStore } from "../lib/services/move.ts";
import { describeMove } from "../lib/services/move-report.ts";
import { openServices } from "../lib/services/services.ts";
import { setupDatabases } from "../lib/services/setup.ts";

if (import.meta.main) {
  await runScript(commandTable.move, async (_, context) => {
    await using services = await openServices({
      ...context,
      createDatabases: true,
    });
    const { config } = services;
    const root = checkMayMove(config);
    await using store = await openEmbeddedStore(config);
    await checkBeforeSetup(services, []);
    const state = await checkBefore();
    const isDone = state.mlflow && state.predictions;
    if (!isDone) await setupDatabases(services, { onlyNews: true });
    const moved = isDone
      ? undefined
      : await moveStore(store, services, { root, state });
    return describeMove(moved, {
      home: resolve(config.home),
      mlflow: (await services.trackingDatabase())?.description ?? "",
      predictions: (await services.predictions()).description,
      root: services.artifacts(root).uri,
      keepsFolder: state.keepsFolder,
    });

    /** Looks at the services in read-only sessions, so that a refusal leaves nothing behind. */
    async function checkBefore() {
      await using readers = await openServices({
        ...context,
        log: { ...context.log, warn: () => {} },
        readOnly: true,
      });
      return await checkTargets(store, readers, root);
    }
  });
}
