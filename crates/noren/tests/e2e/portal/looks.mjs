// Every page in both languages, light and dark, on a desk and on a telephone; with the keyboard alone.
import assert from "node:assert/strict";
import { join } from "node:path";

import { at, id } from "./browser.mjs";

const phone = { width: 390, height: 780 };
const japanese = { lang: "ja", path: /パブリック DNS に問い合わせます/, unreachable: /到達できないか.*経路/s, cluster: /API サーバー アドレス/ };
const english = { lang: "en", path: /asks public DNS/, unreachable: /Unable to reach the api server/, cluster: /API server address/ };
const places = {
  "Japanese dark phone": { locale: "ja-JP", colorScheme: "dark", viewport: phone, says: japanese, shot: "portal-phone.png" },
  "Japanese light desk": { locale: "ja-JP", colorScheme: "light", says: japanese },
  "English dark phone": { locale: "en-GB", colorScheme: "dark", viewport: phone, says: english },
};

export default async function looks({ origin, context, reader, visit, screenshots, a, b }) {
  const cookies = await context.cookies();
  for (const [place, { says, shot, ...options }] of Object.entries(places)) {
    const there = await reader(options);
    await there.addCookies(cookies);
    const page = await there.newPage();
    const link = (list) => page.locator(`tbody a[href^='/${list}?']`).first().getAttribute("href");
    const fits = async (path) => {
      await visit(page, path, /./);
      assert.equal(await page.getAttribute("html", "lang"), says.lang);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} sticks out: ${place}`);
    };
    await fits("/networks");
    await fits(await link("network"));
    await fits("/zones");
    await fits(await link("zone"));
    for (const path of ["/", "/matrix", "/topology", "/activity"]) await fits(path);
    await fits(at("/path", { ...id(b), from: "internet" }));
    assert.match(await page.textContent("main"), says.path);
    await fits(at("/kubernetes", id(a)));
    assert.match(await page.textContent(".unreachable"), says.unreachable);
    await fits(at("/cluster", id(a)));
    assert.match(await page.textContent("main"), says.cluster);
    if (shot) await page.screenshot({ path: join(screenshots, shot) });
    await page.goto(`${origin}/`);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await there.close();
  }
}
