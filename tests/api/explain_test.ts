/**
 * `keystone explain` on a real API server with Kubernetes' own controllers and scheduler, as an administrator and as a guest.
 * A stand-in for a kubelet writes the statuses of pods.
 */
import assert from "node:assert/strict";
import { isApiError, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type PodStatus } from "../../lib/kubernetes_apis/core@v1.ts";
import { realmGroup } from "../../src/core/names.ts";
import { explainedResource } from "../../src/cli/explain/explained_resources.ts";
import { installed } from "../fixtures/in_force.ts";
import { keystone, type Said } from "../fixtures/keystone_command.ts";
import { eventually as within, prepared, secondsFromNow, startOperator, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";
import { deploymentOf, restrictedSpec } from "../lab/lab_workloads.ts";

const eventually = <T>(what: string, look: () => Promise<T | string>): Promise<T> => within(what, look, 30_000);
const namespace = "guest-bob-home";
const resources = (cpu: string) => ({ requests: { cpu, memory: "16Mi" }, limits: { cpu, memory: "16Mi" } });
const spec = (cpu: string, image = "example.com/none:1") => restrictedSpec({ image, resources: resources(cpu) });
const deployment = (name: string, replicas: number, cpu: string, image?: string) =>
  deploymentOf({ name, namespace }, spec(cpu, image), { replicas });
const workload = (kind: string, name: string, more: object, cpu = "100m", apiVersion = "apps/v1") => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: spec(cpu) },
    ...more,
  },
});
const job = (more: object = {}, cpu = "100m") => ({
  backoffLimit: 0,
  template: { spec: { ...spec(cpu), restartPolicy: "Never" } },
  ...more,
});

