/**
 * `keystone would-fit` on a real API server with the guards and the webhook in force, as an administrator and as the
 * guest. Each case then applies the same objects: the answer must be what happens.
 */
import assert from "node:assert/strict";
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";
import { defaultSettings } from "../../src/api/mod.ts";
import { HandoverWriter } from "../../src/front/handover.ts";
import { keystone, type KeystoneOptions, type Said } from "../fixtures/keystone_command.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import { installed } from "../fixtures/in_force.ts";
import { eventually, prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";
import { restrictedSpec } from "../lab/lab_workloads.ts";
import { freePorts } from "../lab/ports.ts";

type Fields = Record<string, unknown>;
type Hard = Record<string, string>;

const image = "registry.k8s.io/pause:3.10";
const sized = (limits: Hard, more: Fields = {}) => ({
  containers: [{ name: "main", image, resources: { limits } }],
  ...more,
});
const cpu = (amount: string, more: Fields = {}) => sized({ cpu: amount, memory: "64Mi" }, more);

/** A workload whose pods have its name as a label. */
const workload = (kind: string, name: string, spec: unknown, more: Fields = {}, metadata: Fields = {}) => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name, ...metadata },
  spec: {
    selector: { matchLabels: { app: name } },
    ...(kind === "StatefulSet" ? { serviceName: name, podManagementPolicy: "Parallel" } : {}),
    ...more,
    template: { metadata: { labels: { app: name } }, spec },
  },
});

const job = (name: string, spec: Fields, annotations?: Hard, more: Fields = {}) => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, ...(annotations ? { annotations } : {}) },
  spec: { ...more, template: { metadata: { labels: { app: name } }, spec: { restartPolicy: "Never", ...spec } } },
});

const claimTemplate = (storage: string, name = "data") => ({
  metadata: { name },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
});

interface Place {
  namespace: string;
  /** Kubeconfig of the guest. */
  guest: string;
}

