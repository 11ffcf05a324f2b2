/** The rules of CONTRIBUTING.md on who may import whom, checked against every import that there is. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path/posix";

/**
 * The modules, lowest first. A module imports only modules of rows above its
 * own; the files of one folder may import each other. A file belongs to the
 * longest name that begins its path, so that a new file in `lib/` itself needs a
 * line here, in the highest row that its imports allow.
 */
const rows: readonly (readonly string[])[] = [
  // Words and formulas: import nothing of ours.
  [
    "lib/digest.ts",
    "lib/distribution.ts",
    "lib/monitoring/drift.ts",
    "lib/errors.ts",
    "lib/folders.ts",
    "lib/monitoring/html.ts",
    "lib/metrics.ts",
    "lib/printable.ts",
    "lib/redact.ts",
    "lib/monitoring/verdict.ts",
  ],
  // Formats and rules, the databases, the runner of scripts: know errors and words.
  [
    "lib/aws.ts",
    "lib/config/",
    "lib/database/",
    "lib/featurenames.ts",
    "lib/model/",
    "lib/monitoring/coverage.ts",
    "lib/monitoring/profile.ts",
    "lib/recipe.ts",
    "lib/retry.ts",
    "lib/rows.ts",
    "lib/script.ts",
    "lib/summary.ts",
    "lib/table.ts",
    "lib/variant.ts",
    "lib/yaml.ts",
  ],
  // Stores and owners of packages: each knows its own place and format.
  [
    "lib/artifacts/",
    "lib/monitoring/columns.ts",
    "lib/commands.ts",
    "lib/config.ts",
    "lib/features.ts",
    "lib/mlflow/",
    "lib/model/onnxruntime.ts",
    "lib/output.ts",
    "lib/monitoring/performance.ts",
    "lib/predictions.ts",
    "lib/roles.ts",
    "lib/secrets.ts",
    "lib/variants.ts",
  ],
  // Composition from here on, step upon step.
  [
    "lib/candidate.ts",
    "lib/choice.ts",
    "lib/comparison.ts",
    "lib/connections.ts",
    "lib/monitoring/evidence.ts",
    "lib/monitoring/outcomes.ts",
    "lib/inputs.ts",
    "lib/modeloutput.ts",
    "lib/matrix.ts",
    "lib/schema.ts",
    "lib/source.ts",
  ],
  [
    "lib/modelfolder.ts",
    "lib/monitoring/runs.ts",
    "lib/monitoring/page.ts",
    "lib/proof.ts",
    "lib/services.ts",
  ],
  [
    "lib/cache.ts",
    "lib/candidatefiles.ts",
    "lib/logging.ts",
    "lib/monitoring/report.ts",
    "lib/monitoring/selection.ts",
    "lib/databases.ts",
    "lib/runner.ts",
    "lib/scorer.ts",
  ],
  ["lib/scoring.ts"],
  ["lib/batch.ts"],
  ["lib/measuring.ts", "lib/report.ts", "lib/monitoring/rows.ts"],
  ["lib/monitoring/monitor.ts"],
  ["lib/monitoring/log.ts"],
  ["scripts/"],
];

/** The one file that imports each npm package. */
const owners: Readonly<Record<string, string>> = {
  "@aws-sdk/client-s3": "lib/artifacts/s3.ts",
  "@aws-sdk/client-secrets-manager": "lib/secrets.ts",
  "@electric-sql/pglite": "lib/database/pglite.ts",
  "@electric-sql/pglite-socket": "lib/database/pglite.ts",
  "hyparquet-writer": "lib/output.ts",
  "npm:assemblyscript": "lib/model/wasm/build.ts",
  "onnxruntime-web": "lib/model/onnxruntime.ts",
  pg: "lib/database/postgres.ts",
  yaml: "lib/yaml.ts",
};

/**
 * Modules that touch nothing outside their arguments: no file, network,
 * environment, process, clock or package. Whatever they import is of this list.
 */
const pure: readonly string[] = [
  "lib/candidate.ts",
  "lib/monitoring/columns.ts",
  "lib/monitoring/coverage.ts",
  "lib/comparison.ts",
  "lib/config/",
  "lib/digest.ts",
  "lib/distribution.ts",
  "lib/monitoring/drift.ts",
  "lib/errors.ts",
  "lib/monitoring/evidence.ts",
  "lib/featurenames.ts",
  "lib/features.ts",
  "lib/monitoring/html.ts",
  "lib/matrix.ts",
  "lib/metrics.ts",
  "lib/mlflow/json.ts",
  "lib/mlflow/rules.ts",
  "lib/mlflow/signature.ts",
  "lib/mlflow/store.ts",
  "lib/mlflow/values.ts",
  "lib/model/",
  "lib/monitoring/outcomes.ts",
  "lib/modeloutput.ts",
  "lib/monitoring/performance.ts",
  "lib/monitoring/profile.ts",
  "lib/printable.ts",
  "lib/recipe.ts",
  "lib/redact.ts",
  "lib/rows.ts",
  "lib/summary.ts",
  "lib/table.ts",
  "lib/variant.ts",
  "lib/variants.ts",
  "lib/monitoring/verdict.ts",
];

