/**
 * A strict reader of JSON (RFC 8259), which also takes the `NaN` and `Infinity`
 * that XGBoost writes for statistics of its nodes.
 */
import { numberKey } from "./keys";
import { claim, reach } from "./memory";
import { Problem, refuse } from "./problems";
import { add, close, hasMember, Kind, Node, NumberType, open, opened, startTape } from "./tape";
import { unescape } from "./text";

/** The number that some characters are, which have the form of one (`../../decimal.ts`). */
@external("env", "parseNumber")
declare function parseNumber(at: usize, length: u32): f64;

/** What a word that is no number may be as long as. */
const WORD: u32 = 100;

/** First byte of the file, the next one, and one past the last. */
let start: usize = 0, at: usize = 0, end: usize = 0;

@inline
function offset(): u32 {
  return <u32> (at - start);
}

/** The value of a file; its node. */
export function scanJson(from: usize, length: u32, depth: u32, containers: u32): usize {
  start = at = from, end = from + length;
  startTape(depth, containers);
  const root = readValue(0);
  skipSpace();
  if (at != end) refuse(Problem.LEFT_OVER, offset(), <f64> (end - at), 0);
  return changetype<usize>(root);
}

/** The next byte; 0 at the end of the file. */
@inline
function peek(): u32 {
  return byteAt(at);
}

function skipSpace(): void {
  while (isSpace(peek())) at++;
}

@inline
function isSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

function closes(bracket: u32): bool {
  skipSpace();
  if (peek() != bracket || at == end) return false;
  at++;
  return true;
}

function expect(byte: u32): void {
  skipSpace();
  if (peek() != byte) refuse(Problem.EXPECTED, offset(), <f64> byte, 0);
  at++;
}

function readValue(key: u32): Node {
  skipSpace();
  switch (peek()) {
    case 0x7b: // {
      return readObject(key);
    case 0x5b: // [
      return readArray(key);
    case 0x22: // "
      return readText(key);
    default:
      return readWord(key);
  }
}

function readObject(key: u32): Node {
  const outer = opened();
  const node = open(Kind.OBJECT, key, offset());
  at++;
  if (!closes(0x7d)) {
    do {
      skipSpace();
      if (peek() != 0x22) refuse(Problem.KEY, offset(), 0, 0);
      const member = readKey();
      expect(0x3a); // :
      readValue(member);
    } while (goesOn(0x7d));
  }
  close(node, outer);
  return node;
}

function readArray(key: u32): Node {
  const outer = opened();
  const node = open(Kind.ARRAY, key, offset());
  at++;
  if (!closes(0x5d) && !readNumbers(node)) {
    do readValue(0); while (goesOn(0x5d));
  }
  close(node, outer);
  return node;
}

/** Whether a comma follows, and not the end of the container. */
function goesOn(bracket: u32): bool {
  if (closes(bracket)) return false;
  expect(0x2c);
  return true;
}

/** An array of nothing but numbers, which is most of a model file; false, and nothing is read, where it holds something else. */
function readNumbers(node: Node): bool {
  const before = at, first = claim(0);
  let to = first;
  for (;;) {
    skipSpace();
    const length = numberLength();
    if (length == 0) break;
    reach(<u64> to + 8);
    f64.store(to, valueOf(length));
    to += 8;
    at += length;
    if (closes(0x5d)) {
      claim(to - first);
      node.kind = <u8> Kind.NUMBERS, node.type = <u8> NumberType.DOUBLES;
      node.at = first, node.count = <u32> (to - first) >> 3;
      return true;
    }
    if (peek() != 0x2c) break;
    at++;
  }
  memory.fill(first, 0, to - first); // what is claimed is zero
  at = before;
  return false;
}

// A number: its sign, the digits of its whole number without those of the
// exponent, and the power of ten, where these are small enough.
let isNegative: bool = false, digits: u64 = 0, digitCount: u32 = 0, power: i32 = 0;

/** How long the number at the cursor is; 0 where there is none, or something else follows it. */
function numberLength(): u32 {
  let n = at;
  isNegative = byteAt(n) == 0x2d;
  if (isNegative) n++;
  digits = 0, digitCount = 0, power = 0;
  const whole = n;
  n = readDigits(n);
  if (n == whole || byteAt(whole) == 0x30 && n > whole + 1) return 0;
  if (byteAt(n) == 0x2e) {
    const point = ++n;
    n = readDigits(n);
    if (n == point) return 0;
    power = -<i32> (n - point);
  }
  if ((byteAt(n) | 0x20) == 0x65) {
    n++;
    const isBelow = byteAt(n) == 0x2d;
    if (isBelow || byteAt(n) == 0x2b) n++;
    const first = n;
    let exponent: i32 = 0;
    for (; isDigit(byteAt(n)); n++) exponent = min(100_000, exponent * 10 + <i32> (byteAt(n) - 0x30));
    if (n == first) return 0;
    power += isBelow ? -exponent : exponent;
  }
  return isOfWord(byteAt(n)) || n - at > WORD ? 0 : <u32> (n - at);
}

