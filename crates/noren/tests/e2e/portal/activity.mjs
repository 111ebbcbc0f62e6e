// The activity log follows by itself what another client does: a deployment that succeeds at once, one that fails, with its
// code and message, and a command, which changes no resource.
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
  const row = (operation, name) => page.locator("#operations tbody tr", { hasText: operation }).filter({ hasText: name });
  const ends = (operation, name, how) => row(operation, name).getByText(how, { exact: true }).waitFor();

  await does(`deployment group create -n office -f ${office}`);
  await ends("deployments/write", "office", "Succeeded");
  await assert.rejects(does(`deployment group create -n broken -f ${broken}`), /NetcfgSubnetRangeOutsideVnet/);
  await ends("deployments/write", "broken", "Failed");
  const told = await row("deployments/write", "broken").innerText();
  assert.match(told, /DeploymentFailed\s+At least one resource deployment operation failed/);
  await run(az, ["aks", "command", "invoke", "-g", "rg", "-n", "aks-public", "-o", "none", "--command", "kubectl get nodes"]);
  await ends("runCommand/action", "aks-public", "Succeeded");
  assert.ok(await page.evaluate(() => globalThis.sameDocument), "nothing was loaded again");
  await accessible(page, "/activity with a failure");
  await page.close();
}
