/** The rules of CONTRIBUTING.md on who may import whom, checked against every import that there is. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path/posix";

/**
 * The rooms of the house, lowest first, with the one purpose of each. A file
 * imports only files of its own room and of rooms above this line.
 */
const rooms: Readonly<Record<string, string>> = {
  "lib/base/": "errors, digests, retries and texts: imports nothing of ours",
  "lib/statistics/": "formulas on numbers: classification, drift, profiles",
  "lib/model/": "any tree model or ONNX graph: bytes to scores",
  "lib/rows/": "files to rows, rows to the matrix of a model, scores to files",
  "lib/config/": "what users may set: environment, variants.yaml, flags",
  "lib/database/": "Postgres, real or embedded",
  "lib/aws/": "credentials, errors and secrets of AWS",
  "lib/storage/": "artifacts in a folder, in S3 or behind an MLflow server",
  "lib/mlflow/": "MLflow's runs, registry and model folders",
  "lib/services/": "everything outside the process, opened and set up",
  "lib/scoring/": "one batch: found, scored, stored once",
  "lib/registration/": "one model: checked, measured, logged, registered",
  "lib/monitoring/": "one scoring run: compared, judged, reported",
  "lib/checks/": "settings and services: looked at, judged, nothing changed",
  "lib/cli/": "one run of a command: started, reported, ended",
  "scripts/": "the stories",
};

/** The one file that imports each npm package. */
const owners: Readonly<Record<string, string>> = {
  "@aws-sdk/client-s3": "lib/storage/s3.ts",
  "@aws-sdk/client-secrets-manager": "lib/aws/secrets.ts",
  "@electric-sql/pglite": "lib/database/pglite.ts",
  "@electric-sql/pglite-socket": "lib/database/pglite.ts",
  "d3-scale": "lib/monitoring/page/charts.ts",
  "d3-shape": "lib/monitoring/page/charts.ts",
  hyparquet: "lib/rows/parquet.ts",
  "hyparquet-writer": "lib/rows/write.ts",
  "npm:@valibot/to-json-schema": "lib/config/variants-schema.ts",
  "npm:assemblyscript": "lib/model/kernel/build.ts",
  "onnxruntime-web": "lib/model/onnx/session.ts",
  pg: "lib/database/postgres.ts",
  valibot: "lib/base/schema.ts",
  yaml: "lib/base/yaml.ts",
};

/**
 * Modules that touch nothing outside their arguments: no file, network,
 * environment, process, clock or package. Whatever they import is of this list.
 */
const pure: readonly string[] = [
  "lib/registration/candidate.ts",
  "lib/registration/candidate-model.ts",
  "lib/registration/importance.ts",
  "lib/registration/library-scores.ts",
  "lib/monitoring/alert-message.ts",
  "lib/monitoring/alert-state.ts",
  "lib/monitoring/column-drift.ts",
  "lib/monitoring/columns.ts",
  "lib/monitoring/measure-columns.ts",
  "lib/monitoring/coverage.ts",
  "lib/monitoring/data.ts",
  "lib/monitoring/groups.ts",
  "lib/registration/compare.ts",
  "lib/config/",
  "lib/base/digest.ts",
  "lib/base/disk-errors.ts",
  "lib/base/display-width.ts",
  "lib/statistics/",
  "lib/base/errors.ts",
  "lib/monitoring/numbers.ts",
  "lib/monitoring/result.ts",
  "lib/rows/apply-steps.ts",
  "lib/rows/categories.ts",
  "lib/rows/cells.ts",
  "lib/rows/dates.ts",
  "lib/rows/encode.ts",
  "lib/rows/features.ts",
  "lib/rows/feature-names.ts",
  "lib/rows/number.ts",
  "lib/rows/one-hot.ts",
  "lib/rows/row-error.ts",
  "lib/rows/packed.ts",
  "lib/rows/steps.ts",
  "lib/monitoring/headline.ts",
  "lib/monitoring/html.ts",
  "lib/monitoring/page.ts",
  "lib/monitoring/page/",
  "lib/cli/github-matrix.ts",
  "lib/mlflow/json.ts",
  "lib/mlflow/validation.ts",
  "lib/mlflow/model-folder/signature.ts",
  "lib/mlflow/store.ts",
  "lib/mlflow/values.ts",
  "lib/model/",
  "lib/monitoring/outcomes.ts",
  "lib/monitoring/overview.ts",
  "lib/scoring/model-output.ts",
  "lib/monitoring/judge-performance.ts",
  "lib/monitoring/performance-text.ts",
  "lib/monitoring/performance.ts",
  "lib/base/phrases.ts",
  "lib/base/printable.ts",
  "lib/rows/recipe.ts",
  "lib/base/objects.ts",
  "lib/base/nearest.ts",
  "lib/base/redact.ts",
  "lib/base/schema.ts",
  "lib/base/wrap.ts",
  "lib/rows/json.ts",
  "lib/cli/github-summary.ts",
  "lib/rows/output.ts",
  "lib/rows/table.ts",
  "lib/monitoring/verdict.ts",
];

