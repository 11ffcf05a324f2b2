/** MLflow's rules, held against MLflow 3.17.2's own validation of the same names. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { planPromotion } from "../../lib/mlflow/promotion.ts";
import type { ModelVersion } from "../../lib/mlflow/store.ts";
import { toPythonJson } from "../../lib/mlflow/json.ts";
import { parseModelUri } from "../../lib/mlflow/model-uri.ts";
import {
  appendToUri,
  checkAlias,
  checkExperimentName,
  checkKey,
  checkLoggedModelName,
  checkModelName,
  parseStage,
} from "../../lib/mlflow/validation.ts";
import {
  parseSchema,
  toColumnSpec,
  toSchemaJson,
} from "../../lib/mlflow/model-folder/signature.ts";
import {
  checkDataset,
  checkExperimentTag,
  checkMetric,
  checkRegistryTag,
  fitAll,
  storedMetricValue,
} from "../../lib/mlflow/values.ts";
import { runPython, testWithPython } from "../support/python.ts";

const long = (length: number) => "n".repeat(length);

/** Texts that have broken, or could break, a rule about names. */
const texts = [
  "a",
  "test/roc_auc",
  "a b.c-d_e:f",
  "naïve",
  "Größe",
  "数",
  "१२",
  "²",
  "e\u0301",
  "🙂",
  "",
  " ",
  "  ",
  ".",
  "..",
  "..a",
  "./a",
  "a/./b",
  "a/../b",
  "a//b",
  "a/",
  "/a",
  "a%b",
  "a*b",
  'a"b',
  "a'b",
  "a\\b",
  "a,b",
  "a(b)",
  "a@b",
  "a=b",
  "a\tb",
  "a\u0000b",
  "latest",
  "LATEST",
  "v1",
  "V12",
  "v1a",
  "vv1",
  "version-1",
  "champion",
  "promotion.2026-11-23T12:00:00.000Z",
  "promotion.2026-11-23T12-00-00.000Z",
  long(250),
  long(251),
  long(255),
  long(256),
  long(500),
  long(501),
  "é".repeat(250),
  "🙂".repeat(251),
];

const stages = [
  "none",
  "NONE",
  "Staging",
  "production",
  "archived",
  "Prod",
  "",
];

const uris = [
  ["s3://bucket/root", "1"],
  ["s3://bucket/root/", "1"],
  ["s3://bucket", "1"],
  ["s3://bucket/", "1"],
  ["s3://bucket/root?a=b", "1"],
  ["mlflow-artifacts:/7", "1"],
  ["/var/lib/mlflow", "1"],
  ["relative/path", "1"],
  ["file:///a/b", "1"],
] as const;

const modelUris = [
  "models:/churn/3",
  "models:/churn/007",
  "models:/churn/Production",
  "models:/churn/STAGING",
  "models:/churn/latest",
  "models:/churn/Latest",
  "models:/churn@champion",
  "models:/a@b@champion",
  "models:/churn@",
  "models:/m-0123456789abcdef0123456789abcdef",
  "models://host/churn/3",
  "models:///churn/3",
  "models:/a/b/c",
  "models:/",
  "models:/churn/",
  "models:churn/3",
  "runs:/a/b",
  "models:/churn naïve/3",
];

/** Frames that pandas makes of rows, one a list of column names. */
const frames: Record<string, unknown>[][] = [
  [{ a: 1, b: 1.5, c: true, d: "x" }, { a: 2, b: 2, c: false, d: "y" }],
  [{ a: 1, b: null, c: 0 }, { a: null, b: 2.5, c: -3 }],
  [{ a: 1.5, b: 1e300, c: -0.5 }],
  [{ a: true, b: "x" }, { a: null, b: null }],
];

/** Frames that XGBoost takes; it says `float`, `int` or `i` of their columns. */
const numberFrames: Record<string, unknown>[][] = [
  [{ a: 1, b: 1.5, c: true }, { a: 2, b: 2, c: false }],
  [{ a: 1, b: null, c: 0 }, { a: null, b: 2.5, c: -3 }],
  [{ a: 1.5, b: 1e30, c: -0.5 }],
];

/** True for every text that the check lets pass. */
const accepts = (check: (text: string) => void) =>
  texts.map((text) => {
    try {
      check(text);
      return true;
    } catch (error) {
      if (error instanceof InputError) return false;
      throw error;
    }
  });

