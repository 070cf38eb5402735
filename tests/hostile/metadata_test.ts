/**
 * Guards on metadata and claims during ordinary use, on a real control plane: the keys of common charts are admitted, network
 * plugins and storage drivers may annotate and finalize guests' objects, objects older than the guards may be changed and
 * deleted, and objects too big to be judged are refused to guests but never to controllers.
 */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import type { GuardBody } from "../../deploy/guards/guard.ts";
import { metadataPolicy } from "../../deploy/guards/metadata.ts";
import { chartKeys } from "../fixtures/chart_keys.ts";
import { installed } from "../fixtures/in_force.ts";
import { clientOf, eventually, prepared, root, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { laid, ordinaryOf, pathOf } from "./guard_cases.ts";

const suffix = crypto.randomUUID().slice(0, 6);
const namespace = `guest-hostile-metadata-${suffix}`;
const user = `mallory-metadata-${suffix}`;

Deno.test("guards on metadata: judge every kind that the guests' role can create", async () => {
  const role = load(await Deno.readTextFile(`${root}deploy/kustomize/base/guest-role.yaml`)) as {
    rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  };
  const written = role.rules.filter(({ verbs }) => verbs.includes("create")).flatMap(({ apiGroups, resources }) =>
    resources.filter((resource) => !resource.includes("/")).map((resource) => `${apiGroups[0]}/${resource}`)
  );
  const judged = new Set(
    metadataPolicy.resources.flatMap(({ apiGroups, resources }) => resources.map((name) => `${apiGroups[0]}/${name}`)),
  );
  assert.deepEqual(written.filter((resource) => !judged.has(resource)), []);
});

/** A ServiceAccount as a user, with the groups that the API server gives it. */
const account = (space: string, name: string): [string, string[]] => [
  `system:serviceaccount:${space}:${name}`,
  ["system:serviceaccounts", `system:serviceaccounts:${space}`, "system:authenticated"],
];

Deno.test("metadata and claims of guests", async (t) => {
  await using lab = await sharedLab();
  await using leaving = new AsyncDisposableStack();
  using cluster = await prepared(lab);
  await installed(lab, "base");
  const users: Record<string, string> = {
    guest: await lab.user(user),
    "network plugin": await lab.user(`calico-${suffix}`, { groups: ["system:nodes"] }),
    "storage driver": await lab.user(...asUser(account(`storage-${suffix}`, "driver"))),
    "account of a guest": await lab.user(...asUser(account(namespace, "default"))),
  };
  const as = async (who: keyof typeof users | "admin", args: string[], stdin?: unknown) => {
    const { code, stdout, stderr } = await lab.kubectl(["-n", namespace, ...args], {
      ...(who === "admin" ? {} : { kubeconfig: users[who]! }),
      ...(stdin === undefined ? {} : { stdin: JSON.stringify(stdin) }),
    });
    return { code, said: stdout + stderr };
  };
  const can = async (...[who, args, stdin]: Parameters<typeof as>): Promise<string> => {
    const { code, said } = await as(who, args, stdin);
    assert.equal(code, 0, said);
    return said;
  };
  const cannot = async (says: RegExp, ...[who, args, stdin]: Parameters<typeof as>): Promise<void> => {
    const { code, said } = await as(who, args, stdin);
    assert.notEqual(code, 0, said);
    assert.match(said, says);
  };
  const inside = (object: GuardBody): GuardBody => laid(object, { metadata: { namespace } });
  const all = ["pods", "persistentvolumeclaims", "services", "configmaps"];
  const subject = (name: string) => ({ apiGroup: "rbac.authorization.k8s.io", kind: "User", name });
  const made = await cluster.apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "keystone-guest", namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keystone-guest" },
      subjects: [subject(user)],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "others", namespace },
      rules: [{ apiGroups: [""], resources: all, verbs: ["get", "create", "patch", "update"] }],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "others", namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "others" },
      subjects: [
        subject(`calico-${suffix}`),
        subject(account(`storage-${suffix}`, "driver")[0]),
        subject(account(namespace, "default")[0]),
      ],
    },
    {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "keystone", namespace },
      spec: {
        hard: {
          pods: "50",
          "count/serviceaccounts": "50",
          "hostile-none.storageclass.storage.k8s.io/requests.storage": "10Gi",
        },
      },
    },
  );
  assert.equal(made.code, 0, made.said);
  leaving.defer(async () => {
    await lab.kubectl(["delete", "namespace", "--wait=false", "--ignore-not-found", namespace]);
  });
  await eventually("the namespace has its ServiceAccount", async () => {
    return (await as("admin", ["get", "serviceaccount", "default"])).code === 0 || "not yet";
  });

  // Created before the namespace was a guest's.
  const bigLabels = Object.fromEntries(Array.from({ length: 12_000 }, (_, index) => [`example.com/k${index}`, "v"]));
  const before = await cluster.apply(
    inside(laid(ordinaryOf("Service"), {
      metadata: { name: "old", annotations: { "tailscale.com/expose": "true" }, finalizers: ["example.com/a"] },
    })),
    inside(laid(ordinaryOf("PersistentVolumeClaim"), { metadata: { name: "old" }, spec: { storageClassName: "" } })),
  );
  assert.equal(before.code, 0, before.said);
  await cluster.rest.performRequest({
    method: "POST",
    path: pathOf("ConfigMap", namespace),
    bodyJson: laid(ordinaryOf("ConfigMap"), { metadata: { name: "big", labels: bigLabels } }),
  });
  await can("admin", ["annotate", "namespace", namespace, "keystone.io/guards=1"]);
  await can("admin", ["label", "namespace", namespace, "keystone.io/realm=hostile"]);
  const exposed = laid(ordinaryOf("Service"), {
    metadata: { name: "x", annotations: { "tailscale.com/expose": "true" } },
  });
  await eventually("the guards see the namespace", async () => {
    const { said } = await as("guest", ["create", "--dry-run=server", "-f", "-"], exposed);
    return /denied request/.test(said) || said;
  });
  const guest = leaving.use(await clientOf(users.guest!));

  await step(
    t,
    `where unknown keys are refused: the keys of ${Object.keys(chartKeys).length} charts are admitted`,
    async () => {
      for (const [chart, keys] of Object.entries(chartKeys)) {
        const values = Object.fromEntries(keys.map((key) => [key, "1"]));
        const labels = { ...values, app: "x" };
        for (const kind of ["Deployment", "Service", "ConfigMap"]) {
          const plain = kind === "Deployment"
            ? ordinaryOf(kind, { metadata: { labels, annotations: values } })
            : ordinaryOf(kind);
          const bodyJson = laid(plain, { metadata: { labels, annotations: values } });
          const said = await guest.performRequest({
            method: "POST",
            path: pathOf(kind, namespace),
            bodyJson,
            querystring: new URLSearchParams({ dryRun: "All" }),
          }).then(() => "", (error: Error) => error.message);
          assert.equal(said, "", `${kind} of ${chart}`);
        }
      }
    },
  );

  await step(
    t,
    "network plugin, storage driver and scheduler: may annotate, label and finalize the guest's objects",
    async () => {
      await can("guest", ["create", "-f", "-"], laid(ordinaryOf("Pod"), { metadata: { name: "mine" } }));
      await can(
        "guest",
        ["create", "-f", "-"],
        laid(ordinaryOf("PersistentVolumeClaim"), { metadata: { name: "mine" } }),
      );
      await can("network plugin", ["annotate", "pod/mine", "cni.projectcalico.org/podIP=10.0.0.9", "example.org/x=y"]);
      await can("storage driver", [
        "annotate",
        "pvc/mine",
        "volume.kubernetes.io/storage-provisioner=x",
        "example.org/x=y",
      ]);
      const held = JSON.stringify({
        metadata: { finalizers: ["kubernetes.io/pvc-protection", "driver.example.com/held"] },
      });
      await can("storage driver", ["patch", "pvc/mine", "--type=merge", "-p", held]);
      await can("storage driver", ["label", "pod/mine", "longhorn.example.com/attached=x"]);
      await cannot(/tailscale\.com\/expose/, "account of a guest", [
        "annotate",
        "pod/mine",
        "tailscale.com/expose=true",
      ]);
    },
  );

  await step(
    t,
    "objects annotated by others: the guest may change them and remove such keys and finalizers, but not add any",
    async () => {
      await can("guest", ["label", "pod/mine", "a=b"]);
      await can("guest", ["annotate", "pod/mine", "cni.projectcalico.org/podIP-"]);
      const let_go = JSON.stringify({ metadata: { finalizers: ["kubernetes.io/pvc-protection"] } });
      await can("guest", ["patch", "pvc/mine", "--type=merge", "-p", let_go]);
      await cannot(/metadata\.finalizers has driver\.example\.com\/held/, "guest", [
        "patch",
        "pvc/mine",
        "--type=merge",
        "-p",
        JSON.stringify({ metadata: { finalizers: ["driver.example.com/held"] } }),
      ]);
      await cannot(/has example\.org\/x \(z\).*trust\.<level>\.unknownKeys/, "guest", [
        "annotate",
        "--overwrite",
        "pod/mine",
        "example.org/x=z",
      ]);
    },
  );

  await step(t, "objects older than the guards: may be changed and deleted, except their dangerous key", async () => {
    await can("guest", ["label", "service/old", "a=b"]);
    await can("guest", ["patch", "service/old", "-p", '{"spec":{"ports":[{"port":80,"targetPort":81}]}}']);
    await cannot(/has tailscale\.com\/expose \(false\)/, "guest", [
      "annotate",
      "--overwrite",
      "service/old",
      "tailscale.com/expose=false",
    ]);
    await can("guest", ["label", "pvc/old", "a=b"]);
    await can("guest", ["patch", "service/old", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
    await can("guest", ["delete", "service/old", "pvc/old", "--wait=false"]);
  });

  await step(t, "an unknown key at a trust level that only warns: written, with a warning", async () => {
    const annotations = { "keystone.io/guards-warn": "unknown-keys" };
    const labels = { "keystone.io/guards-warn": "true" };
    await can("admin", [
      "patch",
      "namespace",
      namespace,
      "--type=merge",
      "-p",
      JSON.stringify({ metadata: { annotations, labels } }),
    ]);
    await eventually("the guard warns", async () => {
      const { code, said } = await as("guest", ["annotate", "--overwrite", "pod/mine", "example.org/y=z"]);
      return code === 0 && /Warning: .*has example\.org\/y \(z\).*guards\.harmlessKeys/.test(said) || said;
    });
    await cannot(/tailscale\.com\/expose/, "guest", ["annotate", "pod/mine", "tailscale.com/expose=true"]);
  });

  await step(
    t,
    "too many labels to judge: refused to a guest, admitted from a driver and for a deletion",
    async () => {
      const refusedFor = async (labels: Record<string, string>): Promise<string> =>
        await guest.performRequest({
          method: "POST",
          path: pathOf("ConfigMap", namespace),
          bodyJson: laid(ordinaryOf("ConfigMap"), { metadata: { labels } }),
        }).then(() => "", (error: Error) => error.message);
      assert.match(await refusedFor(bigLabels), /metadata has 12000 labels and annotations: the API server/);
      const patched = await as("guest", ["label", "configmap/big", "a=b"]);
      assert.match(patched.said, /metadata has 12001 labels and annotations/);
      await can("storage driver", ["label", "configmap/big", "example.org/of=driver"]);
      await can("guest", ["delete", "configmap/big"]);
    },
  );

  await step(t, "all ConfigMaps deleted in one request: the guide to the grants stays", async () => {
    await can("admin", ["create", "configmap", "keystone"]);
    await can("guest", ["create", "configmap", "mine"]);
    const said = await guest.performRequest({ method: "DELETE", path: pathOf("ConfigMap", namespace) })
      .then(() => "", (error: Error) => error.message);
    assert.match(said, /configmaps keystone of .* may be created, changed and deleted only by the Keystone operator/);
    await can("admin", ["get", "configmap", "keystone"]);
  });

  await step(t, "the namespace is deleted with all its contents", async () => {
    await can("admin", ["patch", "pvc/mine", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
    await can("admin", ["delete", "namespace", namespace, "--timeout=60s"]);
  });
});

const asUser = ([name, groups]: [string, string[]]): [string, { groups: string[] }] => [name, { groups }];
