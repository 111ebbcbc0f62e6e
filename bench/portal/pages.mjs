#!/usr/bin/env node
// How soon the portal's pages are ready in Chromium over an estate of a thousand private clusters in five hundred
// networks. Needs chromium, and playwright-core from `cargo xtask clients`.
//
// node bench/portal/pages.mjs [ROUNDS]; prints a table of medians, and fails where a goal is missed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const rounds = Number(process.argv[2] ?? 7);
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const { chromium } = createRequire(join(target, "clients/node_modules/x.js"))("playwright-core");
// Milliseconds: one step of the browser at most, and the goals.
const PATIENCE = 30_000;
const [READY, INTERACTIVE] = [100, 1000];

// The portal's link, or why there is none.
async function opened(server) {
  const line = once(createInterface(server.stdout), "line", { signal: AbortSignal.timeout(PATIENCE) });
  const ended = Promise.race([once(server, "exit"), once(server, "error")]).then(([how]) => {
    throw new Error(`examples/large ended before it printed a link: ${how}`);
  });
  const [link] = await Promise.race([line, ended]);
  ended.catch(() => {});
  return link;
}

// The server's part ends with its answer's last byte; the browser's when every script has run and something is painted.
// What the page costs its thread in processor time does not depend so much on how busy the machine is.
async function measured({ page, worked }, url) {
  await page.goto(url);
  await page.waitForSelector("html[data-ready]", { state: "attached" });
  const shown = await page.evaluate(async () => {
    // Told only after the frame was shown, which may be later than `load`.
    const paint = new Promise((resolve) =>
      new PerformanceObserver((list) => list.getEntriesByName("first-contentful-paint").forEach(resolve)).observe({ type: "paint", buffered: true }),
    );
    const [shown] = performance.getEntriesByType("navigation");
    const painted = (await paint).startTime;
    return {
      server: shown.responseEnd - shown.requestStart,
      ready: shown.domContentLoadedEventEnd - shown.responseEnd,
      painted: Math.max(0, painted - shown.responseEnd),
      whole: Math.max(painted, shown.domContentLoadedEventEnd) - shown.requestStart,
      kilobytes: shown.decodedBodySize / 1024,
      elements: document.getElementsByTagName("*").length,
    };
  });
  return { ...shown, work: await worked() };
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function table(browser, link) {
  const { origin } = new URL(link);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: process.env.LOCALE ?? "en-US" });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const debugged = await context.newCDPSession(page);
  await debugged.send("Performance.enable", { timeDomain: "threadTicks" });
  // Of this page alone: each has a process of its own.
  const worked = async () => {
    const { metrics } = await debugged.send("Performance.getMetrics");
    return 1000 * metrics.find(({ name }) => name === "TaskDuration").value;
  };
  await page.goto(link);
  await page.waitForURL(`${origin}/`);
  const linked = (list) => page.locator(`tbody a[href^='/${list}?']`).first().getAttribute("href");
  const cluster = await linked("cluster");
  const id = new URL(cluster, origin).searchParams.get("id");
  await page.goto(`${origin}/networks`);
  const network = await linked("network");
  await page.goto(`${origin}/zones`);
  const zone = await linked("zone");
  const missed = [];
  console.log("page           first: server   whole   then: server    ready  painted     work       KB  elements");
  for (const [name, path] of [
    ["clusters", "/"],
    ["cluster", cluster],
    ["kubernetes", `/kubernetes?${new URLSearchParams({ id })}`],
    ["matrix", "/matrix"],
    ["networks", "/networks"],
    ["network", network],
    ["zones", "/zones"],
    ["zone", zone],
    ["topology", "/topology"],
    ["path", `/path?${new URLSearchParams({ id, from: "laptop", by: "private" })}`],
    ["activity", "/activity"],
  ]) {
    const first = await measured({ page, worked }, origin + path);
    const all = [];
    for (let round = 0; round < rounds; round += 1) all.push(await measured({ page, worked }, origin + path));
    const of = (what) => Math.round(median(all.map((one) => one[what])));
    const ms = (value, width) => `${Math.round(value).toString().padStart(width)} ms`;
    const [ready, painted] = [of("ready"), of("painted")];
    console.log(
      name.padEnd(15) + ms(first.server, 10) + ms(first.whole, 5) + ms(of("server"), 12) + ms(ready, 6) + ms(painted, 6) + ms(of("work"), 6) +
        of("kilobytes").toString().padStart(9) + of("elements").toString().padStart(10),
    );
    if (Math.max(ready, painted) > READY) missed.push(`${name} is ready after ${ready} ms, painted after ${painted} ms`);
    if (name === "matrix" && first.whole > INTERACTIVE) missed.push(`the first matrix takes ${Math.round(first.whole)} ms`);
  }
  return missed;
}

const server = spawn(join(target, "release/examples/large"), { stdio: ["ignore", "pipe", "inherit"] });
// However this ends, nothing that it started goes on: Playwright ends its browser itself.
process.once("exit", () => server.kill());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
const link = await opened(server);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"], timeout: PATIENCE });
const missed = await table(browser, link).finally(() => browser.close());
for (const goal of missed) console.error(`missed: ${goal}`);
process.exit(missed.length > 0 ? 1 : 0);
