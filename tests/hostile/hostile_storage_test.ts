/** A guest fills etcd: guests' writes are closed before it is full, and no others. */
import assert from "node:assert/strict";
import { isStorageFull } from "../../lib/kubernetes/mod.ts";
import { CoordinationV1Api } from "../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { readStorageSize } from "../../src/controllers/storage_size.ts";
import { operatorName, systemNamespace } from "../../src/core/names.ts";
import { clientOf, eventually, grantOf, secondsFromNow, step } from "../fixtures/test_operator.ts";
import type { Lab } from "../lab/lab.ts";
import { deploymentOf, guestPod, restrictedSpec } from "../lab/lab_workloads.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { makeRoom } from "./room.ts";
import { type HostileGuest, hostileScene } from "./hostile_scene.ts";

const quotaBackendBytes = 256 << 20;

const closed =
  /guests can't write for now, because the API server's database is nearly full\. Delete what you don't need/;

const map = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });

const deployment = (name: string, replicas: number, bytes = 0) =>
  deploymentOf(
    { name },
    restrictedSpec({
      image: "example.com/web",
      env: [{ name: "FAT", value: "x".repeat(bytes) }],
      resources: { limits: { cpu: "100m", memory: "64Mi" } },
    }),
    { replicas },
  );

Deno.test("a guest rewrites one object endlessly: guests' writes close before etcd is full, and open again with room", async (t) => {
  await using scene = await hostileScene({
    ownLab: true,
    lab: { etcdQuotaBytes: quotaBackendBytes },
    settings: { storage: { quotaBackendBytes, closeGuestWritesAt: 0.4, openGuestWritesBelow: 0.3 } },
  });
  const { cluster, mallory, bob, operator } = scene;
  const lab = scene.lab as Lab;
  for (const name of ["one", "two"]) {
    const pod = guestPod(name, { cpu: "100m", memory: "64Mi" }, mallory.namespace);
    assert.equal((await mallory.kubectl(["create", "-f", "-"], pod)).code, 0);
  }
  const made = await bob.apply(map("spare"), map("other"), deployment("web", 1));
  assert.equal(made.code, 0, made.said);
  await mallory.rest.performRequest({
    method: "POST",
    path: `/apis/apps/v1/namespaces/${mallory.namespace}/deployments`,
    bodyJson: deployment("fat", 6, 1_000_000),
  });
  const podsOfBob = async (): Promise<string[]> => {
    const { stdout } = await lab.kubectl(["get", "pods", "-n", bob.namespace, "-o", "name"]);
    return stdout.trim().split("\n").filter((line) => line !== "");
  };
  const [first] = await eventually("the Deployment has its pod", async () => {
    const pods = await podsOfBob();
    return pods.length === 1 ? pods : "not yet";
  });
  const conditionOf = async (grant: string) =>
    (await cluster.grants.get(grant)).status?.conditions?.find(({ type }) => type === "WritesClosed");

  await step(t, "until guests' writes close: no write is refused for lack of room", async () => {
    const junk = new CoreV1Api(mallory.rest).namespace(mallory.namespace).configMaps;
    await junk.create({ metadata: { name: "junk" } });
    const fill = async (): Promise<Error> => {
      for (let round = 0; round < 2000; round++) {
        const data = { junk: `${round} `.padEnd(1_000_000, "x") };
        try {
          await junk.patch("junk", { data }, { type: "merge" });
        } catch (error) {
          console.log(`    refused after ${round} writes of 1 MB`);
          return error as Error;
        }
      }
      throw new Error("the guest's writes are never refused");
    };
    const refused = await fill();
    assert.equal(isStorageFull(refused), false, refused.message);
    assert.match(refused.message, closed);
  });

  await step(t, "writes closed: create, update and scale are refused to every guest", async () => {
    const refused = async (guest: HostileGuest, args: string[], stdin?: string) => {
      const { code, said } = await guest.kubectl(args, stdin);
      assert.notEqual(code, 0, args.join(" "));
      assert.match(said, closed);
    };
    await refused(mallory, ["create", "configmap", "more"]);
    await refused(bob, ["create", "configmap", "more"]);
    await refused(bob, ["annotate", "configmap", "other", "example.com/x=y"]);
    await refused(bob, ["scale", "deployment", "web", "--replicas=2"]);
    await refused(bob, ["create", "-f", "-"], guestPod("more", { cpu: "100m", memory: "64Mi" }, bob.namespace));
  });

  await step(t, "writes closed: reads, deletes and evictions still work", async () => {
    const passes = async (guest: HostileGuest, args: string[]) => {
      const { code, said } = await guest.kubectl(args);
      assert.equal(code, 0, said);
    };
    await passes(bob, ["get", "pods,configmaps"]);
    await passes(bob, ["delete", "configmap", "spare"]);
    await passes(mallory, ["delete", "configmap", "junk"]);
    await passes(mallory, ["delete", "pod", "one", "--wait=false"]);
    await mallory.rest.performRequest({
      method: "POST",
      path: `/api/v1/namespaces/${mallory.namespace}/pods/two/eviction`,
      bodyJson: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "two" } },
    });
  });

  await step(t, "writes closed: controllers still serve existing workloads, and home can write", async () => {
    const gone = await bob.kubectl(["delete", first!, "--wait=false"]);
    assert.equal(gone.code, 0, gone.said);
    await eventually("the Deployment has another pod", async () => {
      const pods = await podsOfBob();
      return pods.some((pod) => pod !== first) || pods.join();
    });
    using scheduler = await clientOf(await lab.user("system:kube-scheduler"));
    const another = (await podsOfBob()).find((name) => name !== first)!.replace("pod/", "");
    const nominated = { status: { nominatedNodeName: "some" } };
    await new CoreV1Api(scheduler).namespace(bob.namespace).pods.patch(another, nominated, {
      type: "merge",
      subresource: "status",
    });
    for (const namespace of ["default", bob.namespace]) {
      const { code, stderr } = await lab.kubectl(["create", "configmap", "of-home", "-n", namespace]);
      assert.equal(code, 0, stderr);
    }
  });

  await step(t, "writes closed: every Grant says why, and a new Grant is still enforced", async () => {
    const another = `${bob.realm}-2`;
    await cluster.grants.create(grantOf({ name: another, to: bob.realm, hard: { cpu: "1" } }));
    await cluster.grantIn("Active", another);
    for (const name of [mallory.grant, bob.grant, another]) {
      const condition = await eventually(
        `Grant ${name} has the condition`,
        async () => await conditionOf(name) ?? "not yet",
      );
      assert.equal(`${condition.status} ${condition.reason}`, "True StorageNearlyFull");
      assert.match(condition.message, /open again below 30 % of 256 MiB \(storage\.quotaBackendBytes\)/);
      const { status } = await cluster.grants.get(name);
      assert.equal(status!.conditions!.find(({ type }) => type === "Ready")!.status, "True");
    }
    const { out } = await keystone(lab.kubeconfig, ["doctor", "-o", "json"]);
    const checks = JSON.parse(out).checks as { name: string; status: string; message: string }[];
    const { status, message } = checks.find(({ name }) => name === "storage")!;
    assert.match(`${status} ${message}`, /^fail Guests can read and delete but not write/);
  });

  await step(t, "1 MB pods deleted and created endlessly: close to the quota, guests get no new pods", async () => {
    const path = `/api/v1/namespaces/${mallory.namespace}/pods`;
    const querystring = new URLSearchParams({ labelSelector: "app=fat" });
    const deleteAll = () => mallory.rest.performRequest({ method: "DELETE", path, querystring });
    const leases = new CoordinationV1Api(cluster.rest).namespace(systemNamespace).leases;
    let rounds = 0;
    let renewed: string | undefined;
    await eventually("no pods are created any more", async () => {
      // Slow down near the threshold: a tenth of this small database written between two readings would outrun the operator.
      const bytes = await readStorageSize(cluster.rest, AbortSignal.timeout(5000));
      const { renewTime } = (await leases.get(operatorName)).spec!;
      if (bytes < 0.7 * quotaBackendBytes || renewTime !== renewed) {
        await deleteAll();
        rounds++;
      }
      renewed = renewTime;
      const { message = "" } = await conditionOf(mallory.grant) ?? {};
      return message.includes("no pods are created for them") || message;
    }, 150_000);
    console.log(`    after ${rounds} rounds`);
    await deleteAll();
    await eventually("their controller's events say why", async () => {
      const { said } = await mallory.kubectl(["get", "events"]);
      return said.includes("no pods are created for guests for now") || said;
    }, 30_000);
    const { code, stderr } = await lab.kubectl(["create", "configmap", "of-home-2"]);
    assert.equal(code, 0, `etcd is not full: ${stderr}`);
  });

  await step(t, "writes closed: a grant ends on time", async () => {
    const end = secondsFromNow(2);
    await cluster.grants.patch(mallory.grant, { spec: { validity: { validUntil: end.text } } }, { type: "merge" });
    await cluster.grantIn("Expired", mallory.grant);
    const late = Date.now() - end.at;
    assert.ok(late < 1_500, `${late} ms late`);
  });

  await step(t, "etcd compacted and defragmented: writes open again, and no Grant has the condition", async () => {
    await makeRoom(lab);
    await eventually("the guest writes again", async () => {
      const { code, said } = await bob.kubectl(["create", "configmap", "more"]);
      if (code !== 0) assert.match(said, closed);
      return code === 0 || said;
    }, 40_000);
    await eventually(
      "the Grant has no such condition any more",
      async () => await conditionOf(bob.grant) === undefined || "yet",
    );
    assert.ok(operator.log.some((line) => line.includes("guests' writes are open again")), operator.log.join("\n"));
  });
});