/** Files below a pure folder that are not: one runs a package, two write generated files. */
const impure = [
  "lib/model/onnx/session.ts",
  "lib/model/kernel/build.ts",
  "lib/config/variants-schema.ts",
];

/** A pure file that loads an impure one, only when a caller asks for it. */
const loader = "lib/model/mod.ts";

/** Modules of Node and packages that compute and reach nothing. */
const purePackages = [
  "d3-scale",
  "d3-shape",
  "node:assert/strict",
  "node:crypto",
  "node:path",
  "node:url",
  "node:util",
  "node:zlib",
  "valibot",
];

/** The only files that may do it, by what they do. */
const reserved: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly files: readonly string[];
}[] = [
  {
    what: "print",
    pattern: /\bconsole\s*\.|\bDeno\.(stdout|stderr)\b/,
    files: [
      "lib/cli/launch.ts",
      "lib/cli/mlflow-server.ts",
      "lib/cli/program.ts",
      "lib/cli/terminal.ts",
    ],
  },
  {
    what: "read the environment",
    pattern: /\bDeno\.env\b|\bprocess\.env\b|from "node:process"/,
    files: [
      "lib/cli/launch.ts",
      "lib/cli/terminal.ts",
      "lib/services/services.ts",
    ],
  },
  {
    what: "end the process",
    pattern: /\bDeno\.exit\b/,
    files: ["lib/cli/launch.ts", "lib/cli/program.ts"],
  },
  {
    what: "call a URL",
    pattern: /\bfetch\(/,
    files: ["lib/mlflow/http.ts", "lib/monitoring/webhook.ts"],
  },
  {
    what: "start threads",
    pattern: /\bnew Worker\b/,
    files: ["lib/scoring/score-file.ts"],
  },
  {
    what: "run programs",
    pattern: /\bDeno\.Command\b/,
    files: ["lib/cli/launch.ts", "lib/cli/mlflow-server.ts"],
  },
];

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A source file: what it imports, and its code without comments. */
interface Source {
  readonly path: string;
  /** Files of ours, as paths below the project. */
  readonly imports: readonly string[];
  /** Everything else, as it is written. */
  readonly packages: readonly string[];
  readonly code: string;
}

const sources = [...await readAll("lib"), ...await readAll("scripts")];

async function readAll(folder: string): Promise<Source[]> {
  const found: Source[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${root}${folder}`)) {
    const path = `${folder}/${name}`;
    // AssemblyScript is another language, compiled by the file beside it.
    if (isDirectory && name !== "assembly") found.push(...await readAll(path));
    if (name.endsWith(".ts")) found.push(await readSource(path));
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

async function readSource(path: string): Promise<Source> {
  const code = (await Deno.readTextFile(`${root}${path}`))
    .replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const specifiers = [
    ...code.matchAll(
      /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/gm,
    ),
    ...code.matchAll(/^\s*import\s*["']([^"']+)["']/gm),
    ...code.matchAll(/\bimport\(\s*["']([^"']+)["']/g),
    ...code.matchAll(
      /(?:new URL|import\.meta\.resolve)\(\s*["']([^"']+\.ts)["']/g,
    ),
  ].map(([, specifier]) => specifier!);
  const isOurs = (specifier: string) => specifier.startsWith(".");
  return {
    path,
    imports: specifiers.filter(isOurs).map((specifier) =>
      join(dirname(path), specifier)
    ),
    packages: specifiers.filter((specifier) => !isOurs(specifier)),
    code,
  };
}

const order = Object.keys(rooms);

/** The room of a file, as its place in the order; -1 where it has none. */
function roomOf(path: string): number {
  return order.findIndex((room) => path.startsWith(room));
}

/** The entry of `names` that a path belongs to: its folder, or the file itself. */
function moduleOf(path: string, names: readonly string[]): string | undefined {
  return names.find((name) =>
    name.endsWith("/") ? path.startsWith(name) : path === name
  );
}

/** `pg` of `pg/lib/x`, `@a/b` of `@a/b/c`, `npm:x` of `npm:x@1.0/y`. */
function packageOf(specifier: string): string {
  const scoped = /^(npm:)?(@[^/]+\/)?[^/@]+/.exec(specifier);
  return scoped?.[0] ?? specifier;
}

Deno.test("every file of lib and scripts is in a room, and no room is empty", () => {
  const homeless = sources.filter(({ path }) => roomOf(path) < 0);
  deepStrictEqual(homeless.map(({ path }) => path), []);
  const used = new Set(sources.map(({ path }) => roomOf(path)));
  deepStrictEqual(order.filter((_, room) => !used.has(room)), []);
});

Deno.test("a file imports only its own room and rooms below it", () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter((target) => roomOf(target) > roomOf(path))
      .map((target) => `${path} imports ${target}`)
  );
  deepStrictEqual(wrong, []);
});

Deno.test("the model library is imported only through mod.ts, and imports only base", () => {
  const room = "lib/model/";
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter((target) =>
      path.startsWith(room)
        ? !target.startsWith(room) && !target.startsWith("lib/base/")
        : target.startsWith(room) && target !== `${room}mod.ts`
    ).map((target) => `${path} imports ${target}`)
  );
  deepStrictEqual(wrong, []);
});

Deno.test("no import cycles exist", () => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    ok(!way.includes(path), `a cycle: ${[...way, path].join(" → ")}`);
    if (done.has(path)) return;
    for (const next of byPath.get(path)?.imports ?? []) {
      visit(next, [...way, path]);
    }
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
});

Deno.test("every import names an existing file outside the tests", () => {
  const paths = new Set(sources.map(({ path }) => path));
  paths.add("lib/model/kernel/assembly/kernel.ts"); // the compiler's input
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter((target) => !paths.has(target))
      .map((target) => `${path} imports ${target}`)
  );
  deepStrictEqual(wrong, []);
});

Deno.test("each npm package is imported only by its owner", () => {
  const found = sources.flatMap(({ path, packages }) =>
    packages.filter((name) => !name.startsWith("node:"))
      .map((name) => `${packageOf(name)} by ${path}`)
  );
  const expected = Object.entries(owners).map(([name, path]) =>
    `${name} by ${path}`
  );
  deepStrictEqual([...new Set(found)].sort(), expected.sort());
});

Deno.test("every package of deno.json has an owner", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const types = ["@types/d3-scale", "@types/d3-shape", "@types/pg"];
  deepStrictEqual(
    Object.keys(imports).filter((name) =>
      !(name in owners) && !types.includes(name)
    ),
    [],
  );
});

Deno.test("pure files import only pure files, and have no side effects", () => {
  const isPure = (path: string) =>
    moduleOf(path, pure) !== undefined && !impure.includes(path);
  const wrong = sources.filter(({ path }) => isPure(path)).flatMap((source) =>
    [
      ...source.path === loader
        ? []
        : source.imports.filter((target) => !isPure(target)),
      ...source.packages.filter((name) => !purePackages.includes(name)),
      ...source.code.match(
        /\bDeno\.\w+|\bfetch\(|\bperformance\.now|\bDate\.now\b|new Date\(\)|\bMath\.random\b/g,
      ) ?? [],
    ].map((what) => `${source.path} uses ${what}`)
  );
  deepStrictEqual(wrong, []);
  deepStrictEqual(
    pure.filter((name) =>
      !sources.some(({ path }) => moduleOf(path, pure) === name)
    ),
    [],
  );
});

for (const { what, pattern, files } of reserved) {
  Deno.test(`only the files listed here ${what}`, () => {
    const found = sources.filter(({ code }) => pattern.test(code));
    deepStrictEqual(found.map(({ path }) => path), [...files].sort());
  });
}
