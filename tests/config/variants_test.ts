import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import { UsageError } from "../../lib/base/errors.ts";
import { thresholds } from "../../lib/config/monitoring.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { parseYaml } from "../../lib/base/yaml.ts";

const parse = (text: string) =>
  toVariants(parseYaml(text, { file: "variants.yaml" }));

/** Throws a UsageError whose message names the place. */
function refuses(text: string, message: RegExp): void {
  throws(() => parse(text), (error) => {
    strictEqual((error as Error).constructor, UsageError);
    match((error as Error).message, message);
    return true;
  });
}

Deno.test("toVariants() reads the shipped variants.yaml", async () => {
  const file = new URL("../../variants.yaml", import.meta.url);
  const { listed, settings } = parse(await Deno.readTextFile(file));
  deepStrictEqual(listed.map(({ variant }) => variant.key), [
    "base",
    "geography-us",
    "geography-eu/company-clientb",
    "company-clienta",
  ]);
  const { files, label, idColumn, recipe, modelUri } = settings({});
  deepStrictEqual(files, {
    model: "models/churn/xgb_churn_model_2.bin",
    features: "data/churn/feature_names_3.json",
    sample: "data/churn/X_test_sample_2.json",
    evaluation: "data/churn/evaluation.jsonl",
  });
  strictEqual(label, "churned");
  strictEqual(idColumn, "player_id");
  strictEqual(modelUri, "models:/churn-prediction-model/Production");
  deepStrictEqual(recipe.oneHot.map(({ column }) => column), [
    "brand_id",
    "ben_login_id",
    "player_reg_product",
  ]);
});

Deno.test("toVariants() replaces a default as a whole", () => {
  const { listed, settings } = parse(`
label: left
files: { model: a.bin, evaluation: e.jsonl }
variants:
  - {}
  - geography: US
    label: gone
    files: { model: b.bin }
    model_uri: models:/churn-prediction-model-us@challenger
`);
  const [base, us] = listed;
  deepStrictEqual([base!.label, us!.label], ["left", "gone"]);
  deepStrictEqual([base!.files.model, us!.files.model], ["a.bin", "b.bin"]);
  deepStrictEqual([base!.files.evaluation, us!.files.evaluation], [
    "e.jsonl",
    undefined,
  ]);
  strictEqual(us!.modelUri, "models:/churn-prediction-model-us@challenger");
  strictEqual(settings({ geography: "DK" }).label, "left");
});

Deno.test("settings() returns the spelling in the list, whatever the flag's", () => {
  const { settings } = parse(
    "variants: [{ geography: EU, company: ClientB }]",
  );
  const { variant } = settings({ geography: "eu", company: "CLIENTB" });
  deepStrictEqual(variant.tags, { geography: "EU", company_id: "ClientB" });
  strictEqual(variant.flags, "--geography EU --company ClientB");
});

Deno.test("settings() keeps the names of an existing experiment and model", () => {
  const { settings } = parse(
    "variants: [{ geography: US, experiment: Churn 2024, model_name: churn_us }]",
  );
  const { variant, modelUri } = settings({ geography: "us" });
  strictEqual(variant.experiment, "Churn 2024");
  strictEqual(variant.modelName, "churn_us");
  strictEqual(modelUri, "models:/churn_us/Production");
});

Deno.test("settings() rejects a variant that would share another one's model or experiment", () => {
  const { settings } = parse("variants: [{ geography: us }]");
  throws(() => settings({ company: "US" }), /share the modelName/);
  const both = parse("variants: [{ geography: us, company: x }]");
  throws(
    () => both.settings({ geography: "us-company-x" }),
    /share the experiment/,
  );
});

Deno.test("toVariants() rejects two variants that share a name", () => {
  refuses(
    "variants: [{ geography: us }, { geography: US }]",
    /geography us and geography US share the key/,
  );
  refuses(
    "variants: [{ geography: us }, { company: us }]",
    /geography us and company us share the modelName "churn-prediction-model-us"/,
  );
  refuses(
    "variants: [{}, { geography: US, experiment: churn_prediction }]",
    /share the experiment "churn_prediction"/,
  );
});

