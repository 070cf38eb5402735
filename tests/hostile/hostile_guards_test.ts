/**
 * The table of guards on a real control plane, as a guest: every attack of every guard in every kind that can carry it, and
 * ordinary objects. The namespaces have no Pod Security here, so the guard itself has to refuse.
 */
import assert from "node:assert/strict";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import type { GuardBody } from "../../deploy/guards/guard.ts";
import { guardPolicies } from "../../deploy/guards/guards_table.ts";
import { clientOf, eventually, prepared, root, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { attacks, classes, installGuards, laid, ordinary, ordinaryOf, pathOf } from "./guard_cases.ts";
import { inBatches, refusal } from "./requests.ts";

const suffix = crypto.randomUUID().slice(0, 6);

/** One namespace for each set of annotations that the cases need. */
const namespaces = new Map<string, { name: string; settings: Record<string, string> }>();
for (const { settings } of [...attacks, ...ordinary]) {
  const key = JSON.stringify(settings);
  if (!namespaces.has(key)) namespaces.set(key, { name: `guest-hostile-${suffix}-${namespaces.size}`, settings });
}
const namespaceOf = (settings: Record<string, string>): string => namespaces.get(JSON.stringify(settings))!.name;

/** Creates a guest namespace as far as the guards are concerned; the operator doesn't know it. */
const guestNamespace = (name: string, annotations: Record<string, string>): GuardBody[] => [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name,
      annotations: { "keystone.io/guards": "1", ...annotations },
      labels: { "keystone.io/realm": "hostile" },
    },
  },
  {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: {
      name: "keystone",
      namespace: name,
      annotations: { "keystone.io/provisioning-classes": "other,hostile-making" },
    },
    spec: {
      hard: {
        pods: "100",
        "count/serviceaccounts": "100",
        "requests.example.com/gpu": "4",
        "hostile-none.storageclass.storage.k8s.io/requests.storage": "10Gi",
        "hostile-zero.storageclass.storage.k8s.io/requests.storage": "0",
      },
    },
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "keystone-guest", namespace: name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keystone-guest" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: `mallory-${suffix}` }],
  },
];

const create = (rest: RestClient, kind: string, namespace: string, bodyJson: GuardBody): Promise<string> =>
  refusal(rest, { method: "POST", path: pathOf(kind, namespace), bodyJson });

