/** Reads, creates and locks registered models: MLflow's `registered_models` and `registered_model_tags`. */
import { InputError } from "../../base/errors.ts";
import { insertRows, inWorkspace, type Tables } from "./rows.ts";
import type { MlflowStore } from "../store.ts";

type Calls = Pick<MlflowStore, "findRegisteredModel" | "ensureRegisteredModel">;

/** Returns the store's calls on registered models. */
export function registeredModelsIn(
  tables: Tables,
): Calls {
  const calls: Calls = {
    async findRegisteredModel(name) {
      const where = `where name = $1 and ${inWorkspace(tables)}`;
      const models = await tables.db.query(
        `select 1 from registered_models ${where}`,
        [name],
      );
      if (models.length === 0) return undefined;
      const tags = await tables.db.query<{ key: string; value: string | null }>(
        `select key, value from registered_model_tags ${where} order by key`,
        [name],
      );
      const aliases = await readAliases(tables, name);
      return {
        name,
        tags: Object.fromEntries(
          tags.map(({ key, value }) => [key, value ?? ""]),
        ),
        aliases: Object.fromEntries(
          aliases.map(({ alias, version }) => [alias, version]),
        ),
      };
    },
    async ensureRegisteredModel(name, { tags, description }) {
      const now = Date.now();
      const created = await insertRows(tables, "registered_models", {
        rows: [{
          name,
          creation_time: now,
          last_updated_time: now,
          description: description ?? null,
        }],
        key: ["name"],
      });
      if (created > 0) {
        await insertRows(tables, "registered_model_tags", {
          rows: Object.entries(tags).map(([key, value]) => ({
            key,
            value,
            name,
          })),
        });
      }
      const model = await calls.findRegisteredModel(name);
      if (!model) throw missingRegisteredModel(name);
      return model;
    },
  };
  return calls;
}

/** Returns the aliases of a model in alphabetical order. */
export function readAliases(
  tables: Tables,
  name: string,
): Promise<{ alias: string; version: number }[]> {
  return tables.db.query(
    `select alias, version from registered_model_aliases
     where name = $1 and ${inWorkspace(tables)} order by alias`,
    [name],
  );
}

/**
 * Sets the model's update time to now. This also makes other writers of its
 * versions wait until the transaction ends, because MLflow's own clients begin
 * with the same update.
 *
 * @throws {InputError} If the registered model does not exist.
 */
export async function touchRegisteredModel(
  tables: Tables,
  name: string,
): Promise<void> {
  const touched = await tables.db.query(
    `update registered_models set last_updated_time = $2
     where name = $1 and ${inWorkspace(tables)} returning 1`,
    [name, Date.now()],
  );
  if (touched.length === 0) throw missingRegisteredModel(name);
}

/** Like {@linkcode touchRegisteredModel}, but only locks the row. */
export async function lockRegisteredModel(
  tables: Tables,
  name: string,
): Promise<void> {
  const locked = await tables.db.query(
    `select 1 from registered_models
     where name = $1 and ${inWorkspace(tables)} for no key update`,
    [name],
  );
  if (locked.length === 0) throw missingRegisteredModel(name);
}

/** Returns the error for a registered model that does not exist, with the command that creates it. */
function missingRegisteredModel(name: string): InputError {
  return new InputError(
    `Cannot find the registered model "${name}": log one with \`deno task log-model\``,
  );
}
