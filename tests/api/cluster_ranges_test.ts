/** Facts about a real cluster: devices, storage classes, protected ranges, DNS names. */
import assert from "node:assert/strict";
import { eventually, prepared, realmOf, startOperator, step } from "../fixtures/test_operator.ts";
import { parseSettings } from "../../src/api/mod.ts";
import type { NameResolver, Resolution } from "../../src/dns/create_names.ts";
import { startLab } from "../lab/lab.ts";

/** DNS names with addresses that a test sets. */
class SetNames implements NameResolver {
  readonly #known = new Map<string, Resolution>();
  #listener: (name: string) => void = () => {};
  wanted: ReadonlySet<string> = new Set();

  get(name: string): Resolution | undefined {
    return this.#known.get(name);
  }

  set(name: string, resolution: Resolution): void {
    this.#known.set(name, resolution);
    this.#listener(name);
  }

  want(names: ReadonlySet<string>): void {
    this.wanted = names;
  }

  onChange(listener: (name: string) => void): void {
    this.#listener = listener;
  }

  run(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
}

Deno.test("devices, storage classes, protected ranges and DNS names of a cluster", {
  // The test creates nodes and storage classes.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  const names = new SetNames();
  await using operator = await startOperator(lab, { realm: "alice-home", names });
  const kubectl = async (args: string[], object?: unknown) => {
    const { code, stdout, stderr } = await lab.kubectl(args, object ? { stdin: JSON.stringify(object) } : {});
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const quotaHas = (realm: string, hard: Record<string, string>) =>
    eventually(`the quota of ${realm} has ${JSON.stringify(hard)}`, async () => {
      const found = await cluster.quotaOf(realm);
      return Object.entries(hard).every(([key, value]) => String(found?.[key]) === value) || JSON.stringify(found);
    });
  const opened = async (grant: string, realm: string) => {
    const { items } = await cluster.policies.namespace(`guest-${realm}`).list();
    const policy = items.find(({ metadata }) => metadata.name === `grant-${grant}`);
    const peers = (policy?.spec?.egress ?? []).flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!));
    return peers.map(({ cidr, except }) => `${cidr}${except ? `-${except.join("-")}` : ""}`).join(" ") || "nothing";
  };
  const opens = (grant: string, realm: string, expected: string) =>
    eventually(`${grant} opens ${expected}`, async () => {
      const seen = await opened(grant, realm);
      return seen === expected || `open: ${seen}`;
    });
  const node = (name: string, podCIDR?: string) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    spec: podCIDR ? { podCIDR, podCIDRs: [podCIDR] } : {},
  });
  const capacity = (name: string, resources: Record<string, string>) =>
    kubectl([
      "patch",
      "node",
      name,
      "--subresource=status",
      "--type=merge",
      "-p",
      JSON.stringify({
        status: {
          capacity: { cpu: "8", memory: "16Gi", pods: "110", ...resources },
          addresses: [{ type: "InternalIP", address: "203.0.113.200" }],
        },
      }),
    ]);

  await step(t, "a node offers a new device that no grant names: its quota is 0 at once", async () => {
    await cluster.createRealm("dev-home");
    await cluster.create({ name: "dev", to: "dev-home" });
    await cluster.grantIn("Active", "dev");
    await kubectl(["create", "-f", "-"], node("gpu-node", "10.42.0.0/24"));
    await capacity("gpu-node", { "nvidia.com/gpu": "2", "hugepages-2Mi": "1Gi" });
    await quotaHas("dev-home", { "requests.nvidia.com/gpu": "0", "requests.hugepages-2Mi": "0" });
    await cluster.create({ name: "gpu", to: "dev-home", hard: { "requests.nvidia.com/gpu": "1" } });
    await quotaHas("dev-home", { "requests.nvidia.com/gpu": "1", "requests.cpu": "1" });
  });

  await step(t, "a grant names a StorageClass: every class gets its own quota, later classes too", async () => {
    const storageClass = (name: string) => ({
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name },
      provisioner: "example.com/none",
    });
    const key = (name: string) => `${name}.storageclass.storage.k8s.io/requests.storage`;
    await kubectl(["create", "-f", "-"], storageClass("slow"));
    await cluster.createRealm("disk-home");
    await cluster.create({ name: "disk", to: "disk-home", hard: { [key("fast")]: "10Gi" } });
    await quotaHas("disk-home", { "requests.storage": "10Gi", [key("fast")]: "10Gi", [key("slow")]: "0" });
    await kubectl(["create", "-f", "-"], storageClass("later"));
    await quotaHas("disk-home", { [key("later")]: "0" });
  });

  await step(t, "a destination covers the cluster's own ranges: these stay closed", async () => {
    await cluster.createRealm("net-home");
    const services = (await kubectl(["get", "servicecidr", "kubernetes", "-o", "jsonpath={.spec.cidrs[0]}"])).trim();
    await cluster.create({
      name: "net",
      to: "net-home",
      destinations: ["10.0.0.0/8", services, "10.42.0.7", "203.0.113.0/24"],
    });
    await opens("net", "net-home", `10.0.0.0/8-10.42.0.0/24-${services} 203.0.113.0/24-203.0.113.200/32`);
    const { status } = await cluster.grantIn("Active", "net");
    assert.deepEqual(
      status!.resolvedDestinations!.filter(({ error }) => error).map(({ destination }) => destination),
      [services, "10.42.0.7"],
    );
    assert.equal(status!.conditions!.find(({ type }) => type === "NetworkApplied")!.reason, "DestinationProtected");
    assert.equal(status!.phase, "Active");
  });

  await step(t, "an internal realm: reaches a protected address that its grant names", async () => {
    await cluster.realms.create(realmOf("own-home", { trustLevel: "internal" }));
    await cluster.create({ name: "own", to: "own-home", destinations: ["10.42.0.7", "0.0.0.0/0"] });
    await eventually(
      "the destination is open",
      async () => /(^| )10\.42\.0\.7\/32( |$)/.test(await opened("own", "own-home")) || "no",
    );
    assert.match(
      await opened("own", "own-home"),
      /0\.0\.0\.0\/0-.*10\.0\.0\.0\/8/,
      "the destination contains the range of pods",
    );
  });

  await step(t, "a DNS name: opens its addresses and follows changes, but never opens protected ones", async () => {
    await cluster.createRealm("dns-home");
    await cluster.create({ name: "dns", to: "dns-home", destinations: ["mirror.example.com:443", "198.51.100.1"] });
    const grant = await cluster.grantIn("Active", "dns");
    assert.match(grant.status!.resolvedDestinations![0]!.error!, /mirror\.example\.com is being resolved/);
    assert.ok(names.wanted.has("mirror.example.com"));
    names.set("mirror.example.com", { addresses: ["203.0.113.80", "2001:db8::80"] });
    await opens("dns", "dns-home", "198.51.100.1/32 203.0.113.80/32 2001:db8::80/128");
    names.set("mirror.example.com", { addresses: ["203.0.113.81", "10.42.0.9", "169.254.169.254"] });
    await opens("dns", "dns-home", "198.51.100.1/32 203.0.113.81/32");
    names.set("mirror.example.com", { addresses: [], error: "mirror.example.com: no such name." });
    await opens("dns", "dns-home", "198.51.100.1/32");
    await cluster.grants.patch("dns", {
      spec: { networkPolicy: { allowedDestinations: ["198.51.100.1"] }, termination: { noticeSeconds: 0 } },
    }, { type: "merge" });
    await eventually(
      "the name is no longer resolved",
      () => Promise.resolve(names.wanted.size === 0 || "still resolved"),
    );
  });

  await step(
    t,
    "no node has a podCIDR: pod ranges are unknown, so CIDRs close, and the message names the setting",
    async () => {
      await kubectl(["create", "-f", "-"], node("plain-node"));
      await kubectl(["delete", "node", "gpu-node"]);
      await opens("net", "net-home", "nothing");
      const grant = await eventually("the Grant reports it", async () => {
        const seen = await cluster.grants.get("net");
        const reason = seen.status!.conditions!.find(({ type }) => type === "NetworkApplied")!.reason;
        return reason === "ClusterRangesUnknown" ? seen : reason;
      });
      assert.match(
        grant.status!.resolvedDestinations![0]!.error!,
        /Node plain-node has no podCIDR.*Set clusterRanges\.pods in the operator's configuration/,
      );
      await operator.stop();
      await using _configured = await startOperator(lab, {
        realm: "alice-home",
        settings: parseSettings({ clusterRanges: { pods: ["10.42.0.0/16"] } }),
      });
      await eventually(
        "the destination is open again",
        async () => /10\.0\.0\.0\/8/.test(await opened("net", "net-home")) || "no",
      );
      assert.match(await opened("net", "net-home"), /-10\.42\.0\.0\/16/);
    },
  );
});
