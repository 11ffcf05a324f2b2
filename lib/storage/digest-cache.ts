/** Cache of model files below `CHURN_HOME`, keyed by the digest of their content. */
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { readIfThere, writeWhole } from "./local.ts";

/** Files keyed by digest, so that scoring works while the artifact store is briefly unavailable. */
export interface FileCache {
  find(digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  store(digest: string, bytes: Uint8Array): Promise<void>;
}

/**
 * Opens a cache in `folder`. The caller verifies each file, so a damaged file is
 * simply read from the store again. Scoring needs no cache: if the folder cannot
 * be read or written, the log warns and nothing is cached.
 */
export function openCache(
  folder: string,
  { log }: { log: Pick<Log, "warn"> },
): FileCache {
  const pathOf = (digest: string) => `${folder}/${digest}`;
  return {
    find: (digest) => readIfThere(pathOf(digest)).catch(() => undefined),
    store: (digest, bytes) =>
      writeWhole(pathOf(digest), bytes).catch((error) =>
        log.warn(
          `Cannot cache a model file in ${folder}, so it is read from the artifact store each time: ${
            messageOf(error)
          }`,
        )
      ),
  };
}