Deno.test("toVariants() names the position of invalid values", () => {
  refuses("[]", /variants\.yaml: expected a mapping, found \[\]/);
  refuses("{}", /variants should be a list, found nothing/);
  refuses("variants: [US]", /variants\[0\] should be a mapping, found "US"/);
  refuses(
    "variants: [{ geograhpy: US }]",
    /variants\[0\]\.geograhpy is not a known key; did you mean geography\?/,
  );
  refuses(
    "{ variants: [], promotions: {} }",
    /: promotions is not a known key; did you mean promotion\?/,
  );
  refuses(
    "{ variants: [], files: [] }",
    /: files should be a mapping, found \[\]/,
  );
  refuses(
    "{ variants: [{ missing_value: .inf }] }",
    /a number, found Infinity/,
  );
  refuses(
    "{ variants: [{ positive_class: 0.5 }] }",
    /whole number, .*found 0.5/,
  );
  refuses(
    "variants: [{ expect: { rows_change: 50 } }]",
    /expect\.rows_change should be a share from 0 to 1, such as 0\.5 for 50 %, found 50/,
  );
  refuses(
    "variants: [{ geography: 7 }]",
    /\[0\]\.geography should be a string/,
  );
  refuses("variants: [{ geography: a/b }]", /Cannot use geography "a\/b"/);
  refuses("variants: [{ files: { modle: x } }]", /\[0\]\.files\.modle/);
  refuses("variants: [{ files: { model: 3 } }]", /\[0\]\.files\.model should/);
  refuses(
    "variants: [{ monitoring: { thresholds: { psi: { warn: 0.3 } } } }]",
    /monitoring\.thresholds\.psi in variants\.yaml: it warns at 0\.3 and fails at 0\.25; expected warn to be at most fail/,
  );
  refuses(
    "variants: [{ monitoring: { threshold: { psi: { warn: 0.3 } } } }]",
    /\[0\]\.monitoring\.threshold is not a known key; did you mean thresholds\?/,
  );
  refuses(
    "variants: [{ monitoring: { cool_down_days: -1 } }]",
    /\[0\]\.monitoring\.cool_down_days should be 0 or more days, found -1/,
  );
  refuses(
    "variants: [{ promotion: { min_auc: 1 } }]",
    /\[0\]\.promotion\.min_auc/,
  );
  refuses(
    "variants: [{ promotion: { min_auc_gain: .nan } }]",
    /min_auc_gain should be a number/,
  );
  refuses(
    "variants: [{ recipe: { one_hot: [{}] } }]",
    /one_hot\[0\]\.column should be the name of a column/,
  );
  refuses(
    "variants: [{ recipe: { onehot: [] } }]",
    /\[0\]\.recipe\.onehot/,
  );
});

Deno.test("every threshold that editors offer is applied, and all others stay", async () => {
  const file = new URL("../../variants.schema.json", import.meta.url);
  const { properties } = JSON.parse(await Deno.readTextFile(file))
    .properties.monitoring.properties.thresholds;
  const names = Object.keys(properties);
  ok(names.length > 15);
  for (const name of names) {
    const parts = properties[name].properties;
    const given = parts === undefined
      ? 7
      : Object.fromEntries(Object.keys(parts).map((part) => [part, 7]));
    const { listed } = toVariants({
      monitoring: { thresholds: { [name]: given } },
      variants: [{}],
    });
    const own = /^(.+)_distance$/.exec(name)?.[1];
    const expected: Record<string, unknown> = { ...thresholds };
    if (own !== undefined) expected[own] = { distance: 7 };
    else if (typeof given === "number") expected[name] = given;
    else expected[name] = { ...Object(expected[name]), ...given };
    deepStrictEqual(listed[0]!.monitoring.thresholds, expected, name);
  }
});

Deno.test("toVariants() uses the column and an underscore if a recipe has no prefix", () => {
  const { listed } = parse(
    "variants: [{ recipe: { one_hot: [{ column: brand }] } }]",
  );
  deepStrictEqual(listed[0]!.recipe.oneHot, [{
    column: "brand",
    prefix: "brand_",
    categories: undefined,
    unknownLimit: 0.5,
  }]);
});

