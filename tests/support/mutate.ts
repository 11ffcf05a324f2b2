/** Corrupts files in the ways that disks, networks and people do, determined by a seed. */

/** Returns a number in [0, 1). */
export type Random = () => number;

/** Edge cases of lengths, indices and floats: big-endian numbers of 8, 4 and 2 bytes. */
const edges: readonly (readonly number[])[] = [
  [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0, 0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 1, 0, 0, 0, 0],
  [0x7f, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0],
  [0x7f, 0xc0, 0, 0], // NaN
  [0x7f, 0x80, 0, 0], // infinity
  [0, 0, 0, 1],
  [0xff, 0xff],
];

/** Replacements for a token of a text file. */
const tokens = [
  "NaN",
  "Infinity",
  "-1",
  "0",
  "1e999",
  "2147483648",
  "99999999999999999999",
  "1.5",
  "null",
  "true",
  "[]",
  "{}",
  '""',
  "[[[[[[[[",
  '{"a":',
  "inf",
  "-2147483649",
];

/** Returns a file with one to three corruptions. `others`: files to copy pieces from. */
export function mutate(
  file: Uint8Array,
  random: Random,
  others: readonly Uint8Array[],
): Uint8Array {
  let bytes = file;
  const times = random() < 0.6 ? 1 : 2 + below(random, 2);
  for (let i = 0; i < times; i++) bytes = mutateOnce(bytes, random, others);
  return bytes;
}

function mutateOnce(
  bytes: Uint8Array,
  random: Random,
  others: readonly Uint8Array[],
): Uint8Array {
  const at = below(random, bytes.length);
  const size = 1 + below(random, random() < 0.5 ? 8 : bytes.length - at);
  switch (below(random, 9)) {
    case 0: // flip a bit
      return replace(bytes, at, [(bytes[at] ?? 0) ^ 1 << below(random, 8)]);
    case 1: // change a byte
      return replace(bytes, at, [below(random, 256)]);
    case 2:
      return replace(bytes, at, edges[below(random, edges.length)] ?? []);
    case 3: // truncate
      return bytes.slice(0, at);
    case 4: // remove a piece
      return splice(bytes, at, { remove: size, insert: [] });
    case 5: // repeat a piece
      return splice(bytes, at, {
        remove: 0,
        insert: bytes.subarray(at, at + size),
      });
    case 6: { // overwrite with a piece of another file
      const other = others[below(random, others.length)] ?? bytes;
      const from = below(random, other.length);
      const insert = other.subarray(from, from + size);
      return splice(bytes, at, { remove: insert.length, insert });
    }
    case 7: // another number in a text
      return replaceToken(bytes, at, String(below(random, 1000)));
    default:
      return replaceToken(
        bytes,
        at,
        tokens[below(random, tokens.length)] ?? "",
      );
  }
}

/** Replaces the token at or after an offset. */
function replaceToken(
  bytes: Uint8Array,
  at: number,
  token: string,
): Uint8Array {
  let start = at;
  while (start < bytes.length && !isTokenByte(bytes[start] ?? 0)) start++;
  while (start > 0 && isTokenByte(bytes[start - 1] ?? 0)) start--;
  let end = start;
  while (end < bytes.length && isTokenByte(bytes[end] ?? 0)) end++;
  const insert = new TextEncoder().encode(token);
  return splice(bytes, start, { remove: end - start, insert });
}

/** Returns whether a byte is a digit, letter, sign, point or underscore. */
function isTokenByte(byte: number): boolean {
  return /[\w.+-]/.test(String.fromCharCode(byte));
}

function replace(
  bytes: Uint8Array,
  at: number,
  values: readonly number[],
): Uint8Array {
  const result = bytes.slice();
  values.forEach((value, i) => {
    if (at + i < result.length) result[at + i] = value;
  });
  return result;
}

function splice(
  bytes: Uint8Array,
  at: number,
  change: { remove: number; insert: ArrayLike<number> },
): Uint8Array {
  const { remove, insert } = change;
  const rest = bytes.subarray(at + remove);
  const result = new Uint8Array(at + insert.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(rest, at + insert.length);
  return result;
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}