/** Files below a pure folder that are not: one runs a package, one compiles. */
const impure = [
  "lib/model/onnxruntime.ts",
  "lib/model/wasm/build.ts",
];

/** Modules of Node that compute and reach nothing. */
const pureNode = ["node:assert/strict", "node:crypto", "node:path"];

/** The only files that may do it, by what they do. */
const reserved: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly files: readonly string[];
}[] = [
  {
    what: "print",
    pattern: /\bconsole\s*\.|\bDeno\.(stdout|stderr)\b/,
    files: ["lib/folders.ts", "lib/script.ts", "scripts/summary.ts"],
  },
  {
    what: "read the environment",
    pattern: /\bDeno\.env\b|\bprocess\.env\b|from "node:process"/,
    files: ["lib/folders.ts", "lib/services.ts"],
  },
  {
    what: "end the process",
    pattern: /\bDeno\.exit\b/,
    files: ["lib/script.ts"],
  },
  {
    what: "call a URL",
    pattern: /\bfetch\(/,
    files: ["lib/mlflow/http.ts"],
  },
  { what: "start threads", pattern: /\bnew Worker\b/, files: [] },
  { what: "run programs", pattern: /\bDeno\.Command\b/, files: [] },
];

const root = fileURLToPath(new URL("../", import.meta.url));

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

/** The name in `names` that a path belongs to: the longest, where several begin it. */
function moduleOf(path: string, names: readonly string[]): string | undefined {
  return names.filter((name) =>
    name.endsWith("/") ? path.startsWith(name) : path === name
  ).sort((a, b) => b.length - a.length)[0];
}

const modules = rows.flat();
const rowOf = (module: string | undefined) =>
  rows.findIndex((row) => module !== undefined && row.includes(module));

/** `pg` of `pg/lib/x`, `@a/b` of `@a/b/c`, `npm:x` of `npm:x@1.0/y`. */
function packageOf(specifier: string): string {
  const scoped = /^(npm:)?(@[^/]+\/)?[^/@]+/.exec(specifier);
  return scoped?.[0] ?? specifier;
}

Deno.test("every file of lib and scripts stands in the table of rows, and every row in the tree", () => {
  deepStrictEqual(
    sources.map(({ path }) => path).filter((path) =>
      moduleOf(path, modules) === undefined
    ),
    [],
    "add these files to the rows of this test",
  );
  const used = new Set(sources.map(({ path }) => moduleOf(path, modules)));
  deepStrictEqual(modules.filter((module) => !used.has(module)), []);
  deepStrictEqual(modules.length, new Set(modules).size);
});

Deno.test("a file imports only rows above its own, or its own folder", () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter((target) => {
      const [from, to] = [path, target].map((file) => moduleOf(file, modules));
      const inOneFolder = from === to && from?.endsWith("/");
      return !inOneFolder && rowOf(from) <= rowOf(to);
    }).map((target) => `${path} imports ${target}`)
  );
  deepStrictEqual(wrong, []);
});

Deno.test("no file imports itself, over however many others", () => {
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

Deno.test("every import names a file that is there, none of the tests", () => {
  const paths = new Set(sources.map(({ path }) => path));
  paths.add("lib/model/wasm/assembly/kernel.ts"); // the compiler's input
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter((target) => !paths.has(target))
      .map((target) => `${path} imports ${target}`)
  );
  deepStrictEqual(wrong, []);
});

Deno.test("each npm package is imported by its owner and nobody else", () => {
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
  const types = ["@types/pg"];
  deepStrictEqual(
    Object.keys(imports).filter((name) =>
      !(name in owners) && !types.includes(name)
    ),
    [],
  );
});

Deno.test("pure files import nothing but pure ones, and touch nothing", () => {
  const isPure = (path: string) =>
    moduleOf(path, pure) !== undefined && !impure.includes(path);
  const wrong = sources.filter(({ path }) => isPure(path)).flatMap((source) =>
    [
      ...source.imports.filter((target) => !isPure(target)),
      ...source.packages.filter((name) => !pureNode.includes(name)),
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
  Deno.test(`only the files that are named here ${what}`, () => {
    const found = sources.filter(({ code }) => pattern.test(code));
    deepStrictEqual(found.map(({ path }) => path), [...files].sort());
  });
}
