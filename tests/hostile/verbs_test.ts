/** Guests' requests other than create and update: deletions, evictions and scales; and what their accounts can do. */
import assert from "node:assert/strict";
import type { RequestOptions } from "../../lib/kubernetes/mod.ts";
import { eventually, step } from "../fixtures/test_operator.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { ordinaryOf, paths } from "./guard_cases.ts";
import { refusal, refusalOf } from "./requests.ts";
import { deadNode } from "./dead_node.ts";
import { hostileScene } from "./hostile_scene.ts";

Deno.test("a guest's deletions, evictions and scales", async (t) => {
  await using scene = await hostileScene();
  const { admin, lab, mallory } = scene;
  const { namespace, rest } = mallory;
  const core = `/api/v1/namespaces/${namespace}`;
  const node = await deadNode(scene);

  /** Creates a pod that runs as far as the API server knows. */
  const run = async (name: string) => {
    const pod = JSON.parse(guestPod(name, { cpu: "1", memory: "64Mi" }, namespace));
    pod.spec.terminationGracePeriodSeconds = 3600;
    const { code, said } = await mallory.apply(pod);
    assert.equal(code, 0, said);
    await node.bind(name);
  };
  const grace = (gracePeriodSeconds: number) => ({ apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds });
  const evict = (name: string, gracePeriodSeconds: number): RequestOptions => ({
    method: "POST",
    path: `${core}/pods/${name}/eviction`,
    bodyJson: {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name, namespace },
      deleteOptions: { gracePeriodSeconds },
    },
  });
  const deletion = (name: string, options: Partial<RequestOptions>): RequestOptions => ({
    method: "DELETE",
    path: name === "" ? `${core}/pods` : `${core}/pods/${name}`,
    ...options,
  });

  await step(t, "a running pod is deleted without grace: refused in every form", async () => {
    await run("miner");
    const asked = new URLSearchParams({ gracePeriodSeconds: "0" });
    const attacks: Record<string, RequestOptions> = {
      "with options": deletion("miner", { bodyJson: grace(0) }),
      "by the query": deletion("miner", { querystring: asked }),
      "with all others": deletion("", { bodyJson: grace(0) }),
      "as an eviction": evict("miner", 0),
    };
    for (const [how, attack] of Object.entries(attacks)) {
      assert.match(await refusalOf(rest, attack), /gracePeriodSeconds is 0: .*\(guard forced-end\)/, how);
    }
    assert.equal(await refusal(rest, evict("miner", 1)), "", "one second of grace is allowed");
    assert.equal(await refusalOf(rest, deletion("miner", { bodyJson: grace(1) })), "");
    assert.match(
      await refusalOf(rest, deletion("miner", { bodyJson: grace(0) })),
      /guard forced-end/,
      "refused for a terminating pod too",
    );
    await admin(["delete", "pod", "miner", "--namespace", namespace, "--grace-period=0", "--force"]);
  });

  await step(t, "a pod that no node runs: may be deleted without grace", async () => {
    const { code, said } = await mallory.apply(JSON.parse(guestPod("idle", { cpu: "1", memory: "64Mi" }, namespace)));
    assert.equal(code, 0, said);
    assert.equal(await refusalOf(rest, deletion("idle", { bodyJson: grace(0) })), "");
  });

  await step(t, "a scale beyond the highest number of replicas: refused", async () => {
    for (const kind of ["ReplicationController", "Deployment", "ReplicaSet", "StatefulSet"]) {
      const { code, said } = await mallory.apply(ordinaryOf(kind));
      assert.equal(code, 0, said);
      const path = `${paths[kind]!.replace("NS", namespace)}/x-${kind.toLowerCase()}/scale`;
      const scale = (replicas: number) =>
        refusal(rest, {
          method: "PATCH",
          path,
          bodyJson: { spec: { replicas } },
          contentType: "application/merge-patch+json",
        });
      await eventually(`${kind} is refused 2147483647 replicas`, async () => {
        const said = await scale(2_147_483_647);
        return /spec\.replicas is 2147483647 \(allowed: 100\).*\(guard replicas\)/.test(said) || said ||
          "it goes through";
      });
      assert.equal(await scale(100), "", kind);
    }
  });

  await step(t, "a guest's account: gives no right, token or identity", async () => {
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app" } };
    const { code, said } = await mallory.apply({ ...account, automountServiceAccountToken: true });
    assert.equal(code, 0, said);
    const user = `system:serviceaccount:${namespace}:app`;
    const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
    const attacks: [what: string, args: string[], says: RegExp][] = [
      ["a token", ["create", "token", "app"], /cannot create resource "serviceaccounts\/token"/],
      ["impersonation", ["get", "pods", `--as=${user}`], /cannot impersonate resource "serviceaccounts"/],
      [
        "a binding",
        ["create", "rolebinding", "app", "--clusterrole=view", `--serviceaccount=${namespace}:app`],
        /cannot create resource "rolebindings"/,
      ],
      ["a role", ["create", "role", "app", "--verb=get", "--resource=pods"], /cannot create resource "roles"/],
      [
        "an identity elsewhere",
        ["annotate", "serviceaccount", "app", "eks.amazonaws.com/role-arn=x"],
        /has eks\.amazonaws\.com\/role-arn \(x\), one of the keys that hand out identities/,
      ],
      [
        "an identity elsewhere, for the default account",
        ["annotate", "serviceaccount", "default", "iam.gke.io/gcp-service-account=x"],
        /has iam\.gke\.io\/gcp-service-account/,
      ],
      ["a separate endpoint", ["create", "-f", "-"], /cannot create resource "endpointslices"/],
    ];
    const slice = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: { name: "x" } };
    for (const [what, args, says] of attacks) {
      const stdin = JSON.stringify({ ...slice, addressType: "IPv4", endpoints: [{ addresses: ["192.0.2.1"] }] });
      const { code, said } = await mallory.kubectl(args, stdin);
      assert.notEqual(code, 0, what);
      assert.match(said, says, what);
    }
    const kubeconfig = await lab.user(user, { groups });
    for (const args of [["get", "pods"], ["get", "configmap", "keystone"], ["create", "configmap", "x"]]) {
      const { code, stderr } = await lab.kubectl(["--namespace", namespace, ...args], { kubeconfig });
      assert.notEqual(code, 0, args.join(" "));
      assert.match(stderr, new RegExp(`User "${user}" cannot`), args.join(" "));
    }
    const pod = JSON.parse(guestPod("with-token", { cpu: "1m", memory: "1Mi" }, namespace));
    pod.spec.serviceAccountName = "app";
    delete pod.spec.automountServiceAccountToken;
    const created = await mallory.kubectl(["create", "-o", "json", "-f", "-"], JSON.stringify(pod));
    assert.equal(created.code, 0, created.said);
    assert.match(created.said, /"serviceAccountToken"/, "the pod has the token that its account asks for");
    await mallory.kubectl(["patch", "serviceaccount", "default", "-p", '{"automountServiceAccountToken": true}']);
    await eventually("pods of the default account get no token", async () => {
      const { said } = await mallory.kubectl([
        "get",
        "serviceaccount",
        "default",
        "-o",
        "jsonpath={.automountServiceAccountToken}",
      ]);
      return said === "false" || said;
    });
  });

  await step(t, "accounts: counted by the quota", async () => {
    const limit = { "count/serviceaccounts": "2" };
    await scene.cluster.grants.patch(mallory.grant, { spec: { hard: limit } }, { type: "merge" });
    await eventually("the quota has room for two, and for default", async () => {
      const { status } = await scene.cluster.quotas.namespace(namespace).get("keystone");
      return status?.hard?.["count/serviceaccounts"] === "3" || JSON.stringify(status?.hard);
    });
    await mallory.kubectl(["create", "serviceaccount", "second"]);
    await eventually("the third is refused", async () => {
      const { said } = await mallory.kubectl(["create", "serviceaccount", "third", "--dry-run=server"]);
      return /exceeded quota: keystone, .*count\/serviceaccounts=1, used: count\/serviceaccounts=3/.test(said) || said;
    });
  });

  await step(t, "a guest describes its Service: kubectl reads its endpoints", async () => {
    const { code, said } = await mallory.apply(ordinaryOf("Service"));
    assert.equal(code, 0, said);
    const described = await mallory.kubectl(["describe", "service", "x-service"]);
    assert.equal(described.code, 0, described.said);
    assert.match(described.said, /^Endpoints:/m);
    assert.doesNotMatch(described.said, /forbidden/);
  });
  await admin(["delete", "node", node.name]);
});
