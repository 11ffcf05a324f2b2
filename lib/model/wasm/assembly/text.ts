/** Texts: whether bytes are UTF-8, and what JSON's escapes mean. */
import { claim } from "./memory";

/** Whether bytes are UTF-8: no longer than needed, no halves of pairs, none beyond U+10FFFF. */
export function isUtf8(at: usize, length: u32): bool {
  const end = at + length;
  while (at < end) {
    const first: u32 = load<u8>(at++);
    if (first < 0x80) continue;
    const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
    if (more == 0 || end - at < <usize> more) return false;
    const second: u32 = load<u8>(at);
    if (
      first == 0xe0 && second < 0xa0 || first == 0xed && second > 0x9f ||
      first == 0xf0 && second < 0x90 || first == 0xf4 && second > 0x8f
    ) return false;
    for (let n = 0; n < more; n++) {
      if (load<u8>(at++) >> 6 != 2) return false;
    }
  }
  return true;
}

// A text that is being unescaped: the next byte of JSON, and where the next byte of it goes.
let from: usize = 0, to: usize = 0;

/**
 * What the bytes between two quotes of JSON say: the address of its length (u32)
 * and its bytes in UTF-8; 0 where they are no text. Half a pair of `\\u` becomes
 * U+FFFD.
 */
export function unescape(at: usize, length: u32): usize {
  if (!isUtf8(at, length)) return 0;
  const text = claim(<u64> length + 4); // no escape is shorter than what it stands for
  const end = at + length;
  from = at, to = text + 4;
  while (from < end) {
    const byte: u32 = load<u8>(from++);
    if (byte < 0x20) return 0;
    if (byte != 0x5c) store<u8>(to++, <u8> byte);
    else if (from == end || !readEscape(end)) return 0;
  }
  store<u32>(text, <u32> (to - text - 4));
  return text;
}

/** Reads what stands behind a backslash. */
function readEscape(end: usize): bool {
  const letter: u32 = load<u8>(from++);
  switch (letter) {
    case 0x22: // "
    case 0x5c: // backslash
    case 0x2f: // /
      return write(letter);
    case 0x62: // b
      return write(0x08);
    case 0x66: // f
      return write(0x0c);
    case 0x6e: // n
      return write(0x0a);
    case 0x72: // r
      return write(0x0d);
    case 0x74: // t
      return write(0x09);
    case 0x75: { // u
      const unit = readUnit(end);
      if (unit < 0) return false;
      if (unit < 0xd800 || unit > 0xdfff) return write(unit);
      if (unit < 0xdc00 && end - from >= 6 && load<u16>(from) == 0x755c) { // \u
        const before = from;
        from += 2;
        const low = readUnit(end);
        if (low >= 0xdc00 && low <= 0xdfff) return write(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        from = before; // not its other half: read by itself
      }
      return write(0xfffd);
    }
    default:
      return false;
  }
}

/** Four hexadecimal digits; -1 where there are none. */
function readUnit(end: usize): i32 {
  if (end - from < 4) return -1;
  let unit: i32 = 0;
  for (let n = 0; n < 4; n++) {
    const byte: u32 = load<u8>(from++);
    const letter = byte | 0x20;
    const digit: u32 = byte - 0x30 < 10 ? byte - 0x30 : letter - 0x61 < 6 ? letter - 0x61 + 10 : 16;
    if (digit == 16) return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

/** Writes a character in UTF-8. */
function write(code: u32): bool {
  if (code < 0x80) store<u8>(to++, <u8> code);
  else {
    const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const mark: u32 = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;
    store<u8>(to++, <u8> (mark | code >> (more * 6)));
    for (let n = more - 1; n >= 0; n--) store<u8>(to++, <u8> (0x80 | code >> (n * 6) & 0x3f));
  }
  return true;
}
