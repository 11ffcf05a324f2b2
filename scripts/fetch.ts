/** Copies one file of a variant out of the bucket: the labelled players that `retrain.yml` trains with. */
import { dirname } from "node:path";
import { retryPolicyOf } from "../lib/choice.ts";
import { UsageError } from "../lib/errors.ts";
import { readVariantFile } from "../lib/inputs.ts";
import {
  commonOptions,
  commonUsage,
  retryOptions,
  runScript,
  variantOptions,
  variantUsage,
} from "../lib/script.ts";
import { openServices } from "../lib/services.ts";

const command = {
  name: "fetch",
  summary: "Copies a file of the variant's folder in the bucket to this disk.",
  usage: `${variantUsage}
  --file PATH             the file, below the variant's prefix
  --output FILE           where the copy goes
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    file: { type: "string" },
    output: { type: "string" },
  },
} as const;

await runScript(command, async (flags, { say }) => {
  const { file, output } = flags;
  if (file === undefined || output === undefined) {
    throw new UsageError(
      "Cannot fetch: --file PATH and --output FILE are needed",
    );
  }
  const retryPolicy = retryPolicyOf(flags);
  await using services = await openServices({ say, retryPolicy });
  const { variant } = services.variants.settings(flags);
  const { uri, bytes } = await readVariantFile(services.places(variant), file);
  await Deno.mkdir(dirname(output), { recursive: true });
  await Deno.writeFile(output, bytes);
  return {
    report: { status: "fetched", uri, output, bytes: bytes.length },
    text: `${uri} (${bytes.length} bytes) is in ${output}`,
  };
});
