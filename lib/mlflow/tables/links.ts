/** Links runs to the datasets and models that they used and the models that they produced: MLflow's `inputs`. */
import { newId, type TableRow } from "./rows.ts";

/** The primary key of `inputs`. */
export const linkKey = [
  "source_type",
  "source_id",
  "destination_type",
  "destination_id",
];

/** Returns a row of `inputs` with a new id. */
export function toLink(
  source: readonly [type: string, id: string],
  destination: readonly [type: string, id: string],
): TableRow & { input_uuid: string } {
  return {
    input_uuid: newId(),
    source_type: source[0],
    source_id: source[1],
    destination_type: destination[0],
    destination_id: destination[1],
  };
}
