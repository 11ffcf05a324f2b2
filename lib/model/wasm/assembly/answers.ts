/**
 * Which answer is which node's. An answer is the planes of a question: nodes
 * that ask the same share one.
 */
import { claim } from "./memory";
import { ANSWER, Model } from "./records";

/** Per node, the offset of its answer among the planes; 0 at leaves, the plane that always says "left". */
let answers: usize = 0;

/** Answers that were given out; the first one always says "left". */
export let answerCount: u32 = 1;

/** To be called before the layout is started. */
export function startAnswers(model: Model): void {
  answers = claim(<u64> model.nodes << 2);
}

/** So many new answers; the number of the first. */
export function giveAnswers(count: u32): u32 {
  const first = answerCount;
  answerCount += count;
  return first;
}

/** Makes an answer a node's. */
export function setAnswer(node: u32, answer: u32): void {
  store<u32>(answers + (<usize> node << 2), answer * <u32> ANSWER);
}

/** The offset of a node's answer. */
@inline
export function answerOf(node: u32): u32 {
  return load<u32>(answers + (<usize> node << 2));
}
