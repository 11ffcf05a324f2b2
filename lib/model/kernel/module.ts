/** The compiled kernel: what it exports, and instances of it. */
import { InputError } from "../../base/errors.ts";
import { wasmBase64 } from "./bytes.ts";

/** The compiled functions; addresses are in their own memory, and 0 is none. */
export interface Code {
  /** The address of so many fresh zero bytes, a multiple of 16. Memory grows, so views of it are made after the call. */
  room(bytes: number): number;

  /** Lays out a `class Model`; the address of its plan, and how many bytes from there on are the layout. */
  layOut(model: number): number;
  layoutBytes(): number;
  /** Scores rows, a multiple of 128. */
  margins(plan: number, matrix: number, rows: number, to: number): void;
  logistic(at: number, count: number): void;
  softmax(at: number, rows: number, groups: number): void;
}

/** A memory with the code on it. */
export interface Compiled {
  readonly code: Code;
  readonly memory: WebAssembly.Memory;
}

/** Memory comes in pages of so many bytes, and so many are used at most: addresses beyond come out of the code as negative numbers. */
const pageBytes = 65_536;
const mostPages = 32_767;

let compiled: WebAssembly.Module | undefined;

/**
 * A fresh memory with room for so many bytes at least, and the code on it.
 *
 * @param maximum Most bytes that the memory may grow to; 2 GiB by default.
 * @throws {InputError} If there is no memory of that size.
 */
export function instantiate(
  bytes: number,
  maximum = mostPages * pageBytes,
): Compiled {
  if (bytes > mostPages * pageBytes) tooLarge(bytes);
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(wasmBase64));
  const memory = new WebAssembly.Memory({
    initial: Math.ceil(bytes / pageBytes),
    maximum: Math.ceil(maximum / pageBytes),
  });
  const { exports } = new WebAssembly.Instance(compiled, {
    env: { memory, tooLarge },
  });
  return { code: exports as unknown as Code, memory }; // as assembly/ exports it
}

/** Copies an array into a memory; its address there, 0 for none. */
export function copyIn(
  { code, memory }: Compiled,
  array: ArrayBufferView | undefined,
): number {
  if (array === undefined) return 0;
  const { buffer, byteOffset, byteLength } = array;
  const address = code.room(byteLength);
  new Uint8Array(memory.buffer, address).set(
    new Uint8Array(buffer, byteOffset, byteLength),
  );
  return address;
}

function tooLarge(bytes: number): never {
  throw new InputError(
    `Cannot use a model that needs ${bytes} bytes of memory: 2 GiB are used at most; use --engine onnxruntime`,
  );
}
