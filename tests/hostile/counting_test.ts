/**
 * A guest fills etcd with objects: every kind that guests, or Kubernetes' controllers on their behalf, can create is counted
 * by the quota or bounded by counted objects.
 */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { boundedBy, countedResources, countKeyOf, derivedCounts } from "../../src/core/resources/counts.ts";
import { eventually, root, step } from "../fixtures/test_operator.ts";
import { hostileScene } from "./hostile_scene.ts";

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  verbs: string[];
}

/** Resources with one of the verbs, as `name.group`, without subresources. */
const creatable = (rules: readonly Rule[]): string[] =>
  rules.filter(({ verbs }) => verbs.includes("create") || verbs.includes("*"))
    .flatMap(({ apiGroups = [], resources = [] }) =>
      resources.filter((resource) => !resource.includes("/")).flatMap((resource) =>
        apiGroups.map((group) => group === "" ? resource : `${resource}.${group}`)
      )
    );

const isBounded = (resource: string): boolean => countKeyOf(resource) !== undefined || boundedBy.has(resource);

/** A workload of one tiny pod. */
const template = (labels: Record<string, string>, restartPolicy = "Always") => ({
  metadata: { labels },
  spec: {
    restartPolicy,
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{
      name: "main",
      image: "registry.k8s.io/pause:3.10",
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    }],
  },
});

const labels = { app: "one" };
const selector = { matchLabels: labels };
const apps = (kind: string, spec: Record<string, unknown>) => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name: `one-${kind.toLowerCase()}` },
  spec: { selector, template: template(labels), ...spec },
});

/** One workload of each kind that creates other objects. */
const owners = [
  apps("Deployment", { replicas: 1 }),
  apps("StatefulSet", { replicas: 1, serviceName: "one" }),
  apps("DaemonSet", {}),
  { apiVersion: "batch/v1", kind: "Job", metadata: { name: "one" }, spec: { template: template(labels, "Never") } },
  {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "one" },
    spec: { schedule: "* * * * *", jobTemplate: { spec: { template: template(labels, "Never") } } },
  },
  { apiVersion: "v1", kind: "Service", metadata: { name: "one" }, spec: { selector: labels, ports: [{ port: 80 }] } },
];

Deno.test("object counts: every object that can be created in a guest namespace is counted or bounded", async (t) => {
  await using scene = await hostileScene();
  const { cluster, mallory, lab } = scene;
  const quota = () => cluster.quotas.namespace(mallory.namespace).get("keystone");

  await step(t, "every resource that guests may create has a bound", () => {
    const [role] = loadAll(Deno.readTextFileSync(`${root}deploy/kustomize/base/guest-role.yaml`)) as {
      rules: Rule[];
    }[];
    const resources = creatable(role!.rules);
    assert.ok(resources.length > 10);
    assert.deepEqual(resources.filter((resource) => !isBounded(resource)), []);
    return Promise.resolve();
  });

  await step(t, "every resource that this cluster's controllers may create in a namespace has a bound", async () => {
    const { items } = await new RbacAuthorizationV1Api(cluster.rest).clusterRoles.list();
    const controllers = items.filter(({ metadata }) => metadata.name.startsWith("system:controller:"));
    assert.ok(controllers.length > 20);
    const namespaced = new Set(
      (await lab.kubectl(["api-resources", "--namespaced=true", "--output=name"])).stdout.trim().split("\n"),
    );
    const open = controllers.flatMap(({ metadata, rules }) =>
      creatable((rules ?? []) as Rule[]).filter((resource) => namespaced.has(resource) && !isBounded(resource))
        .map((resource) => `${metadata.name}: ${resource}`)
    );
    assert.deepEqual(open, []);
  });

  await step(t, "docs/security.md names every such resource", async () => {
    const page = await Deno.readTextFile(`${root}docs/security.md`);
    const table = page.slice(page.indexOf("## What a guest can keep"), page.indexOf("## In the pod"));
    const missing = [...countedResources, ...boundedBy.keys()].filter((resource) => !table.includes(resource));
    assert.deepEqual(missing, []);
  });

  await step(t, "the quota enforces every key of those bounds", async () => {
    const { status } = await quota();
    const keys = [...new Set(derivedCounts)];
    for (const key of keys) assert.ok(status?.hard?.[key] !== undefined, `${key} is enforced`);
  });

  await step(t, "one workload of each kind: a real quota controller counts all objects that result", async () => {
    const applied = await mallory.apply(...owners);
    assert.equal(applied.code, 0, applied.said);
    await eventually("the controllers have created their objects", async () => {
      const { status } = await quota();
      const used = derivedCounts.map((key) => Number(status?.used?.[key] ?? 0));
      return used.every((count) => count > 0) || JSON.stringify(used);
    }, 30_000);
    const { stdout } = await lab.kubectl(["api-resources", "--namespaced=true", "--verbs=list", "--output=name"]);
    const present: string[] = [];
    for (const resource of stdout.trim().split("\n")) {
      const { stdout } = await lab.kubectl(["get", resource, "-n", mallory.namespace, "-o", "name"]);
      if (stdout.trim() !== "") present.push(resource);
    }
    const ours = ["limitranges", "networkpolicies.networking.k8s.io", "resourcequotas"];
    ours.push("rolebindings.rbac.authorization.k8s.io");
    assert.ok(present.includes("controllerrevisions.apps") && present.includes("endpointslices.discovery.k8s.io"));
    assert.deepEqual(present.filter((resource) => !ours.includes(resource) && !isBounded(resource)), []);
  });

  await step(t, "a grant of five revisions: the sixth is not created", async () => {
    const revisions = "count/controllerrevisions.apps";
    await cluster.grants.patch(mallory.grant, { spec: { hard: { [revisions]: "5" } } }, { type: "merge" });
    await eventually(
      "the quota has 5 revisions",
      async () => (await quota()).status?.hard?.[revisions] === "5" || "no",
    );
    await mallory.kubectl(["delete", "daemonset", "--all"]);
    const kept = async () =>
      (await mallory.kubectl(["get", "controllerrevisions", "-o", "name"])).said.trim().split("\n").length;
    await eventually("one revision is left", async () => await kept() === 1 || "the DaemonSet's is still there");
    for (let round = 2; round <= 8; round++) {
      const patch = {
        spec: { revisionHistoryLimit: 10, template: { metadata: { annotations: { round: `${round}` } } } },
      };
      const patched = await mallory.kubectl(["patch", "statefulset", "one-statefulset", "-p", JSON.stringify(patch)]);
      assert.equal(patched.code, 0, patched.said);
      await eventually(`round ${round} is kept`, async () => await kept() === Math.min(round, 5) || `${await kept()}`);
    }
    assert.equal((await quota()).status?.used?.[revisions], "5");
  });
});
