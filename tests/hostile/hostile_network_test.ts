/** Guests with their own DNS zone or a destination of 0.0.0.0/0 try to reach addresses at home and in the cloud. */
import assert from "node:assert/strict";
import type { Grant } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { createNames } from "../../src/dns/create_names.ts";
import { eventually, step } from "../fixtures/test_operator.ts";
import { judgeFlows, type TrafficFlow } from "../fixtures/traffic.ts";
import { Zone } from "../fixtures/zone.ts";
import { hostileScene } from "./hostile_scene.ts";

const clusterRanges = { pods: ["10.42.0.0/16"], services: ["10.96.0.0/16"] };

/** Addresses in a node's status, all outside the ranges of the cluster and of a LAN. */
const nodeAddresses = [
  { type: "InternalIP", address: "203.0.113.66" },
  { type: "ExternalIP", address: "203.0.113.67" },
  { type: "Hostname", address: "203.0.113.68" },
  { type: "InternalIP", address: "2001:db8:66::5" },
];

/** Addresses that no guest may reach. */
const inside: Record<string, string> = {
  "a NAS in the LAN": "192.168.1.10",
  "the router": "10.0.0.1",
  "a unique local address": "fd12:3456::10",
  "a site-local address": "fec0::10",
  "a range of a benchmark": "198.18.0.9",
  "loopback": "127.0.0.1",
  "loopback of IPv6": "::1",
  "metadata": "169.254.169.254",
  "metadata of ECS": "169.254.170.2",
  "metadata of Alibaba": "100.100.100.200",
  "metadata of Azure": "168.63.129.16",
  "metadata of Google by IPv6": "fd20:ce::254",
  "metadata of AWS by IPv6": "fd00:ec2::254",
  "a pod": "10.42.0.7",
  "the API server's Service": "10.96.0.1",
  "a node": "203.0.113.66",
  "a node from outside": "203.0.113.67",
  "a node by its address of type Hostname": "203.0.113.68",
  "a node by IPv6": "2001:db8:66::5",
  "a node of the tailnet": "100.64.0.9",
  "link-local": "fe80::a9fe:a9fe",
  "multicast": "224.0.0.251",
  "metadata by NAT64": "64:ff9b::a9fe:a9fe",
  "the NAS by NAT64": "64:ff9b::c0a8:10a",
  "a node by NAT64": "64:ff9b::cb00:7142",
  "the NAS by a local NAT64": "64:ff9b:1::c0a8:10a",
  "metadata by 6to4": "2002:a9fe:a9fe::1",
  "the NAS by 6to4": "2002:c0a8:10a::1",
  "the NAS by Teredo": "2001:0:4136:e378:8000:63bf:3f57:fef5",
  "the NAS by ISATAP": "2001:db8::5efe:c0a8:10a",
};
const outside = "203.0.113.7";
/** A DNS answer of both families, as most names have: a missing family is queried again only after a while. */
const publicly = [outside, "2606:4700::7"];
const publicRanges = [`${outside}/32`, "2606:4700::7/128"];
const byTier = /\((DestinationPrivate|DestinationProtected)\)/;