Deno.test("toVariants() reads categories, limits, missing values, and id_column: none", () => {
  const step = (text: string) =>
    parse(`variants: [{ recipe: { one_hot: [{ column: b, ${text} }] } }]`)
      .listed[0]!.recipe.oneHot[0];
  deepStrictEqual(step('categories: [US, "1"]')?.categories, ["US", "1"]);
  strictEqual(step("unknown: error")?.unknownLimit, 0);
  strictEqual(step("unknown: none")?.unknownLimit, 1);
  strictEqual(step("unknown: 0.2")?.unknownLimit, 0.2);
  const { listed } = parse(
    "missing_value: -999\nvariants: [{}, { id_column: none, geography: US }]",
  );
  deepStrictEqual(listed.map(({ recipe }) => recipe.missingValue), [
    -999,
    -999,
  ]);
  deepStrictEqual(listed.map(({ idColumn }) => idColumn), [
    "player_id",
    undefined,
  ]);
  const bad = (text: string) =>
    `variants: [{ recipe: { one_hot: [{ column: b, ${text} }] } }]`;
  refuses(bad("categories: [NO, 1]"), /categories\[1\] should be a string/);
  refuses(bad("categories: []"), /categories should be a list/);
  refuses(bad("categories: [a, a]"), /without repeats, found "a"/);
  refuses(bad("unknown: 2"), /unknown should be error, none, or a share/);
  refuses(
    "variants: [{ missing_value: x }]",
    /missing_value should be a number/,
  );
});

Deno.test("toVariants() reads the steps of a recipe in their order", () => {
  const { listed } = parse(`
variants:
  - recipe:
      steps:
        - rename: { dep: deposit, constructor: __proto__ }
        - default: { deposit: 0, tier: none, vip: false }
        - map: { column: tier, values: { gold: 2, "1": x, true: 1 }, unknown: error }
        - map: { column: level, to: group, values: { 1: low } }
        - clip: { column: deposit, min: 0 }
        - log1p: { column: deposit, to: deposit_log }
        - ratio: { numerator: wins, denominator: bets, to: share }
        - days_between: { start: first, end: last, to: days }
`);
  const { steps } = listed[0]!.recipe;
  deepStrictEqual(steps, [
    {
      kind: "rename",
      names: { dep: "deposit", constructor: "__proto__" },
    },
    { kind: "default", values: { deposit: 0, tier: "none", vip: false } },
    {
      kind: "map",
      column: "tier",
      to: "tier",
      values: { 1: "x", gold: 2, true: 1 },
      unknownLimit: 0,
    },
    {
      kind: "map",
      column: "level",
      to: "group",
      values: { 1: "low" },
      unknownLimit: 0.5,
    },
    { kind: "clip", column: "deposit", to: "deposit", min: 0 },
    { kind: "log1p", column: "deposit", to: "deposit_log" },
    { kind: "ratio", numerator: "wins", denominator: "bets", to: "share" },
    { kind: "days_between", start: "first", end: "last", to: "days" },
  ]);
});

