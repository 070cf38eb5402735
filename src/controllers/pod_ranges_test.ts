import assert from "node:assert/strict";
import type { RequestOptions, RestClient } from "../../lib/kubernetes/mod.ts";
import { poolKinds, readPodAddresses } from "./pod_ranges.ts";

const rangesOf = (group: string, plural: string, object: object): unknown[] =>
  poolKinds.find((kind) => kind.group === group && kind.plural === plural)!.ranges(object as never);

Deno.test("pools of network plugins: their ranges are read, and odd objects have none", () => {
  const pool = { spec: { cidr: "192.168.0.0/16", blockSize: 26 } };
  assert.deepEqual(rangesOf("crd.projectcalico.org", "ippools", pool), ["192.168.0.0/16"]);
  const node = {
    spec: { ipam: { podCIDRs: ["10.0.1.0/24"], pools: { allocated: [{ pool: "a", cidrs: ["10.9.0.0/27"] }, null] } } },
  };
  assert.deepEqual(rangesOf("cilium.io", "ciliumnodes", node), ["10.0.1.0/24", "10.9.0.0/27"]);
  const podPool = { spec: { ipv4: { cidrs: ["10.10.0.0/16"], maskSize: 27 }, ipv6: { cidrs: ["fd00:10::/104"] } } };
  assert.deepEqual(rangesOf("cilium.io", "ciliumpodippools", podPool), ["10.10.0.0/16", "fd00:10::/104"]);
  assert.deepEqual(rangesOf("kubeovn.io", "subnets", { spec: { cidrBlock: "10.16.0.0/16,fd00:10:16::/112" } }), [
    "10.16.0.0/16",
    "fd00:10:16::/112",
  ]);
  const network = { spec: { clusterNetwork: [{ cidr: "10.128.0.0/14", hostPrefix: 23 }] }, status: {} };
  assert.deepEqual(rangesOf("config.openshift.io", "networks", network), ["10.128.0.0/14"]);
  for (const { ranges } of poolKinds) {
    for (const odd of [{}, { spec: null }, { spec: { ipam: 1, ipv4: "x", cidrBlock: 7, ipRanges: [1] } }]) {
      assert.deepEqual(ranges(odd as never).filter((range) => typeof range === "string"), []);
    }
  }
});

Deno.test("addresses of pods: all pages are read, up to 10,000 pods", async () => {
  let pages = 0;
  const rest = {
    performRequest: ({ querystring }: RequestOptions) => {
      assert.equal(querystring!.get("continue"), pages === 0 ? null : `page-${pages}`);
      pages++;
      return Promise.resolve({
        metadata: { continue: `page-${pages}` },
        columnDefinitions: [{ name: "Name" }, { name: "IP" }],
        rows: [{ cells: ["a", `10.0.0.${pages}`] }, { cells: ["b", "<none>"] }],
      });
    },
  } as unknown as RestClient;
  assert.equal((await readPodAddresses(rest, new AbortController().signal)).length, 20);
  assert.equal(pages, 20);
});
