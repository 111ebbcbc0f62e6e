// A real Chromium whose every complaint counts: an error on the console, a request to another host, a violation that
// axe-core finds.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

export const at = (path, pairs) => `${path}?${new URLSearchParams(pairs)}`;
export const id = (cluster) => ({ id: cluster });

// Milliseconds from the end of the server's answer until everything has run.
const readyIn = (page) =>
  page.evaluate(() => {
    const [shown] = performance.getEntriesByType("navigation");
    return Math.round(shown.domContentLoadedEventEnd - shown.responseEnd);
  });

export async function start({ link, chromium, modules }) {
  const require = createRequire(join(modules, "x.js"));
  const axe = require("axe-core").source;
  const browser = await require("playwright-core").chromium.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  const { origin } = new URL(link);
  const wrong = [];
  const seen = { pages: {} };

  // A browser of one reader.
  async function reader(options) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(message.text()));
    context.on("weberror", (error) => wrong.push(String(error.error())));
    context.on("request", (request) => new URL(request.url()).origin === origin || wrong.push(`asks ${request.url()}`));
    return context;
  }

  // What axe-core says of the page. Its script is put in by the debugger, which the page's policy does not bind.
  async function accessible(page, where) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    for (const { id, nodes } of violations) wrong.push(`${where}: ${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
  }

  async function visit(page, path, heading) {
    await page.goto(origin + path);
    await page.waitForSelector("html[data-ready]");
    assert.match(await page.textContent("h1"), heading, path);
    const key = path.split("?")[0];
    seen.pages[key] = Math.max(seen.pages[key] ?? 0, await readyIn(page));
    await accessible(page, path);
  }

  // A link lets one browser in, once.
  const context = await reader({ locale: "en-US" });
  const page = await context.newPage();
  await page.goto(link);
  await page.waitForURL(`${origin}/`);
  await page.waitForSelector("#live.on");
  const stranger = await (await browser.newContext()).request.get(link);
  assert.equal(stranger.status(), 401);
  return { browser, origin, context, page, reader, accessible, visit, readyIn, wrong, seen };
}
