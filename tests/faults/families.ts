/** All families of faults, in the order of the table. */
import type { FaultFamily } from "./result.ts";

export const families: readonly FaultFamily[] = [];
