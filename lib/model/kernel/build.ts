/**
 * Builds `bytes.ts` from the sources in `assembly/`: `deno task wasm`. The
 * pinned compiler produces the same bytes on every machine.
 */
const sources = new URL("./assembly/", import.meta.url);

/** The files whose exports the module exports. */
const entries = ["kernel.ts", "layout.ts"];

const flags =
  "-O3 --converge --runtime stub --noAssert --importMemory --enable simd --outFile model.wasm";

/**
 * Compiles the sources and returns the WebAssembly module's bytes.
 *
 * @throws {Error} With the compiler's messages, if a source does not compile.
 */
export async function buildWasm(): Promise<Uint8Array> {
  // deno-lint-ignore no-import-prefix -- only the build and its test need the compiler
  const { default: asc } = await import("npm:assemblyscript@0.28.20/asc");
  let bytes: Uint8Array | undefined;
  const { error, stderr } = await asc.main([...entries, ...flags.split(" ")], {
    readFile: (name) =>
      Deno.readTextFile(new URL(name, sources)).catch(() => null),
    writeFile: (_name, contents) => {
      if (contents instanceof Uint8Array) bytes = contents;
    },
    listFiles: () => [],
  });
  if (error || bytes === undefined) {
    throw new Error(`Cannot compile WebAssembly: ${stderr.toString()}`, {
      cause: error,
    });
  }
  return bytes;
}

/** Returns the source text of `bytes.ts` for a compiled module. */
export function wasmModule(bytes: Uint8Array): string {
  return `/** The WebAssembly module (${bytes.length} bytes), built from \`assembly/\` by \`deno task wasm\`. */
export const wasmBase64 =
  "${bytes.toBase64()}";
`;
}

if (import.meta.main) {
  const target = new URL("./bytes.ts", import.meta.url);
  await Deno.writeTextFile(target, wasmModule(await buildWasm()));
}
