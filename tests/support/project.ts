/** A copy of the project for tests that write `variants.yaml` and run commands on the embedded default. */
import { copyProject } from "./checkout.ts";
import { type Ended, runCommand } from "./commands.ts";
import { tempFolder } from "./servers.ts";

/** A copy of the project. */
export interface Project extends AsyncDisposable {
  /** The copy's folder. */
  readonly path: string;
  /** A folder for files. */
  readonly files: string;
  /** Writes `variants.yaml`. */
  declare(variants: string): Promise<void>;
  /** Runs a command, which must end with `code` (0 by default). */
  run(name: string, args?: readonly string[], code?: number): Promise<Ended>;
}

/** Returns a copy of the project with an embedded store of its own. */
export async function openProject(variants: string): Promise<Project> {
  await using stack = new AsyncDisposableStack();
  const project = stack.use(await copyProject());
  const files = stack.use(await tempFolder());
  const env = { CHURN_HOME: `${files.path}/home`, CHURN_FILES: files.path };
  const declare = (text: string) =>
    Deno.writeTextFile(`${project.path}/variants.yaml`, text);
  await declare(variants);
  const owned = stack.move();
  return {
    path: project.path,
    files: files.path,
    declare,
    run: (name: string, args: readonly string[] = [], code = 0) =>
      runCommand(name, args, { env, code, folder: project.path }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
