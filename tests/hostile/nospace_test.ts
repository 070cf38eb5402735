/** A guest fills etcd until it accepts no more writes: the guest's grant ends on time all the same. */
import assert from "node:assert/strict";
import { isStorageFull } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { eventually, secondsFromNow } from "../fixtures/test_operator.ts";
import type { Lab } from "../lab/lab.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { makeRoom } from "./room.ts";
import { hostileScene } from "./hostile_scene.ts";

/** Reports whether the API server accepts a real write; a dry run wouldn't reach etcd. */
async function takesWrites(lab: Lab): Promise<boolean> {
  const { code, stderr } = await lab.kubectl(["create", "configmap", `probe-${crypto.randomUUID()}`]);
  if (code !== 0) assert.match(stderr, /etcdserver: mvcc: database space exceeded/);
  return code === 0;
}

Deno.test("a guest fills etcd: the grant ends on time by deletes alone, and the rest follows once there is room", async () => {
  await using scene = await hostileScene({ ownLab: true, lab: { etcdQuotaBytes: 24 << 20 } });
  const { cluster, mallory, bob, operator } = scene;
  const lab = scene.lab as Lab;
  const pod = guestPod("miner", { cpu: "1", memory: "64Mi" }, mallory.namespace);
  assert.equal((await mallory.kubectl(["create", "-f", "-"], pod)).code, 0);
  // Later than the Lease's expiry, 10 s after its last renewal.
  const end = secondsFromNow(25);
  const spec = { validity: { validUntil: end.text } };
  await cluster.grants.patch(mallory.grant, { spec }, { type: "merge" });

  // One object, written repeatedly: no quota counts its history.
  const junk = new CoreV1Api(mallory.rest).namespace(mallory.namespace).configMaps;
  await junk.create({ metadata: { name: "junk" } });
  const fill = async (): Promise<unknown> => {
    for (let round = 0; Date.now() < end.at - 14_000; round++) {
      const data = { junk: `${round} `.padEnd(1_000_000, "x") };
      try {
        await junk.patch("junk", { data }, { type: "merge" });
      } catch (error) {
        return error;
      }
    }
    throw new Error("the database takes too long to fill");
  };
  assert.ok(isStorageFull(await fill()));
  await eventually("the operator may only delete", () => {
    const told = operator.log.some((line) => line.includes("This operator only deletes"));
    return Promise.resolve(told || operator.log.at(-1)!);
  }, 15_000);
  assert.ok(Date.now() < end.at, "the grant ends only after that");
  assert.equal((await mallory.kubectl(["get", "pods"])).code, 0);

  await eventually("access is removed", async () => {
    const { said } = await mallory.kubectl(["get", "pods"]);
    return said.includes("cannot list resource") || said;
  }, end.at - Date.now() + 5_000);
  const late = Date.now() - end.at;
  assert.ok(late < 3_000, `access was removed ${late} ms late`);
  await eventually("all policies that open are deleted", async () => {
    const left = await cluster.policiesOf(mallory.realm);
    return left.join() === "default-deny" || left.join();
  });
  assert.equal(await takesWrites(lab), false, "etcd accepted no write meanwhile");
  assert.equal((await bob.kubectl(["get", "pods"])).code, 0, "another guest keeps access");
  assert.deepEqual(await cluster.policiesOf(bob.realm), ["default-deny", "dns", "guest-internal"]);

  await makeRoom(lab);
  await cluster.grantIn("Expired", mallory.grant, 20_000);
  await eventually("the pod is deleted", async () => {
    const { stdout } = await lab.kubectl(["get", "pods", "--namespace", mallory.namespace, "--output=name"]);
    return stdout === "" || stdout;
  }, 30_000);
  assert.equal(await takesWrites(lab), true);
});
