// Reads every page of the portal and clicks through it; prints what it saw as JSON.
//
// node main.mjs '{"link": …, "chromium": …, "modules": …, "screenshots": …, "az": …, "a": …, "b": …, …}'
import assert from "node:assert/strict";

import activity from "./activity.mjs";
import article from "./article.mjs";
import { start } from "./browser.mjs";
import looks from "./looks.mjs";
import paths from "./paths.mjs";

const given = JSON.parse(process.argv[2]);
const portal = { ...given, ...(await start(given)) };
for (const story of [article, activity, paths, looks]) await story(portal);
await portal.browser.close();
assert.deepEqual(portal.wrong, []);
console.log(JSON.stringify(portal.seen));
