/** All families of faults, in the order of the table. */
import { crowd } from "./crowd.ts";
import { cuts } from "./cuts.ts";
import { disk } from "./disk.ts";
import { kills } from "./kills.ts";
import { memory } from "./memory.ts";
import { outages } from "./outages.ts";
import { outputs } from "./outputs.ts";
import { peers } from "./peers.ts";
import type { FaultFamily } from "./result.ts";
import { servers } from "./servers.ts";
import { signals } from "./signals.ts";

export const families: readonly FaultFamily[] = [
  ...kills,
  ...outputs,
  ...cuts,
  ...crowd,
  ...servers,
  ...signals,
  ...disk,
  ...memory,
  ...outages,
  ...peers,
];
