/** Makes standard input a file that can be read twice. */
import { InputError } from "../base/errors.ts";
import { openLocal } from "../storage/local.ts";
import type { InputData } from "./variant-files.ts";

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
  await Deno.mkdir(folder, { recursive: true });
  const path = await Deno.makeTempFile({ dir: folder, prefix: "stdin-" });
  const remove = () => Deno.remove(path).catch(() => {});
  try {
    {
      using copy = await Deno.open(path, { write: true });
      await Deno.stdin.readable.pipeTo(copy.writable, { preventClose: true });
    }
    const name = path.slice(path.lastIndexOf("/") + 1);
    const file = await openLocal(folder).open(name);
    if (!file || file.size === 0) {
      throw new InputError("Cannot read `--input -`: standard input is empty");
    }
    return {
      source: "local",
      file: {
        ...file,
        uri: "-",
        async [Symbol.asyncDispose]() {
          await file[Symbol.asyncDispose]();
          await remove();
        },
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