Deno.test("keystone explain", { ignore: Deno.env.get("KEYSTONE_LAB") === "external" }, async (t) => {
  await using lab = await startLab({ fastControllers: true, scheduler: true });
  using cluster = await prepared(lab);
  await installed(lab, "base");
  await using _operator = await startOperator(lab, {
    kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
    realm: "alice-home",
  });
  const bob = await lab.user("bob", { groups: [realmGroup("bob-home")] });
  await cluster.createRealm("bob-home", { trustLevel: "internal" });
  await cluster.create({
    name: "alice-to-bob",
    to: "bob-home",
    hard: {
      cpu: "3",
      "limits.cpu": "3",
      memory: "4Gi",
      "limits.memory": "4Gi",
      "requests.storage": "1Gi",
      "services.loadbalancers": "1",
      "count/jobs.batch": "3",
    },
    until: "2030-01-01T00:00:00Z",
  });
  await cluster.grantIn("Active", "alice-to-bob");
  const pods = new CoreV1Api(cluster.rest).namespace(namespace).pods;
  const run = (who: string, args: string[]) => keystone(who, ["explain", ...args, "-n", namespace]);
  const admin = (...args: string[]) => run(lab.kubeconfig, args);
  /** Explains as both; both get the same answer. */
  const both = async (...args: string[]): Promise<Said> => {
    const said = await admin(...args);
    const guest = await run(bob, args);
    const answer = ({ out }: Said) => out.split("\n")[0]!.replace(/\d+ (s|min) ago/g, "ago");
    assert.equal(answer(guest), answer(said), guest.err);
    assert.equal(guest.code, said.code);
    if (Deno.env.get("KEYSTONE_SHOW")) console.log(`$ keystone explain ${args.join(" ")} → ${said.code}\n${said.out}`);
    return said;
  };
  /** Explains until the answer matches. */
  const answer = (pattern: RegExp, ...args: string[]): Promise<Said> =>
    eventually(`${args.join(" ")}: ${pattern}`, async () => {
      const said = await admin(...args);
      return pattern.test(said.out.split("\n")[0]!) ? await both(...args) : said.out + said.err;
    });
  const apply = async (...objects: unknown[]) => {
    const { code, said } = await cluster.apply(...objects);
    assert.equal(code, 0, said);
  };
  const status = (name: string, status: PodStatus) =>
    pods.patch(name, { status } as never, { type: "strategic", subresource: "status" });
  const endPod = (name: string) =>
    pods.delete(name, { gracePeriodSeconds: 0 }).catch((error) => {
      if (!isApiError(error, 404)) throw error;
    });
  /** Deletes objects, and ends their pods as their node would. */
  const remove = async (kind: string, ...names: string[]) => {
    await lab.kubectl(["delete", kind, ...names, "-n", namespace, "--wait=false"]);
    if (!["deployment", "sts", "ds", "rc", "job", "pod"].includes(kind)) return;
    await eventually("its pods are gone", async () => {
      const left = (await pods.list()).items.filter(({ metadata }) =>
        names.includes(metadata.labels?.app ?? metadata.labels?.["job-name"] ?? metadata.name)
      );
      for (const { metadata } of left) {
        if (metadata.deletionTimestamp) await endPod(metadata.name);
      }
      return left.length === 0 || `${left.length} are left`;
    });
  };
  const ready = async (app: string, count: number) => {
    const names = await eventually(`${count} pods of ${app}`, async () => {
      const names = await placed(pods, app);
      return names.length === count ? names : `${names.length}`;
    });
    for (const name of names) await status(name, running);
  };
  await apply(madeUpNode, lateClass);
  const nodes = new CoreV1Api(cluster.rest).nodes;
  /** A step, with a node that has just reported: without reports it counts as lost after a minute. */
  const stepOf = (name: string, fn: () => Promise<void>) =>
    step(t, name, async () => {
      const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime: new Date().toISOString() }];
      await nodes.patch("made-up", { status: { conditions } } as never, { type: "strategic", subresource: "status" });
      await fn();
    });

  await step(
    t,
    "a roll-out without room: the new ReplicaSet, the quota and the reason that old pods stay",
    async () => {
      await apply({
        ...deployment("web", 3, "1"),
        spec: { ...deployment("web", 3, "1").spec, progressDeadlineSeconds: 3 },
      });
      await ready("web", 3);
      const good = await answer(/✓ Deployment web: all 3 pods are ready/, "deployment", "web");
      assert.equal(good.code, 0);
      await lab.kubectl(["-n", namespace, "set", "image", "deployment/web", "main=example.com/none:2"]);
      await eventually("its deadline is over", async () => {
        const { out } = await admin("deploy/web");
        return /Progressing is False \(ProgressDeadlineExceeded\)/.test(out) || out;
      });
      const stuck = await answer(/✗ The roll-out of Deployment web is stuck/, "deploy/web");
      assert.equal(stuck.code, 1);
      assert.match(
        stuck.out,
        /new ReplicaSet web-\w+ has 0 of 3 pods ready, and 3 old pods stay\. Quota keystone.*has no room.*1 requests\.cpu \(3 of 3 used\).*maxUnavailable to 1/,
      );
      assert.match(
        stuck.out,
        /old ReplicaSet web-\w+ \(revision 1\): 3 pods of it.*maxUnavailable is 25%, which is 0 of 3/,
      );
      assert.match(stuck.out, /Progressing is False \(ProgressDeadlineExceeded\)/);
      const json = JSON.parse((await admin("deployment", "web", "-o", "json")).out);
      assert.equal(`✗ ${json.message}`, stuck.out.split("\n")[0]);
      assert.deepEqual([json.ok, json.kind, json.namespace], [false, "Deployment", namespace]);
      const [, set] = /new ReplicaSet (web-\w+)/.exec(stuck.out)!;
      assert.match(
        (await both("rs", set!)).out,
        /has 0 of 1 pod ready \(1 missing\).*Quota keystone[^]*Deployment web: It made this ReplicaSet/,
      );
    },
  );

  await stepOf("a new object of the same name: events of the deleted one are not its own", async () => {
    await remove("deployment", "web");
    await apply(deployment("web", 1, "100m", "example.com/none:2"));
    await ready("web", 1);
    const said = await answer(/✓ Deployment web: its pod is ready/, "deployments.apps", "web");
    assert.equal(said.code, 0);
    assert.doesNotMatch(said.out, /FailedCreate|exceeded|event/);
  });

  await stepOf("another quota that limits further: named by workloads and by the grant", async () => {
    await apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "default-resourcequota", namespace, labels: { "app.kubernetes.io/managed-by": "kyverno" } },
      spec: { hard: { "requests.cpu": "300m" } },
    });
    await eventually("it is in force", async () => {
      const quota = await cluster.quotas.namespace(namespace).get("default-resourcequota");
      return quota.status?.used?.["requests.cpu"] === "100m" || "not yet";
    });
    await lab.kubectl(["-n", namespace, "scale", "deployment/web", "--replicas=4"]);
    const said = await answer(
      /Quota default-resourcequota \(not Keystone's, made by kyverno\) has no room/,
      "deployment",
      "web",
    );
    assert.match(said.out, /ask a cluster admin to raise quota default-resourcequota/);
    assert.match(said.out, /! another quota, default-resourcequota: .*requests\.cpu: 300m of 300m used, 0 free/);
    const grant = await answer(
      /another quota in guest-bob-home is full: default-resourcequota leaves no requests\.cpu/,
      "grant",
      "alice-to-bob",
    );
    assert.match(grant.out, /requests\.cpu: 300m of 3 used, 2700m free, but quota default-resourcequota leaves only 0/);
    await remove("quota", "default-resourcequota");
    await remove("deployment", "web");
  });

  await stepOf("no room for another ReplicaSet: the quota on their count", async () => {
    await apply(deployment("a", 1, "100m"));
    await ready("a", 1);
    await lab.kubectl(["-n", namespace, "create", "quota", "histories", "--hard=count/replicasets.apps=1"]);
    await eventually(
      "it is in force",
      async () => (await cluster.quotas.namespace(namespace).get("histories")).status?.used !== undefined || "not yet",
    );
    await lab.kubectl(["-n", namespace, "set", "image", "deployment/a", "main=example.com/none:2"]);
    const said = await answer(/new ReplicaSet can't be created.*histories/, "deployment", "a");
    assert.equal(said.code, 1);
    assert.match(said.out, /Delete old ReplicaSets/);
    await remove("quota", "histories");
    await remove("deployment", "a");
  });

  await stepOf("a StatefulSet: pods and claims without room, and the pod that holds up the others", async () => {
    await apply(workload("StatefulSet", "db", {
      serviceName: "db",
      replicas: 2,
      volumeClaimTemplates: [{
        metadata: { name: "data" },
        spec: { storageClassName: "late", accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "2Gi" } } },
      }],
    }));
    const claim = await answer(
      /StatefulSet db has 0 of 2 pods ready.*Pod db-0 waits for its claim.*2Gi requests\.storage/,
      "sts",
      "db",
    );
    assert.equal(claim.code, 1);
    await apply(workload("StatefulSet", "seq", { serviceName: "seq", replicas: 2 }));
    await eventually("its first pod is placed", async () => (await placed(pods, "seq")).length === 1 || "not yet");
    await status("seq-0", crashing);
    const order = await answer(
      /The pods after seq-0 are created when it is ready.*CrashLoopBackOff/,
      "statefulsets",
      "seq",
    );
    assert.match(order.out, /exited with code 3/);
    await remove("sts", "db", "seq");
  });

  await stepOf("pods in every state: the container's reason and last exit code", async () => {
    await apply(deployment("states", 4, "10m"));
    const names = await eventually("its pods are placed", async () => {
      const names = await placed(pods, "states");
      return names.length === 4 ? names : `${names.length}`;
    });
    await status(names[0]!, crashing);
    await status(names[1]!, crashing);
    await status(names[2]!, {
      phase: "Pending",
      containerStatuses: [
        container({ waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "x"' } }),
      ],
    });
    await status(names[3]!, {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{
        ...container({ running: {} }),
        ready: true,
        restartCount: 2,
        lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
      }],
    });
    const said = await answer(
      /Deployment states has 1 of 4 pods ready\. 2 pods .*CrashLoopBackOff/,
      "deployment",
      "states",
    );
    assert.match(
      said.out,
      /✗ 2 pods \(states-.*\): container main: CrashLoopBackOff: It exited with code 3.*kubectl logs/,
    );
    assert.match(said.out, /✗ pod states-.*ImagePullBackOff: Back-off pulling image/);
    assert.match(said.out, /! pod states-.*OOMKilled before: .*limits\.memory/);
    const pod = await both("pod", names[0]!);
    assert.equal(pod.code, 1);
    assert.match(
      pod.out,
      /^✗ Pod states-.*CrashLoopBackOff[^]*Deployment states: It made this ReplicaSet[^]*uses: .*10m requests\.cpu[^]*network: .*default-deny/,
    );
    assert.equal((await both("po", names[3]!)).code, 0);
    await remove("deployment", "states");
  });

  await stepOf("a pod that no node takes, and one whose ephemeral volume has no room", async () => {
    await apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "picky", namespace },
      spec: { ...spec("10m"), nodeSelector: { disk: "none" } },
    });
    const said = await answer(/Pod picky: Unschedulable.*didn't match Pod's node affinity\/selector/, "pod", "picky");
    assert.match(said.out, /Change spec\.nodeSelector/);
    await apply(deploymentOf({ name: "scratch", namespace }, {
      ...spec("10m"),
      volumes: [{
        name: "scratch",
        ephemeral: {
          volumeClaimTemplate: {
            spec: {
              storageClassName: "late",
              accessModes: ["ReadWriteOnce"],
              resources: { requests: { storage: "20Gi" } },
            },
          },
        },
      }],
    }, { replicas: 2 }));
    const volume = await answer(
      /Deployment scratch has 0 of 2 pods ready\. 2 pods .*volume scratch.*20Gi requests\.storage/,
      "deployment",
      "scratch",
    );
    assert.match(volume.out, /raised in a grant's spec\.hard/);
    await remove("pod", "picky");
    await remove("deployment", "scratch");
  });

  await stepOf("Jobs: suspended, failed, without room", async () => {
    const jobOf = (name: string, more: object, cpu?: string) => ({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name, namespace },
      spec: job(more, cpu),
    });
    await apply(jobOf("later", { suspend: true }), jobOf("broken", {}), jobOf("huge", {}, "4"));
    assert.match((await answer(/✗ Job later is suspended/, "job", "later")).out, /"suspend":false/);
    assert.match((await answer(/Job huge lacks 1 pod\. Quota keystone/, "jobs.batch", "huge")).out, /4 requests\.cpu/);
    const [name] = await eventually("its pod is placed", async () => {
      const { items } = await pods.list({ labelSelector: "job-name=broken" });
      const names = items.filter(({ spec }) => spec?.nodeName).map(({ metadata }) => metadata.name);
      return names.length > 0 ? names : "not yet";
    });
    await status(name!, {
      phase: "Failed",
      containerStatuses: [container({ terminated: { exitCode: 2, reason: "Error" } })],
    });
    const failed = await answer(/Job broken failed \(BackoffLimitExceeded\).*exited with code 2/, "job/broken");
    assert.equal(failed.code, 1);
  });

  await stepOf("a CronJob: its history fills the quota, and it is suspended", async () => {
    const cron = {
      ...workload("CronJob", "tick", {}, "10m", "batch/v1"),
      spec: { schedule: "* * * * *", jobTemplate: { spec: job() } },
    };
    await apply(cron);
    assert.match(
      (await both("cronjob", "tick")).out,
      /✓ CronJob tick runs on its schedule\. It has not been scheduled yet/,
    );
    await new ResourceApi(cluster.rest, explainedResource("CronJob"), namespace).patch("tick", {
      status: { lastScheduleTime: new Date(Date.now() - 200_000).toISOString().replace(/\.\d+Z/, "Z") },
    } as never, { type: "merge", subresource: "status" });
    const said = await answer(
      /CronJob tick can't start its next Job\. Quota keystone.*1 count\/jobs\.batch \(3 of 3 used\)/,
      "cj",
      "tick",
    );
    assert.match(said.out, /successfulJobsHistoryLimit \(3\)/);
    await lab.kubectl(["-n", namespace, "patch", "cronjob/tick", "--type=merge", "-p", '{"spec":{"suspend":true}}']);
    assert.match((await both("cronjobs", "tick")).out, /✗ CronJob tick is suspended/);
    await remove("cronjob", "tick");
    await remove("job", "later", "broken", "huge");
  });

  await stepOf("claims: without a class, of a missing class, waiting for a pod", async () => {
    const claimOf = (name: string, storageClassName?: string) => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace },
      spec: {
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Mi" } },
        ...(storageClassName === undefined ? {} : { storageClassName }),
      },
    });
    await apply(
      claimOf("plain"),
      claimOf("lost", "nowhere"),
      claimOf("late", "late"),
    );
    assert.match(
      (await answer(/plain \(no StorageClass\) has no volume: no persistent volumes available/, "pvc", "plain")).out,
      /Set spec\.storageClassName/,
    );
    assert.match(
      (await answer(
        /lost \(StorageClass nowhere\) has no volume: storageclass\.storage\.k8s\.io "nowhere" not found/,
        "pvc/lost",
      )).out,
      /Change spec\.storageClassName/,
    );
    assert.equal(
      (await answer(/✓ PersistentVolumeClaim late gets its volume when a pod/, "persistentvolumeclaims", "late")).code,
      0,
    );
    await remove("pvc", "plain", "lost", "late");
  });

  await stepOf("Services: without pods, and without an address from outside", async () => {
    const serviceOf = (name: string, more: object) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace },
      spec: { ports: [{ port: 80, targetPort: "http" }], selector: { app: name }, ...more },
    });
    await apply(
      serviceOf("nobody", {}),
      serviceOf("outside", { type: "LoadBalancer", allocateLoadBalancerNodePorts: false }),
      deployment("served", 1, "10m"),
      serviceOf("served", {}),
    );
    assert.match(
      (await answer(
        /✗ Service nobody leads nowhere: no pod has the labels of its spec\.selector, app=nobody/,
        "svc",
        "nobody",
      )).out,
      /selects 0 pods/,
    );
    assert.match(
      (await answer(
        /Service outside has no address from outside.*The grants give 1 services\.loadbalancers, 1 used/,
        "service",
        "outside",
      )).out,
      /LoadBalancer/,
    );
    await answer(/0 of its 1 pod are ready/, "services", "served");
    await ready("served", 1);
    assert.match((await answer(/no container of its pods has a port named http/, "svc/served")).out, /targetPort/);
    await remove("service", "nobody", "outside", "served");
  });

  await stepOf("an autoscaler: without a target, and without metrics", async () => {
    const scaler = (name: string, target: string) => ({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name, namespace },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: target },
        minReplicas: 1,
        maxReplicas: 3,
        metrics: [{
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
        }],
      },
    });
    await apply(scaler("lost", "nothing"), scaler("served", "served"));
    assert.equal((await both("hpa", "lost")).code, 1);
    assert.match(
      (await admin("hpa", "lost")).out,
      /✗ Deployment nothing, which HorizontalPodAutoscaler lost scales, does not exist/,
    );
    const said = await answer(/✗ HorizontalPodAutoscaler served does not scale: .*metrics/, "hpa/served");
    assert.match(said.out, /metrics-server[^]*ScalingActive is False/);
    await remove("hpa", "lost", "served");
    await remove("deployment", "served");
  });

  await stepOf("a DaemonSet and a ReplicationController", async () => {
    const template = (name: string, more: object = {}) => ({
      metadata: { labels: { app: name } },
      spec: { ...spec("10m"), ...more },
    });
    await apply(
      workload("DaemonSet", "agent", { template: template("agent", { nodeSelector: { disk: "none" } }) }),
      workload("DaemonSet", "each", { template: template("each") }, "10m"),
      workload(
        "ReplicationController",
        "old",
        { replicas: 1, selector: { app: "old" }, template: { ...template("old"), spec: spec("5") } },
        "5",
        "v1",
      ),
    );
    assert.match(
      (await answer(/✗ DaemonSet agent has no pods, because no node matches/, "ds", "agent")).out,
      /0 matching nodes/,
    );
    await ready("each", 1);
    assert.equal((await answer(/✓ DaemonSet each: its pod is ready/, "daemonset", "each")).code, 0);
    await answer(/ReplicationController old has 0 of 1 pod ready \(1 missing\)\. Quota keystone/, "rc", "old");
    await remove("ds", "agent", "each");
    await remove("rc", "old");
  });

  await step(
    t,
    "refusals other than a quota's: Pod Security, LimitRanges, missing accounts, in their own words",
    async () => {
      const insecure = {
        containers: [{
          name: "main",
          image: "example.com/none:1",
          resources: resources("10m"),
          securityContext: { privileged: true },
        }],
      };
      await apply(
        {
          apiVersion: "v1",
          kind: "LimitRange",
          metadata: { name: "small", namespace },
          spec: { limits: [{ type: "Container", max: { cpu: "400m" } }] },
        },
        deploymentOf({ name: "insecure", namespace }, insecure),
        deploymentOf({ name: "anonymous", namespace }, { ...spec("10m"), serviceAccountName: "robot" }),
      );
      assert.match(
        (await answer(/Pod Security refuses each pod: level \w+ requires more/, "deployment", "insecure")).out,
        /must not set securityContext\.privileged=true/,
      );
      assert.match(
        (await answer(/ServiceAccount robot does not exist/, "deployment", "anonymous")).out,
        /kubectl create serviceaccount robot/,
      );
      await eventually("the LimitRange is in force", async () => {
        const { code } = await lab.kubectl(["-n", namespace, "create", "--dry-run=server", "-f", "-"], {
          stdin: JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: spec("500m") }),
        });
        return code !== 0 || "not yet";
      });
      await apply(deployment("large", 1, "500m"));
      assert.match(
        (await answer(/LimitRange small refuses it: maximum cpu usage per Container is 400m/, "deployment", "large"))
          .out,
        /within max 400m/,
      );
      await remove("limitrange", "small");
      await remove("deployment", "insecure", "anonymous", "large");
    },
  );

  await stepOf("PodDisruptionBudgets: evictions that the API server refuses, and why", async () => {
    const budget = (name: string, spec: object, app = "calm") => ({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name, namespace },
      spec: { selector: { matchLabels: { app } }, ...spec },
    });
    /** Evicts in a dry run, and returns the API server's answer. */
    const evicted = async (name: string): Promise<string> => {
      const metadata = { name, namespace };
      try {
        await cluster.rest.performRequest({
          method: "POST",
          path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
          querystring: new URLSearchParams({ dryRun: "All" }),
          bodyJson: { apiVersion: "policy/v1", kind: "Eviction", metadata, deleteOptions: { dryRun: ["All"] } },
        });
        return "evicted";
      } catch (error) {
        if (!isApiError(error)) throw error;
        return error.message;
      }
    };
    await apply(deployment("calm", 2, "50m"));
    await ready("calm", 2);
    const [first, second] = await placed(pods, "calm") as [string, string];
    /** Explains until the finding matches; of a refusal the API server says the same. */
    const evictions = async (pattern: RegExp | undefined, refused: RegExp, ...args: string[]) => {
      const said = await eventually(`${args.join(" ")}: ${pattern}`, async () => {
        const said = await admin(...args);
        const [found] = /^.*evictions: .*$/m.exec(said.out.replace(/\n {4,}/g, " ")) ?? [undefined];
        return (pattern ? pattern.test(found ?? "") : found === undefined) ? await both(...args) : said.out + said.err;
      });
      assert.equal(said.code, 0, said.out);
      assert.match(await evicted(first), refused);
    };
    await apply(budget("half", { minAvailable: 1 }));
    await evictions(undefined, /^evicted$/, "pod", first);
    await apply(budget("half", { minAvailable: 2 }));
    await evictions(
      /half never allows an eviction: spec\.minAvailable is 2, and it counts 2 pods/,
      /budget/,
      "pod",
      first,
    );
    await evictions(/half never allows an eviction/, /budget/, "deployment", "calm");
    await apply(budget("half", { minAvailable: 1 }));
    await status(second, { conditions: [{ type: "Ready", status: "False" }] } as PodStatus);
    await evictions(/half allows no eviction now: 1 of 2 pods is healthy, 1 needed/, /budget/, "pod", first);
    await status(second, running);
    await apply(budget("other", { maxUnavailable: 1 }));
    await evictions(
      /(half, other|other, half) select the same pod/,
      /more than one PodDisruptionBudget/,
      "po",
      first,
    );
    await lab.kubectl(["delete", "pdb", "half", "other", "-n", namespace]);
    // A pod without a controller has no scale, so a percentage means nothing.
    const [alone, label] = ["alone", { app: "alone" }];
    await apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: alone, namespace, labels: label },
      spec: spec("10m"),
    });
    await ready("alone", 1);
    await apply(budget("share", { maxUnavailable: "50%" }, "alone"));
    const said = await eventually("the budget can't be computed", async () => {
      const said = await both("pod", alone);
      return /evictions/.test(said.out) && !/not processed yet/.test(said.out) ? said : said.out;
    });
    assert.match(
      said.out.replace(/\s+/g, " "),
      /share (allows no eviction, because it can't be computed|never allows an eviction)/,
    );
    assert.match(await evicted(alone), /budget/);
    await lab.kubectl(["delete", "pdb", "share", "-n", namespace]);
    await remove("pod", alone);
    await remove("deployment", "calm");
  });

  await stepOf("pods that a guard of Keystone refuses: its words, and what happens to the pods that run", async () => {
    const guarded = deployment("guarded", 1, "50m");
    await apply(guarded);
    await ready("guarded", 1);
    const template = { ...guarded.spec.template, spec: { ...spec("50m"), schedulerName: "elsewhere" } };
    // Guards don't judge changes by accounts outside guest namespaces, such as a GitOps controller's, but each pod.
    const deployer = await lab.user("system:serviceaccount:default:deployer", { groups: ["system:masters"] });
    const made = await lab.kubectl(["replace", "-f", "-"], {
      kubeconfig: deployer,
      stdin: JSON.stringify({ ...guarded, spec: { ...guarded.spec, template } }),
    });
    assert.equal(made.code, 0, made.stderr);
    const said = await answer(/Guard scheduler refuses each pod: .*schedulerName/, "deployment", "guarded");
    assert.equal(said.code, 1);
    assert.match(said.out, /Change the pod template/);
    assert.match(said.out, /old ReplicaSet guarded-\w+ \(revision 1\): 1 pod of it/);
    await remove("deployment", "guarded");
  });

  await stepOf("a grant: the same words for lender and guest, and its end", async () => {
    const said = await answer(
      /✓ Grant alice-to-bob is in force\. It ends at 2030-01-01T00:00:00Z/,
      "grant",
      "alice-to-bob",
    );
    assert.equal(said.code, 0);
    const guest = await run(bob, ["grants.keystone.io/alice-to-bob"]);
    assert.match(guest.out, /✓ Active: Enforced in namespace guest-bob-home until 2030-01-01T00:00:00Z\./);
    assert.match(guest.out, /! not read: You may not read the Grant itself/);
    assert.match(
      (await run(bob, ["grant", "other"])).err,
      /No grant other is in force in guest-bob-home.*In force: alice-to-bob/,
    );
    const listed = await keystone(bob, ["grants", "alice-to-bob", "--realm", "bob-home", "-o", "json"]);
    assert.deepEqual(listed.json().items.map(({ name }: { name: string }) => name), ["alice-to-bob"]);
    assert.match(listed.json().items[0].message, /^Enforced in namespace guest-bob-home until 2030/);
    const absent = await keystone(lab.kubeconfig, ["grants", "other"]);
    assert.deepEqual([absent.code, absent.out], [1, ""]);
    await apply(deployment("more", 1, "10m"));
    await eventually("its pod is placed", async () => (await placed(pods, "more")).length === 1 || "not yet");
    const end = secondsFromNow(120).text;
    await cluster.grants.patch("alice-to-bob", { spec: { validity: { validUntil: end } } }, { type: "merge" });
    await cluster.grants.patch("alice-to-bob", { spec: { revocation: { reason: "done" } } }, { type: "merge" });
    const noticed = await answer(
      /Grant alice-to-bob is in force\. Ends at .*: it was revoked, with the reason "done"\. Until then workloads keep running/,
      "grant",
      "alice-to-bob",
    );
    assert.equal(noticed.code, 0);
    await lab.kubectl(["-n", namespace, "scale", "deployment/more", "--replicas=2"]);
    await answer(
      /Deployment more has 0 of 2 pods ready \(1 missing\).*Grant alice-to-bob until .* is on notice: running pods stay/,
      "deployment",
      "more",
    );
  });

  await stepOf("names and rights: usage errors, what doesn't exist, and what may not be read", async () => {
    for (
      const [args, code, text] of [
        [["deployment"], 2, /The name is not set/],
        [["node", "x"], 2, /The kind node can't be explained. It must be one of: grant, pod/],
        [["deploy/web", "web"], 2, /more than one name/],
        [["deployments.batch", "web"], 2, /can't be explained/],
        [["deployment", "nothing"], 1, /Deployment nothing does not exist in guest-bob-home/],
        [["grant", "nothing"], 1, /Grant nothing does not exist/],
      ] as [string[], number, RegExp][]
    ) {
      const said = await admin(...args);
      assert.equal(said.code, code, said.err);
      assert.match(said.err, text);
    }
    assert.equal((await run(await lab.user("stranger"), ["deployment", "more"])).code, 3);
    await lab.kubectl(["create", "clusterrole", "deployments", "--verb=get", "--resource=deployments.apps"]);
    await lab.kubectl([
      "-n",
      namespace,
      "create",
      "rolebinding",
      "narrow",
      "--clusterrole=deployments",
      "--user=narrow",
    ]);
    const narrow = await run(await lab.user("narrow"), ["deployment", "more"]);
    assert.equal(narrow.code, 1, narrow.err);
    assert.match(
      narrow.out,
      /! not read: You may not read events, limitranges, persistentvolumeclaims, poddisruptionbudgets, pods, replicasets, resourcequotas in/,
    );
  });
});

