/**
 * The guards and roles of deploy/kustomize/base on a real control plane: the rights of guests, ordinary users, the operator
 * and cluster admins.
 *
 * Requests are dry runs, which authorization and admission judge like real ones. Requests that a policy must refuse are
 * first sent without the policies and must be accepted: this shows that the policy itself refuses them.
 */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { ApiError, type ClosableRestClient, isApiError } from "../../lib/kubernetes/mod.ts";
import {
  clientOf,
  eventually,
  grantOf,
  prepared,
  realmOf,
  root,
  startOperator,
  step,
  superEntityOf,
} from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import * as cases from "./guards_cases.ts";
import {
  type CaseBody,
  foreign,
  guests,
  handed,
  named,
  type Request,
  shop,
  shopHanded,
  type Who,
} from "./guards_cases.ts";

const base = `${root}deploy/kustomize/base`;

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs: string[];
  nonResourceURLs?: string[];
}

const manifests = (file: string): Manifest[] => loadAll(Deno.readTextFileSync(`${base}/${file}`)) as Manifest[];

Deno.test("the roles: no wildcards, no escalation", async (t) => {
  const roles = ["rbac.yaml", "guest-role.yaml"].flatMap(manifests)
    .filter(({ kind }) => kind === "ClusterRole" || kind === "Role") as (Manifest & { rules: Rule[] })[];
  const rules = roles.flatMap(({ metadata: { name, namespace }, rules }) =>
    rules.map((rule) => ({ role: namespace ? `${namespace}/${name}` : name, ...rule }))
  );
  const having = (verb: string) => rules.filter(({ verbs }) => verbs.includes(verb));
  const of = (role: string) => rules.filter((rule) => rule.role === role);
  const resourcesOf = (role: string) => of(role).flatMap(({ resources = [] }) => resources);

  await t.step("the roles are those that this audit knows", () => {
    assert.deepEqual(roles.map(({ metadata }) => metadata.name), [
      "keystone-operator",
      "keystone-operator",
      "keystone-operator",
      "keystone-guest",
    ]);
    assert.ok(roles.every((role) => !("aggregationRule" in role)), "no aggregation adds rules to them");
    const labels = roles.flatMap(({ metadata }) => Object.keys((metadata as { labels?: object }).labels ?? {}));
    assert.ok(!labels.some((label) => label.includes("aggregate")), "their rules are not aggregated into other roles");
  });

  await t.step("no wildcards, and no non-resource URLs except the API server's metrics", () => {
    for (const { role, apiGroups = [], resources = [], resourceNames = [], verbs } of rules) {
      for (const word of [...apiGroups, ...resources, ...resourceNames, ...verbs]) {
        assert.ok(!word.includes("*"), `${role}: ${word}`);
      }
    }
    assert.deepEqual(rules.filter(({ nonResourceURLs }) => nonResourceURLs), [
      { role: "keystone-operator", nonResourceURLs: ["/metrics"], verbs: ["get"] },
    ]);
  });

  await t.step("no role may escalate or impersonate, and the operator may bind only keystone-guest", () => {
    assert.deepEqual([...having("escalate"), ...having("impersonate")], []);
    assert.deepEqual(having("bind"), [{
      role: "keystone-operator",
      apiGroups: ["rbac.authorization.k8s.io"],
      resources: ["clusterroles"],
      resourceNames: ["keystone-guest"],
      verbs: ["bind"],
    }]);
  });

  await t.step("the operator can't read Secrets or create pods, and has rights on fixed names only by name", () => {
    const resources = resourcesOf("keystone-operator");
    for (const none of ["secrets", "pods/exec", "serviceaccounts/token", "roles"]) {
      assert.ok(!resources.includes(none), none);
    }
    const on = (resource: string) => of("keystone-operator").filter(({ resources }) => resources?.includes(resource));
    for (const [path, name] of cases.byName) {
      const resource = path.split("/").at(-1)!;
      assert.deepEqual(on(resource).map(({ resourceNames }) => resourceNames), [[name]], resource);
    }
    assert.deepEqual(on("pods").flatMap(({ verbs }) => verbs), ["list", "watch", "delete"]);
    const make = ["list", "watch", "create", "patch"];
    assert.deepEqual(
      on("clusterrolebindings").map(({ verbs }) => verbs),
      [make],
      "the operator can't delete or bind any",
    );
  });

  await t.step("guests have no rights on the objects that limit them", () => {
    const resources = resourcesOf("keystone-guest");
    for (
      const none of [
        "namespaces",
        "roles",
        "rolebindings",
        "serviceaccounts/token",
        "endpoints",
        "ingresses",
        "gateways",
        "httproutes",
        "services/status",
        "services/proxy",
        "pods/proxy",
        "pods/status",
        "pods/binding",
        "bindings",
        "pods/ephemeralcontainers",
        "pods/resize",
        "persistentvolumes",
        "nodes",
      ]
    ) assert.ok(!resources.includes(none), none);
    for (const read of ["resourcequotas", "limitranges", "networkpolicies", "events", "endpointslices"]) {
      const found = of("keystone-guest").filter(({ resources }) => resources?.includes(read));
      assert.deepEqual(new Set(found.flatMap(({ verbs }) => verbs)), new Set(["get", "list", "watch"]), read);
    }
  });
});

