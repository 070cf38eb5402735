import assert from "node:assert/strict";
import { oldestMinor, tooOld } from "./preflight.ts";

for (
  const [version, old] of [
    [{ major: "1", minor: "29", gitVersion: "v1.29.14+k3s1" }, true],
    [{ major: "1", minor: "29+" }, true],
    [{ major: "1", minor: "9" }, true],
    [{ major: "1", minor: "30" }, false],
    [{ major: "1", minor: "30+", gitVersion: "v1.30.1-gke.7" }, false],
    [{ major: "1", minor: "34" }, false],
    [{ major: "2", minor: "0" }, false],
    [{ major: "", minor: "" }, false],
    [{}, false],
  ] as const
) {
  Deno.test(`Kubernetes ${JSON.stringify(version)}: ${old ? "too old" : "accepted"}`, () => {
    const said = tooOld(version);
    assert.equal(said !== undefined, old);
    if (said) assert.match(said, /Kubernetes (v?1\.\d+)\S*; Keystone needs 1\.30 or newer.*Upgrade the cluster/);
  });
}

Deno.test("the chart's kubeVersion: equals the oldest supported version", async () => {
  const chart = await Deno.readTextFile(new URL("../../deploy/chart/Chart.yaml", import.meta.url));
  assert.ok(chart.includes(`kubeVersion: ">=1.${oldestMinor}.0-0"`));
});
