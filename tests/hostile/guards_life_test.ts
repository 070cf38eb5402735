/**
 * Ordinary use with the guards on: workloads older than a guard can be scaled, changed, rolled out and deleted; big objects
 * are judged within the cost budget; controllers, the garbage collector and the deletion of a namespace are not held up.
 */
import assert from "node:assert/strict";
import type { GuardBody } from "../../deploy/guards/guard.ts";
import { refusedWorkloads } from "../../src/cli/refused_workloads.ts";
import { clientOf, eventually, prepared, root, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { installGuards, laid, ordinaryOf, pathOf } from "./guard_cases.ts";
import { refusal } from "./requests.ts";

const suffix = crypto.randomUUID().slice(0, 6);
const namespace = `guest-hostile-life-${suffix}`;
const user = `mallory-life-${suffix}`;

/** A pod template that several guards refuse. */
const old = {
  spec: {
    volumes: [{ name: "odd", nfs: { server: "192.168.1.10", path: "/" } }],
    tolerations: [{ operator: "Exists" }],
    terminationGracePeriodSeconds: 1,
  },
  container: { resources: { limits: { "example.com/ungranted": "1" } } },
  metadata: { finalizers: [] },
};

const oldDeployment = laid(ordinaryOf("Deployment", old), {
  metadata: { name: "old", finalizers: ["example.com/before"] },
  spec: { replicas: 1, revisionHistoryLimit: 1000, strategy: { type: "Recreate" } },
});
const oldStatefulSet = laid(ordinaryOf("StatefulSet", old), {
  metadata: { name: "old-set" },
  spec: { replicas: 2, podManagementPolicy: "Parallel" },
});
const oldJob = laid(ordinaryOf("Job", old), { metadata: { name: "old-job" }, spec: { suspend: false } });
const oldCronJob = laid(ordinaryOf("CronJob", old), { metadata: { name: "old-cron" } });

Deno.test("ordinary use with the guards on", async (t) => {
  await using lab = await sharedLab();
  await using leaving = new AsyncDisposableStack();
  using cluster = await prepared(lab);
  await installGuards(lab, `${root}deploy/kustomize/base`);
  const admin = async (...args: string[]) => {
    const { code, stdout, stderr } = await lab.kubectl(["-n", namespace, ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const kubeconfig = await lab.user(user);
  const mallory = leaving.use(await clientOf(kubeconfig));
  const guest = async (...args: string[]) => {
    const { code, stdout, stderr } = await lab.kubectl(["-n", namespace, ...args], { kubeconfig });
    return { code, said: stdout + stderr };
  };
  const can = async (...args: string[]) => {
    const { code, said } = await guest(...args);
    assert.equal(code, 0, said);
    return said;
  };

  const made = await cluster.apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "keystone-guest", namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keystone-guest" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
    },
  );
  assert.equal(made.code, 0, made.said);
  leaving.defer(async () => {
    await lab.kubectl(["delete", "namespace", "--wait=false", "--ignore-not-found", namespace]);
  });
  await eventually("the namespace has its ServiceAccount", async () => {
    return (await lab.kubectl(["get", "serviceaccount", "default", "-n", namespace])).code === 0 || "not yet";
  });
  const inside = (object: GuardBody): GuardBody => laid(object, { metadata: { namespace } });
  const before = await cluster.apply(
    ...[
      oldDeployment,
      oldStatefulSet,
      oldJob,
      oldCronJob,
      laid(ordinaryOf("Pod", old), {
        metadata: { name: "old-pod", finalizers: ["example.com/a", "example.com/b"] },
      }),
    ].map(inside),
  );
  assert.equal(before.code, 0, before.said);
  const podsOf = async (...selector: string[]): Promise<string[]> =>
    (await admin("get", "pods", "-o", "name", ...selector)).split("\n").filter((name) => name !== "");
  await eventually("their pods exist", async () => {
    const names = await podsOf();
    return names.length === 5 || names.join(" ");
  }, 30_000);
  await admin("annotate", "namespace", namespace, "keystone.io/guards=1");
  await admin("label", "namespace", namespace, "keystone.io/realm=hostile");
  await cluster.apply({
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "keystone", namespace },
    spec: { hard: { pods: "50" } },
  });
  await eventually("the guards see the namespace", async () => {
    const { said } = await guest("create", "--dry-run=server", "-o", "name", "-f", "-");
    const { stderr } = await lab.kubectl(["-n", namespace, "create", "--dry-run=server", "-f", "-"], {
      kubeconfig,
      stdin: JSON.stringify(ordinaryOf("Deployment", old)),
    });
    return /denied request/.test(stderr) || stderr + said;
  });

  await step(t, "a workload older than the guards: kubectl scale takes it to 0 and back", async () => {
    await can("scale", "deployment/old", "--replicas=0");
    await can("scale", "statefulset/old-set", "--replicas=1");
    await eventually("its pods are deleted", async () => {
      const names = await podsOf();
      return names.length === 3 || names.join(" ");
    }, 30_000);
  });

  await step(t, "that workload: may be labeled, paused, and changed in fields that no guard judges", async () => {
    await can("label", "deployment/old", "a=b");
    await can("patch", "deployment/old", "-p", '{"spec":{"replicas":0,"paused":false,"minReadySeconds":1}}');
    await can("patch", "deployment/old", "-p", '{"metadata":{"finalizers":null}}');
    await can("patch", "pod/old-pod", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/a"]}}');
    await can("patch", "deployment/old", "-p", '{"spec":{"revisionHistoryLimit":5}}');
  });

  await step(
    t,
    "that workload's image is changed: its ReplicaSet is created, and the pods are refused with the reason",
    async () => {
      await can("set", "image", "deployment/old", "main=example.com/y");
      await can("scale", "deployment/old", "--replicas=1");
      await eventually("an event has the reason", async () => {
        const said = await admin("get", "events", "-o", "jsonpath={range .items[*]}{.message}{'\\n'}{end}");
        return /denied request: spec\.\w+.*\(guard [a-z-]+\)/.test(said) || said;
      }, 30_000);
    },
  );

  await step(t, "keystone doctor: lists that workload with the guard's message, and no admitted object", async () => {
    const fine = await cluster.apply(inside(laid(ordinaryOf("Deployment"), { metadata: { name: "fine" } })));
    assert.equal(fine.code, 0, fine.said);
    const found = (await refusedWorkloads(cluster.rest)).filter((refused) => refused.namespace === namespace);
    assert.deepEqual(found.map(({ kind, name }) => `${kind} ${name}`).sort(), [
      "CronJob old-cron",
      "Deployment old",
      "Job old-job",
      "Pod old-pod",
      "StatefulSet old-set",
    ]);
    for (const { says } of found) assert.match(says, /\(guard [a-z-]+\)/);
  });

  await step(t, "an update that adds another offence to it: refused", async () => {
    const added =
      '[{"op":"add","path":"/spec/template/spec/volumes/-","value":{"name":"more","nfs":{"server":"x","path":"/"}}}]';
    const { said } = await guest("patch", "deployment/old", "--type=json", "-p", added);
    assert.match(said, /spec\.template\.spec\.volumes\[more\] is nfs/);
    assert.doesNotMatch(said, /odd/, "the old offence is not refused");
  });

  await step(t, "the offending field is removed: kubectl rollout undo can't restore it", async () => {
    await can("patch", "deployment/old", "--type=json", "-p", '[{"op":"remove","path":"/spec/template/spec/volumes"}]');
    const { code, said } = await guest("rollout", "undo", "deployment/old");
    assert.notEqual(code, 0);
    assert.match(said, /volumes\[odd\] is nfs/);
  });

  await step(
    t,
    "updates: those by guests' accounts are judged, those by controllers and other accounts aren't",
    async () => {
      const controllers = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
      const users: [string, string[], boolean][] = [
        ["system:serviceaccount:kube-system:generic-garbage-collector", controllers, true],
        ["system:kube-controller-manager", [], true],
        [`system:node:hostile-${suffix}`, ["system:nodes"], true],
        ["system:serviceaccount:argocd:argocd", ["system:serviceaccounts"], true],
        [`system:serviceaccount:${namespace}:default`, ["system:serviceaccounts"], false],
        [`system:serviceaccount:keystone-system:realm-hostile-${suffix}`, ["system:serviceaccounts"], false],
        [`somebody-${suffix}`, [], false],
      ];
      // Lack of rights must not hide the guards' answer.
      const all = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
      const group = `hostile-mighty-${suffix}`;
      const bound = await cluster.apply({
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: "mighty", namespace },
        roleRef: all,
        subjects: [{ apiGroup: all.apiGroup, kind: "Group", name: group }],
      });
      assert.equal(bound.code, 0, bound.said);
      for (const [name, groups, passes] of users) {
        using rest = await clientOf(await lab.user(name, { groups: [...groups, group] }));
        const bodyJson = { spec: { template: { spec: { schedulerName: "other" } } } };
        const path = `${pathOf("Deployment", namespace)}/old`;
        const patch = () =>
          refusal(rest, { method: "PATCH", path, bodyJson, contentType: "application/merge-patch+json" });
        await eventually(`${name} has its rights`, async () => {
          const said = await patch();
          return !/cannot patch/.test(said) || said;
        });
        assert.match(await patch(), passes ? /^$/ : /schedulerName is other/, name);
        if (name.startsWith("system:node:")) continue;
        const pod = await refusal(rest, {
          method: "POST",
          path: pathOf("Pod", namespace),
          bodyJson: ordinaryOf("Pod", { spec: { schedulerName: "other" } }),
        });
        assert.match(pod, /schedulerName is other/, `${name} makes no such pod`);
      }
    },
  );

  await step(t, "a CronJob and a Job older than the guards: may be suspended and deleted", async () => {
    await can("patch", "cronjob/old-cron", "-p", '{"spec":{"suspend":true}}');
    await can("delete", "job/old-job", "--cascade=foreground", "--timeout=30s");
    await eventually("its pods are deleted", async () => {
      const names = await podsOf("-l", "batch.kubernetes.io/job-name=old-job");
      return names.length === 0 || names.join(" ");
    }, 30_000);
  });

  const big: [string, string, GuardBody][] = [
    [
      "120 containers with 16 variables each",
      "Deployment",
      ordinaryOf("Deployment", {
        spec: {
          containers: Array.from({ length: 120 }, (_, index) => ({
            name: `c${index}`,
            image: "x",
            env: Array.from({ length: 16 }, (_, variable) => ({ name: `V${variable}`, value: "v" })),
          })),
        },
      }),
    ],
    [
      "1.2 MB of labels",
      "Deployment",
      laid(ordinaryOf("Deployment"), {
        metadata: {
          labels: Object.fromEntries(
            Array.from({ length: 15_000 }, (_, index) => [`example.com/${"k".repeat(10)}${index}`, "v".repeat(60)]),
          ),
        },
      }),
    ],
  ];
  for (const [what, kind, bodyJson] of big) {
    await step(t, `${what}: judged within the cost budget`, async () => {
      const said = await mallory.performRequest({
        method: "POST",
        path: pathOf(kind, namespace),
        bodyJson,
        querystring: new URLSearchParams({ dryRun: "All" }),
      }).then(() => "", (error: Error) => error.message);
      assert.doesNotMatch(said, /cost|budget/);
    });
  }

  await step(t, "the namespace is deleted: the deletion completes in any order", async () => {
    await admin("patch", "pod/old-pod", "--type=merge", "-p", '{"metadata":{"finalizers":null}}');
    const { code, stderr } = await lab.kubectl(["delete", "namespace", namespace, "--timeout=60s"]);
    assert.equal(code, 0, stderr);
  });
});
