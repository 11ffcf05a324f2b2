/** Which names in the environment are reported as misspelled. */
import { deepStrictEqual, ok, throws } from "node:assert/strict";
import {
  findUnknownSettings,
  loadConfig,
} from "../../lib/config/environment.ts";
import { mlflowReleases } from "../support/mlflow.ts";
import { runPython, testWithPython } from "../support/python.ts";

Deno.test("every setting that the code reads is known, so that none is reported as misspelled", async () => {
  const names = new Set<string>();
  for (const file of ["environment", "network", "permissions"]) {
    const text = await Deno.readTextFile(
      new URL(`../../lib/config/${file}.ts`, import.meta.url),
    );
    for (
      const [name] of text.matchAll(
        /\b(?:MLFLOW|PREDICTIONS|CHURN|PGSSL|PGOPT)[A-Z0-9_]*[A-Z0-9]\b/g,
      )
    ) names.add(name);
  }
  ok(names.size > 25);
  // A name of a family, such as MLFLOW_*, is not a setting.
  const all = [...names].filter((name) => name.includes("_"));
  deepStrictEqual(findUnknownSettings(all), []);
});

Deno.test("findUnknownSettings() finds misspellings of settings, also of their prefix and in lower case", () => {
  const meant = {
    MLFLOW_S3_BUKET: "MLFLOW_S3_BUCKET",
    MLFLOW_TRACKNG_URI: "MLFLOW_TRACKING_URI",
    MLFOW_SECRET_NAME: "MLFLOW_SECRET_NAME",
    PREDICTION_DATABASE_URL: "PREDICTIONS_DATABASE_URL",
    CHRUN_HOME: "CHURN_HOME",
    mlflow_s3_bucket: "MLFLOW_S3_BUCKET",
    PGSSLMOD: "PGSSLMODE",
    CHURN_NOTHING_LIKE_IT: undefined,
  };
  deepStrictEqual(
    findUnknownSettings(Object.keys(meant)),
    Object.entries(meant).map(([name, meant]) => ({ name, meant })).sort((
      a,
      b,
    ) => a.name < b.name ? -1 : 1),
  );
});

Deno.test("findUnknownSettings() leaves libpq's and other programs' variables alone", () => {
  // Of libpq 17, shells and the AWS SDK.
  const others = [
    ...["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"],
    ...["PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGSSLSNI", "PGSSLNEGOTIATION"],
    ...["PATH", "HOME", "AWS_REGION", "AWS_PROFILE", "OPTIONS"],
  ];
  deepStrictEqual(findUnknownSettings(others), []);
});

for (const release of mlflowReleases) {
  testWithPython(
    `findUnknownSettings() leaves every variable of ${release} alone`,
    async () => {
      const { stdout } = await runPython(
        release,
        `import json, re, importlib.util
spec = importlib.util.find_spec("mlflow")
text = open(spec.submodule_search_locations[0] + "/environment_variables.py").read()
print(json.dumps(sorted(set(re.findall(r"\\bMLFLOW_[A-Z0-9_]+", text)))))`,
      );
      const names: string[] = JSON.parse(stdout);
      ok(names.length > 50);
      deepStrictEqual(findUnknownSettings(names), []);
    },
  );
}

Deno.test("loadConfig() warns of a misspelled setting, and names it if a setting is missing", () => {
  deepStrictEqual(loadConfig({ MLFLOW_S3_BUKET: "models" }).warnings, [
    "MLFLOW_S3_BUKET is not a known setting and is ignored; did you mean MLFLOW_S3_BUCKET?",
  ]);
  throws(
    () => loadConfig({ MLFLOW_S3_BUCKET: "models", MLFLOW_SECRET_NMAE: "x" }),
    /neither MLFLOW_TRACKING_URI nor MLFLOW_SECRET_NAME.*did you mean MLFLOW_SECRET_NAME\?/,
  );
});
