/** Makes standard input a file that can be read twice. */
import { InputError } from "../base/errors.ts";
import { copyToTemporary } from "../rows/temporary-file.ts";
import { openLocal } from "../storage/local.ts";
import { type InputData, nameOfInput, stdinUri } from "./variant-files.ts";

/**
 * Copies standard input to a temporary file below `folder` and opens it. The file
 * is deleted when it is closed.
 *
 * @throws {InputError} If standard input is empty or a terminal.
 */
export async function openStdin(folder: string): Promise<InputData> {
  if (Deno.stdin.isTerminal()) {
    throw new InputError(
      "Cannot read `--input -`: standard input is a terminal; pipe a file into the command",
    );
  }
  const copy = await copyToTemporary(Deno.stdin.readable, folder);
  const name = copy.path.slice(copy.path.lastIndexOf("/") + 1);
  const file = await openLocal(folder).open(name);
  if (!file || file.size === 0) {
    await file?.[Symbol.asyncDispose]();
    await copy[Symbol.asyncDispose]();
    throw new InputError("Cannot read `--input -`: standard input is empty");
  }
  return {
    source: "local",
    file: {
      ...file,
      uri: nameOfInput(stdinUri),
      async [Symbol.asyncDispose]() {
        await file[Symbol.asyncDispose]();
        await copy[Symbol.asyncDispose]();
      },
    },
  };
}
