#!/usr/bin/env node
// How soon the portal's pages are ready in Chromium over an estate of a thousand private clusters in five hundred
// networks. Needs chromium, and playwright-core from `cargo xtask clients`.
//
// node bench/portal/pages.mjs [ROUNDS]; prints a table of medians.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const rounds = Number(process.argv[2] ?? 7);
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const { chromium } = createRequire(join(target, "clients/node_modules/x.js"))("playwright-core");

const server = spawn(join(target, "release/examples/large"), { stdio: ["ignore", "pipe", "inherit"] });
const link = await new Promise((resolve) => createInterface(server.stdout).once("line", resolve));
const { origin } = new URL(link);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: process.env.LOCALE ?? "en-US" });
const page = await context.newPage();
await page.goto(link);
await page.waitForURL(`${origin}/`);
const cluster = await page.locator("tbody a").first().getAttribute("href");
const id = new URL(cluster, origin).searchParams.get("id");
const query = (from) => `/path?${new URLSearchParams({ id, from, by: "private" })}`;

// The server's part ends with its answer's last byte; the browser's when every script has run and all is laid out.
const measure = async (path) => {
  await page.goto(origin + path);
  await page.waitForSelector("html[data-ready]");
  return page.evaluate(() => {
    const [shown] = performance.getEntriesByType("navigation");
    return {
      server: shown.responseEnd - shown.requestStart,
      ready: shown.domContentLoadedEventEnd - shown.responseEnd,
      painted: Math.max(0, performance.getEntriesByName("first-contentful-paint")[0].startTime - shown.responseEnd),
      kilobytes: shown.decodedBodySize / 1024,
      elements: document.getElementsByTagName("*").length,
    };
  });
};
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

console.log("page                   first, server   server   ready  painted      KB  elements");
for (const [name, path] of [
  ["clusters", "/"],
  ["cluster", cluster],
  ["matrix", "/matrix"],
  ["networks", "/networks"],
  ["zones", "/zones"],
  ["topology", "/topology"],
  ["path", query("laptop")],
  ["activity", "/activity"],
]) {
  const first = await measure(path);
  const all = [];
  for (let round = 0; round < rounds; round += 1) all.push(await measure(path));
  const column = (what, width) => Math.round(median(all.map((one) => one[what]))).toString().padStart(width);
  const wait = `${Math.round(first.server)} ms`.padStart(13);
  console.log(`${name.padEnd(22)} ${wait} ${column("server", 5)} ms ${column("ready", 4)} ms ${column("painted", 5)} ms ${column("kilobytes", 7)} ${column("elements", 9)}`);
}
await browser.close();
server.kill();
