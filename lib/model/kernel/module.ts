/** Instantiates the compiled kernel in WebAssembly memory. */
import { InputError } from "../../base/errors.ts";
import { wasmBase64 } from "./bytes.ts";

/** The exported functions. Addresses are in the memory of the instance; 0 means none. */
export interface KernelCode {
  /** Returns the address of zeroed bytes, a multiple of 16. Memory may grow, which detaches earlier views of it. */
  allocate(bytes: number): number;
  /** Lays out a `Model` (`assembly/records.ts`) and returns the address of its `Plan`, where the layout starts. */
  layOut(model: number): number;
  /** Returns the size of the layout. */
  layoutBytes(): number;
  /** Computes the margins of rows; `rows` is a multiple of 128. */
  margins(plan: number, matrix: number, rows: number, to: number): void;
  /** Applies XGBoost's sigmoid in place; `count` is a multiple of 4. */
  logistic(at: number, count: number): void;
  /** Applies XGBoost's softmax in place, row by row; `rows * groups` is a multiple of 4. */
  softmax(at: number, rows: number, groups: number): void;
}

/** An instance of the kernel and its memory. */
export interface KernelInstance {
  readonly code: KernelCode;
  readonly memory: WebAssembly.Memory;
}

const pageBytes = 65_536;
/** Just under 2 GiB: the code returns higher addresses as negative numbers. */
const maxPages = 32_767;

let compiled: WebAssembly.Module | undefined;

/**
 * Returns a new instance of the kernel with at least `bytes` of memory.
 *
 * @param maximum Bytes that the memory may grow to; 2 GiB by default.
 * @throws {InputError} If `bytes` is over 2 GiB.
 */
export function instantiate(
  bytes: number,
  maximum = maxPages * pageBytes,
): KernelInstance {
  if (bytes > maxPages * pageBytes) tooLarge(bytes);
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(wasmBase64));
  const memory = new WebAssembly.Memory({
    initial: Math.ceil(bytes / pageBytes),
    maximum: Math.ceil(maximum / pageBytes),
  });
  const { exports } = new WebAssembly.Instance(compiled, {
    env: { memory, tooLarge },
  });
  return { code: exports as unknown as KernelCode, memory }; // as assembly/ exports it
}

/** Copies an array into an instance's memory and returns its address; 0 for undefined. */
export function copyIn(
  { code, memory }: KernelInstance,
  array: ArrayBufferView | undefined,
): number {
  if (array === undefined) return 0;
  const { buffer, byteOffset, byteLength } = array;
  const address = code.allocate(byteLength);
  new Uint8Array(memory.buffer, address).set(
    new Uint8Array(buffer, byteOffset, byteLength),
  );
  return address;
}

function tooLarge(bytes: number): never {
  throw new InputError(
    `Cannot score model: it needs ${bytes} bytes of memory, the limit is 2 GiB; use --engine onnxruntime`,
  );
}
