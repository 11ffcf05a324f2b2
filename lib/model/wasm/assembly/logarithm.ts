/**
 * The logarithm of a float as C's `logf` computes it (AssemblyScript's is
 * musl's, and glibc's is the same algorithm, by ARM): it is not always the
 * nearest float, so a correctly rounded one would give other margins.
 */
export function logf(x: f32): f32 {
  return NativeMathf.log(x);
}
