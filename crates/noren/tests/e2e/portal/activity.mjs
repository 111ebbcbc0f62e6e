// The activity log follows by itself what another client does: a deployment that fails, with its code and message. (What
// succeeds at once, as everything does in an instant lab, is no long-running operation.)
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export default async function activity({ origin, context, accessible, az, office, broken }) {
  const page = await context.newPage();
  await page.goto(`${origin}/activity`);
  await page.waitForSelector("#live.on");
  await page.evaluate(() => (globalThis.sameDocument = true));
  const does = (line) => run(az, [...line.split(" "), "-g", "rg", "-o", "none"]);
  const row = (name) => page.locator("#operations tbody tr", { hasText: name });

  await does(`deployment group create -n office -f ${office}`);
  await assert.rejects(does(`deployment group create -n broken -f ${broken}`), /NetcfgSubnetRangeOutsideVnet/);
  await row("broken").getByText("Failed", { exact: true }).waitFor();
  assert.match(await row("broken").innerText(), /DeploymentFailed\s+At least one resource deployment operation failed/);
  assert.ok(await page.evaluate(() => globalThis.sameDocument), "nothing was loaded again");
  await accessible(page, "/activity with a failure");
  await page.close();
}
