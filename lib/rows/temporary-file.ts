/** Copies a stream to a temporary file, so that it can be read again or in any order. */

/** A file that disposal deletes. */
export interface TemporaryFile extends AsyncDisposable {
  readonly path: string;
}

/** Copies a stream to a new file below `folder`, which is created. If the stream fails, no file is left. */
export async function copyToTemporary(
  stream: AsyncIterable<Uint8Array>,
  folder: string,
): Promise<TemporaryFile> {
  await Deno.mkdir(folder, { recursive: true });
  const path = await Deno.makeTempFile({ dir: folder, prefix: "rows-" });
  const remove = () => Deno.remove(path).catch(() => {});
  try {
    using file = await Deno.open(path, { write: true });
    for await (const bytes of stream) {
      for (let at = 0; at < bytes.length;) {
        at += await file.write(bytes.subarray(at));
      }
    }
    return { path, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