const madeUpNode = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "made-up" },
  status: {
    capacity: { cpu: "16", memory: "16Gi", pods: "200", "ephemeral-storage": "100Gi" },
    allocatable: { cpu: "16", memory: "16Gi", pods: "200", "ephemeral-storage": "100Gi" },
    conditions: [{ type: "Ready", status: "True", reason: "KubeletReady" }],
  },
};

const lateClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "late" },
  provisioner: "example.com/none",
  volumeBindingMode: "WaitForFirstConsumer",
};

const container = (state: object) => ({ name: "main", image: "x", imageID: "", ready: false, restartCount: 0, state });

const running: PodStatus = {
  phase: "Running",
  conditions: [{ type: "Ready", status: "True" }, { type: "ContainersReady", status: "True" }],
  containerStatuses: [{ ...container({ running: {} }), ready: true }],
};

const crashing: PodStatus = {
  phase: "Running",
  conditions: [{ type: "Ready", status: "False", reason: "ContainersNotReady" }],
  containerStatuses: [{
    ...container({ waiting: { reason: "CrashLoopBackOff", message: "back-off 5m0s restarting failed container" } }),
    restartCount: 4,
    lastState: { terminated: { exitCode: 3, reason: "Error" } },
  }],
};

/** Returns the pods of an app that the scheduler has placed. */
async function placed(pods: ReturnType<CoreV1Api["namespace"]>["pods"], app: string): Promise<string[]> {
  const { items } = await pods.list({ labelSelector: `app=${app}` });
  return items.filter(({ metadata, spec }) => spec?.nodeName && !metadata.deletionTimestamp)
    .map(({ metadata }) => metadata.name);
}
