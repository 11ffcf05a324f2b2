import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { allowedFolders } from "../lib/folders.ts";
import { runCommand } from "./support/commands.ts";
import { tempFolder } from "./support/servers.ts";

Deno.test("allowedFolders() is the project and .local when nothing is set", () => {
  for (const environment of [{}, { CHURN_HOME: "", CHURN_FILES: " , " }]) {
    deepStrictEqual(allowedFolders("read", environment), [".", ".local"]);
    deepStrictEqual(allowedFolders("write", environment), [".", ".local"]);
  }
});

Deno.test("allowedFolders() adds what the settings name, read-only where writing is not needed", () => {
  const environment = {
    CHURN_HOME: "/var/churn",
    CHURN_FILES: "/in, /out",
    MLFLOW_ARTIFACT_ROOT: "/srv/artifacts",
    PGSSLROOTCERT: "/etc/ca.pem",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/run/token",
    AWS_SHARED_CREDENTIALS_FILE: "/run/credentials",
    HOME: "/home/me",
  };
  const both = [".", "/var/churn", "/srv/artifacts", "/in", "/out"];
  deepStrictEqual(allowedFolders("write", environment), both);
  deepStrictEqual(allowedFolders("read", environment), [
    "/etc/ca.pem",
    "/run/token",
    "/run/credentials",
    "/home/me/.aws",
    ...both,
  ]);
});

Deno.test("allowedFolders() takes no URI for a folder, and no home without a service", () => {
  const environment = { MLFLOW_ARTIFACT_ROOT: "s3://bucket/x" };
  deepStrictEqual(allowedFolders("write", environment), [".", ".local"]);
  deepStrictEqual(allowedFolders("read", { HOME: "/home/me" }), [
    ".",
    ".local",
  ]);
});

Deno.test("a script may read what CHURN_FILES names, and is told so about the rest", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/players.jsonl`;
  await Deno.writeTextFile(path, '{"player_id":"P-1"}\n');
  const env = { CHURN_HOME: `${folder.path}/home` };
  const input = ["--input", path];
  const refused = await runCommand("predict", input, { env, code: 2 });
  strictEqual(
    refused.report.error,
    `Cannot reach ${path}: the tasks may use files of this project and of CHURN_HOME only; ` +
      "name the folder in CHURN_FILES to allow it (several with commas between)",
  );
  const allowed = { ...env, CHURN_FILES: folder.path };
  const read = await runCommand("predict", input, { env: allowed, code: 1 });
  strictEqual(/row 1 \(line 1\): column/.test(read.report.error), true);
});
