/**
 * Builds `bytes.ts` from `assembly/kernel.ts`: `deno task kernel`. The
 * compiler's version is pinned, and gives the same bytes everywhere.
 */
const source = new URL("./assembly/kernel.ts", import.meta.url);

/**
 * The kernel's compiled bytes, as its source gives them.
 *
 * @throws {Error} With the compiler's messages, if the source is wrong.
 */
export async function buildKernel(): Promise<Uint8Array> {
  const text = await Deno.readTextFile(source);
  // deno-lint-ignore no-import-prefix -- only the kernel's build and its test need the compiler
  const { default: asc } = await import("npm:assemblyscript@0.28.20/asc");
  let bytes: Uint8Array | undefined;
  const flags =
    "-O3 --converge --runtime stub --noAssert --importMemory --enable simd --outFile kernel.wasm";
  const { error, stderr } = await asc.main(["kernel.ts", ...flags.split(" ")], {
    readFile: (name) => name === "kernel.ts" ? text : null,
    writeFile: (_name, contents) => {
      if (contents instanceof Uint8Array) bytes = contents;
    },
    listFiles: () => [],
  });
  if (error || bytes === undefined) {
    throw new Error(`Cannot compile ${source.pathname}: ${stderr.toString()}`, {
      cause: error,
    });
  }
  return bytes;
}

/** The text of `bytes.ts`. */
export function kernelModule(bytes: Uint8Array): string {
  return `/** The compiled kernel (${bytes.length} bytes), made from \`assembly/kernel.ts\` by \`deno task kernel\`. */
export const kernelBase64 =
  "${bytes.toBase64()}";
`;
}

if (import.meta.main) {
  const target = new URL("./bytes.ts", import.meta.url);
  await Deno.writeTextFile(target, kernelModule(await buildKernel()));
}
