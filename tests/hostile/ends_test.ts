/** Things that guests try to keep past a grant's end: an account, an open Service, a restored namespace. */
import assert from "node:assert/strict";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { eventually, grantOf, step } from "../fixtures/test_operator.ts";
import { hostileScene } from "./hostile_scene.ts";

const hard = {
  cpu: "4",
  memory: "4Gi",
  pods: "40",
  "requests.storage": "10Gi",
  "services.loadbalancers": "2",
  "services.nodeports": "8",
};

Deno.test("past a grant's end: guests keep no access and no open Service, and stored data is safe", async (t) => {
  await using scene = await hostileScene({ hard, trustLevel: "internal", settings: { namespaceRetentionSeconds: 1 } });
  const { lab, admin, cluster, mallory } = scene;
  /** A kubeconfig from `keystone realm kubeconfig`, for the people of a realm. */
  const issued = async (realm: string) => {
    const path = `${await Deno.makeTempDir()}/${realm}.kubeconfig`;
    const { code, err } = await keystone(lab.kubeconfig, ["kubeconfig", realm, "--out", path]);
    assert.equal(code, 0, err);
    return async () => (await lab.kubectl(["get", "pods", "-n", `guest-${realm}`], { kubeconfig: path })).stderr;
  };
  const refused = /Unauthorized|must be logged in|cannot list resource/;
  const endsFor = (what: string, get: () => Promise<string>) =>
    eventually(what, async () => {
      const said = await get();
      return refused.test(said) || said || "access still works";
    });

  await step(t, "a Realm is created again for somebody else: the old kubeconfig stops working", async () => {
    const realm = `eve-${crypto.randomUUID().slice(0, 6)}`;
    const grant = () => cluster.grants.create(grantOf({ name: realm, to: realm, termination: { noticeSeconds: 0 } }));
    await cluster.createRealm(realm);
    await grant();
    await cluster.grantIn("Active", realm);
    const before = await issued(realm);
    assert.doesNotMatch(await before(), refused);
    // In one go, so that no operator observes one change without the other.
    await admin(["delete", "namespace", `guest-${realm}`, "--wait=false"]);
    await admin(["delete", "grant", realm, "--wait=false"]);
    await admin(["delete", "realm", realm]);
    await cluster.realms.create({
      apiVersion: "keystone.io/v1alpha1",
      kind: "Realm",
      metadata: { name: realm },
      spec: { identity: `another-${realm}.tailnet-name.ts.net`, connectionType: "tailscale", trustLevel: "partner" },
    });
    await admin(["wait", "--for=delete", `namespace/guest-${realm}`, `grant/${realm}`, "--timeout=60s"]);
    await grant();
    await cluster.grantIn("Active", realm, 20_000);
    assert.match(await before(), refused);
    const after = await issued(realm);
    assert.doesNotMatch(await after(), refused);
    assert.match(await before(), refused);

    // Former subjects lose access, whatever credentials they hold.
    const subjects = [{ kind: "User", name: "somebody-else@example.com" }];
    await cluster.realms.patch(realm, { spec: { subjects } }, { type: "merge" });
    await endsFor("the kubeconfig stops working after a change of subjects", after);
    const again = await issued(realm);
    assert.doesNotMatch(await again(), refused);
    await cluster.realms.delete(realm);
    await endsFor("the kubeconfig stops working after its Realm is deleted", again);
    await eventually("the account is deleted", async () => {
      const labels = `keystone.io/realm=${realm}`;
      const { stdout } = await lab.kubectl([
        "get",
        "serviceaccount",
        "-n",
        "keystone-system",
        "-l",
        labels,
        "-o",
        "name",
      ]);
      return stdout === "" || stdout;
    });
    await cluster.grants.delete(realm);
    await eventually("a namespace that was always empty is deleted", async () => {
      const { code } = await lab.kubectl(["get", "namespace", `guest-${realm}`]);
      return code !== 0 || "the namespace still exists";
    }, 20_000);
  });

  const types = async () => {
    const { items } = await new CoreV1Api(cluster.rest).namespace(mallory.namespace).services.list();
    return Object.fromEntries(items.map(({ metadata, spec }) => [metadata.name!, spec!.type!]));
  };
  const open = (name: string, spec: Record<string, unknown>, metadata: Record<string, unknown> = {}) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, ...metadata },
    spec: { selector: { app: "x" }, ...spec },
  });
  await step(t, "fewer load balancers and node ports granted: the newest Services become internal", async () => {
    // All fields that the API server accepts for this type alone, and many labels.
    const labels = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`label-${at}`, ""]));
    const applied = await mallory.kubectl(
      ["create", "-f", "-"],
      JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: [
          open("first", { type: "NodePort", externalTrafficPolicy: "Local", ports: [{ port: 80 }] }),
          open("second", {
            type: "LoadBalancer",
            externalTrafficPolicy: "Local",
            loadBalancerSourceRanges: ["198.51.100.0/24"],
            allocateLoadBalancerNodePorts: false,
            ports: [{ port: 80, name: "one" }, { port: 81, name: "two" }],
          }, { labels }),
          open("inside", { ports: [{ port: 80 }] }),
        ],
      }),
    );
    assert.equal(applied.code, 0, applied.said);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // Creation times are whole seconds.
    const last = open("third", { type: "LoadBalancer", ports: [{ port: 80 }] });
    assert.equal((await mallory.apply(last)).code, 0);
    assert.deepEqual(await types(), {
      first: "NodePort",
      second: "LoadBalancer",
      third: "LoadBalancer",
      inside: "ClusterIP",
    });

    const less = { spec: { hard: { "services.loadbalancers": "1" } } };
    await cluster.grants.patch(mallory.grant, less, { type: "merge" });
    await eventually("only the newest Service becomes internal", async () => {
      const { third, ...others } = await types();
      assert.deepEqual(others, { first: "NodePort", second: "LoadBalancer", inside: "ClusterIP" });
      return third === "ClusterIP" || third!;
    });
    // The Service can't be opened again.
    assert.match((await mallory.apply(last)).said, /exceeded quota/);

    await cluster.realms.patch(mallory.realm, { spec: { trustLevel: "public" } }, { type: "merge" });
    await eventually("at a lower trust level all Services become internal", async () => {
      const open = Object.entries(await types()).filter(([, type]) => type !== "ClusterIP");
      return open.length === 0 || JSON.stringify(open);
    });
    await cluster.realms.patch(mallory.realm, { spec: { trustLevel: "internal" } }, { type: "merge" });
    await cluster.grants.patch(mallory.grant, { spec: { hard } }, { type: "merge" });
  });

  await step(t, "grant ended, or namespace in deletion: no Service stays open to the outside", async () => {
    await eventually("a Service may be opened again", async () => {
      const { code, said } = await mallory.apply(open("last", { type: "LoadBalancer", ports: [{ port: 80 }] }));
      return code === 0 || said;
    });
    // A controller that never removes its finalizer keeps the Service, and with it the namespace.
    const held = { metadata: { finalizers: ["service.kubernetes.io/load-balancer-cleanup"] } };
    await admin(["patch", "service", "last", "-n", mallory.namespace, "--type=merge", "-p", JSON.stringify(held)]);
    await cluster.grants.patch(mallory.grant, { spec: { revocation: { reason: "enough" } } }, { type: "merge" });
    await eventually("no Service is open to the outside", async () => {
      const open = Object.entries(await types()).filter(([, type]) => type !== "ClusterIP");
      return open.length === 0 || JSON.stringify(open);
    });
    const free = { metadata: { finalizers: null } };
    await admin(["patch", "service", "last", "-n", mallory.namespace, "--type=merge", "-p", JSON.stringify(free)]);
  });

  await step(t, "a namespace restored from a backup: not deleted, its data stays", async () => {
    const restored = async (volumes: string) => {
      const realm = `old-${volumes.toLowerCase()}-${crypto.randomUUID().slice(0, 6)}`;
      const namespace = `guest-${realm}`;
      const labels = {
        "app.kubernetes.io/managed-by": "keystone",
        "keystone.io/realm": realm,
        "keystone.io/locked": "true",
        "pod-security.kubernetes.io/enforce": "restricted",
      };
      const annotations = {
        "keystone.io/made-at": "2020-01-01T00:00:00Z",
        "keystone.io/ended-at": "2020-02-01T00:00:00Z",
        "keystone.io/empty-since": "2020-02-01T00:00:00Z 00000000-0000-0000-0000-000000000000",
        "keystone.io/volumes": volumes,
      };
      const claim = {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "photos", namespace },
        spec: { accessModes: ["ReadWriteOnce"], storageClassName: "none", resources: { requests: { storage: "1Gi" } } },
      };
      const made = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels, annotations } };
      await admin(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: [made, claim] }));
      await eventually("the event names the command that deletes the namespace", async () => {
        const { metadata } = await cluster.namespaces.get(namespace);
        assert.equal(metadata!.deletionTimestamp, undefined, `${namespace} is deleted with its volumes (${volumes})`);
        const { stdout } = await lab.kubectl(["get", "events", "-n", "default", "-o", "jsonpath={.items[*].message}"]);
        return stdout.includes(`Copy the data out, then: kubectl delete namespace ${namespace}`) ||
          "there is no such event";
      });
      // Longer than the retention of an empty namespace.
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      assert.equal((await cluster.namespaces.get(namespace)).status!.phase, "Active", volumes);
      const kept = JSON.parse(await admin(["get", "pvc", "photos", "-n", namespace, "-o", "json"]));
      assert.equal(kept.metadata.deletionTimestamp, undefined, volumes);
      await admin(["delete", "namespace", namespace, "--wait=false"]);
    };
    await Promise.all(["Retain", "Delete"].map(restored));
  });
});
