/** Shows all scores of one id, such as one player, over periods and variants. */
import { namesVariant, partsOf } from "../lib/cli/flag-values.ts";
import { UsageError } from "../lib/base/errors.ts";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import {
  describeHistories,
  explainUnknownId,
  readScores,
  toHistories,
} from "../lib/scoring/history.ts";
import { explainMissingTables } from "../lib/services/schema.ts";
import { openServices } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(commandTable.history, async (flags, context) => {
    const [id = "", ...more] = context.words;
    if (id === "" || more.length > 0) {
      throw new UsageError(
        "Cannot show a history: expected one id, as the scored data has it, in quotes if it contains spaces",
      );
    }
    await using services = await openServices({
      ...context,
      existingOnly: true,
    });
    const { variants } = services;
    const chosen = namesVariant(flags)
      ? variants.settings(partsOf(flags))
      : undefined;
    const database = await services.predictions();
    const scores = await readScores(database, id).catch(explainMissingTables);
    const all = toHistories(scores, variants);
    const wanted = all.filter(({ key }) =>
      chosen === undefined || key === chosen.variant.key
    );
    if (wanted.length > 0) {
      return await describeHistories(id, wanted, { width: context.columns });
    }
    const entities = new Set(
      variants.listed.map(({ names }) => names.entity),
    );
    const [only = "id"] = entities.size === 1 ? entities : [];
    throw await explainUnknownId(database, id, {
      chosen,
      others: all,
      entity: chosen?.names.entity ?? only,
    });
  });
}
