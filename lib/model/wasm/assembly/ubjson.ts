/**
 * Universal Binary JSON, draft 12 (https://ubjson.org): every number type,
 * counted and typed containers, big-endian as the specification says. XGBoost
 * writes its models so since 1.6.
 */
import { followerOf, numberKey, setFollower } from "./keys";
import { loadBig, widthOf } from "./numbers";
import { Problem, refuse } from "./problems";
import { add, close, hasMember, Kind, Node, NumberType, open, opened, startTape } from "./tape";
import { isUtf8 } from "./text";

/** Gives the number of a text, or ends the work if it is none. */
@external("env", "highPrecision")
declare function highPrecision(at: usize, length: u32, offset: u32): f64;

// Letters of the format.
const NO_OPERATION: u32 = 0x4e; // N
const HIGH_PRECISION: u32 = 0x48; // H
const COUNT: u32 = 0x23; // #
const TYPE: u32 = 0x24; // $
const ARRAY_END: u32 = 0x5d;
const OBJECT_END: u32 = 0x7d;
const NONE: u32 = 0;

/** First byte of the file, the next one, and one past the last. */
let start: usize = 0, at: usize = 0, end: usize = 0;

@inline
function offset(): u32 {
  return <u32> (at - start);
}

/** The value of a file; its node. */
export function scanUbjson(from: usize, length: u32, depth: u32, containers: u32): usize {
  start = at = from, end = from + length;
  startTape(depth, containers);
  const root = readValue(readMarker(), 0);
  if (at != end) refuse(Problem.LEFT_OVER, offset(), <f64> (end - at), 0);
  return changetype<usize>(root);
}

function need(bytes: u64): void {
  if (bytes > end - at) refuse(Problem.SHORT, offset(), <f64> bytes, <f64> (end - at));
}

function readMarker(): u32 {
  let marker = NO_OPERATION;
  while (marker == NO_OPERATION) {
    need(1);
    marker = load<u8>(at++);
  }
  return marker;
}

@inline
function peek(): u32 {
  return at < end ? load<u8>(at) : 0;
}

function readValue(marker: u32, key: u32): Node {
  switch (marker) {
    case Kind.OBJECT:
      return readObject(key);
    case Kind.ARRAY:
      return readArray(key);
    case Kind.TEXT:
      return readText(key);
    case Kind.NULL:
    case Kind.TRUE:
    case Kind.FALSE:
      return add(marker, key, 0, 0);
    case Kind.LETTER: {
      need(1);
      return add(Kind.LETTER, key, at++, 1);
    }
    case HIGH_PRECISION: {
      const before = offset();
      const length = readLength(readMarker());
      const text = takeText(length);
      const node = add(Kind.NUMBER, key, 0, 0);
      node.number = highPrecision(text, length, before);
      return node;
    }
    default: {
      const width = widthOf(marker);
      if (width == 0) refuse(Problem.TYPE, offset() - 1, <f64> marker, 0);
      need(width);
      const node = add(Kind.NUMBER, key, 0, 0);
      node.number = loadBig(at, marker);
      at += width;
      return node;
    }
  }
}

/** How many of something follow. */
function readCount(marker: u32): u64 {
  const width = widthOf(marker);
  const isFloat = marker == NumberType.FLOAT32 || marker == NumberType.FLOAT64;
  if (width == 0 || isFloat) refuse(Problem.LENGTH_TYPE, offset() - 1, <f64> marker, 0);
  need(width);
  const count = loadBig(at, marker);
  at += width;
  if (!(count >= 0 && count <= 9007199254740991)) refuse(Problem.LENGTH, offset(), count, 0);
  return <u64> count;
}

/** How many bytes follow, which do. */
function readLength(marker: u32): u32 {
  const length = readCount(marker);
  need(length);
  return <u32> length;
}

/** The address of a text that is UTF-8. */
function takeText(length: u32): usize {
  const from = at;
  at += length;
  let all: u32 = 0;
  for (let n = from; n < at; n++) all |= load<u8>(n);
  if (all > 0x7f && !isUtf8(from, length)) refuse(Problem.UTF8, <u32> (from - start), 0, 0);
  return from;
}

function readText(key: u32): Node {
  const length = readLength(readMarker());
  return add(Kind.TEXT, key, takeText(length), length);
}

/** What a container says before its first value: the type that all have or NONE, and how many follow; -1 where its end says so. */
let type: u32 = NONE, count: i64 = -1;

function readHeader(): void {
  type = NONE, count = -1;
  if (peek() == TYPE) {
    at++;
    type = readMarker();
    if (!isType(type)) refuse(Problem.TYPE, offset() - 1, <f64> type, 0);
    if (peek() != COUNT) refuse(Problem.NO_COUNT, offset(), 0, 0);
  }
  if (peek() != COUNT) return;
  at++;
  const expected = readCount(readMarker());
  // A value of these takes no byte, so a few bytes could stand for any number of them.
  const isEmpty = type == Kind.NULL || type == Kind.TRUE || type == Kind.FALSE || type == NO_OPERATION;
  if (isEmpty || type == Kind.ARRAY || type == Kind.OBJECT) {
    refuse(Problem.CONTAINER_TYPE, offset(), <f64> type, 0);
  }
  need(expected * max<u64>(1, widthOf(type)));
  count = <i64> expected;
}

/** Whether a letter is a type of values. */
function isType(letter: u32): bool {
  switch (letter) {
    case Kind.NULL:
    case Kind.TRUE:
    case Kind.FALSE:
    case Kind.TEXT:
    case Kind.LETTER:
    case Kind.ARRAY:
    case Kind.OBJECT:
    case HIGH_PRECISION:
      return true;
    default:
      return widthOf(letter) > 0;
  }
}

function readArray(key: u32): Node {
  const outer = opened();
  const node = open(Kind.ARRAY, key, offset());
  readHeader();
  const own = type, width = widthOf(own);
  if (width > 0) {
    node.kind = <u8> Kind.NUMBERS, node.type = <u8> own, node.at = at, node.count = <u32> count;
    at += <usize> count * width;
  } else if (count >= 0) {
    for (let left = count; left > 0; left--) readValue(own == NONE ? readMarker() : own, 0);
  } else {
    for (;;) {
      const marker = readMarker();
      if (marker == ARRAY_END) break;
      readValue(marker, 0);
    }
  }
  close(node, outer);
  return node;
}

function readObject(key: u32): Node {
  const outer = opened();
  const node = open(Kind.OBJECT, key, offset());
  readHeader();
  const own = type;
  let member: u32 = 0;
  for (let left = count; left != 0; left--) {
    const marker = readMarker();
    if (left < 0 && marker == OBJECT_END) break;
    member = readKey(readLength(marker), member);
    readValue(own == NONE ? readMarker() : own, member);
  }
  close(node, outer);
  return node;
}

/** The number of a key; `before` is that of the member before it, or 0. */
function readKey(length: u32, before: u32): u32 {
  const text = at;
  let number = followerOf(before, text, length);
  if (number) at += length;
  else {
    takeText(length);
    number = numberKey(text, length, <u32> (text - start));
    setFollower(before, number);
  }
  if (hasMember(number)) refuse(Problem.TWICE, offset(), <f64> text, <f64> length);
  return number;
}
