/** Cache of model files below `CHURN_HOME`, keyed by the digest of their content. */
import { readIfThere, writeWhole } from "./local.ts";

/** Files keyed by digest, so that scoring works while the artifact store is briefly unavailable. */
export interface FileCache {
  find(digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  store(digest: string, bytes: Uint8Array): Promise<void>;
}

/**
 * Opens a cache in `folder`. The caller verifies each file, so a damaged file is
 * simply read from the store again.
 */
export function openCache(folder: string): FileCache {
  const pathOf = (digest: string) => `${folder}/${digest}`;
  return {
    find: (digest) => readIfThere(pathOf(digest)),
    store: (digest, bytes) => writeWhole(pathOf(digest), bytes),
  };
}
