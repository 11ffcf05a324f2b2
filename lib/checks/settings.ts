/** Checks the environment and `variants.yaml`. */
import { countOf, listSome } from "../base/phrases.ts";
import {
  type Config,
  type Environment,
  findUnknownSettings,
  loadConfig,
  parseAlerting,
  serviceSettings,
} from "../config/environment.ts";
import { toVariants, type Variants } from "../config/variants.ts";
import { type Check, runCheck } from "./check.ts";

const group = "Settings";

/** The settings, as far as they can be used. */
export interface CheckedSettings {
  readonly checks: readonly Check[];
  /** Undefined if the environment is invalid. */
  readonly config: Config | undefined;
  /** Without variants if `variants.yaml` is invalid. */
  readonly variants: Variants;
}

/**
 * Checks the settings in the environment and in `variants.yaml`.
 *
 * @param read Reads `variants.yaml`.
 */
export async function checkSettings(
  environment: Environment,
  read: () => Promise<Variants>,
): Promise<CheckedSettings> {
  const unknown = findUnknownSettings(Object.keys(environment));
  // They are findings of their own, so that they need not be said twice.
  const known = Object.fromEntries(
    Object.entries(environment).filter(([name]) =>
      !unknown.some((each) => each.name === name)
    ),
  );
  const { config, check } = await checkEnvironment(known);
  const { variants, ...listed } = await checkVariants(read);
  return {
    config,
    variants,
    checks: [
      check,
      ...unknown.map(({ name, meant }): Check => ({
        group,
        title: name,
        state: meant === undefined ? "warning" : "wrong",
        detail: `not a known setting; it is ignored${
          meant === undefined ? "" : `; did you mean ${meant}?`
        }`,
        remedy: meant === undefined
          ? `unset ${name}`
          : `export ${meant}="$${name}"; unset ${name}`,
      })),
      ...(config?.warnings ?? []).map((warning): Check => ({
        group,
        title: "TLS",
        state: "warning",
        detail: warning,
      })),
      listed.check,
    ],
  };
}

/** Checks the environment; `config` is undefined if it cannot be used. */
async function checkEnvironment(
  environment: Environment,
): Promise<{ config: Config | undefined; check: Check }> {
  let config: Config | undefined;
  const check = await runCheck({ group, title: "Environment" }, () => {
    const loaded = loadConfig(environment);
    parseAlerting(loaded.alerts);
    config = loaded;
    const set = serviceSettings.filter((name) => environment[name]?.trim());
    return Promise.resolve({
      state: "ok",
      detail: loaded.embedded
        ? `no services configured; everything is stored in ${loaded.home}`
        : `services configured by ${set.join(", ")}`,
    });
  }, { hint: 'docs/reference.md, "Settings", lists all' });
  return { config, check };
}

/** Checks `variants.yaml`; there are no `variants` if it cannot be used. */
async function checkVariants(
  read: () => Promise<Variants>,
): Promise<{ variants: Variants; check: Check }> {
  let variants = toVariants({ variants: [] });
  const check = await runCheck({ group, title: "variants.yaml" }, async () => {
    variants = await read();
    const titles = variants.listed.map(({ variant }) => variant.title);
    const named = listSome(titles, shownVariants, { separator: "; " });
    return titles.length > 0
      ? {
        state: "ok",
        detail: `${countOf(titles.length, "variant")}: ${named}`,
      }
      : {
        state: "warning",
        detail: "no variants listed: --all and the schedule score nothing",
      };
  });
  return { variants, check };
}

/** Variants that are named; further ones are counted. */
const shownVariants = 6;