Deno.test("guards on guests' requests", async (t) => {
  await using lab = await sharedLab();
  await using leaving = new AsyncDisposableStack();
  using cluster = await prepared(lab);
  await installGuards(lab, `${root}deploy/kustomize/base`);
  const spaces = [...namespaces.values()];
  leaving.defer(async () => {
    await lab.kubectl(["delete", "namespace", "--wait=false", ...spaces.map(({ name }) => name)]);
  });
  const made = await cluster.apply(
    ...classes,
    ...spaces.flatMap(({ name, settings }) => guestNamespace(name, settings)),
  );
  assert.equal(made.code, 0, made.said);
  const mallory = leaving.use(await clientOf(await lab.user(`mallory-${suffix}`)));
  for (const { name } of spaces) {
    await eventually(`${name} has its ServiceAccount, and its guest has access`, async () => {
      const { code } = await lab.kubectl(["get", "serviceaccount", "default", "-n", name]);
      return code === 0 && await create(mallory, "ConfigMap", name, ordinaryOf("ConfigMap")) === "" || "not yet";
    });
  }
  await step(t, "the API server's type check: finds no fault in the policies", async () => {
    for (const { name, guards } of guardPolicies) {
      const [first] = guards[0]!.attacks;
      const attack = attacks.find(({ guard, settings }) =>
        guard === guards[0]!.name && settings === (first?.settings ?? settings)
      );
      // Guards that don't judge objects are tested elsewhere.
      if (attack) {
        await eventually(`${name} is in force`, async () => {
          return await create(mallory, attack.kind, namespaceOf(attack.settings), attack.object) !== "" ||
            "it goes through";
        });
      }
      for (const policy of [name, `${name}-warnings`]) {
        await eventually(`the types in ${policy} are checked`, async () => {
          const { stdout } = await lab.kubectl(["get", "validatingadmissionpolicy", policy, "-o", "json"]);
          const { status } = JSON.parse(stdout);
          if (!status?.typeChecking) return "not yet";
          assert.deepEqual(status.typeChecking, {});
          return true;
        }, 60_000);
      }
    }
  });

  await step(t, `all ${attacks.length} attacks of the table are refused`, async () => {
    const wrong = await inBatches(attacks, async ({ title, kind, object, settings, says }) => {
      const said = await create(mallory, kind, namespaceOf(settings), object);
      return says.test(said) && said.includes("ValidatingAdmissionPolicy 'keystone-guest-")
        ? undefined
        : `${title}: ${said || "it goes through"}`;
    });
    assert.equal(wrong.length, 0, wrong.join("\n"));
  });

  await step(t, `all ${ordinary.length} ordinary objects are admitted`, async () => {
    const wrong = await inBatches(ordinary, async ({ title, kind, object, settings }) => {
      const said = await create(mallory, kind, namespaceOf(settings), object);
      return said === "" ? undefined : `${title}: ${said}`;
    });
    assert.deepEqual(wrong, []);
  });

  await step(t, "an ordinary object that exists: can't be changed into an attack", async () => {
    // One attack of each guard in each kind; the step above tries all of them.
    const changed = [
      ...new Map(attacks.map((attack) => [`${attack.guard} ${attack.kind}`, attack])).values(),
    ].filter(({ kind }) => kind !== "Pod" && kind !== "Secret");
    const standing = new Map(changed.map(({ kind, settings }) => {
      const isRequired = settings["keystone.io/runtime-class-required"] === "true";
      const object = ordinaryOf(kind, {
        container: { imagePullPolicy: "Always", image: "library/x" },
        ...(isRequired ? { spec: { runtimeClassName: "hostile-sandbox" } } : {}),
      });
      const namespace = namespaceOf(settings);
      return [`${kind} ${namespace}`, { ...object, metadata: { ...object.metadata as GuardBody, namespace } }];
    }));
    const objects = standing.values();
    const { code, said } = await cluster.apply(...objects);
    assert.equal(code, 0, said);
    let judged = 0;
    const wrong = await inBatches(changed, async ({ title, kind, object, settings, says }) => {
      const path = `${pathOf(kind, namespaceOf(settings))}/${(object.metadata as { name: string }).name}`;
      const said = await refusal(mallory, {
        method: "PATCH",
        path,
        bodyJson: object,
        contentType: "application/merge-patch+json",
      });
      // Some templates, such as a Job's, are immutable.
      if (/immutable|Forbidden: updates to|field can not be modified/.test(said)) return undefined;
      judged++;
      return says.test(said) && said.includes("ValidatingAdmissionPolicy 'keystone-guest-")
        ? undefined
        : `${title}: ${said || "it goes through"}`;
    });
    assert.deepEqual(wrong, []);
    assert.ok(judged > 100, `${judged}`);
  });

  await step(t, "the quota does not count accounts: guests create none, until it does", async () => {
    const namespace = `guest-hostile-uncounted-${suffix}`;
    leaving.defer(async () => {
      await lab.kubectl(["delete", "namespace", "--wait=false", namespace]);
    });
    const objects = guestNamespace(namespace, {});
    const quota = objects[1] as { spec: { hard: Record<string, string> } };
    const { "count/serviceaccounts": count, ...others } = quota.spec.hard;
    quota.spec.hard = others;
    const made = await cluster.apply(...objects);
    assert.equal(made.code, 0, made.said);
    const account = (name: string) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });
    await eventually("the guest has access, and is refused", async () => {
      const said = await create(mallory, "ServiceAccount", namespace, account("early"));
      return /ResourceQuota keystone has no count\/serviceaccounts: .*\(guard account-count\)/.test(said) ||
        said || "it goes through";
    });
    await eventually("Kubernetes creates the account default", async () => {
      return (await lab.kubectl(["get", "serviceaccount", "default", "-n", namespace])).code === 0 || "not yet";
    });
    const admins = await lab.kubectl(["create", "serviceaccount", "admins", "-n", namespace]);
    assert.equal(admins.code, 0, admins.stderr);
    const patch = JSON.stringify({ spec: { hard: { "count/serviceaccounts": count } } });
    const patched = await lab.kubectl(["patch", "resourcequota", "keystone", "-n", namespace, "-p", patch]);
    assert.equal(patched.code, 0, patched.stderr);
    await eventually("the guest creates an account", async () => {
      return await create(mallory, "ServiceAccount", namespace, account("counted")) || true;
    });
  });

  await step(t, "the quota is missing: no pod is created, everything else works", async () => {
    const namespace = namespaceOf({});
    const deleted = await lab.kubectl(["delete", "resourcequota", "keystone", "-n", namespace]);
    assert.equal(deleted.code, 0, deleted.stderr);
    await eventually("no pod is created", async () => {
      const said = await create(mallory, "Pod", namespace, ordinaryOf("Pod"));
      return said.includes("keystone-guest-devices") || said;
    });
    assert.equal(
      await create(mallory, "Deployment", namespace, laid(ordinaryOf("Deployment"), { metadata: { name: "other" } })),
      "",
    );
  });

  await step(t, "a field that the guards don't know, as of a newer Kubernetes: refused", async () => {
    const namespace = namespaceOf({});
    const { stdout } = await lab.kubectl(["get", "validatingadmissionpolicy", "keystone-guest-pods", "-o", "json"]);
    const { spec } = JSON.parse(stdout) as { spec: GuardBody & { variables: { name: string; expression: string }[] } };
    const forgetting = (keys: string, field: string) => (variable: { name: string; expression: string }) =>
      variable.name === keys
        ? { ...variable, expression: variable.expression.replace(`'${field}'`, "'other'") }
        : variable;
    const name = `hostile-unknown-${suffix}`;
    const of = (kind: string, spec: GuardBody) => ({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind,
      metadata: { name },
      spec,
    });
    const made = await cluster.apply(
      of("ValidatingAdmissionPolicy", {
        ...spec,
        variables: spec.variables.map(forgetting("podKeys", "subdomain")).map(forgetting("containerKeys", "tty"))
          .map(forgetting("workloadKeys", "suspend")),
      }),
      of("ValidatingAdmissionPolicyBinding", {
        policyName: name,
        validationActions: ["Deny"],
        matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } } },
      }),
    );
    leaving.defer(async () => {
      await lab.kubectl(["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name]);
    });
    assert.equal(made.code, 0, made.said);
    await eventually("an unknown field of a pod is refused", async () => {
      const said = await create(
        mallory,
        "CronJob",
        namespace,
        laid(ordinaryOf("CronJob", { spec: { subdomain: "x" } }), { metadata: { name: "y" } }),
      );
      return said.includes(
        "spec.jobTemplate.spec.template.spec.subdomain is set: the guards do not know this field",
      ) || said;
    });
    const said = await create(
      mallory,
      "Deployment",
      namespace,
      laid(ordinaryOf("Deployment", { container: { tty: true } }), { metadata: { name: "y" } }),
    );
    assert.match(said, /spec\.template\.spec\.containers\[main\]\.tty is set/);
    const job = laid(ordinaryOf("Job"), { metadata: { name: "y" }, spec: { suspend: true } });
    assert.match(await create(mallory, "Job", namespace, job), /request: spec\.suspend is set/);
  });

  await step(t, "a guard that is set to warn: only warns, in the words of its refusal", async () => {
    const namespace = `guest-hostile-warned-${suffix}`;
    leaving.defer(async () => {
      await lab.kubectl(["delete", "namespace", "--wait=false", namespace]);
    });
    const [space, ...rest] = guestNamespace(namespace, { "keystone.io/guards-warn": "affinity,volume-types" });
    const labels = { "keystone.io/realm": "hostile", "keystone.io/guards-warn": "true" };
    const made = await cluster.apply({ ...space, metadata: { ...space!.metadata as GuardBody, labels } }, ...rest);
    assert.equal(made.code, 0, made.said);
    const tried = async (volumes: unknown, spec: GuardBody = {}) => {
      const { code, stdout, stderr } = await lab.kubectl(["create", "--dry-run=server", "-n", namespace, "-f", "-"], {
        kubeconfig: await lab.user(`mallory-${suffix}`),
        stdin: JSON.stringify(ordinaryOf("Deployment", { spec: { volumes, ...spec } })),
      });
      return { code, said: stdout + stderr };
    };
    const nfs = [{ name: "odd", nfs: { server: "x", path: "/" } }];
    await eventually("the guard warns", async () => {
      const { code, said } = await tried(nfs);
      return code === 0 && /Warning: .*volumes\[odd\] is nfs: the node mounts it/.test(said) || said;
    });
    const { code, said } = await tried(nfs, { nodeName: "x" });
    assert.notEqual(code, 0, "the other guards still refuse");
    assert.match(said, /nodeName is x/);
  });
});
