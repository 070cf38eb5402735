/** Keystone installed by the chart in real pods: a grant's life, failures, an upgrade, and the uninstall. */
import assert from "node:assert/strict";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import { version } from "../../src/version.ts";
import {
  bothReady,
  chart,
  helm,
  killContainer,
  leader,
  listeningIn,
  prepareInstall,
  processOf,
  readyPods,
  restartsOf,
  succeeded,
  system,
  termsOfLease,
  writesOf,
} from "../fixtures/installed.ts";
import { clientOf, eventually, realmOf, secondsFromNow, step, TestCluster } from "../fixtures/test_operator.ts";
import { previousImage, unpackPrevious } from "../fixtures/previous/previous.ts";
import { getAs } from "../fixtures/tailnet_dial.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { tailscaleStatus } from "../lab/tailscaled.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { addVolume, premadeStorage } from "../lab/volumes.ts";
import { agnhostPod, deploymentOf } from "../lab/lab_workloads.ts";

const namespace = "guest-bob-home";
const grantor = "alice-home";
const figures: string[] = [];
const measured = (what: string, ms: number) => figures.push(`${what}: ${Math.round(ms)} ms`);

/** Returns the StableIDs of the replicas' nodes by their names, once both are online and earlier nodes are not. */
async function replicaNodes(lab: Lab): Promise<Record<string, string>> {
  return await eventually("the replicas are online under their names", async () => {
    const status = await tailscaleStatus(lab.realms["bob-home"]!.socket);
    if (typeof status === "string") return status;
    const nodes = Object.values(status.Peer ?? {}).filter(({ HostName, Online }) =>
      Online && HostName.startsWith(grantor)
    );
    const names = nodes.map(({ HostName }) => HostName).sort();
    if (names.join() !== `${grantor},${grantor}-1`) return names.join();
    return Object.fromEntries(nodes.map(({ HostName, ID }) => [HostName, ID]));
  }, 90_000);
}

