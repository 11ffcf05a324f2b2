/** `variants.schema.json`: generated from the schema that the commands use, and accepted or refused by Ajv 8.20.0 as the commands do. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
// deno-lint-ignore no-import-prefix -- only this test needs it
import { Ajv, type ErrorObject } from "npm:ajv@8.20.0";
import { UsageError } from "../../lib/base/errors.ts";
import { parseYaml } from "../../lib/base/yaml.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { toVariantsSchema } from "../../lib/config/variants-schema.ts";

const read = (name: string) =>
  Deno.readTextFile(new URL(`../../${name}`, import.meta.url));
const committed = await read("variants.schema.json");
const isValid = new Ajv({ allowUnionTypes: true }).compile(
  JSON.parse(committed),
);

/** Where Ajv found something wrong; the last word of "is not a known key" for such a key. */
function check(text: string): string[] {
  isValid(parseYaml(text, { file: "variants.yaml" }));
  return (isValid.errors ?? []).map(toPlace);
}

function toPlace({ instancePath, params }: ErrorObject): string {
  const key = params["additionalProperty"] ?? params["missingProperty"];
  return key === undefined ? instancePath : `${instancePath}/${key}`;
}

Deno.test("variants.schema.json is what `deno task variants-schema` writes", () => {
  strictEqual(committed, toVariantsSchema());
});

Deno.test("the first line of variants.yaml names the schema for editors, and the schema accepts the file", async () => {
  const text = await read("variants.yaml");
  strictEqual(
    text.split("\n")[0],
    "# yaml-language-server: $schema=variants.schema.json",
  );
  deepStrictEqual(check(text), []);
});

Deno.test("every key has a description for editors", () => {
  const places = (value: unknown, at: string): string[] => {
    if (typeof value !== "object" || value === null) return [];
    const { properties = {} }: { properties?: Record<string, object> } = value;
    return [
      ...Object.entries(properties).flatMap(([key, own]) =>
        "description" in own ? [] : [`${at}.${key}`]
      ),
      ...Object.entries(value).flatMap(([key, own]) =>
        places(own, `${at}.${key}`)
      ),
    ];
  };
  deepStrictEqual(places(JSON.parse(committed), ""), []);
});

Deno.test("the schema accepts what the commands accept", () => {
  for (
    const text of [
      "variants: []",
      "variants: [{}, { geography: US, company: b }]",
      "{ label: , files: , variants: [{ geography: , recipe: }] }",
      "{ missing_value: -999.5, variants: [{ id_column: none }] }",
      "variants: [{ positive_class: true }]",
      "variants: [{ positive_class: 3 }]",
      'variants: [{ positive_class: "007", model_output: probability }]',
      "variants: [{ recipe: { one_hot: [{ column: a, prefix: a., categories: [x, y], unknown: 0.25 }] } }]",
      "variants: [{ recipe: { one_hot: [{ column: a, unknown: error }, { column: b, unknown: none }] } }]",
      "variants: [{ recipe: { steps: [{ rename: { a: b } }, { default: { b: 0, c: x } }, { log1p: { column: b } }] } }]",
      "variants: [{ recipe: { steps: [{ map: { column: a, to: b, values: { x: 1, y: false }, unknown: error } }] } }]",
      "variants: [{ recipe: { steps: [{ ratio: { numerator: a, denominator: b, to: c } }, { clip: { column: c, max: 1 } }] } }]",
      "variants: [{ promotion: { min_auc_gain: -0.1, max_log_loss_increase: 1e-3 } }]",
      'variants: [{ outcomes: { files: "o/{period}.csv", maturity_days: 28, threshold: 0.3 } }]',
      "{ outcomes: { table: t, as_of_column: d, maturity_days: 0 }, variants: [{ outcomes: }] }",
      "variants: [{ experiment: e, model_name: m, model_uri: models:/m/1, files: { evaluation: e.jsonl } }]",
    ]
  ) {
    toVariants(parseYaml(text, { file: "variants.yaml" }));
    deepStrictEqual(check(text), [], text);
  }
});

Deno.test("the schema rejects what the commands reject, at the same position", () => {
  const step = (text: string) =>
    `variants: [{ recipe: { one_hot: [{ column: b, ${text} }] } }]`;
  const steps = (text: string) =>
    `variants: [{ recipe: { steps: [${text}] } }]`;
  for (
    const [text, place] of [
      ["[]", ""],
      ["{}", "/variants"],
      ["variants: US", "/variants"],
      ["variants: [US]", "/variants/0"],
      ["variants: [{ geograhpy: US }]", "/variants/0/geograhpy"],
      ["{ variants: [], labl: x }", "/labl"],
      ["{ variants: [], files: [] }", "/files"],
      ["variants: [{ geography: 7 }]", "/variants/0/geography"],
      ['variants: [{ label: "" }]', "/variants/0/label"],
      ["variants: [{ files: { modle: x } }]", "/variants/0/files/modle"],
      ["variants: [{ missing_value: x }]", "/variants/0/missing_value"],
      ["variants: [{ positive_class: 0.5 }]", "/variants/0/positive_class"],
      ["variants: [{ model_output: label }]", "/variants/0/model_output"],
      [
        "variants: [{ outcomes: { table: t, period_column: w } }]",
        "/variants/0/outcomes/maturity_days",
      ],
      [
        "variants: [{ outcomes: { table: t, as_of: w, maturity_days: 1 } }]",
        "/variants/0/outcomes/as_of",
      ],
      [
        "variants: [{ promotion: { min_auc: 1 } }]",
        "/variants/0/promotion/min_auc",
      ],
      [
        "variants: [{ recipe: { one_hot: [{}] } }]",
        "/variants/0/recipe/one_hot/0/column",
      ],
      [
        step("categories: [NO, 1]"),
        "/variants/0/recipe/one_hot/0/categories/1",
      ],
      [step("categories: []"), "/variants/0/recipe/one_hot/0/categories"],
      [step("categories: [a, a]"), "/variants/0/recipe/one_hot/0/categories"],
      [step("unknown: 2"), "/variants/0/recipe/one_hot/0/unknown"],
      [steps("{ lgo1p: {} }"), "/variants/0/recipe/steps/0/lgo1p"],
      [steps("{}"), "/variants/0/recipe/steps/0"],
      [
        steps("{ log1p: { column: a }, rename: { a: b } }"),
        "/variants/0/recipe/steps/0",
      ],
      [steps("{ rename: {} }"), "/variants/0/recipe/steps/0/rename"],
      [steps("{ rename: { a: 1 } }"), "/variants/0/recipe/steps/0/rename/a"],
      [
        steps("{ ratio: { numerator: a, denominator: b } }"),
        "/variants/0/recipe/steps/0/ratio/to",
      ],
    ] as const
  ) {
    throws(
      () => toVariants(parseYaml(text, { file: "variants.yaml" })),
      UsageError,
      text,
    );
    const found = check(text);
    strictEqual(found.includes(place), true, `${text}: ${found}`);
  }
});