const bodyOf = (apiVersion: string, kind: string, object: CaseBody, namespace?: string): CaseBody => ({
  apiVersion,
  kind,
  ...object,
  metadata: { ...object.metadata as CaseBody, ...(namespace ? { namespace } : {}) },
});
const rbac = "rbac.authorization.k8s.io/v1";
const boundTo = (name: string, role: string, subject: CaseBody): CaseBody =>
  bodyOf(rbac, "ClusterRoleBinding", named(name, { ...cases.bindingCase([subject], { name: role }) }));

/** Namespaces, the users' rights, and objects of Keystone's kinds. */
const scene: CaseBody[] = [
  bodyOf("v1", "Namespace", cases.caseNamespaceOf(guests, cases.podSecurity, { "keystone.io/guards": "1" })),
  bodyOf("v1", "Namespace", cases.caseNamespaceOf(foreign)),
  bodyOf("v1", "Namespace", cases.caseNamespaceOf(handed, {}, { "keystone.io/adopt": "guards-handed" })),
  bodyOf("v1", "Namespace", cases.caseNamespaceOf(shop)),
  bodyOf("v1", "Namespace", cases.caseNamespaceOf(shopHanded, {}, { "keystone.io/adopt": "guards-shop-handed" })),
  bodyOf(
    rbac,
    "ClusterRole",
    named("guards-eve", {
      rules: [{
        apiGroups: [""],
        resources: ["namespaces", "namespaces/status", "namespaces/finalize"],
        verbs: ["*"],
      }, {
        apiGroups: ["keystone.io"],
        resources: ["superentities", "superentities/status", "grants/status", "realms/status"],
        verbs: ["patch"],
      }, {
        apiGroups: ["keystone.io"],
        resources: ["realms"],
        verbs: ["get", "create", "patch", "delete"],
      }],
    }),
  ),
  bodyOf(
    rbac,
    "ClusterRole",
    named("guards-tom", {
      rules: [{ apiGroups: ["keystone.io"], resources: ["realms"], verbs: ["create", "patch", "trust"] }],
    }),
  ),
  bodyOf("scheduling.k8s.io/v1", "PriorityClass", { ...named("keystone-guards-high"), value: 1_000_000 }),
  bodyOf("scheduling.k8s.io/v1", "PriorityClass", { ...named("keystone-guards-some"), value: 1000 }),
  bodyOf(rbac, "ClusterRole", named("keystone-approve-guards-theirs", { rules: [] })),
  boundTo("guards-eve", "guards-eve", cases.subject("User", "guards-eve")),
  boundTo("guards-tom", "guards-tom", cases.subject("User", "guards-tom")),
  boundTo("guards-dana", "cluster-admin", cases.subject("User", "guards-dana")),
  boundTo("guards-mighty", "cluster-admin", cases.subject("Group", "guards-mighty")),
  { ...realmOf("guards") },
  { ...grantOf({ name: "guards", to: "guards", grantor: "guards-nobody" }) },
  { ...superEntityOf({ name: "guards-coop", members: { guards: { cpu: 1 } }, quorum: 1 }) },
];

