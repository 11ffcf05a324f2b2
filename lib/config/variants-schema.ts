/**
 * Writes `variants.schema.json`, the JSON Schema with which editors complete and
 * check `variants.yaml`: run it with `deno task variants-schema`. It is for
 * development only; no other file of `lib` imports it.
 */
import {
  type JsonSchema,
  toJsonSchema,
  // deno-lint-ignore no-import-prefix -- only development needs it
} from "npm:@valibot/to-json-schema@1.8.0";
import { variantsFile } from "./variants.ts";

/** Returns the text of `variants.schema.json`: {@linkcode variantsFile} in draft 7, which all editors read. */
export function toVariantsSchema(): string {
  const schema = toJsonSchema(variantsFile, {
    target: "draft-07",
    typeMode: "input",
    overrideSchema: ({ jsonSchema }) => mergeNull(jsonSchema),
    // The checks for which the library has no conversion.
    overrideAction: ({ valibotAction: { type }, jsonSchema }) => {
      if (type === "check_items") return { ...jsonSchema, uniqueItems: true };
      if (type === "check") return jsonSchema; // only the commands check it
      if (type === "finite") return jsonSchema; // JSON has no other numbers
      if (type === "safe_integer") return { ...jsonSchema, type: "integer" };
    },
  });
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Returns "a type or null" as a list of types: editors explain it better than `anyOf`. */
function mergeNull(schema: JsonSchema): JsonSchema {
  const [only, empty, ...more] = schema.anyOf ?? [];
  if (typeof only !== "object" || typeof only.type !== "string") return schema;
  const isNull = typeof empty === "object" && empty.type === "null";
  if (!isNull || more.length > 0) return schema;
  const { anyOf: _, ...rest } = schema;
  return { ...rest, ...only, type: [only.type, "null"] };
}

if (import.meta.main) {
  await Deno.writeTextFile(
    new URL("../../variants.schema.json", import.meta.url),
    toVariantsSchema(),
  );
}
