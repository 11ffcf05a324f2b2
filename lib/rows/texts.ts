/** Texts as bytes, which need not become strings to be copied. */
import { isAscii, isUtf8 } from "node:buffer";

/** Texts in UTF-8: where each begins and ends in the bytes. */
export interface Texts {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** @throws {RangeError} If a text is not UTF-8. */
export function checkTexts({ bytes, starts, ends }: Texts): void {
  const count = starts.length;
  if (count === 0) return;
  if (isAscii(bytes.subarray(starts[0]!, ends[count - 1]!))) return;
  for (let index = 0; index < count; index++) {
    if (isUtf8(bytes.subarray(starts[index]!, ends[index]!))) continue;
    throw new RangeError("a string is not UTF-8");
  }
}

/** Returns texts as strings. */
export function toStrings({ bytes, starts, ends }: Texts): readonly string[] {
  const strings = new Array<string>(starts.length);
  for (let index = 0; index < strings.length; index++) {
    strings[index] = textOf(bytes, starts[index]!, ends[index]!);
  }
  return strings;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Texts up to this many bytes are put together from characters, which is faster than a decoder. */
const shortText = 24;

/** Returns the text between two positions. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= shortText) {
    let text = "";
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte > 127) break;
      text += String.fromCharCode(byte);
    }
    if (at === end) return text;
  }
  return utf8.decode(bytes.subarray(start, end));
}
