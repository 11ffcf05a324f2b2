/** What can be wrong with a file. */

/** Ends the work with a message about a byte of the file; what a and b say depends on the problem. */
@external("env", "refuse")
export declare function refuse(problem: Problem, offset: u32, a: f64, b: f64): void;

/** `../../scan.ts` has the words, in this order. */
export enum Problem {
  SHORT, // a more bytes expected, b are left
  LEFT_OVER, // a bytes
  TYPE, // a is no type
  LENGTH_TYPE, // a is no type of a length
  LENGTH, // a is no length
  NO_COUNT, // a type without a count
  CONTAINER_TYPE, // a container of type a
  TWICE, // the key of b bytes at address a stands twice
  KEYS, // more different keys than a model has: a is the limit
  DEEP, // nested too deep
  CONTAINERS, // too many objects and arrays
  KEY, // a key was expected
  EXPECTED, // the character a was expected
  WORD, // a value was expected, and found the b bytes at address a
  UNENDED, // a text without an end
  UTF8, // a text is not UTF-8
  TEXT, // what stands between quotes is no text
}