nodeTest("Keystone installed by the chart, in pods", async (t) => {
  await using lab = await startLab({ node: true, realms: ["bob-home"] });
  const values = await prepareInstall(lab, grantor);
  await using previous = await unpackPrevious();
  await previous.image(`${lab.dir}/previous.tar`);
  await lab.importImages(`${lab.dir}/previous.tar`);
  using cluster = new TestCluster(lab, await clientOf(lab.kubeconfig));
  const { rest } = cluster;
  const kubectl = async (args: string[], stdin?: string) =>
    succeeded(await lab.kubectl(args, stdin === undefined ? {} : { stdin })).stdout;
  const bobs = await lab.user("bob", { groups: ["keystone:realm:bob-home"] });
  const bob = (args: string[], stdin?: string) =>
    lab.kubectl(["--namespace", namespace, ...args], {
      kubeconfig: bobs,
      ...(stdin === undefined ? {} : { stdin }),
    });
  const pods = new CoreV1Api(rest).namespace(namespace).pods;
  const state = async (realm: string) => (await cluster.realms.get(realm)).status?.connectionState;
  const connected = (realm: string, withinMs: number) =>
    eventually(`${realm} is Connected`, async () => {
      const now = await state(realm);
      return now === "Connected" || `state: ${now}`;
    }, withinMs);
  /** Waits until no guest pod is left; a deletion may still be in progress after its response. */
  const gone = (withinMs: number) =>
    eventually("no guest pod is left", async () => {
      const { items } = await pods.list();
      return items.length === 0 || items.map(({ metadata }) => metadata.name).join();
    }, withinMs);
  const deploy = async (name: string, replicas: number, claim?: string) => {
    const { spec } = JSON.parse(agnhostPod({ name, namespace }, ["netexec"], claim ? { claim } : {}));
    return await bob(["create", "-f", "-"], JSON.stringify(deploymentOf({ name, namespace }, spec, { replicas })));
  };
  const runs = (app: string, number: number) =>
    eventually(`${number} pods of ${app} run`, async () => {
      const { items } = await pods.list({ labelSelector: `app=${app}` });
      const running = items.filter((pod: Pod) => pod.status?.phase === "Running" && !pod.metadata!.deletionTimestamp);
      return running.length === number || `${running.length} do`;
    }, 60_000);

  await step(t, "helm install: two operators and a tailnet, within Pod Security restricted", async () => {
    const began = performance.now();
    const tag = previousImage.slice(previousImage.lastIndexOf(":") + 1);
    await helm(lab, ["install", "keystone", previous.chart], { ...values, image: { tag } });
    await eventually("the custom resources are served", async () => {
      const { code, stderr } = await lab.kubectl(["create", "-f", "-"], {
        stdin: JSON.stringify(realmOf(grantor, { connectionType: "headscale", trustLevel: "internal" })),
      });
      return code === 0 || stderr;
    });
    await bothReady(rest);
    measured("helm install → both operators ready", performance.now() - began);
    await connected(grantor, 60_000);
    measured("helm install → the local realm Connected", performance.now() - began);
    assert.equal((await cluster.realms.get(grantor)).status?.local, true);
    const holder = await leader(rest);
    const said = await kubectl(["get", "--raw", `/api/v1/namespaces/${system}/pods/${holder}:8080/proxy/readyz`]);
    assert.match(said, /^Ready: this operator holds the Lease/);
  });

  await addVolume(lab, "volume");
  await step(t, "Bob deploys workloads within the grant; others are refused", async () => {
    await cluster.createRealm("bob-home", { connectionType: "headscale" });
    await connected("bob-home", 10_000);
    await cluster.create({
      name: "lent",
      to: "bob-home",
      hard: {
        "requests.cpu": "1",
        "limits.cpu": "20",
        "requests.memory": "1Gi",
        pods: "4",
        ...premadeStorage("1Gi"),
      },
      termination: { noticeSeconds: 0, drainSeconds: 10 },
    });
    await cluster.grantIn("Active", "lent");
    await eventually("Bob may create a claim", async () => {
      const { code, stderr } = await bob(
        ["create", "-f", "-"],
        JSON.stringify({
          apiVersion: "v1",
          kind: "PersistentVolumeClaim",
          metadata: { name: "data", namespace },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        }),
      );
      return code === 0 || stderr;
    });
    succeeded(await deploy("web", 2, "data"));
    await runs("web", 2);
    const { code, stderr } = await bob(
      ["create", "-f", "-"],
      agnhostPod({ name: "big", namespace }, []).replace('"cpu":"10m"', '"cpu":"3"').replace('"cpu":"1"', '"cpu":"3"'),
    );
    assert.equal(code, 1);
    // The previous version refuses here, in its words.
    assert.match(stderr, /asks for 3 requests\.cpu, and guest-bob-home is granted 1 in all/);
  });

  await step(t, "helm upgrade: quota, policies and access are in force at every moment", async () => {
    const path = ".spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.networkPolicy.properties";
    const fields = async () =>
      Object.keys(
        JSON.parse(await kubectl(["get", "crd", "grants.keystone.io", "-o", `jsonpath={${path}}`])),
      ).sort();
    assert.deepEqual(await fields(), ["allowedDestinations", "egressAllowed"]);
    const watched = ["resourcequotas", "networkpolicies.networking.k8s.io", "rolebindings.rbac.authorization.k8s.io"];
    const before = await Promise.all(watched.map((kind) => standing(kubectl, kind)));
    const stop = new AbortController();
    using _ = { [Symbol.dispose]: () => stop.abort() };
    const gaps: string[] = [];
    const watching = watched.map((kind) => watch(rest, kind, before, gaps, stop.signal));
    const began = performance.now();
    await helm(lab, ["upgrade", "keystone", chart, "--wait", "--timeout=3m"], values);
    measured("helm upgrade, both operators replaced", performance.now() - began);
    await bothReady(rest);
    assert.deepEqual(await fields(), ["allowedDestinations", "egressAllowed", "except", "within"]);
    // The new operators have observed everything: a new grant becomes Active.
    await cluster.create({ name: "after", to: "carol-home", hard: { pods: "1" } });
    await cluster.createRealm("carol-home");
    await cluster.grantIn("Active", "after", 30_000);
    stop.abort();
    await Promise.all(watching);
    assert.deepEqual(gaps, []);
    assert.deepEqual(await Promise.all(watched.map((kind) => standing(kubectl, kind))), before);
    assert.equal((await cluster.grants.get("lent")).status?.phase, "Active");
    await runs("web", 2);
  });

  await step(
    t,
    "the Deployment of the previous version is gone; each replica is a node with its own name",
    async () => {
      const left = await kubectl(["-n", system, "get", "deployments,statefulsets", "-o", "name"]);
      assert.equal(left.trim(), "statefulset.apps/keystone-operator");
      const before = await replicaNodes(lab);
      const pod = "keystone-operator-1";
      const { uid } = (await new CoreV1Api(rest).namespace(system).pods.get(pod)).metadata!;
      await kubectl(["-n", system, "delete", "pod", pod]);
      await eventually("the pod is replaced", async () => {
        const now = await new CoreV1Api(rest).namespace(system).pods.get(pod).catch(() => undefined);
        return now !== undefined && now.metadata!.uid !== uid || "not yet";
      }, 30_000);
      await bothReady(rest);
      assert.deepEqual(await replicaNodes(lab), before, "the same nodes");
    },
  );

  await step(t, "the webhook, which the upgrade moved to a separate process: refuses with an explanation", async () => {
    await eventually("the webhook explains", async () => {
      const { code, stderr } = await deploy("huge", 9);
      if (code === 0) await bob(["delete", "deployment", "huge"]);
      return code !== 0 && /Grant lent|keystone/i.test(stderr) || `${code} ${stderr}`;
    }, 30_000);
  });

  await step(
    t,
    "a peer of the tailnet: reaches no port of the pod; only the operator's container has its token",
    async () => {
      const { socket } = lab.realms["bob-home"]!;
      // Each pod is a node; nodes of replaced pods are gone, or still reported for a while. The first connection between
      // two nodes takes longer; after it, silence means that the port is closed.
      const addresses = await eventually("tailscaled's own PeerAPI of each node is reached", async () => {
        const status = await tailscaleStatus(socket);
        if (typeof status === "string") return status;
        const nodes = Object.values(status.Peer ?? {}).filter(({ DNSName, Online }) =>
          Online && DNSName.startsWith(grantor)
        );
        const reached = await Promise.all(nodes.map(async ({ PeerAPIURL }) => {
          // None yet on a new node.
          const url = PeerAPIURL?.find((url) => !url.includes("["));
          if (url === undefined) return false;
          const { hostname, port } = new URL(url);
          return await getAs(socket, hostname, Number(port), "/") !== undefined;
        }));
        const all = nodes.map(({ TailscaleIPs }) => TailscaleIPs!.find((each) => each.includes("."))!);
        return reached.every(Boolean) && all.length >= 2
          ? all
          : all.filter((_, index) => !reached[index]).join() || "too few";
      }, 60_000);
      for (const pod of await readyPods(rest)) {
        const addressOfPod = (await new CoreV1Api(rest).namespace(system).pods.get(pod)).status!.podIP!;
        for (const container of ["operator", "front", "tailscaled"]) {
          const pid = await processOf(rest, pod, container);
          const token = await Deno.stat(`/proc/${pid}/root/var/run/secrets/kubernetes.io/serviceaccount/token`)
            .then(() => true, () => false);
          assert.equal(token, container === "operator", `${pod}/${container}`);
        }
        const ours = [8080, 8081, 9443];
        const listening = await listeningIn(await processOf(rest, pod, "operator"));
        for (const { port, loopback } of listening) {
          if (ours.includes(port)) assert.equal(loopback, false, `${pod} listens on loopback, port ${port}`);
        }
        assert.deepEqual(ours.filter((port) => !listening.some((each) => each.port === port)), [], addressOfPod);
      }
      // All other ports, and common ports of other programs.
      const ports = [8080, 8081, 9443, 22, 80, 443, 4317, 5252, 6060, 8000, 8888, 9002, 9090, 9100, 10250];
      for (const address of addresses) {
        const answered = await Promise.all(
          ports.map(async (port) => [port, await getAs(socket, address, port, "/metrics")]),
        );
        assert.deepEqual(answered.filter(([, said]) => said !== undefined), [], address);
        // The tailnet server answers, but not under another name.
        assert.match(await getAs(socket, address, 8443, "/metrics") ?? "", /^(HTTP\/1\.1 421 |$)/);
      }
      for (const port of [8080, 8081]) {
        const path = `/api/v1/namespaces/${system}/pods/${await leader(rest)}:${port}/proxy/metrics`;
        assert.match(await kubectl(["get", "--raw", path]), /^process_resident_memory_bytes \d/m);
      }
    },
  );

  await step(t, "the front is killed: it restarts, and enforcement is unaffected", async () => {
    const holder = (await leader(rest))!;
    const restarts = await restartsOf(rest, holder, "front");
    await killContainer(rest, holder, "front");
    await eventually(
      "the container was restarted",
      async () => await restartsOf(rest, holder, "front") > restarts || "not yet",
      30_000,
    );
    await bothReady(rest);
    assert.equal(await leader(rest), holder);
    assert.equal((await cluster.grants.get("lent")).status?.phase, "Active");
  });

  await step(t, "the leader gets SIGTERM: another operator leads within 3 s", async () => {
    await bothReady(rest);
    const [old, began] = [await leader(rest), performance.now()];
    await kubectl(["-n", system, "delete", "pod", old!, "--wait=false"]);
    await eventually("another leads", async () => {
      const now = await leader(rest);
      return now !== undefined && now !== old || `the leader is ${now}`;
    }, 3000);
    measured("SIGTERM → another operator leads", performance.now() - began);
    await cluster.grants.patch("after", { spec: { hard: { pods: "4" } } }, { type: "merge" });
    await eventually(
      "the new leader acts",
      async () => (await cluster.quotaOf("carol-home"))?.["pods"] === "4" || "not yet",
    );
    await bothReady(rest);
  });

  await step(t, "the leader is killed: another operator leads within the Lease's duration and 2 s", async () => {
    const [old, began] = [await leader(rest), performance.now()];
    await killContainer(rest, old!, "operator");
    await eventually("another leads", async () => {
      const now = await leader(rest);
      return now !== undefined && now !== old || `the leader is ${now}`;
    }, 17_000);
    measured("kill -9 → another operator leads", performance.now() - began);
    await cluster.grants.patch("after", { spec: { hard: { pods: "2" } } }, { type: "merge" });
    await eventually(
      "the new leader acts",
      async () => (await cluster.quotaOf("carol-home"))?.["pods"] === "2" || "not yet",
    );
    await bothReady(rest);
  });

  await step(t, "the sidecar is killed: it restarts, and enforcement is unaffected", async () => {
    const holder = (await leader(rest))!;
    const restarts = await restartsOf(rest, holder, "tailscaled");
    const began = performance.now();
    await killContainer(rest, holder, "tailscaled");
    await eventually(
      "the container was restarted",
      async () => await restartsOf(rest, holder, "tailscaled") > restarts || "not yet",
      30_000,
    );
    await connected("bob-home", 60_000);
    measured("kill -9 of the sidecar → Connected again", performance.now() - began);
    assert.equal(await leader(rest), holder);
    assert.equal((await cluster.grants.get("lent")).status?.phase, "Active");
    await runs("web", 2);
  });

  await step(t, "the API server is down for a while: nothing restarts, and the operator continues", async () => {
    const names = await readyPods(rest);
    const before = await Promise.all(names.map((name) => restartsOf(rest, name, "operator")));
    await lab.apiserver.restart();
    await eventually("the operator acts again", async () => {
      try {
        await cluster.grants.patch("after", { spec: { hard: { pods: "3" } } }, { type: "merge" });
        return (await cluster.quotaOf("carol-home"))?.["pods"] === "3" || "not yet";
      } catch (error) {
        return (error as Error).message;
      }
    }, 60_000);
    assert.deepEqual(await Promise.all(names.map((name) => restartsOf(rest, name, "operator"))), before);
    await bothReady(rest);
  });

  await step(t, "at no time do two operators write", async () => {
    const writes = await writesOf(lab);
    assert.ok(writes.length > 20, `${writes.length} writes`);
    const blocks: string[] = [];
    for (const { pod } of writes) if (blocks.at(-1) !== pod) blocks.push(pod);
    // The writer changes only with the holder of the Lease: two writers at once would alternate more often.
    const terms = await termsOfLease(rest);
    assert.ok(blocks.length >= 4 && blocks.length <= terms, `${terms} terms; ${blocks.join(" ")}`);
  });

  await step(t, "a grant is revoked: its pods are removed", async () => {
    const began = performance.now();
    await cluster.grants.patch("lent", { spec: { revocation: { reason: "enough" } } }, { type: "merge" });
    await eventually(
      "the quota is closed",
      async () => (await cluster.quotaOf("bob-home"))?.["pods"] === "0" || "open",
      5000,
    );
    measured("revocation → quota closed", performance.now() - began);
    await gone(45_000);
    measured("revocation → last guest pod deleted", performance.now() - began);
    await eventually(
      "Bob has no access",
      async () => (await bob(["get", "pods"])).code !== 0 || "Bob can still list pods",
    );
  });

  await step(
    t,
    "a grant expires: ends on time, its pods within the deadline; stored data is kept",
    async () => {
      const { text, at } = secondsFromNow(25);
      await cluster.create({
        name: "short",
        to: "bob-home",
        hard: {
          "requests.cpu": "1",
          "limits.cpu": "20",
          "requests.memory": "1Gi",
          pods: "2",
          ...premadeStorage("1Gi"),
        },
        until: text,
        termination: { noticeSeconds: 1, drainSeconds: 5 },
      });
      await cluster.grantIn("Active", "short");
      // The Deployment still exists, so its pod runs again, on the same volume. Its controller's back-off is longer than
      // this grant lasts; a change of the ReplicaSet makes it retry at once.
      await kubectl(["-n", namespace, "annotate", "replicaset", "--all", "--overwrite", "looked-at=again"]);
      await runs("web", 2);
      await eventually("the quota is closed", async () => {
        const quota = await cluster.quotas.namespace(namespace).get("keystone");
        return quota.spec!.hard!["pods"] === "0" && quota.status!.hard!["pods"] === "0" || "open";
      }, at - Date.now() + 5000);
      measured("validUntil → enforced (the quota's status is 0)", Date.now() - at);
      assert.ok(Date.now() - at < 2000, `${Date.now() - at} ms late`);
      await cluster.grantIn("Expired", "short");
      await gone(45_000);
      measured("validUntil → last guest pod deleted", Date.now() - at);
      const { stdout } = succeeded(
        await lab.kubectl(["get", "pvc", "data", "-n", namespace, "-o", "jsonpath={.status.phase}"]),
      );
      assert.equal(stdout, "Bound");
    },
  );

  await step(t, "helm uninstall: no deletion is stuck, and stored data stays", async () => {
    const began = performance.now();
    await helm(lab, ["uninstall", "keystone", "--wait", "--timeout=4m"]);
    measured("helm uninstall", performance.now() - began);
    for (const kind of ["deployment", "job", "pdb", "networkpolicy", "rolebinding", "role", "configmap"]) {
      const left = await kubectl(["-n", system, "get", kind, "-o", "name"]);
      assert.equal(left.replace("configmap/kube-root-ca.crt\n", ""), "", kind);
    }
    const wide = ["clusterrole", "clusterrolebinding", "validatingadmissionpolicy", "validatingwebhookconfiguration"];
    for (const kind of wide) {
      assert.doesNotMatch(await kubectl(["get", kind, "-o", "name"]), /keystone/, kind);
    }
    const { items } = await cluster.grants.list();
    assert.deepEqual(items.map(({ metadata }) => [metadata.name, metadata.finalizers]), [
      ["after", undefined],
      ["lent", undefined],
      ["short", undefined],
    ]);
    assert.match(
      await kubectl(["-n", "guest-carol-home", "get", "configmap", "keystone", "-o", "yaml"]),
      /Keystone was uninstalled at/,
    );
    await kubectl(["get", "pvc", "data", "-n", namespace]);
    await kubectl([
      "delete",
      "crd",
      "grants.keystone.io",
      "superentities.keystone.io",
      "realms.keystone.io",
      "--timeout=30s",
    ]);
    await kubectl(["delete", "namespace", namespace, "guest-carol-home", system, "--timeout=60s"]);
  });

  console.log(`Keystone ${version} in pods:\n${figures.map((figure) => `  ${figure}`).join("\n")}`);
}, { image: true });