const script = `
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
import xgboost as xgb
from mlflow.entities.model_registry.model_version_stages import get_canonical_stage
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.utils import validation as v
from mlflow.utils.uri import append_to_uri_path

asked = json.loads(sys.argv[1])

def accepts(check):
    def once(text):
        try:
            check(text)
            return True
        except MlflowException:
            return False
    return [once(text) for text in asked["texts"]]

def alias(text):
    v._validate_model_alias_name(text)
    v._validate_model_alias_name_reserved(text)

def stage(text):
    try:
        return get_canonical_stage(text)
    except MlflowException:
        return None

def model_uri(text):
    try:
        return list(_parse_model_uri(text))
    except MlflowException:
        return None

print(json.dumps({
    "metric": accepts(lambda t: v._validate_metric(t, 1.0, 1, 0)),
    "param": accepts(lambda t: v._validate_param(t, "x")),
    "tag": accepts(lambda t: v._validate_tag(t, "x")),
    "registryTag": accepts(lambda t: v._validate_model_version_tag(t, "x")),
    "experimentTag": accepts(lambda t: v._validate_experiment_tag(t, "x")),
    "experiment": accepts(v._validate_experiment_name),
    "model": accepts(v._validate_model_name),
    "loggedModel": accepts(v._validate_logged_model_name),
    "alias": accepts(alias),
    "stages": [stage(t) for t in asked["stages"]],
    "uris": [append_to_uri_path(*t) for t in asked["uris"]],
    "modelUris": [model_uri(t) for t in asked["modelUris"]],
    "signatures": [infer_signature(pd.DataFrame(f)).inputs.to_json() for f in asked["numberFrames"]],
    "types": [xgb.DMatrix(pd.DataFrame(f)).feature_types for f in asked["numberFrames"]],
    "json": [json.dumps(f) for f in asked["frames"]],
}))
`;

/** Our reading of a model URI in the words of MLflow's \`ParsedModelUri\`: id, name, version, stage, alias. */
function readUri(uri: string): unknown {
  try {
    const found = parseModelUri(uri);
    if (found.kind === "model") return [found.modelId, null, null, null, null];
    return [
      null,
      found.name,
      found.kind === "version" ? found.version : null,
      found.kind === "stage" ? found.stage : null,
      found.kind === "alias" ? found.alias : null,
    ];
  } catch {
    return null;
  }
}

/** MLflow keeps version and stage as they were written, and refuses them later. */
function canonical(parsed: (string | null)[] | null): unknown {
  if (parsed === null) return null;
  const [modelId, name, version, stage, alias] = parsed;
  return [
    modelId,
    name,
    version === null ? null : Number(version),
    stage ? parseStage(stage) : null,
    alias,
  ];
}

testWithPython(
  "the rules accept and reject what MLflow 3.17.2 does",
  async (t) => {
    // No argument can hold a NUL; it is tried below, without Python.
    const asked = {
      texts: texts.filter((text) => !text.includes("\u0000")),
      stages,
      uris,
      modelUris,
      frames,
      numberFrames,
    };
    const { stdout } = await runPython("mlflow-3.17.2", script, {
      args: [JSON.stringify(asked)],
    });
    const theirs = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    const checks: Record<string, (text: string) => void> = {
      metric: (key) => checkMetric({ key, value: 1, timestampMs: 1 }),
      param: (key) => fitAll("param", { [key]: "x" }, () => {}),
      tag: (key) => fitAll("tag", { [key]: "x" }, () => {}),
      registryTag: (key) => checkRegistryTag(key, "x"),
      experimentTag: (key) => checkExperimentTag(key, "x"),
      experiment: checkExperimentName,
      model: checkModelName,
      loggedModel: checkLoggedModelName,
      alias: checkAlias,
    };
    for (const [kind, check] of Object.entries(checks)) {
      await t.step(kind, () => {
        const ours = accepts(check).filter((_, index) =>
          !texts[index]?.includes("\u0000")
        );
        const words = (accepted: boolean[]) =>
          accepted.map((yes, index) =>
            `${yes} ${JSON.stringify(asked.texts[index])}`
          );
        deepStrictEqual(words(ours), words(theirs[kind]));
      });
    }
    await t.step("parseStage()", () => {
      const ours = stages.map((text) => {
        try {
          return parseStage(text);
        } catch {
          return null;
        }
      });
      deepStrictEqual(ours, theirs.stages);
    });
    await t.step("appendToUri()", () => {
      deepStrictEqual(
        uris.map(([uri, segment]) => appendToUri(uri, segment)),
        theirs.uris,
      );
    });
    await t.step("parseModelUri()", () => {
      for (const [index, uri] of modelUris.entries()) {
        deepStrictEqual(readUri(uri), canonical(theirs.modelUris[index]), uri);
      }
    });
    await t.step(
      "toColumnSpec() maps XGBoost's types as MLflow infers them from the same frame",
      () => {
        const ours = numberFrames.map((rows, index) =>
          toSchemaJson(
            Object.keys(rows[0] ?? {}).map((name, at) =>
              toColumnSpec({
                name,
                modelType: theirs.types[index][at],
                values: rows.map((row) => row[name]),
              })
            ),
          )
        );
        deepStrictEqual(ours, theirs.signatures);
      },
    );
    await t.step("toPythonJson()", () => {
      // Python writes a whole float as 1e+300, JavaScript too; both read alike.
      deepStrictEqual(frames.map((rows) => toPythonJson(rows)), theirs.json);
    });
  },
);

Deno.test("checkKey() rejects a NUL character", () => {
  throws(() => checkKey("tag", "a\u0000b"), InputError);
});

