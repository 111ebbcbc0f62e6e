// Every page in Japanese: on a dark telephone and on a light desk; with the keyboard alone.
import assert from "node:assert/strict";
import { join } from "node:path";

import { at, id } from "./browser.mjs";

export default async function looks({ origin, context, reader, visit, screenshots, a, b }) {
  const cookies = await context.cookies();
  const places = {
    phone: { locale: "ja-JP", colorScheme: "dark", viewport: { width: 390, height: 780 } },
    desk: { locale: "ja-JP", colorScheme: "light" },
  };
  for (const [place, options] of Object.entries(places)) {
    const japanese = await reader(options);
    await japanese.addCookies(cookies);
    const page = await japanese.newPage();
    const link = (list) => page.locator(`tbody a[href^='/${list}?']`).first().getAttribute("href");
    const fits = async (path) => {
      await visit(page, path, /./);
      assert.equal(await page.getAttribute("html", "lang"), "ja");
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} sticks out of a ${place}`);
    };
    await fits("/networks");
    await fits(await link("network"));
    await fits("/zones");
    await fits(await link("zone"));
    for (const path of ["/", "/matrix", "/topology", "/activity"]) await fits(path);
    await fits(at("/path", { ...id(b), from: "internet" }));
    assert.match(await page.textContent("main"), /パブリック DNS に問い合わせます/);
    await fits(at("/kubernetes", id(a)));
    assert.match(await page.textContent(".unreachable"), /到達できないか.*経路/s);
    await fits(at("/cluster", id(a)));
    assert.match(await page.textContent("main"), /API サーバー アドレス/);
    await page.screenshot({ path: join(screenshots, `portal-${place}.png`) });
    await page.goto(`${origin}/`);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await japanese.close();
  }
}
