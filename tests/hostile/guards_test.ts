/**
 * The table of guards on a real control plane, as a guest: every attack of every guard in every kind that can carry it, and
 * the ordinary objects beside it. The namespaces have no Pod Security here, so it is the guard that refuses.
 */
import assert from "node:assert/strict";
import { ApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Body } from "../../deploy/guards/guard.ts";
import { policies } from "../../deploy/guards/table.ts";
import { clientOf, eventually, prepared, root, step } from "../fixtures/operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { attacks, ordinary, ordinaryOf, pathOf } from "./guard_cases.ts";

const suffix = crypto.randomUUID().slice(0, 6);

/** One namespace for each set of annotations that the cases need. */
const namespaces = new Map<string, { name: string; settings: Record<string, string> }>();
for (const { settings } of [...attacks, ...ordinary]) {
  const key = JSON.stringify(settings);
  if (!namespaces.has(key)) namespaces.set(key, { name: `guest-hostile-${suffix}-${namespaces.size}`, settings });
}
const namespaceOf = (settings: Record<string, string>): string => namespaces.get(JSON.stringify(settings))!.name;

/** A guest namespace as the guards see one; the operator doesn't know it. */
const guestNamespace = (name: string, annotations: Record<string, string>): Body[] => [
  { apiVersion: "v1", kind: "Namespace", metadata: { name, annotations, labels: { "keystone.io/realm": "hostile" } } },
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

const classes: Body[] = [
  { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "hostile-gpu" }, handler: "gpu" },
  { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "hostile-sandbox" }, handler: "sandbox" },
  { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "hostile-some" }, value: 1000 },
  { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "hostile-low" }, value: -10 },
];

/** What the API server says against a request; nothing when it goes through. */
async function refusal(rest: RestClient, request: Parameters<RestClient["performRequest"]>[0]): Promise<string> {
  try {
    await rest.performRequest({ ...request, querystring: new URLSearchParams({ dryRun: "All" }) });
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.message;
  }
}

const create = (rest: RestClient, kind: string, namespace: string, bodyJson: Body): Promise<string> =>
  refusal(rest, { method: "POST", path: pathOf(kind, namespace), bodyJson });

async function inBatches<T>(items: readonly T[], run: (item: T) => Promise<string | undefined>): Promise<string[]> {
  const wrong: string[] = [];
  const queue = [...items];
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      const said = await run(item);
      if (said !== undefined) wrong.push(said);
    }
  }));
  return wrong;
}

Deno.test("the guards on what guests ask for", async (t) => {
  await using lab = await sharedLab();
  await using leaving = new AsyncDisposableStack();
  using cluster = await prepared(lab);
  const installed = await lab.kubectl(["apply", "-k", `${root}deploy/kustomize/base`]);
  assert.equal(installed.code, 0, installed.stderr);
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
    await eventually(`${name} has its account, and its guest gets in`, async () => {
      const { code } = await lab.kubectl(["get", "serviceaccount", "default", "-n", name]);
      return code === 0 && await create(mallory, "ConfigMap", name, ordinaryOf("ConfigMap")) === "" || "not yet";
    });
  }
  await step(t, "the API server finds no fault in the policies", async () => {
    for (const { name, guards } of policies) {
      const [first] = guards[0]!.attacks;
      await eventually(`${name} is in force`, async () => {
        const attack = attacks.find(({ guard, settings }) =>
          guard === guards[0]!.name && settings === (first!.settings ?? settings)
        )!;
        return await create(mallory, attack.kind, namespaceOf(attack.settings), attack.object) !== "" ||
          "it goes through";
      });
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
    assert.deepEqual(wrong, []);
  });

  await step(t, `all ${ordinary.length} ordinary objects pass`, async () => {
    const wrong = await inBatches(ordinary, async ({ title, kind, object, settings }) => {
      const said = await create(mallory, kind, namespaceOf(settings), object);
      return said === "" ? undefined : `${title}: ${said}`;
    });
    assert.deepEqual(wrong, []);
  });
});
