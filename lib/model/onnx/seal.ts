/**
 * A digest inside our own ONNX files. A graph has no checksum of its own, and
 * one flipped bit in a threshold is another valid graph; so the last field of
 * every file that we write is a metadata entry `sha256` over all bytes before it.
 */
import { sha256 } from "../../base/digest.ts";
import { InputError } from "../../base/errors.ts";
import { bytesField, concat, textField } from "./protobuf.ts";

/** Who wrote the file, as ONNX's `producer_name`. */
export const producer = "churn-prediction";

/** Bytes that the entry takes. */
const sealLength = entry("0".repeat(64)).length;

/** A metadata entry: `ModelProto.metadata_props`, field 14. */
function entry(digest: string): Uint8Array {
  return bytesField(
    14,
    concat([textField(1, "sha256"), textField(2, digest)]),
  );
}

/**
 * The bytes of an ONNX file with the digest at their end; to other readers it
 * is one more line of metadata.
 */
export function seal(bytes: Uint8Array): Uint8Array {
  return concat([bytes, entry(sha256(bytes))]);
}

/**
 * Checks the digest of a file that we wrote, and lets any other file pass.
 * A file counts as ours when it names us near its start or has the entry at
 * its end, so one place that is broken cannot hide another.
 *
 * @throws {InputError} If the file is ours and not as it was written.
 */
export function checkSeal(bytes: Uint8Array): void {
  const end = Math.max(0, bytes.length - sealLength);
  const tail = latin1(bytes.subarray(end));
  const isOurs = tail.includes("sha256") ||
    latin1(bytes.subarray(0, 64)).includes(producer);
  if (!isOurs) return;
  const found = sha256(bytes.subarray(0, end));
  if (tail === latin1(entry(found))) return;
  const written = /[0-9a-f]{64}$/.exec(tail)?.[0];
  throw new InputError(
    `Cannot open ONNX graph: the file was changed after it was written (sha256 ${found}, expected ${
      written ?? "one at the end of the file"
    }); restore it, or log the model again`,
  );
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