/** StorageClasses that a grant names. */
const classes = Object.fromEntries(
  ["guards-none", "guards-some"].map((name) => [`${name}.storageclass.storage.k8s.io/requests.storage`, "1Gi"]),
);

/** Objects in the namespaces; those in the guests' are older than its label, as in a namespace that was handed over. */
const contents: CaseBody[] = [
  bodyOf("v1", "Secret", named("guards-bound"), "keystone-system"),
  ...[["keystone-system", cases.realmAccountCase], ["keystone-system", cases.formerAccountCase], [
    shop,
    cases.realmAccountCase,
  ]]
    .map(([namespace, name]) => bodyOf("v1", "ServiceAccount", named(name!), namespace)),
  bodyOf("v1", "Service", cases.service("plain"), guests),
  bodyOf("v1", "Service", cases.service("old", { externalIPs: ["198.51.100.1"] }), guests),
  bodyOf("v1", "Service", cases.alias("old-alias"), guests),
  bodyOf("v1", "Service", cases.open("open"), guests),
  bodyOf("v1", "Service", cases.open("open"), shop),
  bodyOf("v1", "Pod", cases.pod("old", {}, { finalizers: ["example.com/before"] })),
  bodyOf("v1", "PersistentVolumeClaim", cases.claim("waits"), guests),
  bodyOf("v1", "PersistentVolumeClaim", cases.claim("bound", { volumeName: "guards-lost" }), guests),
  bodyOf("apps/v1", "StatefulSet", cases.workload("old", { replicas: 0, serviceName: "plain" }), guests),
  bodyOf("v1", "ResourceQuota", named("keystone", { spec: { hard: { pods: "100", ...classes } } }), guests),
  bodyOf("v1", "ConfigMap", named("keystone"), guests),
  bodyOf("networking.k8s.io/v1", "NetworkPolicy", named("default-deny", { spec: { podSelector: {} } }), guests),
  bodyOf(rbac, "RoleBinding", named("keystone-guest", cases.bindingCase([cases.caseGroup])), guests),
  bodyOf(rbac, "RoleBinding", named("guards-other", cases.bindingCase([])), guests),
  bodyOf("v1", "Pod", cases.pod("old", {}, {}, shop)),
  bodyOf("v1", "PersistentVolumeClaim", cases.claim("old"), shop),
];

