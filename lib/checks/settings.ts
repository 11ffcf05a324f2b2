/** Checks the environment and `variants.yaml`. */
import { messageOf, UsageError } from "../base/errors.ts";
import { countOf, listSome } from "../base/phrases.ts";
import {
  type Config,
  type Environment,
  loadConfig,
  parseAlerting,
} from "../config/environment.ts";
import {
  findUnknownSettings,
  serviceSettings,
} from "../config/setting-names.ts";
import { toVariants, type Variants } from "../config/variants.ts";
import type { Check } from "./check.ts";

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
  const { config, check } = checkEnvironment(known);
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

function checkEnvironment(
  environment: Environment,
): { config: Config | undefined; check: Check } {
  const subject = { group, title: "Environment" } as const;
  try {
    const config = loadConfig(environment);
    parseAlerting(config.alerts);
    const set = serviceSettings.filter((name) => environment[name]?.trim());
    const detail = config.embedded
      ? `no services configured; everything is stored in ${config.home}`
      : `services configured by ${set.join(", ")}`;
    return { config, check: { ...subject, state: "ok", detail } };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return {
      config: undefined,
      check: {
        ...subject,
        state: "wrong",
        detail: messageOf(error),
        hint: 'docs/reference.md, "Settings", lists all',
      },
    };
  }
}

async function checkVariants(
  read: () => Promise<Variants>,
): Promise<{ variants: Variants; check: Check }> {
  const subject = { group, title: "variants.yaml" } as const;
  try {
    const variants = await read();
    const titles = variants.listed.map(({ variant }) => variant.title);
    return {
      variants,
      check: {
        ...subject,
        state: titles.length > 0 ? "ok" : "warning",
        detail: titles.length > 0
          ? `${countOf(titles.length, "variant")}: ${
            listSome(titles, shownVariants, { separator: "; " })
          }`
          : "no variants listed: --all and the schedule score nothing",
      },
    };
  } catch (error) {
    return {
      variants: toVariants({ variants: [] }),
      check: { ...subject, state: "wrong", detail: messageOf(error) },
    };
  }
}

/** Variants that are named; further ones are counted. */
const shownVariants = 6;
