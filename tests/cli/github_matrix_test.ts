import {
  deepStrictEqual,
  match,
  strictEqual,
  throws,
} from "node:assert/strict";
import { UsageError } from "../../lib/base/errors.ts";
import {
  mostJobs,
  toMatrix,
  type Wanted,
} from "../../lib/cli/github-matrix.ts";
import { toVariants, type Variants } from "../../lib/config/variants.ts";
import { parseYaml } from "../../lib/base/yaml.ts";
import { projectFolder, run } from "../support/tools.ts";

const variants = toVariants({
  variants: [
    {},
    { geography: "US" },
    { geography: "US", company: "ClientA" },
    { geography: "EU", company: "ClientB" },
    { company: "ClientA" },
  ],
});

function keys(wanted: Wanted, all: Variants = variants): string[] {
  return toMatrix(all, wanted).include.map(({ key }) => key);
}

Deno.test("toMatrix() lists every variant in the order of variants.yaml", () => {
  const all = [
    "base",
    "geography-us",
    "geography-us/company-clienta",
    "geography-eu/company-clientb",
    "company-clienta",
  ];
  deepStrictEqual(keys({}), all);
  deepStrictEqual(keys({ geography: "", company: "" }), all);
});

Deno.test("toMatrix() selects the listed variants of one geography or company, case-insensitively", () => {
  deepStrictEqual(keys({ geography: "us" }), [
    "geography-us",
    "geography-us/company-clienta",
  ]);
  deepStrictEqual(keys({ company: "CLIENTA" }), [
    "geography-us/company-clienta",
    "company-clienta",
  ]);
  deepStrictEqual(keys({ geography: "US", company: "ClientA" }), [
    "geography-us/company-clienta",
  ]);
});

Deno.test('toMatrix() reads "-" as: without one', () => {
  deepStrictEqual(keys({ geography: "-", company: "-" }), ["base"]);
  deepStrictEqual(keys({ geography: "US", company: "-" }), ["geography-us"]);
  deepStrictEqual(keys({ geography: "-" }), ["base", "company-clienta"]);
});

Deno.test("toMatrix() rejects an unlisted variant, and names the listed ones", () => {
  throws(() => toMatrix(variants, { geography: "DK" }), (error) => {
    strictEqual(error instanceof UsageError, true);
    match(String(error), /Cannot find geography DK .* base; geography US;/);
    return true;
  });
  throws(
    () => toMatrix(variants, { geography: "EU", company: "ClientA" }),
    /Cannot find geography EU, company ClientA/,
  );
  throws(() => toMatrix(variants, { geography: "us; rm -rf ." }), UsageError);
});

Deno.test("toMatrix() is empty, without an error, when no variant is listed", () => {
  deepStrictEqual(toMatrix(toVariants({ variants: [] })), { include: [] });
});

Deno.test("toMatrix() selects the variants whose model file changed, by its path in the repository", () => {
  const changed = [
    "models/README.md",
    "models/geography-eu/company-clientb/churn/xgb_churn_model_2.bin",
    "models/churn/manifest.json",
  ];
  deepStrictEqual(keys({ changed }), ["geography-eu/company-clientb"]);
  deepStrictEqual(keys({ changed: [] }), []);
});

Deno.test("toMatrix() returns the flags with which log-model reads the repository's files", () => {
  const all = toVariants({
    files: { evaluation: "data/churn/evaluation.jsonl" },
    variants: [{ geography: "US" }],
  });
  deepStrictEqual(toMatrix(all).include, [{
    title: "geography US",
    key: "geography-us",
    slug: "geography-us",
    flags: "--geography US",
    features: "data/churn/feature_names_3.json",
    files: [
      "--model models/geography-us/churn/xgb_churn_model_2.bin",
      "--features data/geography-us/churn/feature_names_3.json",
      "--sample data/geography-us/churn/X_test_sample_2.json",
      "--evaluation data/geography-us/churn/evaluation.jsonl",
    ].join(" "),
  }]);
});

Deno.test("toMatrix() gives every variant a unique slug", () => {
  const all = toVariants({
    variants: [
      { geography: "a-company-b", model_name: "one", experiment: "one" },
      { geography: "a", company: "b" },
    ],
  });
  const slugs = toMatrix(all).include.map(({ slug }) => slug);
  deepStrictEqual(slugs, ["geography-a-company-b", "geography-a.company-b"]);
});

Deno.test("toMatrix() allows 256 jobs and rejects one more", () => {
  const many = (count: number) =>
    toVariants({
      variants: Array.from({ length: count }, (_, n) => ({ company: `c${n}` })),
    });
  strictEqual(toMatrix(many(mostJobs)).include.length, 256);
  throws(() => toMatrix(many(mostJobs + 1)), /Cannot plan 257 jobs/);
});

Deno.test("matrix prints the jobs for the shipped variants.yaml as JSON, and rejects an unknown geography with exit code 2", async () => {
  const matrix = (...args: string[]) =>
    run("deno", ["task", "--quiet", "matrix", "--json", ...args]);
  const { stdout, code } = await matrix();
  strictEqual(code, 0);
  const listed = parseYaml(
    await Deno.readTextFile(`${projectFolder}variants.yaml`),
    { file: "variants.yaml" },
  ) as { variants: unknown[] };
  const plan = JSON.parse(stdout);
  strictEqual(plan.jobs, listed.variants.length);
  strictEqual(plan.matrix.include.length, plan.jobs);

  const refused = await matrix("--geography", "atlantis");
  strictEqual(refused.code, 2);
  strictEqual(JSON.parse(refused.stdout).exit_code, 2);
});
