/** Reads the names of the dimensions that `variants.yaml` declares, for the launcher, which starts without the services. */
import * as v from "../base/schema.ts";
import { parseYaml } from "../base/yaml.ts";

const schema = v.object({ dimensions: v.optional(v.array(v.string())) });

/** Returns the names; none if the file is not valid, which the command reports. @param project The project's folder. */
export async function readDimensions(
  project: string,
): Promise<readonly string[]> {
  try {
    const text = await Deno.readTextFile(`${project}/variants.yaml`);
    const value = parseYaml(text, { file: "variants.yaml" });
    return v.match(schema, value)?.dimensions ?? [];
  } catch {
    return [];
  }
}
