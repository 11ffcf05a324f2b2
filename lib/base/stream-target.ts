/** Memory for the pieces of a stream. */

/** Where a stream may write its next piece, so that its reader need not copy it. The reader changes it from piece to piece. */
export interface StreamTarget {
  /** Room for the next piece, which is written from its start on; undefined if the stream uses memory of its own. */
  next: Uint8Array<ArrayBuffer> | undefined;
}
