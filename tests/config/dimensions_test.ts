/** Dimensions besides geography and company: their names, flags, and what stays as it was. */
import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import { UsageError } from "../../lib/base/errors.ts";
import { commands } from "../../lib/config/commands.ts";
import { toMatrix } from "../../lib/cli/github-matrix.ts";
import { toVariant } from "../../lib/config/variant.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { trainingDateTags } from "../../lib/mlflow/tags.ts";
import { openProject } from "../support/project.ts";

const declared = {
  dimensions: ["brand", "tier"],
  variants: [
    {},
    { company: "Acme" },
    { company: "Acme", dimensions: { brand: "NJ" } },
    { geography: "US", dimensions: { tier: "Gold", brand: "NJ" } },
  ],
};

Deno.test("names have the dimensions in the order of their declaration, by analogy to geography and company", () => {
  const { listed } = toVariants(declared);
  const { variant } = listed[3]!;
  deepStrictEqual({ ...variant, dimensions: undefined }, {
    geography: "US",
    company: undefined,
    dimensions: undefined,
    key: "geography-us/brand-nj/tier-gold",
    title: "geography US, brand NJ, tier Gold",
    prefix: "geography-us/brand-nj/tier-gold/",
    experiment: "churn_prediction-geography-us-brand-nj-tier-gold",
    modelName: "churn-prediction-model-us-nj-gold",
    runName: "Model Logging - Geo: US - Brand: NJ - Tier: Gold",
    tags: { geography: "US", brand: "NJ", tier: "Gold" },
    flags: "--geography US --brand NJ --tier Gold",
  });
  // Without dimensions, everything is as in a file that declares none.
  const plain = toVariants({ variants: [{}, { company: "Acme" }] });
  deepStrictEqual(
    listed.slice(0, 2).map((each) => each.variant),
    plain.listed.map((each) => each.variant),
  );
});

Deno.test("settings() selects by all parts; an unlisted value has the settings of the top level", () => {
  const variants = toVariants({ ...declared, label: "left" });
  const key = (parts: Parameters<typeof variants.settings>[0]) =>
    variants.settings(parts).variant.key;
  strictEqual(
    key({ company: "acme", dimensions: { brand: "nj" } }),
    "company-acme/brand-nj",
  );
  const listed = variants.settings({
    company: "acme",
    dimensions: { brand: "nj" },
  });
  deepStrictEqual(listed.variant.tags, { company_id: "Acme", brand: "NJ" });
  strictEqual(key({ company: "acme" }), "company-acme");
  const other = variants.settings({ dimensions: { brand: "CO" } });
  deepStrictEqual([other.variant.key, other.label], ["brand-co", "left"]);
});

Deno.test("a dimension cannot have the name of a flag of any command, or of a tag that a variant or a model has", () => {
  const { tags } = toVariant({ geography: "EU", company: "ClientB" });
  const names = new Set([
    ...commands.flatMap(({ flags }) => Object.keys(flags)),
    ...["help", "version"], // of every command
    ...Object.keys({ ...tags, ...trainingDateTags(undefined, undefined) }),
    "geography_id", // a column, as company_id
  ]);
  ok(names.size > 50);
  for (const name of names) {
    throws(
      () => toVariants({ dimensions: [name], variants: [] }),
      /dimensions\[0\] should be a name such as brand: .* not the name of a flag or tag/,
      name,
    );
  }
});

Deno.test("names and values that cannot be used are refused", () => {
  const refused: [unknown, RegExp][] = [
    [{ dimensions: ["Brand"], variants: [] }, /dimensions\[0\]/],
    [{ dimensions: ["a", "a"], variants: [] }, /without repeats/],
    [
      { dimensions: ["player"], variants: [{ dimensions: { player: "x" } }] },
      /two columns "player_id"/,
    ],
    [
      { variants: [{ dimensions: { brand: "NJ" } }] },
      /"brand": "dimensions" .* declares none/,
    ],
    [
      { dimensions: ["brand"], variants: [{ dimensions: { brand: "N J" } }] },
      /Cannot use brand "N J"/,
    ],
    [{
      dimensions: ["brand"],
      variants: [{ company: "x" }, { dimensions: { brand: "x" } }],
    }, /share the modelName/],
  ];
  for (const [value, message] of refused) {
    throws(() => toVariants(value), (error) => {
      ok(error instanceof UsageError);
      match(error.message, message);
      return true;
    });
  }
});