Deno.test("toVariants() names the step that is wrong, and what was expected", () => {
  const bad = (step: string) => `variants: [{ recipe: { steps: [${step}] } }]`;
  const at = "variants\\[0\\].recipe.steps\\[0\\]";
  for (
    const [step, message] of [
      [
        "{ lgo1p: { column: a } }",
        `${at}.lgo1p is not a known key; did you mean log1p\\? The keys are rename, default, map, clip, log1p, ratio, days_between`,
      ],
      [
        "{ log1p: { column: a }, clip: { column: a, min: 0 } }",
        `${at} should be a mapping with exactly one step \\(rename, .*days_between\\), found {`,
      ],
      ["{}", `${at} should be a mapping with exactly one step`],
      ["{ log1p: }", `${at} should be a mapping with exactly one step`],
      ["log1p", `${at} should be a mapping, found "log1p"`],
      ["{ rename: {} }", `${at}.rename should be a mapping of old names`],
      [
        "{ rename: { a: 3 } }",
        `${at}.rename.a should be the name of a column, found 3`,
      ],
      ["{ rename: [a, b] }", `${at}.rename should be a mapping of old names`],
      [
        "{ default: { a: [1] } }",
        `${at}.default.a should be a number, a string, true or false, found \\[1\\]`,
      ],
      ["{ default: { a: .inf } }", `${at}.default.a should be a number`],
      ["{ default: { a: null } }", `${at}.default.a should be a number`],
      [
        "{ map: { column: a } }",
        `${at}.map.values should be a mapping of labels to values, found nothing`,
      ],
      [
        "{ map: { column: a, values: { x: 1 }, unknown: 2 } }",
        `${at}.map.unknown should be error, none, or a share from 0 to 1, found 2`,
      ],
      [
        "{ clip: { column: a } }",
        `${at}.clip should be a mapping with min, max or both, min not above max, found`,
      ],
      ["{ clip: { column: a, min: 2, max: 1 } }", `${at}.clip should be`],
      ["{ clip: { column: a, min: x } }", `${at}.clip.min should be a number`],
      [
        "{ log1p: { to: a } }",
        `${at}.log1p.column should be the name of a column`,
      ],
      [
        "{ ratio: { numerator: a, denominator: b } }",
        `${at}.ratio.to should be the name`,
      ],
      [
        "{ days_between: { from: a, to: b, end: c } }",
        `${at}.days_between.(start should be the name|from is not a known key)`,
      ],
      ["{ add: { a: 1 } }", `${at}.add is not a known key`],
    ] as const
  ) {
    refuses(bad(step), new RegExp(message));
  }
});

Deno.test("toVariants() reads where outcomes are, and refuses what leaves their period open", () => {
  const outcomesOf = (text: string) =>
    parse(`{label: left, variants: [{outcomes: {${text}}}]}`).listed[0]!
      .outcomes;
  const { source, ...columns } = outcomesOf(
    "files: 'o/{period}.csv', maturity_days: 28",
  )!;
  strictEqual(source.kind, "files");
  deepStrictEqual(columns, {
    maturityDays: 28,
    periodColumn: undefined,
    asOfColumn: undefined,
    label: "left",
    idColumn: "player_id",
    durationColumn: undefined,
    threshold: 0.5,
  });
  deepStrictEqual(
    outcomesOf(
      `table: '"a ""b""".Out', as_of_column: day, id_column: p, label: y, duration_column: t, threshold: 0.3, maturity_days: 0`,
    ),
    {
      source: { kind: "table", table: { schema: 'a "b"', name: "Out" } },
      maturityDays: 0,
      periodColumn: undefined,
      asOfColumn: "day",
      label: "y",
      idColumn: "p",
      durationColumn: "t",
      threshold: 0.3,
    },
  );
  strictEqual(parse("variants: [{}]").listed[0]!.outcomes, undefined);
  const no = (text: string, message: RegExp) =>
    refuses(`variants: [{outcomes: {${text}}}]`, message);
  no(
    "files: o.csv",
    /outcomes.maturity_days should be a number, found nothing/,
  );
  no(
    "maturity_days: 1, period_column: w",
    /either "files" or "table", found neither/,
  );
  no(
    "files: o.csv, table: t, period_column: w, maturity_days: 1",
    /found both/,
  );
  no(
    "files: o.csv, maturity_days: 1",
    /which period an outcome belongs to; set "period_column" or "as_of_column", or write \{period\} into files/,
  );
  no(
    "table: o, maturity_days: 1",
    /which period an outcome belongs to; set "period_column" or "as_of_column"$/,
  );
  no(
    "table: a.b.c, period_column: w, maturity_days: 1",
    /outcomes.table "a.b.c"/,
  );
  no("table: 'a; b', period_column: w, maturity_days: 1", /outcomes.table/);
  no("files: /o, period_column: w, maturity_days: 1", /outcomes.files "\/o"/);
  no("table: t, period_column: w, maturity_days: 1.5", /whole number of days/);
  no(
    "table: t, period_column: w, maturity_days: 1, threshold: 2",
    /a probability from 0 to 1/,
  );
});