Deno.test("fitAll() truncates params and tags to 6000 and 8000 characters, counted as in Python", () => {
  const warnings: string[] = [];
  const fit = (kind: "param" | "tag", value: string) =>
    fitAll(kind, { p: value }, (text) => warnings.push(text))["p"] ?? "";
  strictEqual([...fit("param", "🙂".repeat(6001))].length, 6000);
  deepStrictEqual(warnings, [
    'The param "p" has 6001 characters; MLflow stores the first 6000',
  ]);
  strictEqual([...fit("param", "🙂".repeat(6000))].length, 6000);
  strictEqual(warnings.length, 1);
  strictEqual(fit("tag", "x".repeat(9000)).length, 8000);
});

Deno.test("storedMetricValue() keeps every finite number", () => {
  for (const value of [0, -0, 5e-324, -1.5, Number.MAX_VALUE]) {
    deepStrictEqual(storedMetricValue(value), { value, isNan: false });
  }
});

Deno.test("checkMetric() rejects times and steps that are not whole numbers", () => {
  const metric = { key: "a", value: 1, timestampMs: 1 };
  for (const timestampMs of [-1, 1.5, NaN, Infinity]) {
    throws(() => checkMetric({ ...metric, timestampMs }), /its time is/);
  }
  throws(() => checkMetric({ ...metric, step: 0.5 }), /its step is/);
});

Deno.test("checkDataset() names the part that is too long", () => {
  const dataset = {
    name: "d",
    digest: "1",
    sourceType: "s3",
    source: "{}",
    context: "scoring",
  };
  checkDataset({ ...dataset, digest: "x".repeat(36) });
  throws(
    () => checkDataset({ ...dataset, digest: "x".repeat(37) }),
    /its digest: it has 37 characters and MLflow allows 36/,
  );
});

Deno.test("toColumnSpec() prefers the model's type, then booleans in the sample, then double", () => {
  const cases: [string | undefined, unknown[], string, boolean][] = [
    ["float", [true, false], "double", true],
    ["float", [1, 2], "double", true],
    ["q", [1], "double", true],
    ["int", [1, 2], "long", true],
    ["int", [1, null], "double", false],
    ["i", [0, 1], "boolean", true],
    ["i", [true, null], "double", false],
    ["c", [0, 1], "double", true],
    [undefined, [1, 2], "double", true],
    [undefined, [true, false], "boolean", true],
    [undefined, [null, undefined], "double", false],
  ];
  for (const [modelType, values, type, required] of cases) {
    deepStrictEqual(toColumnSpec({ name: "x", modelType, values }), {
      kind: "column",
      name: "x",
      type,
      required,
    });
  }
});

Deno.test("parseModelUri() rejects a URI without a name or a version, and shows valid forms", () => {
  throws(() => parseModelUri("models:/@champion"), /expected models:\/NAME/);
  throws(
    () => parseModelUri("models:/churn"),
    /has no version; write models:\/churn\/3/,
  );
});

const version: ModelVersion = {
  name: "churn",
  version: 1,
  stage: "None",
  aliases: [],
  status: "READY",
  source: "models:/m-1",
  artifactUri: "s3://mlflow/1",
  runId: undefined,
  modelId: "m-1",
  description: undefined,
  tags: {},
  createdMs: 0,
};

Deno.test("a promotion's tag has a key that MLflow 2.9.2 accepts, unique within the same millisecond", () => {
  const timeMs = Date.UTC(2026, 10, 23, 12);
  const promotion = {
    version: 1,
    alias: "champion",
    stage: "Production",
    by: "bob",
    timeMs: timeMs + 1000,
  } as const;
  const state = { target: version, from: undefined, inStage: [] };
  const plan = planPromotion(promotion, state);
  // _VALID_PARAM_AND_METRIC_NAMES of mlflow/utils/validation.py 2.9.2, which holds for the tags of versions.
  strictEqual(/^[/\w.\- ]*$/.test(plan.tag.key), true);
  strictEqual(plan.tag.key, "promotion.2026-11-23T12-00-01.000Z");
  const tags = { [plan.tag.key]: plan.tag.value };
  const target = { ...version, tags };
  const again = planPromotion(promotion, { ...state, target });
  strictEqual(again.tag.key, "promotion.2026-11-23T12-00-01.001Z");
});

Deno.test("a signature for MLflow before 2.10 has the form of mlflow/types/schema.py 2.9.2", () => {
  const schema = [
    { kind: "column", name: "a", type: "double", required: true },
    { kind: "column", name: "b", type: "long", required: false },
    { kind: "column", name: undefined, type: "float", required: true },
  ] as const;
  const text = toSchemaJson(schema, { writesRequired: false });
  // Measured: Schema.from_json(TEXT).to_json() of MLflow 2.9.2 gives the two named columns back, and the unnamed one.
  strictEqual(
    text,
    '[{"type": "double", "name": "a"}, {"type": "long", "name": "b", "optional": true}, {"type": "float"}]',
  );
  deepStrictEqual(parseSchema(text), schema);
  deepStrictEqual(parseSchema(toSchemaJson(schema)), schema);
});
