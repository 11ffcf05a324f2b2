/** What the benchmark asks of the processes that score, one JSON value a line each way. */

/** An engine, which scores with one thread, and a model. */
export interface Subject {
  readonly engine: string;
  /** File name of the model without its extension. */
  readonly stem: string;
}

/** Something to do with a {@linkcode Subject}. */
export type Command =
  & Subject
  & (
    /** Load, and score one row. */
    | { readonly do: "open" }
    /** The scores of the first rows. */
    | { readonly do: "scores"; readonly rows: number }
    /** Score the first rows again and again, for at least so long. */
    | {
      readonly do: "measure";
      readonly rows: number;
      readonly seconds: number;
    }
    | { readonly do: "close" }
  );

/** What comes back: the field that belongs to the command. */
export interface Answer {
  readonly openMs?: number;
  readonly scores?: number[];
  readonly rowsPerSecond?: number;
}

/** A process that answers commands, in their order. */
export interface Contender extends AsyncDisposable {
  ask(command: Command | { do: "versions" }): Promise<Answer>;
}

/** Starts a program that answers commands. */
export async function startContender(
  program: string,
  args: readonly string[],
): Promise<Contender> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  const read = async (): Promise<Answer> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`Cannot measure: ${program} ${args} has ended`);
    return JSON.parse(value);
  };
  await read(); // it says that it is ready
  return {
    async ask(command) {
      await writer.write(
        new TextEncoder().encode(`${JSON.stringify(command)}\n`),
      );
      return await read();
    },
    async [Symbol.asyncDispose]() {
      await writer.close();
      await child.status;
    },
  };
}

/** The lines of a stream of text. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
