// deno-lint-ignore-file no-console -- its output is its result
/** Prints a CycloneDX 1.6 bill of materials of the packages in deno.lock: `deno task sbom`. */
import { type LockedPackage, readLock, readManifest } from "./lock.ts";
import { version } from "../../lib/cli/version.ts";

/** Returns the bill of materials; the same lock file gives the same text. @throws {Deno.errors.NotFound} If a package is not installed. */
export async function toBillOfMaterials(): Promise<Record<string, unknown>> {
  const { packages, direct } = await readLock("deno.lock");
  const all = [...packages.values()];
  const refOf = (id: string) => {
    const found = packages.get(id);
    if (!found) throw new Error(`Cannot find ${id} in deno.lock`);
    return toUrl(found);
  };
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": "churn",
        name: "churn",
        version,
        licenses: [{ expression: "Apache-2.0" }],
      },
    },
    components: await Promise.all(all.map(toComponent)),
    dependencies: [
      { ref: "churn", dependsOn: direct.map(refOf) },
      ...all.map((one) => ({
        ref: toUrl(one),
        dependsOn: one.dependencies.map(refOf),
      })),
    ],
  };
}

/** Returns the package URL, such as `pkg:npm/%40types/pg@8.23.1`. */
function toUrl({ name, version }: LockedPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

async function toComponent(
  locked: LockedPackage,
): Promise<Record<string, unknown>> {
  const { name, version, integrity } = locked;
  const { license } = await readManifest(locked);
  const [, group, short = name] = /^(@[^/]+)\/(.*)$/.exec(name) ?? [];
  const [, digest = ""] = /^sha512-(.*)$/.exec(integrity) ?? [];
  return {
    type: "library",
    "bom-ref": toUrl(locked),
    ...group === undefined ? {} : { group },
    name: short,
    version,
    hashes: [{
      alg: "SHA-512",
      content: Uint8Array.fromBase64(digest).toHex(),
    }],
    ...license === undefined ? {} : { licenses: [{ expression: license }] },
    purl: toUrl(locked),
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(await toBillOfMaterials(), null, 2));
}
