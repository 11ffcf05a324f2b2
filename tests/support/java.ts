/** What Spark needs beside its Python package: Java, and Postgres's JDBC driver. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

/** `org.postgresql:postgresql` on Maven Central. */
const driver = {
  version: "42.7.14",
  repository: "https://repo1.maven.org/maven2",
  path: "org/postgresql/postgresql",
  sha256: "73914527305a40cce504b0d3d90b23caf565136912d607ae8ae7c5895512332c",
};

/** The release of the JDBC driver. */
export const jdbcDriverVersion: string = driver.version;

const folder = fileURLToPath(new URL("../../.cache/jars/", import.meta.url));

/**
 * Checks that Java can be run.
 *
 * @throws {Error} If it cannot, with the command that installs it.
 */
export async function requireJava(): Promise<void> {
  if (await canRunJava()) return;
  throw new Error(
    "Cannot run Spark: java not found. Install Java 17 or newer, such as `apt-get install default-jre-headless`, or leave Spark out with --only",
  );
}

/**
 * Returns the path of Postgres's JDBC driver, fetched once from Maven Central
 * into `.cache/jars/`; a file that was put there by hand is used as well.
 *
 * @throws {Error} If it cannot be fetched, or has another SHA-256.
 */
export async function jdbcDriver(): Promise<string> {
  const name = `postgresql-${driver.version}.jar`;
  const file = `${folder}${name}`;
  const url = `${driver.repository}/${driver.path}/${driver.version}/${name}`;
  const stored = await Deno.readFile(file).catch(() => undefined);
  const bytes = stored ?? await fetchBytes(url, file);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== driver.sha256) {
    const from = stored ? `${file} (delete it)` : url;
    throw new Error(
      `Cannot use ${from}: its SHA-256 is ${found}, expected ${driver.sha256}`,
    );
  }
  if (stored) return file;
  await Deno.mkdir(folder, { recursive: true });
  const part = `${file}.${crypto.randomUUID()}`; // two processes may fetch it at once
  await Deno.writeFile(part, bytes);
  await Deno.rename(part, file);
  return file;
}

async function canRunJava(): Promise<boolean> {
  try {
    return (await new Deno.Command("java", {
      args: ["-version"],
      stdout: "null",
      stderr: "null",
    }).output()).success;
  } catch {
    return false;
  }
}

async function fetchBytes(url: string, file: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url);
    if (response.ok) return await response.bytes();
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  } catch (error) {
    throw new Error(
      `Cannot fetch ${url}: ${
        error instanceof Error ? error.message : error
      }. Put the file there yourself: ${file}`,
      { cause: error },
    );
  }
}
