// Drives the portal in a real Chromium: every page, the article's scenario by clicking, and after each step that
// nothing went wrong: no error on the console, no request to another host, no violation that axe-core finds.
//
// node portal.mjs LINK CHROMIUM NODE_MODULES SCREENSHOTS CLUSTER_A CLUSTER_B; prints what it saw as JSON.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const [link, chromium, modules, screenshots, a, b] = process.argv.slice(2);
const require = createRequire(join(modules, "x.js"));
const { chromium: browserType } = require("playwright-core");
const axe = require("axe-core").source;

const origin = new URL(link).origin;
const browser = await browserType.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const wrong = [];
const seen = { pages: {} };

// A browser of one reader, whose every complaint counts.
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

// Milliseconds from the end of the server's answer until everything has run.
const readyIn = (page) =>
  page.evaluate(() => {
    const [shown] = performance.getEntriesByType("navigation");
    return Math.round(shown.domContentLoadedEventEnd - shown.responseEnd);
  });

async function visit(page, path, heading) {
  await page.goto(origin + path);
  await page.waitForSelector("html[data-ready]");
  assert.match(await page.textContent("h1"), heading, path);
  const key = path.split("?")[0];
  seen.pages[key] = Math.max(seen.pages[key] ?? 0, await readyIn(page));
  await accessible(page, path);
}

const at = (path, pairs) => `${path}?${new URLSearchParams(pairs)}`;
const id = (cluster) => ({ id: cluster });

const context = await reader({ locale: "en-US" });
const page = await context.newPage();
await page.goto(link);
await page.waitForURL(`${origin}/`);
await page.waitForSelector("#live.on");

// A link works once.
const stranger = await (await browser.newContext()).request.get(link);
assert.equal(stranger.status(), 401);

// From the list to A: the public name is shown, because the setting is on; B shows the private one.
await visit(page, "/", /Kubernetes services/);
await page.click("text=aks-public >> nth=0");
await page.waitForSelector("#shown");
const [publicName, why] = [await page.textContent("#shown code"), await page.textContent("#because")];
assert.match(publicName, /\.hcp\.japaneast\.azmk8s\.io$/);
assert.match(why, /public FQDN is enabled/);
await accessible(page, "/cluster");
seen.pages["/cluster"] = await readyIn(page);
await page.screenshot({ path: join(screenshots, "portal-cluster.png") });
const fromInternet = () => page.locator("tr[data-vantage=internet]").innerText();
assert.match(await fromInternet(), /resolves, does not connect 10\.224\.0\.\d+/);
const record = await page.textContent("#records");
assert.match(record, /A 10\.224\.0\.\d+/);

await visit(page, at("/cluster", id(b)), /aks-private/);
assert.match(await page.textContent("#shown code"), /\.privatelink\.japaneast\.azmk8s\.io$/);
assert.match(await page.textContent("#because"), /public FQDN is disabled/);
assert.match(await fromInternet(), /does not resolve\s+– no such address/);

// Why not: the path, drawn, and what if the public FQDN were there.
await page.click("tr[data-vantage=internet] a");
await page.waitForSelector("svg .ring.stopped");
assert.match(await page.textContent("main"), /PRIVATE_NAME_NOT_RESOLVABLE|PUBLIC_FQDN_DISABLED|NO_ROUTE/);
await accessible(page, "/path");
const offer = await page.locator("#if option", { hasText: "enable the public FQDN" }).getAttribute("value");
await page.selectOption("#if", offer);
await page.click("form.bar button");
await page.waitForSelector("#changed");
await page.screenshot({ path: join(screenshots, "portal-path.png") });

