/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** A worker thread of `score-file.ts`: opens a model once, then scores blocks in order. */
import { openPredict } from "./predict.ts";
import {
  type BlockMessage,
  type BlockReply,
  type BlockScorer,
  bufferOf,
  openBlockScorer,
  type OpenMessage,
  toSent,
} from "./score-block.ts";

let scorer: BlockScorer | undefined;

/** The messages before are handled first: a scorer takes one block at a time. */
let handled = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<OpenMessage | BlockMessage>) => {
  handled = handled.then(() => handle(data));
};

async function handle(data: OpenMessage | BlockMessage): Promise<void> {
  if (data.kind === "open") {
    scorer = openBlockScorer(openPredict(data.model), data);
    return;
  }
  const { block } = data;
  const buffer = bufferOf(block);
  if (!scorer) throw new TypeError("a block came before the model");
  try {
    const scored = await scorer.score(block);
    reply({ buffer, scored }, [
      scored.scores.buffer,
      ...scored.ids ? [scored.ids.bytes.buffer, scored.ids.lengths.buffer] : [],
    ]);
  } catch (error) {
    reply({ buffer, error: toSent(error) }, []);
  }
}

function reply(message: BlockReply, transfer: ArrayBuffer[]): void {
  self.postMessage(message, [
    ...message.buffer ? [message.buffer.buffer] : [],
    ...transfer,
  ]);
}
