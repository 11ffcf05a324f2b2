import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { readAllRows, readRows } from "../../lib/rows/read.ts";
import { bytesAsFile } from "../../lib/storage/store.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const open = (content: string | Uint8Array<ArrayBuffer>) =>
  bytesAsFile(
    "players.json",
    typeof content === "string" ? encode(content) : content,
  );
const parse = (content: string | Uint8Array<ArrayBuffer>) =>
  readAllRows(open(content), { idColumn: "player_id", temporary: "" });
const values = async (content: string | Uint8Array<ArrayBuffer>) =>
  (await parse(content)).map(({ value }) => value);

/** One table, in every form that a file may have. */
const objects = [{ a: 1, b: "x" }, { a: null, b: "ø, \n" }];
const lines = objects.map((row) => JSON.stringify(row)).join("\n");
const forms: Record<string, string> = {
  "JSON Lines": lines,
  "JSON Lines with a last line break": `${lines}\n`,
  "JSON Lines with CRLF": `${lines.replace("\n", "\r\n")}\r\n`,
  "JSON Lines with blank lines": `\n \n${lines.replace("\n", "\n\n\t\n")}\n\n`,
  "JSON Lines after a byte order mark": `\ufeff${lines}`,
  "one array": JSON.stringify(objects),
  "one array over many lines": JSON.stringify(objects, null, 2),
  "one array after a byte order mark and blank lines": `\ufeff\n\n${
    JSON.stringify(objects)
  }`,
};

for (const [form, text] of Object.entries(forms)) {
  Deno.test(`readRows() reads ${form}`, async () => {
    deepStrictEqual(await values(text), objects);
    deepStrictEqual((await parse(text)).map(({ number }) => number), [1, 2]);
  });
}

/** `DataFrame(...).to_json(orient="split")` of pandas 3.1.1, and with its keys in another order. */
const splits = [
  '{"columns":["a","b"],"index":[0,1],"data":[[1,"x"],[null,"ø, \\n"]]}',
  ' {"index": [0, 1], "data": [[1, "x"], [null, "ø, \\n"]], "columns": ["a", "b"]}\n',
];

Deno.test("readRows() reads pandas' split, which names the columns of its arrays", async () => {
  for (const text of splits) deepStrictEqual(await values(text), objects);
  const refused = {
    '{"columns":["a","a"],"data":[[1,2]]}': /names "a" twice/,
    '{"columns":["a"],"data":[[1],[1,2]]}':
      /row 2: expected an array of 1 values, found 2 values/,
    '{"columns":["a"],"data":[{"a":1}]}': /expected an array .*found an object/,
    '{"columns":["a",1],"data":[[1,2]]}': /names of the columns, found 1/,
    '{"columns":["a"],"data":[]}': /it has none/,
  };
  for (const [text, message] of Object.entries(refused)) {
    await rejects(parse(text), message);
  }
  // Lines whose first key happens to be one of pandas'.
  deepStrictEqual(await values('{"data":[1]}\n{"data":[2]}'), [{ data: [1] }, {
    data: [2],
  }]);
});

Deno.test("readRows() refuses arrays without column names, and says the way out", async () => {
  const rows = [[1, null, true], [2, 0.5, false]];
  const forms = [
    JSON.stringify(rows),
    rows.map((row) => JSON.stringify(row)).join("\n"),
    "[1, null, true]",
  ];
  for (const text of forms) {
    await rejects(
      parse(text),
      /(line|row) 1: expected an object, found \[1,null,true\]; .*orient="split"/,
    );
  }
});

Deno.test("readRows() counts lines as an editor does", async () => {
  deepStrictEqual(
    (await parse('\n{"a":1}\r\n\r\n{"a":2}')).map(({ line }) => line),
    [
      2,
      4,
    ],
  );
  deepStrictEqual((await parse('[{"a":1}]')).map(({ line }) => line), [
    undefined,
  ]);
});

Deno.test("readRows() reads a line longer than any buffer", async () => {
  const long = { a: "é".repeat(200_000) };
  deepStrictEqual(await values(`${JSON.stringify(long)}\n{"a":"b"}`), [long, {
    a: "b",
  }]);
});

Deno.test("readRows() names the line of what it cannot read", async () => {
  const refused: Record<string, string | Uint8Array<ArrayBuffer>> = {
    "line 2: .*expected one JSON object per line": '{"a":1}\n{"a":',
    "line 1: .*missing value is null or NaN": '{"a": Infinity}',
    "line 2: expected an object, found 7": '{"a":1}\n7',
    'line 2: expected an object, found "x"': '{"a":1}\n"x"',
    "line 2: expected an object, found null": '{"a":1}\nnull',
    "line 3: it is not UTF-8 text": new Uint8Array([
      ...encode('{"a":1}\n\n{"a":"'),
      0xff,
      ...encode('"}'),
    ]),
    "players.json: it has none": "",
    "Cannot read rows of players.json": "\n \r\n",
    "rows of players.json: it has none": "[]",
  };
  for (const [message, bytes] of Object.entries(refused)) {
    await rejects(parse(bytes), (error) => {
      ok(error instanceof InputError);
      strictEqual(
        new RegExp(message).test((error as Error).message),
        true,
        `${message}\n${(error as Error).message}`,
      );
      return true;
    });
  }
});

Deno.test("readRows() has given back the good rows before it names a bad line", async () => {
  const rows = readRows(open('{"a":1}\n{"a":2}\n{'), {
    idColumn: undefined,
    temporary: "",
  });
  deepStrictEqual((await rows.next()).value?.value, { a: 1 });
  deepStrictEqual((await rows.next()).value?.value, { a: 2 });
  await rejects(rows.next(), InputError);
});
