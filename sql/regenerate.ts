/**
 * Regenerates `sql/mlflow.sql` and `sql/mlflow_revisions.txt` from an empty
 * Postgres database on which the pinned MLflow's own `mlflow db upgrade` was run.
 *
 * For a newer MLflow: add `tests/peers/mlflow-X.Y.Z.in`, run
 * `tests/peers/compile.sh`, name it in `tests/support/python.ts` and below, run
 * `deno task schema`, then read the difference and run `deno task test`.
 */
import {
  type PeerName,
  peerPrograms,
  runPeer,
  runPython,
} from "../tests/support/python.ts";
import { startPostgres } from "../tests/support/servers.ts";

const mlflow: PeerName = "mlflow-3.17.2";

const listRevisions = `
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config

script = ScriptDirectory.from_config(_get_alembic_config(""))
for revision in reversed(list(script.walk_revisions())):
    print(revision.revision)
`;

/**
 * How Postgres prints `column IN ('a', 'b')` of a varchar column. Read back, that
 * text would give another expression, with other casts; so it becomes `IN` again.
 */
const printedIn = /\(\((\w+)\)::text = ANY \(\(ARRAY\[(.*?)\]\)::text\[\]\)\)/g;

await using postgres = await startPostgres();
await peerPrograms(mlflow);
await runPeer(mlflow, ["mlflow", "db", "upgrade", postgres.url()]);
const schema = await dump(["--schema-only"]);
const rows = await dump(["--data-only", "--inserts"]);
const { stdout: revisions } = await runPython(mlflow, listRevisions);

const release = mlflow.replace("mlflow-", "MLflow ");
const header =
  `-- The tables of ${release}, as its own \`mlflow db upgrade\` leaves an empty
-- Postgres database, and the rows that it puts there. Made by \`deno task schema\`
-- from pg_dump; not to be edited. Names carry no schema, so that everything
-- lands in the first schema of the search path, where MLflow puts it too.
`;
await write(
  "mlflow.sql",
  `${header}\n${withoutNoise(schema)}\n\n${onlyInserts(rows)}\n`,
);
await write(
  "mlflow_revisions.txt",
  `# ${release}: every revision of its schema, oldest first; the last is its head\n${revisions}`,
);

async function dump(options: string[]): Promise<string> {
  const output = await new Deno.Command(`${postgres.bin}/pg_dump`, {
    args: ["--no-owner", "--no-privileges", ...options, postgres.url()],
    stderr: "inherit",
  }).output();
  if (!output.success) {
    throw new Error("Cannot dump what MLflow made: pg_dump failed");
  }
  return new TextDecoder().decode(output.stdout);
}

/** Without comments, session settings and psql's own commands, none of which Postgres 13 and PGlite all accept. */
function withoutNoise(sql: string): string {
  return sql.split("\n")
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\)/.test(line))
    .join("\n")
    .replaceAll("public.", "")
    .replaceAll(printedIn, toIn)
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

function toIn(_printed: string, column: string, values: string): string {
  return `${column} IN (${values.replaceAll("::character varying", "")})`;
}

function onlyInserts(sql: string): string {
  return sql.split("\n").filter((line) => line.startsWith("INSERT "))
    .join("\n").replaceAll("public.", "");
}

async function write(name: string, text: string): Promise<void> {
  await Deno.writeTextFile(new URL(name, import.meta.url), text);
}
