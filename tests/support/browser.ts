/** A real browser for the tests: Chromium without a window. */
import { fileURLToPath } from "node:url";

/** One page, and what must be seen on it. */
export interface Stop {
  readonly url: string;
  /** Each must appear somewhere on the page. */
  readonly texts: readonly string[];
  /** Clicked afterwards: a text, or a point from the left top in pixels. */
  readonly clicks?: readonly (string | [x: number, y: number])[];
  /** Path of a PNG to write, 1280 × 800. */
  readonly image?: string | undefined;
}

/** How a page is looked at by {@linkcode inspectPages}. */
export interface View {
  readonly url: string;
  /** In CSS pixels. */
  readonly width: number;
  readonly dark?: boolean;
  /** As on paper: only `image` differs, which is then a PDF. */
  readonly print?: boolean;
  /** Path of a PNG of the whole page, or of its first `height` pixels. */
  readonly image?: string | undefined;
  readonly height?: number;
}

/** What a browser found on a page. */
export interface Inspection {
  /** Width of the content; larger than the view's if the page scrolls sideways. */
  readonly scrollWidth: number;
  /** What axe-core objects to: the rule, and the first element. */
  readonly violations: readonly string[];
  /** URLs that the page asked for, without its own. */
  readonly requests: readonly string[];
  /** Summaries of the folded parts that the keys Tab and Enter opened, in order. */
  readonly opened: readonly string[];
  /** Number of folded parts on the page. */
  readonly foldedParts: number;
}

/** Pages that one browser opens one after the other. */
export interface Tour {
  readonly executablePath: string;
  readonly stops: readonly Stop[];
  /** Longest wait for one text. */
  readonly timeoutMs: number;
}

/** Where Debian, Ubuntu, Alpine and Google put it. */
const paths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** The Chromium of this machine; undefined when there is none. */
export function findChromium(): string | undefined {
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Opens every page of a tour. @throws {Error} With the text that did not appear. */
export async function openPages(tour: Tour): Promise<void> {
  await runBrowser(tour);
}

/** Returns what a browser finds on each page. */
export async function inspectPages(
  options: { executablePath: string; views: readonly View[] },
): Promise<Inspection[]> {
  return JSON.parse(
    await runBrowser({ ...options, stops: [], timeoutMs: 60_000 }),
  );
}

async function runBrowser(
  work: Tour & { readonly views?: readonly View[] },
): Promise<string> {
  const program = fileURLToPath(new URL("./pages.ts", import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      `--lock=${fileURLToPath(new URL("../deno.lock", import.meta.url))}`,
      program,
      JSON.stringify(work),
    ],
    stdin: "null",
  }).output();
  if (!success) {
    throw new Error(
      `Cannot open the pages: ${new TextDecoder().decode(stderr)}`,
    );
  }
  return new TextDecoder().decode(stdout);
}