Deno.test("a guest's DNS zone and a wide destination: open the internet, and nothing at home", {
  // The test creates a node.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using zone = new Zone();
  const names = createNames({ servers: [zone.server], shortestTtlMs: 100 });
  await using scene = await hostileScene({ settings: { clusterRanges }, names });
  const { lab, cluster, mallory, bob } = scene;
  const node = `node-${mallory.realm}`;
  const kubectl = async (args: string[], stdin = "") => {
    const { code, stderr } = await lab.kubectl(args, { stdin });
    assert.equal(code, 0, stderr);
  };
  const policyOf = async (grant: string, namespace: string) =>
    (await cluster.policies.namespace(namespace).list()).items.filter(({ metadata }) =>
      metadata.name === `grant-${grant}`
    );
  const resolved = (grant: string, is: (grant: Grant) => boolean | string) =>
    eventually(`the destinations of Grant ${grant} are resolved`, async () => {
      const seen = await cluster.grants.get(grant);
      const waits = is(seen);
      return waits === true ? seen : `${waits}: ${JSON.stringify(seen.status?.resolvedDestinations)}`;
    }, 20_000);
  const patch = (grant: string, networkPolicy: unknown) =>
    cluster.grants.patch(grant, { spec: { networkPolicy } }, { type: "merge" });

  await kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name: node } }));
  try {
    const status = JSON.stringify({ status: { addresses: nodeAddresses } });
    await kubectl(["patch", "node", node, "--subresource=status", "--type=merge", "-p", status]);

    await step(
      t,
      `${Object.keys(inside).length} names of the zone that resolve to protected addresses: nothing opens`,
      async () => {
        const places = Object.values(inside);
        const nameOf = (index: number) => `host-${index}.${mallory.realm}.example`;
        for (const [index, address] of places.entries()) zone.set(nameOf(index), address);
        await patch(mallory.grant, {
          egressAllowed: true,
          allowedDestinations: places.map((_, index) => nameOf(index)),
        });
        const { status } = await resolved(mallory.grant, ({ status }) => {
          const seen = status?.resolvedDestinations ?? [];
          for (const [index, { addresses }] of seen.entries()) assert.equal(addresses, undefined, places[index]);
          return seen.length === places.length && seen.every(({ error }) => byTier.test(error ?? ""));
        });
        assert.ok(byTier.test(status!.conditions!.find(({ type }) => type === "NetworkNarrowed")!.message));
        assert.deepEqual(await policyOf(mallory.grant, mallory.namespace), []);
      },
    );

    await step(
      t,
      "names that are public first and then resolve to protected addresses: these never open",
      async () => {
        const places = Object.values(inside);
        const nameOf = (index: number) => `rebinding-${index}.${mallory.realm}.example`;
        for (const [index] of places.entries()) zone.set(nameOf(index), ...publicly);
        const allowedDestinations = places.map((_, index) => `${nameOf(index)}:443`);
        await patch(mallory.grant, { egressAllowed: true, allowedDestinations });
        const all = (status: Grant["status"]) =>
          status?.resolvedDestinations?.filter(({ destination }) => allowedDestinations.includes(destination)) ?? [];
        await resolved(mallory.grant, ({ status }) =>
          all(status).length === places.length &&
          all(status).every(({ addresses }) => addresses?.join() === publicRanges.join()));
        const opened = async () =>
          (await policyOf(mallory.grant, mallory.namespace)).flatMap(({ spec }) =>
            spec!.egress!.flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!.cidr))
          );
        // First along with the public address, then instead of it.
        for (const beside of [publicly, []]) {
          for (const [index, address] of places.entries()) zone.set(nameOf(index), ...beside, address);
          await resolved(mallory.grant, ({ status }) => {
            const seen = all(status).flatMap(({ addresses = [] }) => addresses);
            assert.deepEqual([...new Set(seen)].filter((address) => !publicRanges.includes(address)), []);
            return all(status).every(({ narrowed, error }, index) =>
              (narrowed ?? error)?.includes(`(${places[index]}/`) ?? false
            );
          });
          assert.deepEqual((await opened()).filter((address) => !publicRanges.includes(address)), []);
        }
        const { status } = await cluster.grants.get(mallory.grant);
        const narrowed = status!.conditions!.find(({ type }) => type === "NetworkNarrowed")!;
        assert.match(narrowed.message, /rebinding-0\.mallory-\w+\.example:443 \(192\.168\.1\.10\/32\)/);
      },
    );

    await step(
      t,
      "0.0.0.0/0, ::/0 and internet: cyclonus finds only the internet open",
      async () => {
        const policies = async () => (await cluster.policies.list()).items;
        for (const wide of [["0.0.0.0/0", "::/0"], ["internet"], ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/2"]]) {
          await patch(mallory.grant, { egressAllowed: true, allowedDestinations: wide });
          await resolved(mallory.grant, ({ status, metadata }) =>
            status?.observedGeneration === metadata!.generation &&
            wide.every((text) => status?.resolvedDestinations?.some(({ destination }) => destination === text)));
          const from = (ip: string) => ({
            ip: ip.includes(":") ? "fd42::9" : "10.42.0.9",
            namespace: mallory.namespace,
          });
          const flow = (ip: string): TrafficFlow => ({ from: from(ip), to: { ip }, port: 443, protocol: "TCP" });
          // The embedded address shows only in a single address: no range can exclude these forms.
          const places = Object.entries(inside).filter(([place]) => !place.endsWith("ISATAP"));
          const open = wide[0] === "0.0.0.0/1" ? [outside] : [outside, "2606:4700::1111", "64:ff9b::cb00:7107"];
          const verdicts = await judgeFlows(await policies(), [...places.map(([, ip]) => ip), ...open].map(flow));
          const passing = places.filter((_, index) => verdicts[index]).map(([place]) => place);
          assert.deepEqual(passing, [], wide.join(" "));
          assert.deepEqual(verdicts.slice(places.length), open.map(() => true), wide.join(" "));
        }
      },
    );

    await step(
      t,
      "a name of the LAN within the grant's range: opens the NAS and nothing else",
      async () => {
        const [nas, printer] = ["nas", "printer"].map((host) => `${host}.${bob.realm}.example`) as [string, string];
        zone.set(nas, "192.168.1.10");
        zone.set(printer, "192.168.2.20");
        await patch(bob.grant, {
          egressAllowed: true,
          allowedDestinations: [`${nas}:445`, `${printer}:631`, "192.168.3.0/24"],
          within: ["192.168.1.0/24"],
          except: ["192.168.3.1"],
        });
        const { status } = await resolved(
          bob.grant,
          ({ status }) =>
            status?.resolvedDestinations?.[0]?.addresses !== undefined &&
            byTier.test(status.resolvedDestinations[1]?.error ?? ""),
        );
        assert.deepEqual(status!.resolvedDestinations!.map(({ addresses }) => addresses), [
          ["192.168.1.10/32"],
          undefined,
          ["192.168.3.0/24"],
        ]);
        const [policy] = await policyOf(bob.grant, bob.namespace);
        assert.deepEqual(policy!.spec!.egress, [
          { to: [{ ipBlock: { cidr: "192.168.3.0/24", except: ["192.168.3.1/32"] } }] },
          { ports: [{ protocol: "TCP", port: 445 }], to: [{ ipBlock: { cidr: "192.168.1.10/32" } }] },
        ]);
        const guide = await bob.kubectl(["get", "configmap", "keystone", "--output=yaml"]);
        assert.ok(guide.said.includes(`${nas}:445`), guide.said);
        assert.doesNotMatch(guide.said, /192\.168\.3\.1"|192\.168\.1\./, "the guide doesn't reveal closed addresses");
      },
    );

    await step(t, "a guest creates a NetworkPolicy or reads Grants: forbidden", async () => {
      const policy = {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "mine" },
        spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
      };
      assert.match((await mallory.apply(policy)).said, /forbidden/);
      assert.match((await mallory.kubectl(["get", "grants"])).said, /forbidden/i);
    });
  } finally {
    await lab.kubectl(["delete", "node", node]);
  }
});
