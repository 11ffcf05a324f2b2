/** Checks the machine: Deno, and the folder of the embedded store and the cache. */
import { dirname, resolve } from "node:path";
import { statfs } from "node:fs/promises";
import { type Check, type Finding, runCheck } from "./check.ts";

const group = "Installation";

/** The version of Deno that the tests run with, as in the workflows and the image. */
export const testedDeno = "2.9.6";

/** Free bytes below which a run may fill the disk: some weeks of scores in the embedded store. */
const fewBytes = 1e9;

/**
 * Checks the version of Deno and the free space for `CHURN_HOME`.
 *
 * @param options `version`: that of this project; `home`: `CHURN_HOME`, undefined if it is not known.
 */
export async function checkInstallation(
  { version, home }: { version: string; home: string | undefined },
): Promise<Check[]> {
  return await Promise.all([
    runCheck(
      { group, title: "Deno" },
      () => Promise.resolve(checkDeno(Deno.version.deno)),
    ),
    runCheck(
      { group, title: "Project" },
      () =>
        Promise.resolve({
          state: "ok",
          detail: `version ${version} in ${Deno.cwd()}`,
        }),
    ),
    ...home === undefined
      ? []
      : [runCheck({ group, title: "Disk" }, () => checkDisk(home))],
  ]);
}

/** Compares a version of Deno with the tested one. */
function checkDeno(found: string): Finding {
  const [major = 0, minor = 0] = numbersOf(found);
  const [testedMajor = 0, testedMinor = 0] = numbersOf(testedDeno);
  const remedy = `deno upgrade ${testedDeno}`;
  if (major < testedMajor) {
    return {
      state: "wrong",
      detail: `${found} is too old; the tests run with ${testedDeno}`,
      remedy,
    };
  }
  const isTested = major === testedMajor && minor >= testedMinor;
  return isTested ? { state: "ok", detail: found } : {
    state: "warning",
    detail: `${found} is not tested; the tests run with ${testedDeno}`,
    remedy,
  };
}

function numbersOf(version: string): number[] {
  return version.split(".").map(Number);
}

async function checkDisk(home: string): Promise<Finding> {
  const folder = await existingAbove(home);
  if (folder === undefined) {
    return {
      state: "skipped",
      detail: `not checked: ${home} (CHURN_HOME) does not exist yet`,
    };
  }
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const detail = `${(free / 1e9).toFixed(1)} GB free for ${home} (CHURN_HOME)`;
  return free >= fewBytes ? { state: "ok", detail } : {
    state: "warning",
    detail,
    hint: "free space, or set CHURN_HOME to a folder on another disk",
  };
}

/** Returns the folder, or the nearest one above it that exists; undefined if that may not be read. */
async function existingAbove(folder: string): Promise<string | undefined> {
  for (let path = resolve(folder);; path = dirname(path)) {
    try {
      await Deno.stat(path);
      return path;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return undefined;
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
