/** The compiled kernel: what it exports, and instances of it. */
import { InputError } from "../../errors.ts";
import { kernelBase64 } from "./bytes.ts";

/** The compiled functions; addresses are in their own memory. */
export interface Code {
  /** The address of so many fresh zero bytes, a multiple of 16. */
  room(bytes: number): number;
  /** Lays out a `class Model`; the address of its plan, and how many bytes from there on are the layout. */
  layOut(model: number): number;
  layoutBytes(): number;
  /** Scores rows, a multiple of 128. */
  margins(plan: number, matrix: number, rows: number, to: number): void;
  logistic(at: number, count: number): void;
  softmax(at: number, rows: number, groups: number): void;
}

/** Memory comes in pages of so many bytes. */
export const pageBytes = 65_536;

let compiled: WebAssembly.Module | undefined;

/**
 * The kernel's code on a memory.
 *
 * @returns Functions of which `layOut` and `room` throw an InputError where the memory would have to be larger than 4 GiB.
 */
export function instantiate(memory: WebAssembly.Memory): Code {
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(kernelBase64));
  const { exports } = new WebAssembly.Instance(compiled, {
    env: { memory, tooLarge },
  });
  return exports as unknown as Code; // as assembly/ exports it
}

function tooLarge(bytes: number): never {
  throw new InputError(
    `Cannot score with a model that needs ${bytes} bytes of memory: the kernel has 4 GiB; use --engine onnxruntime`,
  );
}
