/** A real browser for the tests: Chromium without a window. The owner of `playwright-core`. */
// deno-lint-ignore no-import-prefix -- only this test support needs it
import { chromium, type Page } from "npm:playwright-core@1.64.1";

export type { Page };

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

/** One page of a browser that closes with its scope, 1280 × 800. */
export async function openPage(
  executablePath: string,
): Promise<{ page: Page } & AsyncDisposable> {
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const page = await browser.newPage({
    viewport: { width: 1280, height: 800 },
  });
  return { page, [Symbol.asyncDispose]: () => browser.close() };
}