@inline
function byteAt(n: usize): u32 {
  return n < end ? load<u8>(n) : 0;
}

@inline
function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

function readDigits(n: usize): usize {
  for (; isDigit(byteAt(n)); n++) {
    if (digits > 0 || byteAt(n) != 0x30) digitCount++;
    if (digitCount < 19) digits = digits * 10 + (byteAt(n) - 0x30);
  }
  return n;
}

/** The number of so many characters, of which {@link numberLength} has told. */
function valueOf(length: u32): f64 {
  if (digitCount < 16 && power >= -22 && power <= 22) {
    // Both are exact doubles, so their product or quotient is rounded once.
    const x = power < 0 ? <f64> digits / tenTo(-power) : <f64> digits * tenTo(power);
    if (!isBetweenFloats(x)) return isNegative ? -x : x;
  }
  return parseNumber(at, length);
}

/** Whether a positive double may lie in the middle between two floats: then its own rounding could mislead that to a float. */
@inline
function isBetweenFloats(x: f64): bool {
  return (reinterpret<u64>(x) & 0x1fffffff) == 0x10000000 || x < 1.1754943508222875e-38 && x > 0;
}

function tenTo(power: i32): f64 {
  let x: f64 = 1, base: f64 = 10;
  for (; power > 0; power >>= 1, base *= base) if (power & 1) x *= base;
  return x;
}

function readWord(key: u32): Node {
  const length = numberLength();
  if (length > 0) {
    const x = valueOf(length);
    at += length;
    const node = add(Kind.NUMBER, key, 0, 0);
    node.number = x;
    return node;
  }
  if (takes(0x6c6c756e, 4)) return add(Kind.NULL, key, 0, 0);
  if (takes(0x65757274, 4)) return add(Kind.TRUE, key, 0, 0);
  if (takes(0x65736c6166, 5)) return add(Kind.FALSE, key, 0, 0);
  let x: f64 = 0;
  const sign = peek() == 0x2d ? 1 : 0;
  if (takes(0x4e614e, 3)) x = NaN;
  else {
    at += sign;
    if (takes(0x7974696e69666e49, 8)) x = sign ? -Infinity : Infinity;
    else at -= sign;
  }
  if (x == 0) {
    let n = at;
    while (isOfWord(byteAt(n)) && n - at < WORD) n++;
    refuse(Problem.WORD, offset(), <f64> at, <f64> (n - at));
  }
  const node = add(Kind.NUMBER, key, 0, 0);
  node.number = x;
  return node;
}

/** Whether a word of up to eight letters, the first one lowest, is next; then it is read. */
function takes(word: u64, length: u32): bool {
  for (let n: u32 = 0; n < length; n++) {
    if (byteAt(at + n) != (<u32> (word >> (n << 3)) & 0xff)) return false;
  }
  if (isOfWord(byteAt(at + length))) return false;
  at += length;
  return true;
}

/** What numbers and words are made of. */
@inline
function isOfWord(byte: u32): bool {
  return isDigit(byte) || (byte | 0x20) - 0x61 < 26 || byte == 0x2b || byte == 0x2d || byte == 0x2e;
}

let textAt: usize = 0, textLength: u32 = 0;

/** Reads a text: where its UTF-8 bytes stand, and how many they are, is then in `textAt` and `textLength`. */
function takeText(): void {
  const quote = at;
  let n = at + 1;
  let isPlain = true;
  for (; n < end && load<u8>(n) != 0x22; n++) {
    const byte: u32 = load<u8>(n);
    if (byte == 0x5c) n++;
    if (byte == 0x5c || byte < 0x20 || byte > 0x7f) isPlain = false;
  }
  if (n >= end) refuse(Problem.UNENDED, offset(), 0, 0);
  textAt = quote + 1, textLength = <u32> (n - textAt);
  if (!isPlain) {
    const text = unescape(textAt, textLength);
    if (text == 0) refuse(Problem.TEXT, offset(), 0, 0);
    textAt = text + 4, textLength = load<u32>(text);
  }
  at = n + 1;
}

function readText(key: u32): Node {
  takeText();
  return add(Kind.TEXT, key, textAt, textLength);
}

function readKey(): u32 {
  takeText();
  const number = numberKey(textAt, textLength, offset());
  if (hasMember(number)) refuse(Problem.TWICE, offset(), <f64> textAt, <f64> textLength);
  return number;
}
