/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** A worker thread of `score-file.ts`: opens a model once, then scores blocks in order. */
import {
  type BlockMessage,
  type BlockReply,
  type BlockScorer,
  openBlockScorer,
  type OpenMessage,
  openPredict,
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
  if (!scorer) throw new TypeError("a block came before the model");
  const { block } = data;
  const buffer = "buffer" in block ? block.buffer : undefined;
  const reply: BlockReply = await scorer.score(block).catch((error) => ({
    buffer,
    error: toSent(error),
  }));
  self.postMessage(reply, buffersOf(reply));
}

/** Returns the memory of a reply, which is moved to the other thread and not copied. */
function buffersOf(reply: BlockReply): ArrayBuffer[] {
  const { buffer } = reply;
  const block = buffer ? [buffer.buffer] : [];
  if (!("scored" in reply)) return block;
  const { scores, ids } = reply.scored;
  return [
    ...block,
    scores.buffer,
    ...ids ? [ids.bytes.buffer, ids.lengths.buffer] : [],
  ];
}
