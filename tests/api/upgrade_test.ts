/**
 * Upgrade from the version before the hardening and roll-back, by kustomize and by Helm, with that version's real operator:
 * guests keep their access, nobody gains access, no pod is lost, grants end on time, and every change is reported. The
 * test deliberately stays in the states where both versions are installed in part.
 */
import assert from "node:assert/strict";
import { chart, helm } from "../fixtures/installed.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { clientOf, eventually, root, step } from "../fixtures/test_operator.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import type { Probing } from "../fixtures/probes.ts";
import { type ClusterState, clusterStateOf, type Difference, differences } from "../fixtures/cluster_state.ts";
import { manifestsInstalled, rolledBack, unexplained, upgraded } from "../fixtures/upgrade/explained.ts";
import { looksInto } from "../fixtures/upgrade/people.ts";
import { grantedNoMore, UpgradeScene, upgradeSystem } from "../fixtures/upgrade/upgrade_scene.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { freePorts } from "../lab/ports.ts";

const kustomize = `${root}deploy/kustomize`;
/** Places where no grant ends during the test. */
const steady = /^(guest-(bob|dave|frank)-home|)$/;

/** Returns the differences to a former state, in the places that should be unchanged. */
async function changedSince(before: ClusterState, { lab }: UpgradeScene): Promise<Difference[]> {
  return differences(before, await clusterStateOf(lab)).filter(({ place }) => steady.test(place));
}

/** Asserts that every difference, except those that the test made itself, is expected and reported. */
async function isExplained(scene: UpgradeScene, before: ClusterState, changes = upgraded, own = /^$/): Promise<void> {
  const changed = (await changedSince(before, scene)).filter(({ object }) => !own.test(object));
  assert.deepEqual(await unexplained(changed, changes, { before, cluster: scene.cluster }), []);
}

/** Asserts that every probe ran, no access was lost and none gained. */
function nothingHappened({ complaints, asked }: Probing): void {
  assert.deepEqual(complaints, []);
  for (const [what, times] of asked) assert.ok(times > 10, `${what}: ${times}`);
}

/** Returns the condition Ready of a Grant. */
async function readyOf({ cluster }: UpgradeScene, name: string) {
  const { status } = await cluster.grants.get(name);
  return status?.conditions?.find(({ type }) => type === "Ready");
}

/** Waits until all of these Grants are Ready. */
const whole = (scene: UpgradeScene, names: readonly string[]) =>
  eventually("all grants are Ready", async () => {
    const said = await Promise.all(names.map(async (name) => [name, await readyOf(scene, name)] as const));
    const not = said.filter(([, ready]) => ready?.status !== "True");
    return not.length === 0 || not.map(([name, ready]) => `${name}: ${ready?.message}`).join("\n");
  }, 90_000);

/** Returns the results of one check of `keystone doctor`. */
async function doctorOf({ lab }: UpgradeScene, name: string, ...options: string[]): Promise<string[]> {
  const said = await keystone(lab.kubeconfig, ["doctor", "-o", "json", ...options]);
  const { checks } = said.json() as { checks: { name: string; status: string; message: string }[] };
  return checks.filter((each) => each.name === name).map(({ status, message }) => `${status}: ${message}`);
}

/** Waits until the pods protected by a PodDisruptionBudget are deleted, which is when drainSeconds are over. */
async function drains({ cluster, lab }: UpgradeScene, name: string, revokedAt: number): Promise<void> {
  await eventually("the protected pods are deleted", async () => {
    const { stdout } = await lab.kubectl(["-n", "guest-erin-home", "get", "pods", "-o", "name"]);
    return stdout === "" || stdout;
  }, 90_000);
  const tookMs = Date.now() - revokedAt;
  assert.ok(tookMs >= 15_000 && tookMs < 30_000, `drained after ${tookMs} ms, but drainSeconds is 15`);
  await eventually("the event is reported", async () => {
    const { status } = await cluster.grants.get(name);
    const draining = status?.conditions?.find(({ type }) => type === "Draining");
    return draining?.reason === "Drained" || `${draining?.reason}`;
  });
}