Deno.test("would-fit: the answer is what happens", {
  // The API server has to reach this process on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const folder = await Deno.makeTempDir();
  const place = { url: `https://127.0.0.1:${freePorts(1)[0]}` };
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const operator = await startOperator(lab, {
    kubeconfig,
    realm: "alice-home",
    settings: {
      ...defaultSettings,
      trust: { ...defaultSettings.trust, internal: { ...defaultSettings.trust.internal, runtimeClasses: ["heavy"] } },
    },
    webhook: { place, handover: new HandoverWriter(folder, config) },
  });
  const front = await startFrontProcess({
    KEYSTONE_HANDOVER: folder,
    KEYSTONE_WEBHOOK: place.url,
    KEYSTONE_REALM: "alice-home",
  });
  await using _ = {
    [Symbol.asyncDispose]: async () => {
      await operator.stop();
      await front.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };

  /** Makes a realm with one grant, and the kubeconfig of its guest. */
  const lent = async (realm: string, hard: Hard, trustLevel = "internal"): Promise<Place> => {
    await cluster.createRealm(realm, { trustLevel });
    await cluster.create({ name: `to-${realm}`, to: realm, hard });
    await cluster.grantIn("Active", `to-${realm}`, 30_000);
    const guest = `${folder}/${realm}.kubeconfig`;
    const made = await keystone(lab.kubeconfig, ["kubeconfig", realm, "--out", guest]);
    assert.equal(made.code, 0, made.err);
    const namespace = `guest-${realm}`;
    await eventually("the guest may list pods", async () => {
      const { code, stderr } = await lab.kubectl(["get", "pods"], { kubeconfig: guest });
      return code === 0 || stderr;
    });
    await eventually("the quota is counted", async () => {
      const { status } = await cluster.quotas.namespace(namespace).get("keystone");
      return status?.used !== undefined || "not yet";
    });
    return { namespace, guest };
  };
  const ask = (kubeconfig: string, args: string[], objects: readonly unknown[], options: KeystoneOptions = {}) =>
    keystone(kubeconfig, ["would-fit", "-f", "-", "-o", "json", ...args], {
      stdin: objects.map((object) => JSON.stringify(object)).join("\n---\n"),
      ...options,
    });
  /** Asks as the administrator and as the guest; both answers must say the same. */
  const asked = async ({ namespace, guest }: Place, ...objects: unknown[]): Promise<Said> => {
    const [admin, own] = await Promise.all([ask(lab.kubeconfig, ["-n", namespace], objects), ask(guest, [], objects)]);
    assert.equal(admin.code, own.code, `${admin.out}${admin.err}\n${own.out}${own.err}`);
    if (admin.code < 2) {
      const fits = (said: Said) => said.json().items.map((item: { fits: boolean | null }) => item.fits);
      assert.deepEqual(fits(admin), fits(own), `${admin.out}\n${own.out}`);
      assert.deepEqual(admin.json().askedAs, own.json().askedAs);
      assert.equal(own.code, own.json().fits === true ? 0 : 1);
    }
    return own;
  };
  const yes = async (at: Place, ...objects: unknown[]) => {
    const said = await asked(at, ...objects);
    assert.equal(said.json().fits, true, said.json().message);
    return said.json();
  };
  const no = async (at: Place, pattern: RegExp, ...objects: unknown[]) => {
    const said = await asked(at, ...objects);
    assert.equal(said.json().fits, false, said.json().message);
    assert.match(said.json().message, pattern);
    return said.json();
  };
  const apply = async ({ guest }: Place, ...objects: unknown[]) => {
    const stdin = objects.map((object) => JSON.stringify(object)).join("\n---\n");
    const { code, stdout, stderr } = await lab.kubectl(["apply", "-f", "-"], { stdin, kubeconfig: guest });
    return { code, said: stdout + stderr };
  };
  const applied = async (at: Place, ...objects: unknown[]) => {
    const { code, said } = await apply(at, ...objects);
    assert.equal(code, 0, said);
  };
  const refused = async (at: Place, pattern: RegExp, ...objects: unknown[]) => {
    const { code, said } = await apply(at, ...objects);
    assert.notEqual(code, 0, said);
    assert.match(said, pattern);
  };
  const list = async ({ namespace }: Place, kind: string): Promise<{ metadata: Fields & { labels?: Hard } }[]> => {
    const { stdout, stderr } = await lab.kubectl(["get", kind, "-n", namespace, "-o", "json"]);
    assert.ok(stdout, stderr);
    return JSON.parse(stdout).items;
  };
  const podsOf = async (at: Place, app: string) =>
    (await list(at, "pods")).filter(({ metadata }) => metadata.labels?.app === app && !metadata.deletionTimestamp);
  /** Waits for pods, and for the quota to count them. */
  const pods = (at: Place, app: string, count: number) =>
    eventually(`${count} pods of ${app}`, async () => {
      const found = (await podsOf(at, app)).length;
      return found === count || `${found} of ${count}`;
    });
  const failedCreate = (at: Place, pattern: RegExp) =>
    eventually("an event of a refusal", async () => {
      const { stdout } = await lab.kubectl(["get", "events", "-n", at.namespace, "-o", "json"]);
      const messages = (JSON.parse(stdout).items as { message?: string }[]).map(({ message }) => message ?? "");
      return messages.some((message) => pattern.test(message)) || `no such event: ${messages.join(" · ").slice(-300)}`;
    });

  await step(t, "a roll-out that a full quota stops: does not fit, also if only an annotation changes", async () => {
    const at = await lent("rollout", { cpu: "3", memory: "3Gi" });
    const web = (spec: Fields, more: Fields = {}) => workload("Deployment", "web", spec, { replicas: 3, ...more });
    const next = {
      containers: [{
        name: "main",
        image: "registry.k8s.io/pause:3.9",
        resources: { limits: { cpu: "1", memory: "64Mi" } },
      }],
    };
    await yes(at, web(cpu("1")));
    await applied(at, web(cpu("1")));
    await pods(at, "web", 3);
    await yes(at, web(cpu("1")));
    await no(at, /roll-out of Deployment web will stall.*maxUnavailable to 1/, web(next));
    const restarted = web(cpu("1"));
    (restarted.spec.template.metadata as Fields).annotations = { restarted: "now" };
    await no(at, /will stall/, restarted);
    // The advice, and other ways that give something back.
    await yes(at, web(next, { strategy: { rollingUpdate: { maxUnavailable: 1 } } }));
    await yes(at, web(next, { strategy: { type: "Recreate" } }));
    await yes(at, web({ ...next }, { replicas: 2 }));
    await applied(at, web(next));
    await failedCreate(at, /exceeded quota: keystone/);
  });

  await step(t, "objects for another namespace than -n: an error of usage, in kubectl's words", async () => {
    const at = await lent("helm", { cpu: "200m", memory: "256Mi" });
    const chart = (metadata: Fields) => [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cache-config", ...metadata }, data: { a: "b" } },
      workload(
        "StatefulSet",
        "cache",
        cpu("2"),
        { replicas: 3, volumeClaimTemplates: [claimTemplate("8Gi")] },
        metadata,
      ),
    ];
    for (const args of [["-n", at.namespace], ["--realm", "helm"]]) {
      const { code, err } = await ask(lab.kubeconfig, args, chart({ namespace: "default" }));
      assert.equal(code, 2);
      assert.match(err, /the namespace from the provided object "default" does not match the namespace "guest-helm"/);
    }
    assert.match(
      (await lab.kubectl(["apply", "-n", at.namespace, "-f", "-"], {
        stdin: JSON.stringify(chart({ namespace: "default" })[1]),
      })).stderr,
      /the namespace from the provided object "default" does not match/,
    );
    const elsewhere = await ask(lab.kubeconfig, [], chart({ namespace: "default" }));
    assert.equal(elsewhere.code, 2);
    assert.match(elsewhere.err, /default is not a guest namespace/);
    await no(at, /needs 6 requests.cpu/, ...chart({}));
    await no(at, /needs 6 requests.cpu/, ...chart({ namespace: at.namespace }));
    const own = await ask(lab.kubeconfig, [], chart({ namespace: at.namespace }));
    assert.equal(own.code, 1, own.err);
    assert.equal(own.json().items[0].fits, true);
  });

  await step(
    t,
    "what only administrators may read: the API server shows it to the guest, or the guest gets no verdict",
    async () => {
      const classes = ["fast", "slow"].map((name) => ({
        apiVersion: "storage.k8s.io/v1",
        kind: "StorageClass",
        metadata: {
          name,
          ...(name === "fast" ? { annotations: { "storageclass.kubernetes.io/is-default-class": "true" } } : {}),
        },
        provisioner: "example.com/none",
      }));
      const overhead = { podFixed: { cpu: "3", memory: "1Gi" } };
      const heavy = {
        apiVersion: "node.k8s.io/v1",
        kind: "RuntimeClass",
        metadata: { name: "heavy" },
        handler: "none",
        overhead,
      };
      const nodes = ["n1", "n2", "n3"].map((name) => ({
        apiVersion: "v1",
        kind: "Node",
        metadata: { name, labels: name === "n1" ? { gpu: "true" } : {} },
      }));
      await cluster.apply(...classes, heavy, ...nodes);
      await eventually("the nodes have no taint of their start", async () => {
        const { stdout } = await lab.kubectl(["get", "nodes", "-o", "jsonpath={.items[*].spec.taints}"]);
        return stdout === "" || stdout;
      });
      const at = await lent("reader", {
        cpu: "2",
        memory: "4Gi",
        "slow.storageclass.storage.k8s.io/requests.storage": "10Gi",
      });
      await eventually(
        "the quota has the class fast",
        async () =>
          "fast.storageclass.storage.k8s.io/requests.storage" in
            (await cluster.quotas.namespace(at.namespace).get("keystone")).status!.hard! || "not yet",
      );
      const set = (name: string, amount: string, more: Fields = {}) => workload("DaemonSet", name, cpu(amount, more));
      await no(at, /64 requests.cpu/, set("agent", "64"));
      const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", ...claimTemplate("5Gi") };
      await no(at, /fast.storageclass/, claim);
      await refused(at, /fast.storageclass/, claim);
      await no(
        at,
        /fast.storageclass/,
        workload("StatefulSet", "db", cpu("10m"), { volumeClaimTemplates: [claimTemplate("5Gi")] }),
      );
      const slow = { ...claimTemplate("5Gi"), spec: { ...claimTemplate("5Gi").spec, storageClassName: "slow" } };
      await yes(at, workload("StatefulSet", "db", cpu("10m"), { volumeClaimTemplates: [slow] }));
      const boxed = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "boxed" },
        spec: cpu("100m", { runtimeClassName: "heavy" }),
      };
      await no(at, /3100m requests.cpu/, boxed);
      await refused(at, /3100m/, boxed);
      await no(at, /3100m/, workload("Deployment", "boxed", cpu("100m", { runtimeClassName: "heavy" })));
      // One node matches: a guest can't know that.
      const selected = set("gpu-agent", "1", { nodeSelector: { gpu: "true" } });
      const admin = await ask(lab.kubeconfig, ["-n", at.namespace], [selected]);
      assert.equal(admin.json().fits, true, admin.json().message);
      const guest = await ask(at.guest, [], [selected]);
      assert.equal(guest.code, 1);
      assert.equal(guest.json().fits, null);
      assert.match(guest.json().message, /node/);
      const text = await keystone(at.guest, ["would-fit", "-f", "-"], { stdin: JSON.stringify(selected) });
      assert.match(text.out, /^not judged: {2}DaemonSet gpu-agent: /m);
      assert.match(text.out, /^Asked as system:serviceaccount:keystone-system:realm-reader-/m);
      await applied(at, selected);
      await pods(at, "gpu-agent", 1);
      await lab.kubectl(["delete", "nodes", "--all"]);
      await cluster.rest.performRequest({ method: "DELETE", path: "/apis/storage.k8s.io/v1/storageclasses/fast" });
    },
  );

  await step(t, "several -f: all are judged, and shortages add up", async () => {
    const at = await lent("several", { cpu: "2", memory: "4Gi" });
    const files = {
      "big.yaml": JSON.stringify(workload("Deployment", "big", cpu("16"))),
      "small.yaml": JSON.stringify(workload("Deployment", "small", cpu("1"))),
      "more.yaml": JSON.stringify(workload("Deployment", "more", cpu("2"))),
    };
    const run = (...names: string[]) =>
      keystone(at.guest, ["would-fit", ...names.flatMap((name) => ["-f", name]), "-o", "json"], { files });
    const both = await run("big.yaml", "small.yaml");
    assert.equal(both.code, 1, both.err);
    assert.deepEqual(both.json().items.map((item: { name: string; fits: boolean }) => [item.name, item.fits]), [
      ["big", false],
      ["small", true],
    ]);
    assert.deepEqual((await run("big.yaml", "small.yaml", "more.yaml")).json().shortBy["requests.cpu"], "15");
    assert.equal((await run("missing.yaml", "small.yaml")).code, 2);
    assert.equal((await run("small.yaml")).code, 0);
  });

  await step(t, "replicas that the manifest leaves out: the live number, or the autoscaler's", async () => {
    const at = await lent("scaled", { cpu: "4", memory: "4Gi" });
    await applied(at, workload("Deployment", "web", cpu("100m")));
    await lab.kubectl(["scale", "deployment/web", "--replicas=10", "-n", at.namespace]);
    await pods(at, "web", 10);
    await no(at, /Deployment web needs 10 requests.cpu/, workload("Deployment", "web", cpu("1")));
    await refused(at, /Deployment web needs 10 requests.cpu/, workload("Deployment", "web", cpu("1")));
    await yes(at, workload("Deployment", "web", cpu("150m")));
    // The manifest named them before, so kubectl goes back to the default, which is 1.
    await applied(at, workload("Deployment", "named", cpu("100m"), { replicas: 5 }));
    await pods(at, "named", 5);
    await yes(at, workload("Deployment", "named", cpu("1")));
    await lab.kubectl(["delete", "deployment", "web", "named", "-n", at.namespace]);
    await eventually(
      "the quota is free",
      async () =>
        (await cluster.quotas.namespace(at.namespace).get("keystone")).status?.used?.["limits.cpu"] === "0" ||
        "not yet",
    );
    const scaler = (min: number) => ({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "front" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "front" },
        minReplicas: min,
        maxReplicas: 6,
      },
    });
    await yes(at, workload("Deployment", "front", cpu("2")), scaler(2));
    await no(at, /Deployment front/, workload("Deployment", "front", cpu("2")), scaler(3));
    await no(at, /Deployment front/, scaler(3), workload("Deployment", "front", cpu("2")));
    // An autoscaler of a workload that is there.
    await applied(at, workload("Deployment", "front", cpu("2")));
    await pods(at, "front", 1);
    await yes(at, scaler(2));
    await no(at, /HorizontalPodAutoscaler front scales its target: Deployment front/, scaler(3));
  });

  await step(t, "generic ephemeral volumes: their claims count", async () => {
    const at = await lent("scratch", { cpu: "2", memory: "4Gi", "requests.storage": "10Gi" });
    const scratch = (storage: string, replicas = 3) =>
      workload(
        "Deployment",
        "scratch",
        cpu("100m", {
          volumes: [{
            name: "tmp",
            ephemeral: { volumeClaimTemplate: { spec: { ...claimTemplate(storage).spec, storageClassName: "slow" } } },
          }],
        }),
        { replicas },
      );
    await no(at, /requests.storage/, scratch("20Gi"));
    await no(at, /requests.storage/, scratch("4Gi"));
    await yes(at, scratch("3Gi"));
    await applied(at, scratch("4Gi"));
    await failedCreate(at, /exceeded quota: keystone, requested: .*requests.storage=4Gi/);
    assert.equal((await list(at, "pvc")).length, 2);
  });

  await step(t, "another quota and another LimitRange: count as much as Keystone's", async () => {
    const at = await lent("second", { cpu: "8", memory: "16Gi" });
    await cluster.apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "default-resourcequota", namespace: at.namespace },
      spec: { hard: { "requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "1", "limits.memory": "1Gi" } },
    }, {
      apiVersion: "v1",
      kind: "LimitRange",
      metadata: { name: "default-limitrange", namespace: at.namespace },
      spec: {
        limits: [{
          type: "Container",
          default: { cpu: "300m" },
          defaultRequest: { cpu: "200m" },
          max: { cpu: "400m" },
        }],
      },
    });
    await eventually(
      "the other quota is counted",
      async () =>
        (await cluster.quotas.namespace(at.namespace).get("default-resourcequota")).status?.used !== undefined ||
        "not yet",
    );
    const web = (amount: string, replicas: number) => workload("Deployment", "web", cpu(amount), { replicas });
    await no(at, /1400m requests.cpu.*quota default-resourcequota.*2 such pods would fit/, web("350m", 4));
    await yes(at, web("350m", 2));
    await no(at, /No pod of Deployment web can start: .*maximum cpu usage per Container is 400m/, web("500m", 1));
    await applied(at, web("350m", 4));
    await failedCreate(at, /exceeded quota: default-resourcequota/);
    await pods(at, "web", 2);

    // A maximum is a default too, and it isn't defined which of the two a pod gets.
    const two = await lent("defaults", { cpu: "1500m", memory: "1Gi" });
    await cluster.apply({
      apiVersion: "v1",
      kind: "LimitRange",
      metadata: { name: "most", namespace: two.namespace },
      spec: { limits: [{ type: "Container", max: { cpu: "900m" } }] },
    });
    const parts = (replicas: number, limits: Fields = {}) =>
      workload("Deployment", "parts", {
        containers: [{
          name: "a",
          image: "example.com/none:1",
          resources: { requests: { cpu: "250m", memory: "64Mi" }, limits: { memory: "64Mi", ...limits } },
        }],
      }, { replicas });
    const either = await eventually("both LimitRanges are known", async () => {
      const said = await ask(two.guest, [], [parts(3)]);
      return said.json().fits === null ? said : said.out;
    });
    assert.match(either.json().message, /Several LimitRanges give different defaults for limits\.cpu/);
    await yes(two, parts(1));
    await yes(two, parts(3, { cpu: "500m" }));
  });

  await step(t, "claims that a deleted StatefulSet has left: are used again", async () => {
    const at = await lent("kept", { cpu: "1", memory: "1Gi", "requests.storage": "16Gi" });
    const redis = (replicas: number) => {
      const template = claimTemplate("8Gi");
      return workload("StatefulSet", "redis", cpu("100m"), {
        replicas,
        volumeClaimTemplates: [{ ...template, spec: { ...template.spec, storageClassName: "slow" } }],
      });
    };
    await yes(at, redis(2));
    await no(at, /requests.storage/, redis(3));
    await applied(at, redis(2));
    await eventually("two claims", async () => (await list(at, "pvc")).length === 2 || "not yet");
    await pods(at, "redis", 2);
    await lab.kubectl(["delete", "statefulset", "redis", "-n", at.namespace]);
    await pods(at, "redis", 0);
    await yes(at, redis(2));
    await no(at, /requests.storage/, redis(3));
    await applied(at, redis(2));
    await pods(at, "redis", 2);
    await no(at, /StatefulSet redis would be refused: .*updates to statefulset spec/, {
      ...redis(2),
      spec: { ...redis(2).spec, volumeClaimTemplates: [claimTemplate("1Gi")] },
    });
  });

  await step(t, "kinds that guests may not make: the server's refusal, and the chart's value", async () => {
    const at = await lent("extras", { cpu: "5", memory: "8Gi" });
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "cache" } };
    const cache = workload("StatefulSet", "cache", cpu("100m", { serviceAccountName: "cache" }), { replicas: 2 });
    const yesItems = await yes(at, account, cache);
    assert.match(yesItems.askedAs[0], /^system:serviceaccount:keystone-system:realm-extras-/);
    await no(at, /No pod of StatefulSet cache can start: .*service account .*not found.*Create it first/, cache);
    await applied(at, account, cache);
    await pods(at, "cache", 2);
    const extras = [
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "redis" },
        spec: { podSelector: {} },
      },
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        metadata: { name: "web" },
        spec: { defaultBackend: { service: { name: "web", port: { number: 80 } } } },
      },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "Role",
        metadata: { name: "web" },
        rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
      },
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "mine" } },
      { apiVersion: "monitoring.coreos.com/v1", kind: "ServiceMonitor", metadata: { name: "web" }, spec: {} },
      { apiVersion: "extensions/v1beta1", kind: "Deployment", metadata: { name: "old" }, spec: {} },
    ];
    const values = [
      /networkPolicy.enabled=false/,
      /ingress.enabled=false/,
      /rbac.create=false/,
      /may not be made by guests/,
      /no matches for kind "ServiceMonitor".*serviceMonitor.enabled=false/,
      /no matches for kind "Deployment" in version "extensions\/v1beta1"/,
    ];
    const { items } = await no(at, /may not be made by guests/, ...extras);
    for (const [index, value] of values.entries()) {
      assert.match(items[index].message, value);
      assert.equal(items[index].fits, false);
      await refused(at, /forbidden|no matches for kind|ensure CRDs/, extras[index]);
    }
  });

  await step(t, "histories in count quotas: count beside what is new", async () => {
    const at = await lent("history", {
      cpu: "4",
      memory: "4Gi",
      "count/replicasets.apps": "1",
      "count/jobs.batch": "2",
    });
    const web = (amount: string) => workload("Deployment", "web", cpu(amount), { strategy: { type: "Recreate" } });
    await yes(at, web("100m"));
    await applied(at, web("100m"));
    await pods(at, "web", 1);
    await no(at, /count\/replicasets.apps/, web("200m"));
    await applied(at, web("200m"));
    await failedCreate(at, /exceeded quota.*replicasets/).catch(() =>
      eventually("the condition says so", async () => {
        const [found] = await list(at, "deployments") as unknown as {
          status?: { conditions?: { message: string }[] };
        }[];
        return found?.status?.conditions?.some(({ message }) => /count\/replicasets.apps/.test(message)) || "not yet";
      })
    );
    const minutely = (more: Fields = {}) => ({
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "every-minute" },
      spec: { schedule: "* * * * *", ...more, jobTemplate: { spec: job("x", cpu("10m")).spec } },
    });
    await no(at, /count\/jobs.batch/, minutely());
  });

  await step(t, "what is there already: counts once, and is asked about again with the same answer", async () => {
    const at = await lent("there", { cpu: "8", memory: "8Gi" });
    const of = (name: string, amount: string, replicas: number) =>
      workload("Deployment", name, cpu(amount), { replicas });
    await applied(at, of("other", "1", 3), of("web", "1", 4));
    await pods(at, "other", 3);
    await pods(at, "web", 4);
    const { message } = await no(
      at,
      /Deployment web needs 6 requests.cpu \(4 pods with 1500m each\)/,
      of("web", "1500m", 4),
    );
    assert.match(message, /4 pods with 1250m/);
    await yes(at, workload("Deployment", "web", cpu("1250m"), { replicas: 4, strategy: { type: "Recreate" } }));
    await no(at, /short by 2/, of("web", "1", 7));
    await applied(at, of("web", "1", 7));
    await pods(at, "web", 5);
    await failedCreate(at, /exceeded quota/);
    const stuck = await no(at, /5 of 7 pods.*5 such pods would fit/, of("web", "1", 7));
    assert.equal(stuck.shortBy["requests.cpu"], "2");
    await yes(at, of("web", "1", 5));
    const both = await no(at, /Deployment web/, of("other", "1", 4), of("web", "1", 7));
    assert.equal(both.shortBy["requests.cpu"], "3");
    // Room that an earlier object of the input gives back.
    await yes(at, of("other", "1", 1), of("web", "1", 7));
  });

  await step(t, "Helm hooks and tests: judged apart", async () => {
    const at = await lent("hooks", { cpu: "1", memory: "1Gi" });
    const front = workload("Deployment", "front", cpu("1"));
    const hook = (name: string, event: string, amount: string, more: Hard = {}) =>
      job(name, cpu(amount), { "helm.sh/hook": event, ...more });
    const test = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "front-test", annotations: { "helm.sh/hook": "test" } },
      spec: cpu("1", { restartPolicy: "Never" }),
    };
    const gone = { "helm.sh/hook-delete-policy": "hook-succeeded" };
    const answer = await yes(at, front, hook("migrate", "pre-install,pre-upgrade", "1", gone), test);
    assert.deepEqual(answer.items.map(({ runs }: { runs?: string }) => runs), [
      undefined,
      "Helm runs it before the rest",
      "only when asked: helm test",
    ]);
    assert.match(answer.items[2].warnings.join(), /Beside the rest it does not fit/);
    // What is created only when asked is no part of the whole.
    const large = await yes(at, front, { ...test, spec: cpu("1001m", { restartPolicy: "Never" }) });
    assert.deepEqual([large.items[1].fits, large.items[1].onlyWhenAsked, large.shortBy], [false, true, {}]);
    await no(at, /Job migrate/, front, hook("migrate", "pre-install", "2"));
    await no(at, /Job notify/, front, hook("notify", "post-install", "500m"));
    await yes(at, workload("Deployment", "front", cpu("500m")), hook("notify", "post-install", "500m"));
    await no(at, /Job front-migrate/, front, {
      ...hook("front-migrate", "", "1"),
      metadata: { name: "front-migrate" },
    });
    // Two hooks run one after the other; an account that comes with the rest is not there before it.
    await yes(at, hook("one", "pre-install", "1"), hook("two", "pre-install", "1"), front);
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "front" } };
    const early = hook("early", "pre-install", "1");
    (early.spec.template.spec as Fields).serviceAccountName = "front";
    await no(at, /service account .*not found/, account, early);
    // An upgrade runs other hooks, while the release is there.
    await applied(at, front);
    await pods(at, "front", 1);
    await yes(at, front, hook("migrate", "pre-install", "1"), test);
    await no(at, /Job migrate/, front, hook("migrate", "pre-upgrade", "1"), test);
    // Helm deletes an earlier hook of the name first, unless a policy keeps it.
    await applied(at, job("again", cpu("1"), undefined, { suspend: true }));
    await yes(at, front, hook("again", "post-install", "1"));
    await no(at, /jobs "again" already exists/, front, hook("again", "post-upgrade", "1", gone));
  });

  await step(t, "typos, guards, Pod Security, immutable fields: the API server's own words", async () => {
    const at = await lent("words", { cpu: "2", memory: "2Gi" }, "partner");
    const fine = restrictedSpec({ image, resources: { limits: { cpu: "100m", memory: "32Mi" } } });
    await yes(at, workload("Deployment", "web", fine));
    await no(
      at,
      /unknown field "spec.size".*Correct or remove/,
      workload("Deployment", "web", fine, { size: 2 }),
    );
    const open = await no(
      at,
      /No pod of Deployment web can start: .*violates PodSecurity "restricted/,
      workload("Deployment", "web", cpu("100m")),
    );
    const warned = open.items[0].warnings.join();
    assert.match(warned, /Pod Security restricted refuses its pods\. Set spec\.template\.spec/);
    assert.doesNotMatch(warned, /would violate PodSecurity/, "the same without values");
    await no(at, /nodeName/, workload("Deployment", "web", { ...fine, nodeName: "n1" }));
    await applied(at, workload("Deployment", "web", fine), job("once", fine));
    await no(at, /selector.*immutable/, {
      ...workload("Deployment", "web", fine),
      spec: {
        ...workload("Deployment", "web", fine).spec,
        selector: { matchLabels: { app: "other" } },
        template: { metadata: { labels: { app: "other" } }, spec: fine },
      },
    });
    await no(
      at,
      /field is immutable/,
      job("once", { ...fine, containers: [{ ...fine.containers[0], image: "other:1" }] }),
    );
    const generated = await yes(at, { ...job("once", fine), metadata: { generateName: "once-" } });
    assert.match(generated.message, /^Job once-… fits/);
    await no(
      at,
      /no PriorityClass with name high was found/,
      workload("Deployment", "web", { ...fine, priorityClassName: "high" }),
    );
    await no(at, /Deployment web/, workload("Deployment", "web", { containers: [] }));
  });

  await step(t, "fields that a manifest leaves out: as kubectl apply keeps or removes them", async () => {
    const at = await lent("edits", { cpu: "4", memory: "4Gi" });
    const container = (more: Fields = {}) => ({
      name: "main",
      image,
      resources: { limits: { cpu: "100m", memory: "32Mi" } },
      ...more,
    });
    const web = (spec: Fields, more: Fields = {}) =>
      workload("Deployment", "web", { containers: [container()], ...spec }, more);
    const env = (...names: string[]) => ({
      containers: [container({ env: names.map((name) => ({ name, value: "1" })) })],
    });
    const edits: [unknown, unknown][] = [
      [web(env("A", "B", "C")), web(env("C", "A"))],
      [web({}, { strategy: { rollingUpdate: { maxSurge: 2 } } }), web({}, { strategy: { type: "Recreate" } })],
      [web({ volumes: [{ name: "x", emptyDir: {} }] }), web({ volumes: [{ name: "x", configMap: { name: "c" } }] })],
      [
        web({ volumes: [{ name: "x", emptyDir: {} }, { name: "y", emptyDir: {} }] }),
        web({ volumes: [{ name: "y", emptyDir: {} }] }),
      ],
      [web({ containers: [container(), { ...container(), name: "side" }] }), web({})],
      [
        web({ containers: [container({ ports: [{ containerPort: 80 }, { containerPort: 81 }] })] }),
        web({ containers: [container({ ports: [{ containerPort: 81, name: "b" }] })] }),
      ],
      [web({}, { replicas: 3, minReadySeconds: 5 }), web({})],
      [web({ tolerations: [{ key: "a", operator: "Exists" }] }), web({ nodeSelector: { a: "b" } })],
      [
        web({
          containers: [container({ resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m" } } })],
        }),
        web({ containers: [container({ resources: { limits: { cpu: "1" } } })] }),
      ],
    ];
    const { strategicPatch } = await import("../../src/cli/would_fit/apply_patch.ts");
    for (const [before, after] of edits) {
      await applied(at, before);
      const { stdout, stderr } = await lab.kubectl(["apply", "-f", "-", "--dry-run=server", "-o", "json"], {
        stdin: JSON.stringify(after),
        kubeconfig: at.guest,
      });
      assert.ok(stdout, stderr);
      const path = `/apis/apps/v1/namespaces/${at.namespace}/deployments/web`;
      const live = await cluster.rest.performRequest({ method: "GET", path });
      const ours = await cluster.rest.performRequest({
        method: "PATCH",
        path,
        contentType: "application/strategic-merge-patch+json",
        querystring: new URLSearchParams({ dryRun: "All", fieldValidation: "Strict" }),
        bodyJson: strategicPatch(after, live),
      });
      assert.deepEqual((ours as Fields).spec, JSON.parse(stdout).spec);
      await lab.kubectl(["delete", "deployment", "web", "-n", at.namespace]);
    }
  });

  await step(t, "advice that is followed: fits, and its pods come", async () => {
    const at = await lent("advice", { cpu: "3", memory: "3Gi" });
    await applied(at, workload("Deployment", "there", cpu("700m")));
    await pods(at, "there", 1);
    for (const [amount, replicas] of [["700m", 5], ["1", 4], ["333m", 9]] as const) {
      const { message } = await no(at, /would fit/, workload("Deployment", "web", cpu(amount), { replicas }));
      const [, count] = message.match(/(\d+) such pods? would fit/)!;
      await yes(at, workload("Deployment", "web", cpu(amount), { replicas: Number(count) }));
      await no(at, /would fit/, workload("Deployment", "web", cpu(amount), { replicas: Number(count) + 1 }));
      const [, size] = message.match(/pods with (\S+) (?:requests|limits)\.cpu/)!;
      await yes(at, workload("Deployment", "web", cpu(size), { replicas }));
    }
  });

  await step(t, "an object that can't be asked about: not judged, never yes", async () => {
    const at = await lent("unasked", { cpu: "1", memory: "1Gi" });
    const viewer = await lab.user("viewer");
    await lab.kubectl(["create", "clusterrolebinding", "viewer", "--clusterrole=keystone-viewer", "--user=viewer"]);
    const small = workload("Deployment", "web", cpu("100m"));
    const unable = await ask(viewer, ["-n", at.namespace], [small]);
    assert.equal(unable.code, 1, unable.err);
    assert.equal(unable.json().fits, null);
    assert.match(unable.json().message, /could not be asked as viewer/);
    const large = await ask(viewer, ["-n", at.namespace], [workload("Deployment", "web", cpu("9"))]);
    assert.equal(large.json().fits, false);
    assert.match(large.json().items[0].warnings.join(), /Keystone's own calculation/);
    // Without the right to impersonate, the rules of the guests' role decide about rights.
    const editor = await lab.user("editor");
    await cluster.apply({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "editor" },
      rules: [{ apiGroups: ["", "apps"], resources: ["pods", "deployments"], verbs: ["get", "create", "patch"] }],
    });
    await lab.kubectl(["create", "clusterrolebinding", "editor", "--clusterrole=editor", "--user=editor"]);
    await lab.kubectl([
      "create",
      "clusterrolebinding",
      "editor-views",
      "--clusterrole=keystone-viewer",
      "--user=editor",
    ]);
    const able = await ask(editor, ["-n", at.namespace], [small]);
    assert.equal(able.code, 0, able.out + able.err);
    assert.deepEqual(able.json().askedAs, ["editor, with the rights of guests"]);
    const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: { name: "web" }, rules: [] };
    assert.match(
      (await ask(editor, ["-n", at.namespace], [role])).json().message,
      /may not be made by guests\. .*rbac.create=false/,
    );
    await cluster.apply({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: "gone" },
      webhooks: [{
        name: "gone.example.com",
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        timeoutSeconds: 1,
        clientConfig: { url: "https://127.0.0.1:1/" },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": at.namespace } },
        rules: [{ apiGroups: ["apps"], apiVersions: ["*"], operations: ["CREATE"], resources: ["deployments"] }],
      }],
    });
    await eventually(
      "the webhook is called",
      async () => (await ask(at.guest, [], [small])).json().fits === null || "not yet",
    );
    const failing = await ask(at.guest, [], [small, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }]);
    assert.equal(failing.code, 1);
    assert.match(failing.json().message, /failed calling webhook/);
    assert.deepEqual(failing.json().items.map(({ fits }: { fits: boolean | null }) => fits), [null, true]);
    await lab.kubectl(["delete", "validatingwebhookconfiguration", "gone"]);
  });

  await step(
    t,
    "objects of one input: each takes room from the next, and the same one is asked about once",
    async () => {
      const at = await lent("input", { cpu: "2", memory: "2Gi", "count/configmaps": "4" });
      const map = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "b" } });
      const { items } = await no(at, /configmaps/, map("a"), map("b"), map("c"), map("d"), map("e"));
      assert.ok(items.filter(({ fits }: { fits: boolean }) => fits).length >= 2);
      await no(at, /Deployment b/, workload("Deployment", "a", cpu("1500m")), workload("Deployment", "b", cpu("1")));
      await yes(
        at,
        workload("Deployment", "a", cpu("1500m")),
        workload("Deployment", "a", cpu("1")),
        workload("Deployment", "b", cpu("1")),
      );
      // A pod that exists: unchanged it fits, and only some of its fields can change.
      const pod = (limit: string, more: Fields = {}) => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "bare", ...more },
        spec: cpu(limit),
      });
      await applied(at, pod("1500m"));
      await yes(at, pod("1500m"));
      await yes(at, pod("1500m", { labels: { a: "b" } }));
      await no(at, /Pod bare would be refused: .*pod updates may not change fields/, pod("1"));
      await no(at, /Pod other/, { ...pod("1500m"), metadata: { name: "other" } });
      // What is being deleted gives no answer.
      await cluster.rest.performRequest({
        method: "POST",
        path: `/api/v1/namespaces/${at.namespace}/pods/bare/binding`,
        bodyJson: {
          apiVersion: "v1",
          kind: "Binding",
          metadata: { name: "bare" },
          target: { kind: "Node", name: "gone" },
        },
      });
      await lab.kubectl(["delete", "pod", "bare", "-n", at.namespace, "--wait=false"]);
      const leaving = await asked(at, pod("1500m"));
      assert.equal(leaving.json().fits, null);
      assert.match(leaving.json().message, /is being deleted/);
      await lab.kubectl(["delete", "pod", "bare", "-n", at.namespace, "--grace-period=0", "--force"]);
      // Applied on the server side, by the tool's own field manager.
      const web = workload("Deployment", "web", cpu("1"), { replicas: 2 });
      await lab.kubectl(["apply", "--server-side", "-n", at.namespace, "-f", "-"], { stdin: JSON.stringify(web) });
      await pods(at, "web", 2);
      await yes(at, web);
      await no(at, /Deployment web/, workload("Deployment", "web", cpu("1"), { replicas: 3 }));
      // The field that the manager leaves out goes back to its default.
      await yes(
        at,
        workload("Deployment", "web", cpu("2"), { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } }),
      );
    },
  );

  await step(t, "twenty objects: all are judged, and the time is printed", async () => {
    const at = await lent("many", { cpu: "4", memory: "4Gi" });
    const objects = Array.from({ length: 20 }, (_, index) => workload("Deployment", `web-${index}`, cpu("100m")));
    const started = performance.now();
    const { code, err, json } = await ask(at.guest, [], objects);
    const took = performance.now() - started;
    assert.equal(code, 0, err);
    assert.equal(json().items.length, 20);
    console.log(`would-fit of 20 Deployments: ${Math.round(took)} ms`);
  });
});