Deno.test("the guards and roles of deploy/kustomize/base", async (t) => {
  await using lab = await sharedLab();
  await using leaving = new AsyncDisposableStack();
  using cluster = await prepared(lab);
  const kubeconfigs: Partial<Record<Who, string>> = {};
  const kubectl = async (args: string[], { stdin, as }: { stdin?: string; as?: Who } = {}) => {
    const options = { ...(stdin ? { stdin } : {}), ...(as ? { kubeconfig: kubeconfigs[as]! } : {}) };
    const { code, stdout, stderr } = await lab.kubectl(args, options);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const texts = (items: unknown[]) => JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const put = (objects: unknown[]) => kubectl(["apply", "-f", "-"], { stdin: texts(objects) });
  const takeAway = (objects: unknown[]) =>
    lab.kubectl(["delete", "--ignore-not-found", "--wait=false", "-f", "-"], { stdin: texts(objects) });

  // On a cluster that uses Keystone, its objects stay, and the requests aren't tried without the guards.
  const ours = ["rbac.yaml", "guest-role.yaml", "guards.yaml", "guest-guards.yaml"].flatMap(manifests);
  const isGuard = ({ kind }: Manifest) => kind.startsWith("ValidatingAdmissionPolicy");
  const identity = ({ kind, metadata }: Manifest) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
  const listed = JSON.parse(await kubectl(["get", "-k", base, "--ignore-not-found", "-o", "json"]) || `{"items":[]}`);
  const before = new Set(((listed.items ?? [listed]) as Manifest[]).map(identity));
  const guarded = ours.some((object) => isGuard(object) && before.has(identity(object)));
  // The namespace stays: other operators may hold their Lease there.
  leaving.defer(async () => {
    await takeAway(ours.filter((object) => object.kind !== "Namespace" && !before.has(identity(object))));
  });
  await put(ours.filter((object) => !isGuard(object)));

  // Leftovers of an earlier run on this cluster take some seconds to delete.
  const mine = [
    ...scene,
    bodyOf("v1", "Namespace", named("guest-guards-work")),
    ...contents.filter(({ metadata }) => (metadata as { namespace: string }).namespace === "keystone-system"),
  ];
  const clear = async () => {
    await takeAway(mine);
    await lab.kubectl(["patch", "pod", "old", "-n", guests, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`]);
  };
  await clear();
  await kubectl(["wait", "--for=delete", "--timeout=50s", "-f", "-"], { stdin: texts(mine) });
  leaving.defer(clear);
  await put(scene);
  for (const namespace of [guests, shop]) {
    await eventually(`${namespace} has its ServiceAccount`, async () => {
      const { code } = await lab.kubectl(["get", "serviceaccount", "default", "-n", namespace]);
      return code === 0 || "not yet";
    });
  }
  await put(contents);
  await cluster.namespaces.patch(guests, {
    metadata: {
      labels: cases.labelsOf("guarded-home"),
      annotations: { "keystone.io/grantee": "Realm/guarded-home//" },
    },
  }, { type: "merge" });

  const clients = new Map<Who, ClosableRestClient>([["the cluster admin", cluster.rest]]);
  for (const [who, [name, groups]] of Object.entries(cases.users) as [Who, [string, string[]]][]) {
    kubeconfigs[who] = await lab.user(name, { groups });
    clients.set(who, leaving.use(await clientOf(kubeconfigs[who])));
  }

  /** Sends a request; returns the API server's refusal, empty if it is accepted. */
  const attempt = async (who: Who, request: Request, { dryRun = true } = {}): Promise<string> => {
    const { query, ...rest } = request;
    const parameters = new URLSearchParams(query);
    if (dryRun && request.method !== "GET" && !request.path.endsWith("/exec")) parameters.set("dryRun", "All");
    try {
      const exchange = { ...rest, querystring: parameters };
      if (query?.watch) await (await clients.get(who)!.performStream(exchange)).cancel();
      else await clients.get(who)!.performRequest(exchange);
      return "";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // No kubelet runs the pod, so a request for a shell or a log fails only after authorization.
      if (/does not have a host assigned/.test(error.message)) return "";
      return error.message;
    }
  };
  const really = { dryRun: false };
  const refusals = Object.entries(cases.refusedByPolicy);

  // The authorizer learns of roles and bindings by watches.
  await eventually("the roles are in force", async () => {
    const said = await Promise.all([
      attempt("the operator", cases.get("/api/v1/nodes")),
      attempt("a guest", cases.get(cases.here("pods"))),
      attempt("eve", cases.get(cases.caseNamespace())),
      attempt("dana, a cluster admin,", cases.get("/api/v1/nodes")),
      attempt("a mighty operator", cases.get("/api/v1/secrets")),
    ]);
    return said.every((text) => text === "") || said.join("; ");
  });

  await step(t, "without the policies: every request that they have to refuse is accepted", async () => {
    if (guarded) return;
    for (const { who, can, request } of refusals.flatMap(([, refusals]) => refusals)) {
      assert.equal(await attempt(who, request), "", `${who} can ${can}`);
    }
  });

  await step(t, "kubectl apply accepts the folder, by -f and by -k", async () => {
    await kubectl(["apply", "-f", `${base}/`]);
    assert.doesNotMatch(await kubectl(["apply", "-k", base]), /created/, "-k applies the same objects");
  });

  await step(t, "the policies come into force, and the API server's type check finds no fault in them", async () => {
    for (const [policy, [{ who, can, request }]] of refusals as [string, [cases.GuardRefusal]][]) {
      await eventually(`${who} can't ${can}`, async () => await attempt(who, request) !== "" || "it goes through");
      await eventually(`the types in ${policy} are checked`, async () => {
        const { status } = JSON.parse(await kubectl(["get", "validatingadmissionpolicy", policy, "-o", "json"]));
        if (!status?.typeChecking) return "not yet";
        assert.deepEqual(status.typeChecking, {});
        return true;
      }, 60_000);
    }
    assert.deepEqual(
      ours.filter(({ kind, metadata: { name } }) =>
        // Excluded: policies that warn, or refuse only in a nearly full etcd; superentity_api_test.ts and tests/hostile try them.
        kind === "ValidatingAdmissionPolicy" && !name.endsWith("-warnings") &&
        !["keystone-approvals-by-admins", "keystone-guest-writes"].includes(name)
      ).map(({ metadata }) => metadata.name).sort(),
      refusals.map(([policy]) => policy).sort(),
      "every policy has a case",
    );
  });

  for (const [policy, cases] of refusals) {
    for (const { who, can, request, says } of cases) {
      await step(t, `${who} can't ${can}`, async () => {
        const said = await attempt(who, request);
        assert.match(
          said,
          new RegExp(`ValidatingAdmissionPolicy '${policy}' with binding '${policy}' denied request: `),
        );
        assert.match(said, says);
      });
    }
  }
  for (const { who, can, request, says } of cases.refusedByRole) {
    await step(t, `${who} can't ${can}`, async () => assert.match(await attempt(who, request), says));
  }
  const seen = await cluster.namespaces.get(guests) as unknown as CaseBody;
  for (const { who, can, request } of cases.allowed(seen)) {
    await step(t, `${who} can ${can}`, async () => assert.equal(await attempt(who, request), ""));
  }

  await step(t, "a guest can read logs, open shells and forward ports", async () => {
    const log = { method: "GET", path: cases.here("pods/old/log") } as const;
    const shell = { command: "id", stdout: "true" };
    for (const method of ["GET", "POST"] as const) {
      for (
        const request of [
          log,
          { method, path: cases.here("pods/old/exec"), query: shell },
          { method, path: cases.here("pods/old/attach"), query: shell },
          { method, path: cases.here("pods/old/portforward"), query: { ports: "80" } },
        ]
      ) assert.doesNotMatch(await attempt("a guest", request, really), /cannot/, `${method} ${request.path}`);
    }
  });

  const makeAsGuest = (apiVersion: string, kind: string, object: CaseBody) =>
    kubectl(["create", "-f", "-"], { stdin: JSON.stringify(bodyOf(apiVersion, kind, object, guests)), as: "a guest" });
  const podsOf = async (app: string) =>
    JSON.parse(await kubectl(["get", "pods", "-n", guests, "-l", `app=${app}`, "-o", "json"])).items as {
      metadata: { finalizers?: string[] };
    }[];

  await step(t, "controllers can create the pods of guests' workloads", async () => {
    const once = (app: string) => ({ template: cases.template(app, { restartPolicy: "Never" }) });
    const plain = (app: string) => ({ selector: { app }, template: cases.template(app) });
    await makeAsGuest("apps/v1", "Deployment", cases.workload("by-deployment"));
    await makeAsGuest("apps/v1", "ReplicaSet", cases.workload("by-replicaset"));
    const volumes = { serviceName: "plain", volumeClaimTemplates: [cases.claim("data")] };
    await makeAsGuest("apps/v1", "StatefulSet", cases.workload("by-statefulset", volumes));
    await makeAsGuest("v1", "ReplicationController", named("by-controller", { spec: plain("by-controller") }));
    await makeAsGuest("batch/v1", "Job", named("by-job", { spec: once("by-job") }));
    const never = { schedule: "* * * * *", suspend: true, jobTemplate: { spec: once("by-cronjob") } };
    await makeAsGuest("batch/v1", "CronJob", named("by-cronjob", { spec: never }));
    await kubectl(["create", "job", "--from=cronjob/by-cronjob", "by-hand", "-n", guests], { as: "a guest" });
    for (const by of ["deployment", "replicaset", "statefulset", "controller", "job", "cronjob"]) {
      await eventually(
        `the pod by-${by} exists`,
        async () => (await podsOf(`by-${by}`)).length === 1 || "no",
        30_000,
      );
    }
  });

  await step(t, "the Job controller removes its finalizer, and the Job's pod is deleted", async () => {
    assert.deepEqual((await podsOf("by-job"))[0]!.metadata.finalizers, ["batch.kubernetes.io/job-tracking"]);
    await kubectl(["delete", "job", "by-job", "-n", guests, "--cascade=foreground", "--timeout=30s"], {
      as: "a guest",
    });
    assert.deepEqual(await podsOf("by-job"), []);
  });

  await step(t, "a guest's claim is bound to a volume", async () => {
    const volume = bodyOf(
      "v1",
      "PersistentVolume",
      named("guards-volume", {
        spec: {
          capacity: { storage: "1Mi" },
          accessModes: ["ReadWriteOnce"],
          storageClassName: "guards-some",
          hostPath: { path: "/tmp/guards-volume" },
        },
      }),
    );
    leaving.defer(async () => {
      await takeAway([volume]);
    });
    await put([volume]);
    await makeAsGuest("v1", "PersistentVolumeClaim", cases.claim("fits", { storageClassName: "guards-some" }));
    await eventually("the claim is bound", async () => {
      const { spec, status } = JSON.parse(await kubectl(["get", "pvc", "fits", "-n", guests, "-o", "json"]));
      return status.phase === "Bound" && spec.volumeName === "guards-volume" || status.phase;
    }, 30_000);
  });

  await step(t, "a scheduled pod can still be changed", async () => {
    await makeAsGuest("v1", "Pod", cases.pod("placed"));
    assert.equal(await attempt("the scheduler", cases.place("placed", "guards-node"), really), "");
    assert.equal(
      await attempt("a guest", cases.patch(cases.here("pods/placed"), cases.labelled({ x: "y" })), really),
      "",
    );
    const placed = await kubectl(["get", "pod", "placed", "-n", guests, "-o", "jsonpath={.spec.nodeName}"]);
    assert.equal(placed, "guards-node");
    // There is no kubelet to end it.
    await kubectl(["delete", "pod", "placed", "-n", guests, "--force", "--grace-period=0"]);
  });

  await step(t, "the operator with its fence and its roles alone: does all its work", async () => {
    const names = ["guards-work", "guards-handed"];
    leaving.defer(async () => {
      for (const name of names) {
        await lab.kubectl(["patch", "grant", name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`]);
        await lab.kubectl(["delete", `grant/${name}`, `realm/${name}`, "--ignore-not-found", "--wait=false"]);
      }
    });
    await using operator = await startOperator(lab, { kubeconfig: kubeconfigs["the operator"]!, realm: "alice-home" });
    for (const name of names) {
      await cluster.createRealm(name);
      await cluster.create({ name, to: name, destinations: ["203.0.113.0/24:443"] });
      await cluster.grantIn("Active", name);
    }
    const { metadata } = await cluster.namespaces.get(handed);
    assert.equal(metadata.labels!["keystone.io/realm"], "guards-handed");
    for (const name of names) {
      const spec = { revocation: {}, termination: { noticeSeconds: 0 } };
      await cluster.grants.patch(name, { spec }, { type: "merge" });
      await cluster.grantIn("Revoked", name);
      await cluster.grants.delete(name);
    }
    await eventually("the Grants are deleted", async () => {
      const { items } = await cluster.grants.list();
      return !items.some(({ metadata }) => names.includes(metadata.name!)) || "their finalizers are left";
    });
    assert.deepEqual(operator.log.filter((line) => /ValidatingAdmissionPolicy|cannot|RBAC/.test(line)), []);
  });

  await step(t, "the deletion of a guest namespace finishes", async () => {
    const letGo = cases.patch(cases.here("pods/old"), { metadata: { finalizers: null } });
    assert.equal(
      await attempt("a guest", letGo, really),
      "",
      "the guest may remove a finalizer that is older than the guards",
    );
    // With pods and claims in it, the deletion would take 15 s longer.
    const slow =
      "deployments,replicasets,statefulsets,replicationcontrollers,jobs,cronjobs,pods,persistentvolumeclaims";
    await kubectl(["delete", slow, "--all", "-n", guests, "--timeout=30s"], { as: "a guest" });
    assert.equal(await attempt("eve", cases.remove(cases.caseNamespace(guests)), really), "");
    await eventually("the namespace is deleted", async () => {
      try {
        return JSON.stringify((await cluster.namespaces.get(guests)).status);
      } catch (error) {
        return isApiError(error, 404) || String(error);
      }
    }, 60_000);
  });
});
