// The path as a VPN client has it, and every what-if that is offered there.
import assert from "node:assert/strict";
import { join } from "node:path";

import { at, id } from "./browser.mjs";

export default async function paths({ origin, page, accessible, screenshots, a, b }) {
  await page.goto(origin + at("/path", id(b)));
  await page.selectOption("#from", await page.locator("#from option", { hasText: "VPN client" }).getAttribute("value"));
  await page.click("form.bar button");
  await page.waitForSelector(".topology .ring.start");
  assert.match(await page.textContent("h1"), /^gw → aks-private/);
  assert.match(await page.textContent(".steps"), /asks public DNS/);

  const offers = await page.locator("#if option").evaluateAll((options) => options.map((option) => option.value).filter(Boolean));
  for (const offered of [/^enable the public FQDN/, /^stop cluster/, /^link zone .* to office/, /peer office with/]) {
    const offer = offers.find((text) => offered.test(text));
    assert.ok(offer, `${offered} is not among ${offers.join("; ")}`);
    await page.selectOption("#if", offer);
    await page.click("form.bar button");
    await page.locator("#then", { hasText: offer }).waitFor();
    const changed = await page.textContent("section[aria-labelledby=differs]");
    // A link changes what the network's own machines are told, and not what a client outside is.
    if (/^link/.test(offer)) assert.match(changed, /office\/default.*resolves, does not connect/s);
    if (/^stop/.test(offer)) assert.match(changed, /Does not connect/);
    await accessible(page, `/path if ${offer}`);
  }

  // By the public FQDN its packets get as far as the gateway's network; a peering would lead them on.
  await page.goto(origin + at("/path", { ...id(a), from: "gw", by: "public" }));
  await page.waitForSelector(".topology .ring.stopped");
  const peer = page.locator("#if option", { hasText: /^peer office with/ }).first();
  await page.selectOption("#if", await peer.getAttribute("value"));
  await page.click("form.bar button");
  await page.waitForSelector("#changed");
  await page.locator("[data-pane]").screenshot({ path: join(screenshots, "portal-path.png") });
}
