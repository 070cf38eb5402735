/**
 * Restoring a guest namespace from a backup, in the order and form of Velero: the volume with a claimRef without UID before
 * the claim that names it, and the quota last. By a cluster admin and by Velero's account; guests can't.
 */
import assert from "node:assert/strict";
import { eventually, step } from "../fixtures/test_operator.ts";
import { hostileScene } from "../hostile/hostile_scene.ts";
import { guestPod } from "../lab/lab_workloads.ts";

type Body = Record<string, unknown>;

const suffix = crypto.randomUUID().slice(0, 6);
const velero = `system:serviceaccount:velero-${suffix}:velero`;
const storageClass = `restored-${suffix}`;
const labels = { "velero.io/backup-name": "guest", "velero.io/restore-name": "guest" };

/** Returns the objects of a namespace as Velero creates them, in its order (defaultRestorePriorities, then by name). */
function backedUp(namespace: string): Body[] {
  const object = (apiVersion: string, kind: string, name: string, rest: Body = {}, annotations: Body = {}): Body => ({
    apiVersion,
    kind,
    metadata: { name, namespace, labels, annotations },
    ...rest,
  });
  const selector = { app: "web" };
  const { spec } = JSON.parse(guestPod("web", { cpu: "1m", memory: "8Mi" }, namespace));
  const template = { metadata: { labels: selector }, spec };
  const volume = `pvc-${namespace}`;
  return [
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: {
        name: volume,
        labels,
        annotations: { "pv.kubernetes.io/provisioned-by": "csi.example.com" },
      },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: storageClass,
        csi: { driver: "csi.example.com", volumeHandle: volume },
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: "data" },
      },
    },
    // The annotations that the cluster's own controllers have written.
    object("v1", "PersistentVolumeClaim", "data", {
      spec: {
        storageClassName: storageClass,
        volumeName: volume,
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Gi" } },
      },
    }, {
      "volume.beta.kubernetes.io/storage-provisioner": "csi.example.com",
      "volume.kubernetes.io/storage-provisioner": "csi.example.com",
      "volume.kubernetes.io/selected-node": "node-1",
    }),
    object("v1", "ServiceAccount", "app"),
    object("v1", "Secret", "login", { stringData: { password: "x" } }),
    object("v1", "ConfigMap", "settings", { data: { a: "b" } }),
    object("v1", "LimitRange", "keystone", { spec: { limits: [] } }),
    object("v1", "Pod", "lonely", { spec }),
    object("v1", "Service", "web", { spec: { selector, ports: [{ port: 80 }] } }),
    object("apps/v1", "Deployment", "web", { spec: { replicas: 1, selector: { matchLabels: selector }, template } }),
    object("networking.k8s.io/v1", "NetworkPolicy", "default-deny", {
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    }),
    object("v1", "ResourceQuota", "keystone", { spec: { hard: { pods: "10" } } }),
  ];
}

Deno.test("a guest namespace is restored from a backup", async (t) => {
  await using scene = await hostileScene();
  const { admin, cluster, lab, mallory, bob } = scene;
  const applied = await cluster.apply(
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: storageClass },
      provisioner: "csi.example.com",
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: `velero-${suffix}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ kind: "ServiceAccount", namespace: `velero-${suffix}`, name: "velero" }],
    },
  );
  assert.equal(applied.code, 0, applied.said);
  const groups = ["system:serviceaccounts", `system:serviceaccounts:velero-${suffix}`];
  const asVelero = await lab.user(velero, { groups });
  const restore = async (objects: readonly Body[], kubeconfig?: string): Promise<string[]> => {
    const refused: string[] = [];
    for (const object of objects) {
      const { stderr } = await lab.kubectl(["create", "-f", "-"], {
        stdin: JSON.stringify(object),
        ...(kubeconfig ? { kubeconfig } : {}),
      });
      // Velero skips objects that exist.
      if (stderr !== "" && !/AlreadyExists/.test(stderr)) refused.push(stderr.trim());
    }
    return refused;
  };
  const isBound = (namespace: string) =>
    eventually("the claim is bound to its volume", async () => {
      const claim = JSON.parse(await admin(["get", "pvc", "data", "-n", namespace, "-o", "json"]));
      return (claim.status.phase === "Bound" && claim.spec.volumeName === `pvc-${namespace}`) ||
        JSON.stringify(claim.status);
    }, 30_000);

  await step(t, "a guest restores a claim with the name of its volume: refused", async () => {
    const [volume, claim] = backedUp(mallory.namespace);
    assert.match((await mallory.apply(volume!)).said, /cannot (get|create) resource "persistentvolumes"/);
    // Which of the two policies answers is left to the API server.
    assert.match((await mallory.apply(claim!)).said, /denied request: .*\(guard (metadata-keys|volume-name)\)/);
    const { metadata, ...rest } = claim!;
    const { code, said } = await mallory.apply({ ...rest, metadata: { ...metadata as Body, annotations: {} } });
    assert.notEqual(code, 0);
    assert.match(said, new RegExp(`spec\\.volumeName is pvc-${mallory.namespace}: .*\\(guard volume-name\\)`));
  });

  for (const [who, guest, kubeconfig] of [["a cluster admin", bob], ["Velero", mallory, asVelero]] as const) {
    await step(
      t,
      `a grant is in force, restored by ${who}: all objects come back, and the claim is bound`,
      async () => {
        assert.deepEqual(await restore(backedUp(guest.namespace), kubeconfig), []);
        await isBound(guest.namespace);
      },
    );
  }

  for (const [who, kubeconfig] of [["a cluster admin"], ["Velero", asVelero]] as const) {
    await step(
      t,
      `no grant is in force, restored by ${who}: the data comes back and stays, and nothing runs`,
      async () => {
        const realm = `gone-${crypto.randomUUID().slice(0, 6)}`;
        const namespace = `guest-${realm}`;
        const restored = {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: {
            name: namespace,
            labels: {
              ...labels,
              "app.kubernetes.io/managed-by": "keystone",
              "keystone.io/realm": realm,
              "pod-security.kubernetes.io/enforce": "restricted",
            },
            annotations: { "keystone.io/made-at": "2020-01-01T00:00:00Z", "keystone.io/volumes": "Delete" },
          },
        };
        assert.deepEqual(await restore([restored], kubeconfig), []);
        await eventually("the operator has closed the namespace", async () => {
          const { stdout } = await lab.kubectl(["get", "quota", "keystone", "-n", namespace, "-o", "json"]);
          return JSON.parse(stdout || "{}").status?.hard?.pods === "0" || stdout;
        });
        const refused = await restore(backedUp(namespace), kubeconfig);
        assert.deepEqual(refused.filter((said) => !/lonely.* exceeded quota/.test(said)), []);
        await isBound(namespace);
        assert.equal((await admin(["get", "pods", "-n", namespace, "-o", "name"])).trim(), "");
        await admin(["get", "secret/login", "configmap/settings", "deployment/web", "-n", namespace]);
        await admin(["delete", "namespace", namespace, "--wait=false"]);
      },
    );
  }
  await admin(["delete", "pv", "-l", "velero.io/restore-name=guest", "--wait=false"]);
});
