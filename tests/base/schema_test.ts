/** The errors that the schemas of external data become: file, path, what was expected, what was found. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { UsageError } from "../../lib/base/errors.ts";
import * as v from "../../lib/base/schema.ts";

const file = "a.json";
const message = (schema: v.GenericSchema, value: unknown) => {
  let found = "";
  throws(() => v.validate(schema, value, { file }), (error) => {
    found = (error as Error).message;
    return true;
  });
  return found;
};

Deno.test("validate() reports where the problem is, what was expected and what was found", () => {
  const schema = v.object({
    rows: v.array(v.object({ "a b": v.nullish(v.boolean()) })),
    kind: v.picklist(["x", "y"]),
  });
  const cases: [unknown, string][] = [
    [{ rows: [] }, 'kind should be "x" or "y", found nothing'],
    [{ rows: [], kind: "z" }, 'kind should be "x" or "y", found "z"'],
    [{ rows: {} }, "rows should be a list, found {}"],
    [{ rows: [7] }, "rows[0] should be an object, found 7"],
    [
      { rows: [{}, { "a b": 1 }] },
      'rows[1]["a b"] should be true or false, found 1',
    ],
    [null, "expected an object, found null"],
    [undefined, "expected an object, found nothing"],
    ["x".repeat(99), `expected an object, found "${"x".repeat(79)}…`],
  ];
  for (const [value, expected] of cases) {
    strictEqual(message(schema, value), `Cannot use a.json: ${expected}`);
  }
});

Deno.test("an array is neither an object, nor a mapping, nor a record", () => {
  strictEqual(
    message(v.object({}), []),
    "Cannot use a.json: expected an object, found []",
  );
  strictEqual(
    message(v.mapping({}), []),
    "Cannot use a.json: expected a mapping, found []",
  );
  strictEqual(
    message(v.record(v.unknown()), []),
    "Cannot use a.json: expected an object, found []",
  );
});

Deno.test("an object drops unknown keys, a mapping rejects them, a record keeps them", () => {
  const value = { a: 1, b: 2 };
  const a = { a: v.number() };
  deepStrictEqual(v.validate(v.object(a), value, { file }), { a: 1 });
  deepStrictEqual(v.validate(v.record(v.number()), value, { file }), value);
  strictEqual(
    message(v.mapping(a), value),
    "Cannot use a.json: b is not a known key; did you mean a? The keys are a",
  );
  strictEqual(
    message(v.mapping({ alpha: v.optional(v.number()) }), { "x.y": 2 }),
    'Cannot use a.json: ["x.y"] is not a known key; the keys are alpha',
  );
});

Deno.test("parseJson() throws the class of its source, and never quotes a secret", () => {
  const schema = v.object({ port: v.number() });
  const source = { file: "the secret", error: UsageError, isSecret: true };
  for (
    const [text, expected] of [
      ['{"port":"canary"}', "port should be a number, found another value"],
      ['"canary"', "expected an object, found another value"],
      ["{}", "port should be a number, found nothing"],
    ] as const
  ) {
    throws(() => v.parseJson(schema, text, source), {
      name: "UsageError",
      message: `Cannot use the secret: ${expected}`,
    });
  }
  throws(() => v.parseJson(schema, "canary", source), {
    name: "UsageError",
    message: "Cannot parse the secret: it is not JSON",
  });
});

Deno.test("parseJson() rejects bytes that are not UTF-8, and names the file", () => {
  throws(
    () => v.parseJson(v.string(), new Uint8Array([0x22, 0xff, 0x22]), { file }),
    /^InputError: Cannot parse a\.json: /,
  );
});

Deno.test("match() and matchJson() return undefined for anything else", () => {
  strictEqual(v.match(v.string(), 1), undefined);
  strictEqual(v.match(v.string(), "a"), "a");
  strictEqual(v.matchJson(v.number(), "1"), 1);
  strictEqual(v.matchJson(v.number(), "{"), undefined);
  strictEqual(v.matchJson(v.number(), '"1"'), undefined);
});
