/**
 * A program, because playwright-core reads below /proc, which Deno lets nobody
 * do without `--allow-all`: opens pages in Chromium and waits for texts on
 * them. Its one argument is a {@linkcode Tour} as JSON. The owner of `playwright-core`.
 */
// deno-lint-ignore no-import-prefix -- only this test support needs it
import { chromium } from "npm:playwright-core@1.64.1";
import type { Tour } from "./browser.ts";

const { executablePath, stops, timeoutMs }: Tour = JSON.parse(
  Deno.args[0] ?? "",
);
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
} finally {
  await browser.close();
}