nodeTest("an upgrade by kustomize, and the roll-back", async (t) => {
  await using scene = await UpgradeScene.start();
  const { lab, previous, cluster } = scene;
  const kubectl = (args: string[]) => scene.kubectl(args);

  await step(t, "the previous version is installed, and guests work", async () => {
    await kubectl(["create", "namespace", upgradeSystem]);
    await kubectl(["apply", "-f", previous.crds]);
    await kubectl(["wait", "--for=condition=Established", "-f", previous.crds, "--timeout=30s"]);
    for (const name of ["base", "webhook"]) await kubectl(["apply", "-k", previous.kustomize(name)]);
    await scene.handOver("previous");
    await scene.furnish();
  });
  await using probing = await scene.probe();
  const before = await clusterStateOf(lab);
  const notice = (await cluster.grants.get("bob-notice")).status!.effectiveUntil;

  await step(
    t,
    "the new operator with the old guards: grants end, new ones wait, and both are reported",
    async () => {
      const short = await scene.lendShortly("under-old-guards", 20, grantedNoMore);
      await kubectl(["apply", "-f", `${root}crds/`]);
      for (const name of ["rbac", "guest-role", "viewer-role", "priority"]) {
        await kubectl(["apply", "-f", `${kustomize}/base/${name}.yaml`]);
      }
      await kubectl(["apply", "-k", `${kustomize}/webhook`]);
      await isExplained(scene, before, manifestsInstalled);
      await scene.handOver("today");
      assert.ok(Date.now() < short.at, "the new operator ends the grant");
      const revokedAt = Date.now();
      await scene.revokes("erin-held");
      await cluster.createRealm("hank-home");
      await cluster.create({ name: "hank", to: "hank-home", hard: { pods: "1" } });
      await Promise.all([scene.ends(short), drains(scene, "erin-held", revokedAt)]);
      for (const name of ["bob-web", "dave-adopted", "frank-pooled", "hank"]) {
        const ready = await readyOf(scene, name);
        assert.equal(ready?.status, "False", name);
        assert.match(ready!.message, /keystone-fence.*if it is Keystone's, update it/, name);
      }
      assert.equal((await cluster.grants.get("bob-web")).status?.phase, "Active");
      assert.equal((await cluster.grants.get("hank")).status?.phase, "Pending");
      await isExplained(scene, before);
      nothingHappened(probing);
    },
  );

  await step(t, "the new guards: waiting grants continue, and each change is reported on its Grant", async () => {
    await kubectl(["apply", "-k", `${kustomize}/base`]);
    await whole(scene, ["bob-web", "dave-adopted", "frank-pooled", "hank"]);
    await isExplained(scene, before);
    assert.equal((await cluster.grants.get("bob-notice")).status!.effectiveUntil, notice);
    const narrowed = (await cluster.grants.get("bob-web")).status!.conditions!.find(({ type }) =>
      type === "NetworkNarrowed"
    );
    assert.equal(narrowed?.status, "True", narrowed?.message);
    // Terms that the new schema refuses.
    await kubectl(["delete", "grant", "under-old-guards", "--timeout=20s"]);
    await scene.ends(await scene.lendShortly("under-the-new", 8));
    nothingHappened(probing);
  });

  await step(
    t,
    "the StatefulSet beside the Deployment: doctor reports it until it is deleted; a grant ends on time",
    async () => {
      const short = await scene.lendShortly("under-both-workloads", 12);
      await kubectl(["apply", "-k", previous.kustomize("overlays/no-tailnet")]);
      assert.deepEqual((await doctorOf(scene, "operator")).filter((line) => /left over/.test(line)), []);
      await kubectl(["apply", "-k", `${kustomize}/overlays/no-tailnet`]);
      const workloads = ["-n", upgradeSystem, "get", "deployments,statefulsets", "-o", "name"];
      assert.match(
        await kubectl(workloads),
        /deployment\.apps\/keystone-operator\nstatefulset\.apps\/keystone-operator/,
      );
      assert.match(
        (await doctorOf(scene, "operator")).join("\n"),
        /warn: Deployment keystone-system\/keystone-operator of an earlier version is left over beside the StatefulSet/,
      );
      await kubectl(["-n", upgradeSystem, "delete", "deployment", "keystone-operator"]);
      assert.deepEqual((await doctorOf(scene, "operator")).filter((line) => /left over/.test(line)), []);
      await scene.ends(short);
      await isExplained(scene, before);
      nothingHappened(probing);
    },
  );

  await step(
    t,
    "workloads older than a guard: continue to run; doctor lists those whose new pods would be refused",
    async () => {
      const restarted = await scene.as("bob", ["rollout", "restart", "deployment/web"]);
      assert.equal(restarted.code, 0, restarted.said);
      await kubectl(["-n", "guest-bob-home", "rollout", "status", "deployment/web", "--timeout=60s"]);
      const scaled = await scene.as("bob", ["scale", "deployment/odd", "--replicas=2"]);
      assert.equal(scaled.code, 0, scaled.said);
      await eventually("the second pod is refused with the guard's message", async () => {
        const { said } = await scene.as("bob", ["get", "events", "-o", "jsonpath={.items[*].message}"]);
        return /terminationGracePeriodSeconds is 7200.*guard termination-grace/.test(said) || "not yet";
      });
      assert.match((await doctorOf(scene, "workloads")).join("\n"), /Deployment guest-bob-home\/odd keeps running/);
      const { stdout } = await lab.kubectl(["-n", "guest-bob-home", "get", "pods", "-l", "app=odd", "-o", "name"]);
      assert.equal(stdout.trim().split("\n").length, 1);
    },
  );

  // Bob has rolled them out again, and tried to scale one.
  const replaced = /^Pod\/(web|odd)-/;
  let issued = "";
  await step(t, "doctor before a roll-back: lists everything that it would open, end and forget", async () => {
    const networkPolicy = { except: ["203.0.113.9/32"] };
    await cluster.grants.patch("bob-web", { spec: { networkPolicy } }, { type: "merge" });
    issued = `${lab.dir}/bob-today.kubeconfig`;
    const made = await keystone(lab.kubeconfig, ["kubeconfig", "bob-home", "--out", issued]);
    assert.equal(made.code, 0, made.err);
    using bob = await clientOf(issued);
    assert.equal(await looksInto(bob, "guest-bob-home"), "");
    await eventually("the destination is closed", async () => {
      const reach = (await clusterStateOf(lab)).get("guest-bob-home reach 203.0.113.9");
      return reach?.value === "closed" || "open";
    });
    const said = (await doctorOf(scene, "roll-back", "--roll-back")).join("\n");
    assert.match(said, /Grant bob-web loses spec\.networkPolicy\.except \(203\.0\.113\.9\/32\)/);
    assert.match(said, /Grant bob-web opens the private ranges in 0\.0\.0\.0\/0 again/);
    assert.match(said, /kubeconfigs that this version issued to bob-home stop working/);
    assert.match(said, /Namespace guest-carol-home is deleted/);
    assert.doesNotMatch(said, /dave|frank-pooled/);
  });

  await step(t, "roll-back: the old guards and custom resources with the new operator", async () => {
    const short = await scene.lendShortly("back-under-old-guards", 14);
    for (const name of ["base", "webhook"]) await kubectl(["apply", "-k", previous.kustomize(name)]);
    await kubectl(["apply", "-f", previous.crds]);
    assert.ok(Date.now() < short.at, "the grant ends under the old guards");
    await scene.ends(short);
    nothingHappened(probing);
  });

  await step(t, "roll-back: the old operator with the new guards still installed", async () => {
    await scene.handOver("previous");
    await scene.ends(await scene.lendShortly("back-under-the-old", 8));
    await whole(scene, ["bob-web", "dave-adopted", "frank-pooled"]);
    await isExplained(scene, before, rolledBack, replaced);
    assert.equal((await cluster.grants.get("bob-notice")).status!.effectiveUntil, notice);
    using bob = await clientOf(issued);
    assert.match(await looksInto(bob, "guest-bob-home"), /forbidden/i, "as doctor said");
    nothingHappened(probing);
  });

  await step(t, "roll-back: the new objects are removed, and nothing changes for guests", async () => {
    // First the front's right to tokens of realms, then its fence.
    const front = ["role/keystone-front", "rolebinding/keystone-front"];
    await kubectl([
      "-n",
      upgradeSystem,
      "delete",
      ...front,
      "statefulset/keystone-operator",
      "service/keystone-operator-pods",
    ]);
    assert.doesNotMatch(
      await kubectl(["-n", upgradeSystem, "get", "roles,rolebindings", "-o", "name"]),
      /keystone-front/,
    );
    const kinds = [
      ...["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].map((kind) =>
        `admissionregistration.k8s.io/v1/${kind}`
      ),
      ...["PriorityLevelConfiguration", "FlowSchema"].map((kind) => `flowcontrol.apiserver.k8s.io/v1/${kind}`),
    ];
    const prune = [
      "--prune",
      "-l",
      "app.kubernetes.io/part-of=keystone",
      ...kinds.map((kind) => `--prune-allowlist=${kind}`),
    ];
    await kubectl(["apply", "-k", previous.kustomize("base"), ...prune]);
    await kubectl(["delete", "flowschema", "keystone-guests", "--ignore-not-found"]);
    const left = await kubectl([
      "get",
      "validatingadmissionpolicies,flowschemas,prioritylevelconfigurations",
      "-o",
      "name",
    ]);
    assert.match(left, /keystone-guest-pods\n/);
    assert.doesNotMatch(left, /keystone-(guest-(metadata|devices|writes)|realms|guests|operator|front)/);
    await isExplained(scene, before, rolledBack, replaced);
    nothingHappened(probing);
  });
});

nodeTest("an upgrade by Helm, and the roll-back", async (t) => {
  await using scene = await UpgradeScene.start();
  const { lab, previous, cluster } = scene;
  const kubectl = (args: string[]) => scene.kubectl(args);
  const values = { realm: "alice-home", tailscale: { enabled: false } };
  const [oldPort, port] = freePorts(2);
  const handover = await Deno.makeTempDir();
  await using leaving = new AsyncDisposableStack();
  leaving.defer(() => Deno.remove(handover, { recursive: true }));
  const old = { KEYSTONE_WEBHOOK: `https://127.0.0.1:${oldPort}` };
  const now = { KEYSTONE_WEBHOOK: `https://127.0.0.1:${port}`, KEYSTONE_HANDOVER: handover };
  const workloads = async () =>
    (await kubectl(["-n", upgradeSystem, "get", "deployments,statefulsets", "-o", "name"])).trim();
  /** Waits until the webhook refuses an oversized workload with its explanation. */
  const explains = () =>
    eventually("the webhook explains", async () => {
      const args = ["create", "deployment", "huge", "--image=none", "--replicas=99", "--dry-run=server"];
      const { code, said } = await scene.as("bob", args);
      return code !== 0 && /admission webhook "workloads.keystone.io"/.test(said) || said;
    }, 30_000);

  await step(t, "the previous chart is installed, and guests work", async () => {
    await kubectl(["create", "namespace", upgradeSystem]);
    await helm(lab, ["install", "keystone", previous.chart], values);
    await kubectl(["wait", "--for=condition=Established", "-f", previous.crds, "--timeout=30s"]);
    await scene.handOver("previous", old);
    await scene.furnish();
    await explains();
  });
  await using probing = await scene.probe();
  const before = await clusterStateOf(lab);
  const former = await formerPeople(scene);
  const open = await leftOpen(scene);

  await step(
    t,
    "the new chart while the old operator still runs: nothing changes",
    async () => {
      const short = await scene.lendShortly("under-new-guards", 18);
      await helm(lab, ["upgrade", "keystone", chart], values);
      assert.equal(await workloads(), "statefulset.apps/keystone-operator");
      assert.ok(Date.now() < short.at, "the grant ends under the new guards");
      const revokedAt = Date.now();
      await scene.revokes("erin-held");
      await cluster.createRealm("hank-home");
      await cluster.create({ name: "hank", to: "hank-home", hard: { pods: "1" } });
      await cluster.grantIn("Active", "hank");
      await Promise.all([scene.ends(short), drains(scene, "erin-held", revokedAt)]);
      await isExplained(scene, before, manifestsInstalled);
      const scaled = await scene.as("bob", ["scale", "deployment/odd", "--replicas=2"]);
      assert.equal(scaled.code, 0, scaled.said);
      await kubectl(["-n", "guest-bob-home", "rollout", "status", "deployment/odd", "--timeout=60s"]);
      assert.match(
        (await doctorOf(scene, "guards")).join(),
        /In guest-bob-home.* only the guards of the previous version are in force/,
      );
      await explains();
      nothingHappened(probing);
    },
  );

  const scaled = await clusterStateOf(lab);
  await step(t, "the new operator: each change is reported on its Grant", async () => {
    await scene.handOver("today", now);
    leaving.use(await startFrontProcess({ ...now, KEYSTONE_REALM: "alice-home" }));
    await whole(scene, ["bob-web", "dave-adopted", "frank-pooled", "hank"]);
    await isExplained(scene, scaled);
    assert.match((await doctorOf(scene, "guards")).join(), /^ok/);
    await explains();
    await former.areOut();
    await open.isClosed();
    await scene.ends(await scene.lendShortly("under-the-new", 8));
    nothingHappened(probing);
  });

  await step(t, "roll-back: first with the new operator, then with the old one", async () => {
    const short = await scene.lendShortly("back-under-the-new", 16);
    await helm(lab, ["rollback", "keystone", "1"]);
    assert.equal(await workloads(), "deployment.apps/keystone-operator");
    assert.doesNotMatch(await kubectl(["-n", upgradeSystem, "get", "roles", "-o", "name"]), /keystone-front/);
    assert.ok(Date.now() < short.at, "the grant ends under the old guards");
    await scene.ends(short);
    await scene.handOver("previous", old);
    await scene.ends(await scene.lendShortly("back-under-the-old", 8));
    await whole(scene, ["bob-web", "dave-adopted", "frank-pooled", "hank"]);
    await isExplained(scene, scaled, rolledBack);
    await explains();
    nothingHappened(probing);
  });
});

/** Creates a load balancer of an ended grant, which the previous version leaves open. */
async function leftOpen({ cluster, lab }: UpgradeScene) {
  await cluster.createRealm("ivan-home", { trustLevel: "internal" });
  const hard = { pods: "1", "services.loadbalancers": "1", "services.nodeports": "1" };
  await cluster.create({ name: "ivan", to: "ivan-home", hard, termination: { noticeSeconds: 0, drainSeconds: 1 } });
  await cluster.grantIn("Active", "ivan");
  const inside = ["-n", "guest-ivan-home"];
  const made = await lab.kubectl([...inside, "create", "service", "loadbalancer", "web", "--tcp=80"]);
  assert.equal(made.code, 0, made.stderr);
  await cluster.grants.patch("ivan", { spec: { revocation: { reason: "enough" } } }, { type: "merge" });
  await cluster.grantIn("Revoked", "ivan");
  const type = () => lab.kubectl([...inside, "get", "service", "web", "-o", "jsonpath={.spec.type}"]);
  return {
    async isClosed() {
      await eventually("the Service is internal", async () => {
        const { stdout } = await type();
        return stdout === "ClusterIP" || stdout;
      });
      await eventually("an event on the Service says so", async () => {
        const said = await lab.kubectl([
          ...inside,
          "get",
          "events",
          "--field-selector=reason=MadeInternal",
          "-o",
          "name",
        ]);
        return said.stdout !== "" || said.stderr;
      });
    },
  };
}

/** Creates a ServiceAccount older than its Realm, as after a former Realm of that name: its owner must not get access. */
async function formerPeople(scene: UpgradeScene) {
  const { lab, cluster, previous } = scene;
  const labels = { "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": "gina-home" };
  const metadata = { name: "realm-gina-home", namespace: upgradeSystem, labels };
  assert.equal((await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata })).code, 0);
  await cluster.createRealm("gina-home");
  await cluster.create({ name: "gina", to: "gina-home", hard: { pods: "1" } });
  await cluster.grantIn("Active", "gina");
  const path = `${lab.dir}/gina.kubeconfig`;
  await Deno.writeTextFile(path, await previous.keystone(lab.kubeconfig, ["kubeconfig", "gina-home", "--for", "1h"]));
  const look = async () => {
    using rest = await clientOf(path);
    return await looksInto(rest, "guest-gina-home");
  };
  assert.equal(await look(), "", "the previous version gives access");
  return {
    async areOut() {
      await eventually("the old kubeconfig gives no access", async () => await look() !== "" || "it still works");
      await eventually("an event on the Realm says so", async () => {
        const only = ["--field-selector=reason=AccountEnded", "-o", "jsonpath={.items[*].message}"];
        const said = await scene.kubectl(["get", "events", "-n", "default", ...only]);
        return /ServiceAccount realm-gina-home is deleted, .* Realm gina-home/.test(said) || said;
      });
    },
  };
}
