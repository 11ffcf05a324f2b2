/** Model files below `CHURN_HOME`, by the digest of their content. */
import { readIfThere, writeWhole } from "./local.ts";

/** Files by their digest, so that scoring survives an artifact store that is briefly away. */
export interface FileCache {
  find(digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  keep(digest: string, bytes: Uint8Array): Promise<void>;
}

/**
 * A cache in `folder`. A file is verified by whoever asks for it, so a damaged
 * one is only a file that is read again; what cannot be kept is not kept.
 */
export function openCache(folder: string): FileCache {
  const pathOf = (digest: string) => `${folder}/${digest}`;
  return {
    find: (digest) => readIfThere(pathOf(digest)),
    keep: (digest, bytes) => writeWhole(pathOf(digest), bytes),
  };
}