// Somebody else looks on while A's public FQDN is turned off: address, zone and matrix follow by themselves.
const [watching, matrix, zone] = [await context.newPage(), await context.newPage(), await context.newPage()];
await watching.goto(origin + at("/cluster", id(a)));
await matrix.goto(origin + at("/matrix", { vantage: "internet" }));
assert.match(await matrix.locator("tr", { hasText: "aks-public" }).innerText(), /resolves, does not connect/);
await visit(page, at("/cluster", id(a)), /aks-public/);
await zone.goto(origin + (await page.getAttribute("dl a[href^='/zone']", "href")));
for (const other of [watching, matrix, zone]) await other.waitForSelector("#live.on");
await page.click("button[value=disablePublicFqdn]");
await page.waitForSelector("#no-public");
assert.match(await page.textContent("#shown code"), /\.privatelink\./);
await watching.waitForSelector("#no-public");
assert.match(await watching.textContent("#shown code"), /\.privatelink\./);
await matrix.waitForFunction(() => !document.querySelector("tbody").innerText.includes("resolves, does not"));
// Stopping takes endpoint and record away, in the zone as well.
await page.click("button[value=stop]");
await page.waitForSelector("button[value=start]");
await zone.waitForFunction(() => !document.querySelector("#record-sets").innerText.includes("10.224.0."));
await page.click("button[value=start]");
await page.waitForSelector("button[value=stop]");
await zone.waitForFunction(() => document.querySelector("#record-sets").innerText.includes("10.224.0."));
await page.click("button[value=enablePublicFqdn]");
await page.waitForSelector("button[value=disablePublicFqdn]");
assert.equal(await page.textContent("#shown code"), publicName, "the name it had");
const network = await page.textContent("dl a[href^='/network']");
for (const other of [watching, matrix, zone]) await other.close();

// Kubernetes from outside and from inside.
await visit(page, at("/kubernetes", id(a)), /aks-public/);
assert.match(await page.textContent(".unreachable"), /Unable to reach the api server/);
const inside = await page.locator("#from option", { hasText: network }).getAttribute("value");
await page.selectOption("#from", inside);
await page.click("form.bar button");
await page.waitForSelector("section[aria-label=Nodes] table");
assert.match(await page.textContent("section[aria-label=Nodes]"), /Ready/);
assert.match(await page.textContent("section[aria-label=Namespaces]"), /kube-system/);
await accessible(page, "/kubernetes inside");

// Every other page, and the picture as a file.
await visit(page, "/matrix", /Who reaches what/);
await visit(page, "/networks", /Virtual networks/);
await page.click("tbody a >> nth=0");
await page.waitForSelector("#subnets");
await accessible(page, "/network");
await visit(page, "/zones", /Private DNS zones/);
await page.click("tbody a >> nth=0");
await page.waitForSelector("#record-sets");
await accessible(page, "/zone");
await visit(page, "/topology", /Topology/);
await page.click("[data-zoom='1.25']");
await page.screenshot({ path: join(screenshots, "portal-topology.png") });
const file = await context.request.get(`${origin}/topology.svg`);
assert.match(await file.text(), /^<svg .*<\/svg>$/s);
await visit(page, "/activity", /Activity log/);

// Japanese, dark, on a telephone; with the keyboard alone.
const fresh = await (await context.request.get(`${origin}/`)).text();
assert.match(fresh, /lang="en"/);
const cookies = await context.cookies();
const phone = await reader({ locale: "ja-JP", colorScheme: "dark", viewport: { width: 390, height: 780 } });
await phone.addCookies(cookies);
const small = await phone.newPage();
await visit(small, at("/cluster", id(a)), /aks-public/);
assert.match(await small.textContent("main"), /API サーバー アドレス/);
assert.ok(await small.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
await small.screenshot({ path: join(screenshots, "portal-phone.png") });
for (const path of ["/", "/matrix", "/topology", "/activity"]) await visit(small, path, /./);
await small.keyboard.press("Tab");
assert.equal(await small.evaluate(() => document.activeElement.className), "skip");

// A form that did not come from here changes nothing.
const forged = await context.request.post(`${origin}/act`, { form: { id: a, act: "stop", csrf: "x" }, headers: { origin } });
assert.equal(forged.status(), 403);

await browser.close();
assert.deepEqual(wrong, []);
console.log(JSON.stringify(seen));
