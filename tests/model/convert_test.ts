/** The commands that error messages give for saved Python objects convert real ones, which then score as they did. */
import { match, ok, strictEqual } from "node:assert/strict";
import { messageOf } from "../../lib/base/errors.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

const train = `
import json, os, pickle, sys
import joblib, numpy as np, skops.io
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

os.chdir(sys.argv[1])
generator = np.random.default_rng(4)
X = generator.normal(size=(240, 4)).astype("float32")
y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
X[generator.random(X.shape) < 0.1] = np.nan
lightgbm = LGBMClassifier(n_estimators=5, verbose=-1).fit(X, y)
xgboost = XGBClassifier(n_estimators=5).fit(X, y)
forest = RandomForestClassifier(5).fit(np.nan_to_num(X), y)


def write(name, save, model, scores):
    os.makedirs(name)
    os.chdir(name)
    save(model)
    json.dump(None if scores is None else scores.tolist(), open("scores.json", "w"))
    os.chdir("..")


by_pickle = lambda model: pickle.dump(model, open("model.pkl", "wb"))
old_pickle = lambda model: pickle.dump(model, open("model.pkl", "wb"), protocol=2)
by_joblib = lambda model: joblib.dump(model, "model.joblib")
small_joblib = lambda model: joblib.dump(model, "model.joblib", compress=3)
by_skops = lambda model: skops.io.dump(model, "model.skops")
for way in by_pickle, old_pickle, by_joblib, small_joblib, by_skops:
    name = [key for key, value in globals().items() if value is way and key != "way"][0]
    write(f"{name}-lightgbm", way, lightgbm, lightgbm.predict_proba(X)[:, 1])
    write(f"{name}-xgboost", way, xgboost, xgboost.predict_proba(X)[:, 1])
    write(f"{name}-forest", way, forest, None)
write("by_pickle-booster", by_pickle, lightgbm.booster_, lightgbm.predict_proba(X)[:, 1])
np.savez("arrays.npz", X=X)
json.dump(np.where(np.isnan(X), None, X.astype(object)).ravel().tolist(), open("rows.json", "w"))
`;

testWithPython(
  "the commands in messages convert pickles, joblib and skops files of LightGBM and XGBoost",
  async (t) => {
    await using folder = await tempFolder();
    await runPython("mlflow-3.17.2", train, { args: [folder.path] });
    const read = (path: string) => Deno.readTextFile(`${folder.path}/${path}`);
    const cells: (number | null)[] = JSON.parse(await read("rows.json"));
    const matrix = Float32Array.from(cells, (cell) => cell ?? NaN);
    const refusal = async (path: string) => {
      try {
        parseModel(await Deno.readFile(`${folder.path}/${path}`));
      } catch (error) {
        return messageOf(error);
      }
      throw new Error(`${path} was read`);
    };
    const commands: string[] = [];
    const converted: { name: string; file: string }[] = [];
    const folders = Array.from(Deno.readDirSync(folder.path))
      .filter(({ isDirectory }) => isDirectory);
    for (const { name } of folders) {
      await t.step(`the message for ${name}`, async () => {
        const [source] = Array.from(
          Deno.readDirSync(`${folder.path}/${name}`),
          (entry) => entry.name,
        ).filter((file) => file !== "scores.json");
        const message = await refusal(`${name}/${source}`);
        const command = /python -c "([^"]+)"/.exec(message)?.[1] ?? "";
        if (name.endsWith("forest")) {
          return match(
            message,
            /of sklearn\.ensemble\._forest\.RandomForestClassifier.*to_onnx/,
          );
        }
        const inside = `${folder.path}/${name}`;
        // A joblib file without arrays is a pickle, and is called one.
        const loaded = /'(model\.\w+)'/.exec(command)?.[1];
        if (loaded !== source) {
          await Deno.copyFile(`${inside}/${source}`, `${inside}/${loaded}`);
        }
        commands.push(`os.chdir(${JSON.stringify(inside)}); ${command}`);
        const saved = /save_model\('([^']+)'/.exec(command)?.[1];
        converted.push({ name, file: `${name}/${saved}` });
      });
    }
    strictEqual(converted.length, 11);
    await runPython("mlflow-3.17.2", ["import os", ...commands].join("\n"));
    for (const { name, file } of converted) {
      await t.step(`${name} scores as before`, async () => {
        const scores: number[] = JSON.parse(await read(`${name}/scores.json`));
        const model = parseModel(
          await Deno.readFile(`${folder.path}/${file}`),
        );
        const { predictions } = evaluate(model, matrix, { rows: 240 });
        strictEqual(scores.length, 240);
        scores.forEach((score, row) =>
          ok(Math.abs(score - predictions[row]!) <= 1e-6, `row ${row}`)
        );
      });
    }
    match(await refusal("arrays.npz"), /NumPy archive \(\.npz\)/);
  },
);