interface Standing {
  name: string;
  spec: string;
}

/** Returns the enforcing objects of a kind in the guest namespace. */
async function standing(kubectl: (args: string[]) => Promise<string>, kind: string): Promise<Standing[]> {
  const { items } = JSON.parse(await kubectl(["get", kind, "-n", namespace, "-o", "json"]));
  return items.map(enforcing);
}

/** Leaves out the parts that an upgrade changes (tests/fixtures/upgrade/explained.ts): counts, and unused accounts. */
// deno-lint-ignore no-explicit-any
function enforcing({ metadata, spec, roleRef, subjects }: any): Standing {
  const hard = Object.fromEntries(Object.entries(spec?.hard ?? {}).filter(([key]) => !key.startsWith("count/")));
  const people = subjects?.filter(({ name }: { name: string }) => !name.startsWith("realm-"));
  return {
    name: metadata.name,
    spec: JSON.stringify({ spec: spec?.hard ? { ...spec, hard } : spec, roleRef, subjects: people }, sorted),
  };
}

/** Sorts keys, because kubectl orders them differently from the API server. */
const sorted = (_: string, value: unknown): unknown =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
    : value;

/** Records every deletion and change, at every event. */
async function watch(
  rest: TestCluster["rest"],
  kind: string,
  before: Standing[][],
  gaps: string[],
  signal: AbortSignal,
): Promise<void> {
  const [plural, ...group] = kind.split(".");
  const resource = {
    group: group.join("."),
    version: "v1",
    kind: plural!,
    plural: plural!,
    namespaced: true,
  };
  const api = new ResourceApi(rest, resource, namespace);
  const known = new Map(before.flat().map(({ name, spec }) => [`${name}`, spec]));
  const { metadata } = await api.list();
  try {
    for await (const event of api.watch({ resourceVersion: metadata.resourceVersion!, signal })) {
      if (event.type === "BOOKMARK") continue;
      const now = enforcing(event.object);
      if (event.type === "DELETED") gaps.push(`${kind} ${now.name} was deleted`);
      else if (!before.flat().some(({ name, spec }) => name === now.name && spec === now.spec)) {
        gaps.push(`${kind} ${now.name} became ${now.spec}, from ${known.get(now.name)}`);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
