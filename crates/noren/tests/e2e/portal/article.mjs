// The article's scenario by clicking: A's and B's addresses, why they differ, one turned off while others watch, and
// every page on the way.
import assert from "node:assert/strict";
import { join } from "node:path";

import { at, id } from "./browser.mjs";

export default async function article({ origin, context, page, visit, accessible, readyIn, seen, screenshots, a, b }) {
  // From the list to A: the public name is shown, because the setting is on; B shows the private one.
  await visit(page, "/", /Kubernetes services/);
  await page.click("text=aks-public >> nth=0");
  await page.waitForSelector("#shown");
  const [publicName, why] = [await page.textContent("#shown code"), await page.textContent("#because")];
  assert.match(publicName, /\.hcp\.japaneast\.azmk8s\.io$/);
  assert.match(why, /public FQDN is enabled/);
  await accessible(page, "/cluster");
  seen.pages["/cluster"] = await readyIn(page);
  await page.screenshot({ path: join(screenshots, "portal-cluster.png"), clip: { x: 0, y: 0, width: 1280, height: 660 } });
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
  for (const list of ["Deployments", "Pods", "Replica sets", "Stateful sets", "Daemon sets", "Jobs", "Cron jobs", "Services", "Ingresses"]) {
    await page.waitForSelector(`section[aria-label='${list}']`);
  }
  assert.match(await page.textContent("section[aria-label=Services]"), /default\s*kubernetes\s*ClusterIP/);
  assert.match(await page.textContent("section[aria-label='Config maps']"), /kube-root-ca\.crt/);
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
  const file = await context.request.get(`${origin}/topology.svg`);
  assert.match(await file.text(), /^<svg .*<\/svg>$/s);
  await visit(page, "/activity", /Activity log/);

  // A form that did not come from here changes nothing.
  const forged = await context.request.post(`${origin}/act`, { form: { id: a, act: "stop", csrf: "x" }, headers: { origin } });
  assert.equal(forged.status(), 403);
}