Deno.test("a matrix filtered by geography and company has only variants without dimensions, unless one is named", () => {
  const keys = (wanted: Parameters<typeof toMatrix>[1]) =>
    toMatrix(toVariants(declared), wanted).include.map(({ key }) => key);
  strictEqual(keys({}).length, 4);
  deepStrictEqual(keys({ geography: "-", company: "Acme" }), ["company-acme"]);
  deepStrictEqual(keys({ geography: "-", company: "-" }), ["base"]);
  deepStrictEqual(keys({ company: "acme" }), [
    "company-acme",
    "company-acme/brand-nj",
  ]);
  deepStrictEqual(keys({ dimensions: { brand: "nj" } }), [
    "company-acme/brand-nj",
    "geography-us/brand-nj/tier-gold",
  ]);
  deepStrictEqual(
    keys({ geography: "-", company: "Acme", dimensions: { brand: "NJ" } }),
    ["company-acme/brand-nj"],
  );
  deepStrictEqual(keys({ dimensions: { brand: "-" } }), [
    "base",
    "company-acme",
  ]);
  const nj = { dimensions: { brand: "NJ" } };
  throws(() => keys({ geography: "US", company: "-", ...nj }), /Cannot find/);
  strictEqual(
    keys({
      geography: "US",
      company: "-",
      dimensions: { brand: "NJ", tier: "gold" },
    }).length,
    1,
  );
  throws(() => keys({ dimensions: { brand: "ZZ" } }), /Cannot find brand ZZ/);
});

Deno.test("the flag --brand selects a variant in every command, and its scores are its own", async () => {
  await using project = await openProject(
    "dimensions: [brand]\nvariants: [{ dimensions: { brand: NJ } }]\n" +
      "recipe: { one_hot: [{ column: brand_id }, { column: ben_login_id }, { column: player_reg_product }] }\n",
  );
  const { files, path, run } = project;
  for (const kind of ["models", "data"]) {
    await Deno.mkdir(`${path}/${kind}/brand-nj`);
    await Deno.symlink(
      `${path}/${kind}/geography-us/churn`,
      `${path}/${kind}/brand-nj/churn`,
    );
  }
  const scored = await run("predict", ["--brand", "nj"]);
  deepStrictEqual(
    [scored.report.variant, scored.report.model_name],
    ["brand-nj", "churn-prediction-model-nj"],
  );
  const output = `${files}/scores.csv`;
  await run("predict", [
    "--brand=NJ",
    "--period=2026-11-23",
    `--output=${output}`,
  ]);
  const [head = "", first = ""] = (await Deno.readTextFile(output)).split("\n");
  const at = head.split(",").indexOf("brand_id");
  strictEqual(first.split(",")[at], "NJ");
  const [{ tags }] = (await run("query", [
    "select string_agg(key || '=' || value, ' ') as tags from registered_model_tags where name = 'churn-prediction-model-nj' and key = 'brand'",
  ])).report.result;
  strictEqual(tags, "brand=NJ");
  const plan = await run("plan", ["--dimension", "brand=NJ"]);
  strictEqual(plan.report.variant, "brand-nj");
  const refused: Record<string, RegExp> = {
    "plan --brnad NJ": /^plan: unknown flag --brnad; did you mean --brand\?/,
    "plan --inptu x --brand NJ":
      /^plan: unknown flag --inptu; did you mean --input\?/,
    "plan --brand": /^plan: --brand VALUE is missing its value;/,
    "plan --brand --json": /^plan: --brand VALUE is missing its value /,
    "plan --brand NJ --brand CO":
      /^plan: --brand is given twice, "NJ" and "CO";/,
    "plan --dimension brand=NJ --brand CO": /once per name/,
    "plan --all --brand NJ": /Cannot use --all/,
    "predict --dimension brnad=NJ":
      /^predict: Cannot use the dimension "brnad"; did you mean "brand"\? "dimensions" in variants.yaml declares brand$/m,
    "matrix --dimension brnad=NJ":
      /^matrix: Cannot use the dimension "brnad"; did you mean "brand"\?/,
  };
  for (const [line, message] of Object.entries(refused)) {
    const [name = "", ...args] = line.split(" ");
    const { stderr, report } = await run(name, args, 2);
    match(stderr, message, line);
    strictEqual(report.exit_code, 2);
  }
  match(
    (await run("history", ["--brand=NJ", "--", "--brand"], 1)).stderr,
    /no score of player "--brand" of brand NJ/,
  );
  const { report } = await run("matrix", ["--brand", "NJ"]);
  strictEqual(report.matrix.include[0].flags, "--brand NJ");
});
