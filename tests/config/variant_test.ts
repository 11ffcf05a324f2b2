import { match, strictEqual, throws } from "node:assert/strict";
import { UsageError } from "../../lib/base/errors.ts";
import { commandFor, localPath, toVariant } from "../../lib/config/variant.ts";

const base = toVariant({});
const us = toVariant({ geography: "US" });
const euClientB = toVariant({ geography: "EU", company: "ClientB" });
const clientA = toVariant({ company: "ClientA" });

/** The table of names that dashboards, buckets and documents depend on. */
const names = [
  {
    variant: base,
    experiment: "churn_prediction",
    modelName: "churn-prediction-model",
    prefix: "",
    runName: "Model Logging",
    tags: {},
    key: "base",
    flags: "",
  },
  {
    variant: us,
    experiment: "churn_prediction-geography-us",
    modelName: "churn-prediction-model-us",
    prefix: "geography-us/",
    runName: "Model Logging - Geo: US",
    tags: { geography: "US" },
    key: "geography-us",
    flags: "--geography US",
  },
  {
    variant: euClientB,
    experiment: "churn_prediction-geography-eu-company-clientb",
    modelName: "churn-prediction-model-eu-clientb",
    prefix: "geography-eu/company-clientb/",
    runName: "Model Logging - Geo: EU - Company: ClientB",
    tags: { geography: "EU", company_id: "ClientB" },
    key: "geography-eu/company-clientb",
    flags: "--geography EU --company ClientB",
  },
  {
    variant: clientA,
    experiment: "churn_prediction-company-clienta",
    modelName: "churn-prediction-model-clienta",
    prefix: "company-clienta/",
    runName: "Model Logging - Company: ClientA",
    tags: { company_id: "ClientA" },
    key: "company-clienta",
    flags: "--company ClientA",
  },
];

for (const { variant, ...expected } of names) {
  Deno.test(`toVariant() derives the names of ${variant.title}`, () => {
    for (const [name, value] of Object.entries(expected)) {
      const found = variant[name as keyof typeof variant];
      strictEqual(JSON.stringify(found), JSON.stringify(value), name);
    }
  });
}

Deno.test("toVariant() folds the case of names and keeps the spelling of tags", () => {
  const spelled = toVariant({ geography: "uS", company: "CLIENTb" });
  const other = toVariant({ geography: "Us", company: "clientB" });
  for (const name of ["key", "prefix", "experiment", "modelName"] as const) {
    strictEqual(spelled[name], other[name]);
  }
  strictEqual(spelled.tags["geography"], "uS");
  strictEqual(spelled.tags["company_id"], "CLIENTb");
});

Deno.test("toVariant() keeps existing names", () => {
  const variant = toVariant({
    geography: "US",
    experiment: "Churn (old)",
    modelName: "old model",
  });
  strictEqual(variant.experiment, "Churn (old)");
  strictEqual(variant.modelName, "old model");
  strictEqual(variant.prefix, "geography-us/");
});

Deno.test("toVariant() rejects text that could change a path, a query or a command", () => {
  const refused = [
    "",
    " ",
    "-US",
    "_US",
    "US ",
    "US\n",
    "../..",
    "a/b",
    "a.b",
    "a'b",
    'a"b',
    "a;b",
    "a$b",
    "ÅL",
    "US\0",
    "a".repeat(49),
  ];
  for (const part of refused) {
    for (const parts of [{ geography: part }, { company: part }]) {
      throws(() => toVariant(parts), (error) => {
        strictEqual((error as Error).constructor, UsageError);
        match((error as Error).message, /^Cannot use (geography|company) "/);
        return true;
      });
    }
  }
});

Deno.test("toVariant() accepts parts of the maximum length", () => {
  strictEqual(
    toVariant({ geography: "a".repeat(48) }).tags["geography"]?.length,
    48,
  );
});

Deno.test("commandFor() returns the command with the variant's flags", () => {
  strictEqual(commandFor("predict", base), "deno task predict");
  strictEqual(
    commandFor("log-model", euClientB),
    "deno task log-model --geography EU --company ClientB",
  );
});

Deno.test("localPath() inserts the prefix below the top folder", () => {
  const path = "models/churn/xgb_churn_model_2.bin";
  strictEqual(localPath(base, path), path);
  strictEqual(
    localPath(euClientB, path),
    "models/geography-eu/company-clientb/churn/xgb_churn_model_2.bin",
  );
  strictEqual(localPath(us, "sample.json"), "geography-us/sample.json");
});
