/** How the output of an ONNX model is read, as recorded with a version. */
import * as v from "../../base/schema.ts";

/** The form of the record in MLmodel's metadata. */
export const recordedOutput = v.object({
  kind: v.picklist(["probability", "score"]),
  positive_class: v.exactOptional(v.string()),
  classes: v.exactOptional(v.array(v.string())),
});

/** The kind of the predictions, the class whose probability is used, and the classes that the graph names. */
export type RecordedOutput = v.InferOutput<typeof recordedOutput>;
