// deno-lint-ignore-file no-console -- prints what it found
/**
 * A program, because playwright-core reads below /proc, which Deno lets nobody
 * do without `--allow-all`: opens pages in Chromium and waits for texts on
 * them. Its one argument is a {@linkcode Tour} as JSON, and may have `views`, of which
 * it prints what it found. The owner of `playwright-core` and `axe-core`.
 */
// deno-lint-ignore no-import-prefix -- only this test support needs it
import { type Browser, chromium } from "npm:playwright-core@1.64.1";
// deno-lint-ignore no-import-prefix -- only this test support needs it
import axe from "npm:axe-core@4.14.1";
import type { Inspection, Tour, View } from "./browser.ts";

const { executablePath, stops, timeoutMs, views = [] }: Tour & {
  views?: readonly View[];
} = JSON.parse(Deno.args[0] ?? "");
/** JavaScript for the page: the text of the focused summary if its part is open. */
const focusedSummary = `document.activeElement?.parentElement?.open
  ? document.activeElement.textContent : ""`;

/** JavaScript for the page: the rules of axe-core that it breaks, each with its first element. */
const violationsOf = `axe.run().then(({ violations }) => violations.map(
  ({ id, nodes }) => id + ": " + nodes[0]?.html.slice(0, 200)))`;

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
try {
  const page = await browser.newPage({
    viewport: { width: 1280, height: 800 },
  });
  page.setDefaultTimeout(timeoutMs);
  for (const { url, texts, clicks = [], image } of stops) {
    await page.goto(url, { waitUntil: "domcontentloaded" });
    for (const text of texts) await page.getByText(text).first().waitFor();
    for (const click of clicks) {
      if (typeof click === "string") {
        await page.getByText(click).first().click();
      } else await page.mouse.click(...click);
    }
    if (clicks.length > 0) await page.mouse.move(600, 790); // away from what shows a tip
    if (image === undefined) continue;
    await page.waitForTimeout(5_000); // the last grey bars fill
    await page.screenshot({ path: image });
  }
  const found: Inspection[] = [];
  for (const view of views) found.push(await inspect(browser, view));
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}

async function inspect(browser: Browser, view: View): Promise<Inspection> {
  const { url, width, height = 800, dark = false, print = false } = view;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
  });
  const page = await context.newPage();
  const requests: string[] = [];
  page.on("request", (request) => {
    if (request.url() !== url) requests.push(request.url());
  });
  await page.goto(url);
  const scrollWidth = await page.evaluate<number>(
    "document.documentElement.scrollWidth",
  );
  if (view.image !== undefined) {
    await (print
      ? page.pdf({ path: view.image, format: "A4", printBackground: true })
      : page.screenshot({
        path: view.image,
        fullPage: view.height === undefined,
      }));
  }
  // The keyboard alone: each Tab must reach the next folded part, and Enter open it.
  const foldedParts = await page.locator("details").count();
  const opened: string[] = [];
  for (let press = 0; press < foldedParts; press++) {
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    opened.push(await page.evaluate<string>(focusedSummary));
  }
  await page.evaluate(axe.source);
  const violations = await page.evaluate<string[]>(violationsOf);
  await context.close();
  return { scrollWidth, violations, requests, opened, foldedParts };
}
