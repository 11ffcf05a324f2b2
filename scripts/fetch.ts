/** Copies one of a variant's files from the bucket to a local file, such as the labelled players that `retrain.yml` trains on. */
import { partsOf } from "../lib/cli/flag-values.ts";
import { UsageError } from "../lib/base/errors.ts";
import { readVariantFile } from "../lib/services/variant-files.ts";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import { writeWhole } from "../lib/storage/local.ts";
import { openServices } from "../lib/services/services.ts";

await runScript(commandTable.fetch, async (flags, context) => {
  const { file, output } = flags;
  if (file === undefined || output === undefined) {
    throw new UsageError(
      "Cannot fetch: --file PATH and --output FILE are required",
    );
  }
  await using services = await openServices(context);
  const { variant } = services.variants.settings(partsOf(flags));
  const { uri, bytes } = await readVariantFile(
    services.variantFiles(variant),
    file,
  );
  await writeWhole(output, bytes);
  return {
    report: { status: "fetched", uri, output, bytes: bytes.length },
    text: `Copied ${uri} (${bytes.length} bytes) to ${output}`,
  };
});
