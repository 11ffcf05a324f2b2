/** Copying tables between databases: values, holes and pages. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { continueSequences, copyTable } from "../../lib/database/copy-table.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { readTables } from "../../lib/database/tables.ts";
import { addDatabase, openDatabase } from "../support/mlflow_stores.ts";
import { startPostgres, tempFolder } from "../support/servers.ts";

const schema = `
  create table parents (id bigint generated always as identity primary key, name text unique);
  create table children (
    number serial primary key,
    parent bigint not null references parents (id),
    large text,
    half double precision generated always as (number / 2.0) stored
  );
  create table "a ""strange"" name" ("a column" real[])
`;

Deno.test("copyTable() copies every row in batches, also around holes and with values that are stored apart", async () => {
  await using folder = await tempFolder();
  await using postgres = await startPostgres();
  await addDatabase(postgres, "target");
  await using source = await openPglite(`${folder.path}/database`);
  await using target = await openDatabase(postgres, "target");
  for (const database of [source, target]) {
    for (const statement of schema.split(";")) await database.query(statement);
  }
  // 12 MB of rows, of which every third page or so is then empty.
  await source.query(
    "insert into parents (name) select repeat(md5(n::text), 4) from generate_series(1, 70000) n",
  );
  await source.query("delete from parents where id % 7000 < 2500");
  await source.query("vacuum parents");
  // A quarter of a megabyte each that does not compress, in a table of one page.
  await source.query(
    `insert into children (number, parent, large)
     select 10 * n, 2500 + n, (select string_agg(md5((n * i)::text), '') from generate_series(1, 8000) i)
     from generate_series(1, 12) n`,
  );
  await source.query(
    `insert into "a ""strange"" name" values ('{NaN,0.1,-0,Infinity,null}'), (null)`,
  );
  const reads: number[] = [];
  const watched = {
    ...source,
    async readRows(select: string) {
      const bytes = await source.readRows(select);
      reads.push(bytes.length);
      return bytes;
    },
  };
  const tables = await readTables(source);
  // What is referred to comes first.
  const names = tables.map(({ name }) => name);
  ok(names.indexOf("parents") < names.indexOf("children"), names.join());
  const copyAll = () =>
    target.transaction(async (tx) => {
      for (const table of tables) {
        const rows = await copyTable(watched, tx, table, {
          valueOf: ({ name }) => `"${name.replaceAll('"', '""')}"`,
        });
        const to = (await readTables(tx)).find(({ name }) =>
          name === table.name
        )!;
        await continueSequences(source, tx, { from: table, to });
        strictEqual(rows > 0, true, table.name);
      }
    });
  await copyAll();
  ok(reads.length >= 5, `${reads.length} reads`);
  ok(Math.max(...reads) < 16e6, `${Math.max(...reads)} bytes at once`);
  for (const { name } of tables) {
    const query =
      `select md5(string_agg(t::text, ',' order by t::text)) as digest, count(*) as rows from "${
        name.replaceAll('"', '""')
      }" t`;
    deepStrictEqual(await target.query(query), await source.query(query), name);
  }
  const next = `insert into parents (name) values ('next') returning id`;
  deepStrictEqual(await target.query(next), [{ id: 70_001 }]);
  // The store's sequence was never used, so the highest number counts.
  deepStrictEqual(
    await target.query(
      "insert into children (parent) values (2501) returning number, half",
    ),
    [{ number: 121, half: 60.5 }],
  );
  // A refused row takes all others with it.
  const before = await target.query("select count(*) as rows from parents");
  await rejects(copyAll, /duplicate key/);
  deepStrictEqual(
    await target.query("select count(*) as rows from parents"),
    before,
  );
});
