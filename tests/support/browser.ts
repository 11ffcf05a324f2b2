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
  const program = fileURLToPath(new URL("./pages.ts", import.meta.url));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      `--lock=${fileURLToPath(new URL("../deno.lock", import.meta.url))}`,
      program,
      JSON.stringify(tour),
    ],
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) {
    throw new Error(
      `Cannot open the pages: ${new TextDecoder().decode(stderr)}`,
    );
  }
}
