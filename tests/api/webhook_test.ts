/**
 * The admission webhook on a real API server, which calls it on loopback. The operator has only the rights of
 * deploy/kustomize, and all guards are in force.
 */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import fc from "fast-check";
import { createRestClient, isApiError, Kubeconfig, type RestClient } from "../../lib/kubernetes/mod.ts";
import { KeystoneV1alpha1Api } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { judge } from "../../src/core/admission/judge.ts";
import { quotaRoomOf } from "../../src/core/admission/surroundings.ts";
import { HandoverWriter } from "../../src/front/handover.ts";
import { installed } from "../fixtures/in_force.ts";
import { clientOf, eventually, prepared, secondsFromNow, startOperator, step } from "../fixtures/test_operator.ts";
import { addRoomyNode } from "../fixtures/roomy_node.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import { caseHard as caseHard, caseWorkloads } from "../fixtures/workload_cases.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";
import { deploymentOf } from "../lab/lab_workloads.ts";

const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? 1);
const hard = {
  "requests.cpu": "4",
  "limits.cpu": "8",
  "requests.memory": "4Gi",
  "limits.memory": "8Gi",
  "requests.storage": "10Gi",
  "services.loadbalancers": 1,
};

const deployment = (name: string, replicas: number, cpu: string, namespace = "guest-bob-home") =>
  deploymentOf({ name, namespace }, {
    containers: [{ name: "main", image: "example.com/none:1", resources: { requests: { cpu }, limits: { cpu } } }],
  }, { replicas });

Deno.test("the admission webhook", {
  // The API server has to reach this process on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const [port] = freePorts(1);
  const place = { url: `https://127.0.0.1:${port}` };
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const folder = await Deno.makeTempDir();
  const start = () =>
    startOperator(lab, {
      kubeconfig,
      realm: "alice-home",
      webhook: { place, handover: new HandoverWriter(folder, config) },
    });
  const startFront = () =>
    startFrontProcess({ KEYSTONE_HANDOVER: folder, KEYSTONE_WEBHOOK: place.url, KEYSTONE_REALM: "alice-home" });
  let operator = await start();
  let front = await startFront();
  await using _ = {
    [Symbol.asyncDispose]: async () => {
      await operator.stop();
      await front.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
  const url = await front.url();
  /** Number of reviews that the front has answered. */
  const reviews = async (): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const counts = text.matchAll(/^keystone_admission_review_duration_seconds_count\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const create = (rest: RestClient, object: unknown, namespace = "guest-bob-home") => {
    const { apiVersion, kind } = object as { apiVersion: string; kind: string };
    const plural = `${kind.toLowerCase()}s`;
    const prefix = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
    return rest.performRequest({
      method: "POST",
      path: `${prefix}/namespaces/${namespace}/${plural}`,
      querystring: new URLSearchParams({ dryRun: "All" }),
      bodyJson: object,
    });
  };
  /** Returns the webhook's refusal; undefined if it admits the object. */
  const refusal = async (object: unknown, namespace?: string): Promise<string | undefined> => {
    try {
      await create(cluster.rest, object, namespace);
      return undefined;
    } catch (error) {
      if (isApiError(error) && error.message.includes('webhook "workloads.keystone.io"')) return error.message;
      throw error;
    }
  };
  const serving = () =>
    eventually(
      "the webhook is called",
      async () => (await refusal(deployment("probe", 1, "99"))) !== undefined || `not yet: ${operator.log.join("\n")}`,
    );

  await cluster.createRealm("bob-home", { trustLevel: "internal" });
  const end = secondsFromNow(86_400);
  await cluster.create({ name: "alice-to-bob", to: "bob-home", hard, until: end.text });
  await cluster.grantIn("Active", "alice-to-bob");
  await serving();

  await step(t, "an oversized Deployment: refused at apply, with the full message", async () => {
    const { code, said } = await cluster.apply(deployment("web", 4, "2"));
    assert.equal(code, 1);
    assert.match(
      said,
      new RegExp(
        'admission webhook "workloads.keystone.io" denied the request: Deployment web needs 8 requests.cpu ' +
          "\\(4 pods with 2 each\\), but guest-bob-home is granted 4 in total: short by 4. " +
          `Grant alice-to-bob \\(4 requests.cpu, until ${end.text}\\). 2 such pods would fit, or 4 pods with 1 requests.cpu each.`,
      ),
    );
  });

  await step(t, "above the free amount, within the grant: admitted with a warning; the quota limits pods", async () => {
    assert.deepEqual(await cluster.apply(deployment("first", 3, "1")), {
      code: 0,
      said: "deployment.apps/first created\n",
    });
    await eventually(
      "its pods exist",
      async () =>
        (await cluster.quotas.namespace("guest-bob-home").get("keystone")).status?.used?.["requests.cpu"] === "3" ||
        "not yet",
    );
    const { code, said } = await eventually("the webhook knows the usage", async () => {
      const answer = await cluster.apply(deployment("second", 2, "1"));
      if (answer.said.includes("Warning")) return answer;
      await lab.kubectl(["delete", "deployment", "second", "-n", "guest-bob-home"]);
      return "no warning yet";
    });
    assert.equal(code, 0);
    assert.match(
      said,
      /Warning: Deployment second needs 2 requests.cpu \(2 pods with 1 each\), but only 1 of 4 is free/,
    );
    assert.match(said, /short by 1\. 1 of 2 pods can start now/);
    await eventually(
      "the quota admits one pod",
      async () =>
        (await cluster.quotas.namespace("guest-bob-home").get("keystone")).status?.used?.["requests.cpu"] === "4" ||
        "not yet",
    );
  });

  await step(t, "an update: judged by its growth alone", async () => {
    const smaller = await cluster.apply(deployment("first", 2, "1"));
    assert.deepEqual(smaller, { code: 0, said: "deployment.apps/first configured\n" });
    const { code, said } = await cluster.apply(deployment("first", 5, "1"));
    assert.equal(code, 1);
    assert.match(
      said,
      /needs 5 requests.cpu \(\d pods with 1 each\), but guest-bob-home is granted 4 in total: short by 1/,
    );
    // Admitted at any size: a change of labels, and objects created by controllers.
    const grown = await lab.kubectl(["scale", "deployment", "first", "--replicas=9", "-n", "guest-bob-home"]);
    assert.equal(grown.code, 0, grown.stderr);
    const labelled = await lab.kubectl(["label", "deployment", "first", "a=b", "-n", "guest-bob-home"]);
    assert.equal(labelled.code, 0, labelled.stderr);
    await lab.kubectl(["delete", "deployments", "--all", "-n", "guest-bob-home"]);
  });

  await step(t, `generated workloads (seed ${seed}): refused exactly if they exceed the whole grant`, async () => {
    const namespace = "guest-gina-home";
    await cluster.createRealm("gina-home", { trustLevel: "internal" });
    await cluster.create({ name: "alice-to-gina", to: "gina-home", hard: caseHard });
    await cluster.grantIn("Active", "alice-to-gina");
    const { status } = await cluster.quotas.namespace(namespace).get("keystone");
    const enforced = status!.hard as Record<string, string>;
    const { items: [limitRange] } = await cluster.rest.performRequest({
      method: "GET",
      path: `/api/v1/namespaces/${namespace}/limitranges`,
    }) as unknown as { items: [{ spec: { limits: never[] } }] };
    const empty = { metadata: { name: "keystone" }, spec: { hard: enforced }, status: { hard: enforced, used: {} } };
    const around = {
      namespace,
      quotas: [quotaRoomOf(empty)],
      givers: [],
      limits: limitRange.spec.limits,
      autoscalers: [],
      claims: new Map(),
      nodes: [],
      defaultStorageClass: null,
    };
    const cases = fc.sample(caseWorkloads, { numRuns: 320, seed }).filter((object) =>
      !JSON.stringify(object).includes('"heavy"')
    ) as { kind: string }[];
    const wrong: string[] = [];
    let refused = 0;
    for (const object of cases) {
      const { never, obstacle } = judge({ after: object, asked: false }, around);
      // Bare pods, claims and services fail the server's own checks first.
      if (obstacle) continue;
      const said = await refusal(object, namespace).catch((error: Error) =>
        isApiError(error, 422) ? undefined : error.message
      );
      if (said !== undefined) refused++;
      if ((said !== undefined) !== never) wrong.push(`${said}: ${JSON.stringify(object)}`);
    }
    assert.deepEqual(wrong, [], `KEYSTONE_SEED=${seed}`);
    assert.ok(refused > 0.3 * cases.length, `${refused} of ${cases.length} were refused`);
  });

  await step(t, "what controllers will not finish: admitted with a warning; what they will: without one", async () => {
    const namespace = "guest-helen-home";
    await cluster.apply({
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: "standard" },
      provisioner: "example.com/none",
    });
    await cluster.createRealm("helen-home", { trustLevel: "internal" });
    await cluster.create({
      name: "alice-to-helen",
      to: "helen-home",
      hard: {
        cpu: "4",
        memory: "4Gi",
        "requests.storage": "10Gi",
        "count/replicasets.apps": "3",
        "count/jobs.batch": "2",
      },
      termination: { noticeSeconds: 3600 },
    });
    await cluster.grantIn("Active", "alice-to-helen");
    const used = (key: string, amount: string) =>
      eventually(`${amount} ${key} is used`, async () => {
        const now = (await cluster.quotas.namespace(namespace).get("keystone")).status?.used?.[key];
        return now === amount || `it is ${now}`;
      });
    const gone = async (...what: string[]) => {
      await lab.kubectl(["delete", ...what, "-n", namespace, "--wait=true"]);
    };
    /** Applies an object by dry run until the answer matches: the webhook's caches follow the quota. */
    const answers = (object: unknown, pattern: RegExp) =>
      eventually(`the answer matches ${pattern}`, async () => {
        const stdin = JSON.stringify(object);
        const { code, stderr } = await lab.kubectl(["apply", "--dry-run=server", "-f", "-"], { stdin });
        assert.equal(code, 0, stderr);
        return pattern.test(stderr) || `it is: ${stderr}`;
      });
    const pod = (cpu: string, more = {}) => ({
      containers: [{ name: "main", image: "example.com/none:1", resources: { requests: { cpu }, limits: { cpu } } }],
      ...more,
    });
    const web = (image: string) => {
      const [main] = pod("2").containers;
      return deploymentOf({ name: "web", namespace }, { containers: [{ ...main, image }] }, { replicas: 2 });
    };

    assert.doesNotMatch((await cluster.apply(web("example.com/none:1"))).said, /Warning/);
    await used("requests.cpu", "4");
    await answers(web("example.com/none:2"), /Warning: The roll-out of Deployment web will stall/);
    await cluster.apply(web("example.com/none:2"));
    await used("count/replicasets.apps", "2");
    const restarted = await lab.kubectl(["rollout", "restart", "deployment/web", "-n", namespace]);
    assert.match(restarted.stderr, /Warning: The roll-out of Deployment web will stall.*maxUnavailable to 1\./);
    // All ReplicaSets that are granted exist by now.
    await used("count/replicasets.apps", "3");
    await answers(web("example.com/none:3"), /Warning: Deployment web needs 1 count\/replicasets\.apps/);
    await gone("deployment", "web");
    await used("requests.cpu", "0");

    const ephemeral = {
      volumeClaimTemplate: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "4Gi" } } } },
    };
    const scratch = pod("100m", { volumes: [{ name: "tmp", ephemeral }] });
    await answers(
      deploymentOf({ name: "scratch", namespace }, scratch, { replicas: 3 }),
      /Warning: Deployment scratch needs 12Gi requests\.storage \(3 pods with 4Gi each\), but only 10Gi of 10Gi/,
    );

    const cron = {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "yearly", namespace },
      spec: {
        schedule: "0 0 1 1 *",
        jobTemplate: { spec: { template: { spec: pod("100m", { restartPolicy: "Never" }) } } },
      },
    };
    await answers(cron, /Warning: CronJob yearly needs 4 count\/jobs\.batch, but only 2 of 2 is free/);

    const claimed = { accessModes: ["ReadWriteOnce"], storageClassName: "standard" };
    const redis = {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "redis", namespace },
      spec: {
        replicas: 2,
        serviceName: "redis",
        podManagementPolicy: "Parallel",
        selector: { matchLabels: { app: "redis" } },
        template: { metadata: { labels: { app: "redis" } }, spec: pod("100m") },
        volumeClaimTemplates: [{
          metadata: { name: "data" },
          spec: { ...claimed, resources: { requests: { storage: "5Gi" } } },
        }],
      },
    };
    /** Applies an object; there must be no warning. */
    const fits = async (object: unknown) => {
      const { code, said } = await cluster.apply(object);
      assert.equal(code, 0, said);
      assert.doesNotMatch(said, /Warning/);
    };
    await fits(redis);
    await used("requests.storage", "10Gi");
    await gone("statefulset", "redis");
    await used("requests.cpu", "0");
    // Kept claims cost nothing.
    await fits(redis);
    await gone("statefulset", "redis");

    await used("requests.cpu", "0");
    await cluster.quotas.namespace(namespace).create({
      metadata: { name: "other" },
      spec: { hard: { "limits.cpu": "1" } },
    });
    await answers(
      deploymentOf({ name: "limited", namespace }, pod("350m"), { replicas: 4 }),
      /Warning: Deployment limited needs 1400m limits\.cpu \(4 pods with 350m each\), but only \S+ of 1 of quota other is free/,
    );
    await gone("resourcequota", "other");

    // Only what is reduced is on notice.
    const { spec } = await cluster.grants.get("alice-to-helen");
    const grant = { apiVersion: "keystone.io/v1alpha1", kind: "Grant", metadata: { name: "alice-to-helen" } };
    await cluster.apply({ ...grant, spec: { ...spec, hard: { ...spec.hard, "requests.storage": "8Gi" } } });
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "more", namespace },
      spec: { ...claimed, resources: { requests: { storage: "1Gi" } } },
    };
    await gone("persistentvolumeclaims", "--all");
    await used("requests.storage", "0");
    await answers(claim, /Warning: Grant alice-to-helen is reduced at 20\S+Z: requests\.storage to 8Gi\./);
    await fits(deploymentOf({ name: "small", namespace }, pod("1"), { replicas: 1 }));
    await gone("deployment", "small");
    await used("pods", "0");
  });

  await step(t, "objects outside guest namespaces: the webhook is not called", async () => {
    await eventually("no review is under way", () => Promise.resolve(true));
    const before = await reviews();
    assert.equal(await refusal(deployment("elsewhere", 100, "99", "default"), "default"), undefined);
    await create(cluster.rest, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } });
    assert.equal(await reviews(), before);
  });

  await step(t, "terms that are valid but likely wrong: applied, with a warning", async () => {
    const warned = async (name: string, spec: Record<string, unknown>): Promise<string> => {
      const { code, said } = await cluster.apply({
        apiVersion: "keystone.io/v1alpha1",
        kind: "Grant",
        metadata: { name },
        spec: { grantorRealm: "alice-home", granteeRealm: "bob-home", hard: { cpu: "1", memory: "1Gi" }, ...spec },
      });
      assert.equal(code, 0, said);
      return said;
    };
    // Without nodes every grant is more than they have.
    await addRoomyNode(cluster.cluster, { cpu: "8", memory: "16Gi", pods: "110" });
    await eventually("the front knows the node", async () => {
      const said = await warned("plain", {});
      return !/Warning/.test(said) || said;
    });
    assert.match(
      await warned("huge", { granteeRealm: "carol-home", hard: { cpu: "1000", memory: "1Gi" } }),
      /Warning: spec\.hard has 1k requests\.cpu \(the nodes have 8\): pods beyond that stay Pending/,
    );
    assert.match(await warned("nobody", { granteeRealm: "carol-home" }), /Warning: .*carol-home.*no such Realm/);
    assert.match(await warned("other", { grantorRealm: "dora-home" }), /Warning: .*the grant is not enforced here/);
    assert.match(
      await warned("past", { validity: { validUntil: "2020-01-01T00:00:00Z" } }),
      /Warning: spec.validity.validUntil is 2020-01-01T00:00:00Z, which is in the past/,
    );
    assert.match(await warned("nowhere", { networkPolicy: { egressAllowed: true } }), /Warning: .*nothing is opened/);
    assert.match(
      await warned("closed", { networkPolicy: { allowedDestinations: ["192.0.2.1"] } }),
      /Warning: .*egressAllowed is false, so allowedDestinations open nothing/,
    );
    await cluster.createRealm("eve-home", { trustLevel: "public" });
    assert.match(
      await warned("ceiling", { granteeRealm: "eve-home" }),
      /Warning: spec.validity.validUntil is not set; trust level public allows at most 30 days/,
    );
    await cluster.createRealm("finn-home", { trustLevel: "partner" });
    assert.match(
      await warned("metadata-service", {
        granteeRealm: "finn-home",
        networkPolicy: { egressAllowed: true, allowedDestinations: ["169.254.169.254:80"] },
      }),
      /Warning: .*169\.254\.169\.254:80 lies in 169\.254\.0\.0\/16, which no grant opens/,
    );
    const lan = (name: string, networkPolicy: Record<string, unknown>) =>
      warned(name, { granteeRealm: "finn-home", networkPolicy: { egressAllowed: true, ...networkPolicy } });
    assert.match(
      await lan("everything", { allowedDestinations: ["0.0.0.0/0"] }),
      /Warning: .*0\.0\.0\.0\/0 opens no private addresses: 10\.0\.0\.0\/8.*write internet/,
    );
    assert.doesNotMatch(await lan("internet", { allowedDestinations: ["internet", "192.168.1.10:445"] }), /Warning/);
    assert.match(
      await lan("within", { allowedDestinations: ["nas.alice.lan"], within: ["192.0.0.0/8"] }),
      /Warning: .*within\[0\] is 192\.0\.0\.0\/8, which is wider than a private range/,
    );
    const twin = await cluster.apply({
      apiVersion: "keystone.io/v1alpha1",
      kind: "Realm",
      metadata: { name: "twin" },
      spec: { identity: "BOB-home.tailnet-name.ts.net.", trustLevel: "partner" },
    });
    assert.match(twin.said, /Warning: .*which Realm bob-home already has/);
  });

  await step(t, "a request that is no review: answered, as is the next one", async () => {
    const { authorities } = await certificates();
    using client = Deno.createHttpClient({ caCerts: [authorities] });
    for (const body of ["", "{", "null", '{"request":{}}', "x".repeat(100_000)]) {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`https://127.0.0.1:${port}/admit`, { method: "POST", headers, body, client });
      assert.equal(answer.status, 400);
      await answer.body?.cancel();
    }
    const elsewhere = await fetch(`https://127.0.0.1:${port}/`, { client });
    assert.equal(elsewhere.status, 404);
    await elsewhere.body?.cancel();
    await serving();
  });

  await step(t, "100 certificate rotations under steady requests: no request is dropped", async () => {
    const shown = new Set<string>();
    let asked = 0, done = false;
    const passed: number[] = [];
    const asking = Promise.all([1, 2].map(async () => {
      while (!done) {
        asked++;
        if (await refusal(deployment("steady", 1, "99")) === undefined) passed.push(shown.size);
      }
    }));
    try {
      shown.add(await fingerprint(port!));
      for (let round = 0; round < 100; round++) {
        await cluster.rest.performRequest({
          method: "PATCH",
          path: "/api/v1/namespaces/keystone-system/secrets/keystone-webhook",
          contentType: "application/merge-patch+json",
          bodyJson: { data: { "tls.crt": "" } },
        });
        const before = shown.size;
        await eventually("another certificate is served", async () => {
          shown.add(await fingerprint(port!));
          return shown.size > before || "not yet";
        });
      }
    } finally {
      done = true;
      await asking;
    }
    assert.ok(shown.size >= 101, `${shown.size} certificates`);
    assert.ok(asked > 200, `${asked} requests`);
    assert.deepEqual(passed, [], `some of ${asked} requests were not judged`);
    console.log(`${asked} requests over ${shown.size - 1} rotations, ${passed.length} dropped`);
  });

  await step(t, "the webhook configuration or the Secret is deleted: created again", async () => {
    await lab.kubectl(["delete", "validatingwebhookconfiguration", "keystone"]);
    await serving();
  });

  await step(t, "the Secret is deleted, so the CA is replaced: no call fails", async () => {
    const { authorities } = await certificates();
    const before = await fingerprint(port!);
    let asked = 0, passed = 0, done = false;
    const asking = (async () => {
      while (!done) {
        asked++;
        if (await refusal(deployment("steady", 1, "99")) === undefined) passed++;
      }
    })();
    try {
      await lab.kubectl(["delete", "secret", "keystone-webhook", "-n", "keystone-system"]);
      await eventually("another certificate is served", async () => await fingerprint(port!) !== before || "not yet");
      assert.notEqual((await certificates()).authorities, authorities);
      const after = asked;
      await eventually("more requests are judged", () => Promise.resolve(asked > after + 20 || "not yet"));
    } finally {
      done = true;
      await asking;
    }
    assert.equal(passed, 0, `${passed} of ${asked} requests were not judged`);
  });

  await step(t, "the operator is down: the front still refuses; it returns: the CA stays the same", async () => {
    const { authorities } = await certificates();
    await operator.stop();
    assert.match(await refusal(deployment("unled", 1, "99")) ?? "", /short by/);
    operator = await start();
    await eventually(
      "the operator leads",
      () => Promise.resolve(operator.log.some((line) => /Enforcing/.test(line)) || "not yet"),
    );
    await serving();
    assert.equal((await certificates()).authorities, authorities);
  });

  await step(t, "the front is down: the quota still applies, and grants begin and end", async () => {
    assert.equal(await front.stop(), 0);
    const { code, said } = await cluster.apply(deployment("unjudged", 20, "1"));
    assert.equal(code, 0, said);
    await eventually("the quota admits the granted amount", async () => {
      const { status } = await cluster.quotas.namespace("guest-bob-home").get("keystone");
      const [used, most] = [status?.used?.["requests.cpu"], status?.hard?.["requests.cpu"]];
      return (used === most && Number(used) < 20) || `used is ${used} of ${most}`;
    });
    await cluster.createRealm("hugo-home");
    const { text, at } = secondsFromNow(3);
    await cluster.create({ name: "to-hugo", to: "hugo-home", until: text, termination: { noticeSeconds: 0 } });
    await cluster.grantIn("Active", "to-hugo");
    await cluster.grantIn("Expired", "to-hugo");
    assert.ok(Date.now() - at < 2000, `${Date.now() - at} ms late`);
    front = await startFront();
    await serving();
  });

  await step(t, "the front's credentials: can't write anything or read a Secret", async () => {
    const { token } = JSON.parse(await Deno.readTextFile(`${folder}/handover.json`));
    const { server, caCerts } = config;
    using rest = createRestClient({
      source: "the front's token",
      server,
      ...(caCerts ? { caCerts } : {}),
      namespace: "default",
      credentials: {
        current: () => Promise.resolve({ authorization: `Bearer ${token}` }),
        renew: () => Promise.resolve(false),
      },
    }, { userAgent: "keystone-test" });
    const { items } = await new KeystoneV1alpha1Api(rest).grants.list();
    assert.ok(items.length > 0, "the front's token works");
    const may = await rightsOf(rest);
    const writes = may.filter(({ verbs }) => verbs.some((verb) => !["list", "watch"].includes(verb)));
    // Only of the realms' accounts: tests/hostile/front_tokens_test.ts attacks the fence.
    const onTokens = { verbs: ["create"], apiGroups: [""], resources: ["serviceaccounts/token"] };
    assert.deepEqual(writes, [onTokens]);
    assert.ok(may.length >= 5, JSON.stringify(may));
    const refused: string[] = [];
    const paths = [
      ["secrets", "/api/v1/namespaces/keystone-system/secrets"],
      ["secret", "/api/v1/namespaces/keystone-system/secrets/keystone-webhook"],
      ["configmaps", "/api/v1/namespaces/guest-bob-home/configmaps"],
      ["pods", "/api/v1/namespaces/guest-bob-home/pods"],
      ["token", "/api/v1/namespaces/keystone-system/serviceaccounts/keystone-front/token"],
      ["operator's token", "/api/v1/namespaces/keystone-system/serviceaccounts/keystone-operator/token"],
      ["grant", "/apis/keystone.io/v1alpha1/grants/alice-to-bob"],
      ["grants", "/apis/keystone.io/v1alpha1/grants"],
      ["status", "/apis/keystone.io/v1alpha1/grants/alice-to-bob/status"],
      ["realm", "/apis/keystone.io/v1alpha1/realms/bob-home"],
      ["quota", "/api/v1/namespaces/guest-bob-home/resourcequotas/keystone"],
      ["lease", "/apis/coordination.k8s.io/v1/namespaces/keystone-system/leases/keystone-operator"],
      ["webhook", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/keystone"],
      ["binding", "/apis/rbac.authorization.k8s.io/v1/namespaces/guest-bob-home/rolebindings/keystone-guest"],
      ["namespace", "/api/v1/namespaces/guest-bob-home"],
    ] as const;
    for (const [name, path] of paths) {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"] as const) {
        if (method === "GET" && name === "grants") continue;
        try {
          await rest.performRequest({
            method,
            path,
            querystring: new URLSearchParams(method === "GET" ? {} : { dryRun: "All" }),
            ...(method === "PATCH" ? { contentType: "application/merge-patch+json" } : {}),
            ...(method === "GET" || method === "DELETE" ? {} : { bodyJson: {} }),
          });
          assert.fail(`${method} ${path} was allowed`);
        } catch (error) {
          // 405: the API has no such request; 400: the request is invalid before authorization.
          if (!isApiError(error, 403) && !isApiError(error, 405)) throw new Error(`${method} ${path}: ${error}`);
          if (isApiError(error, 403)) refused.push(`${method} ${name}`);
        }
      }
    }
    assert.ok(refused.length > 50, refused.join());
  });

  await step(t, "the front's files: exactly those handed over, readable by nobody else", async () => {
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert.deepEqual(files, ["handover.json"]);
    const handed = JSON.parse(await Deno.readTextFile(`${folder}/handover.json`));
    assert.deepEqual(Object.keys(handed).sort(), ["api", "serving", "token"]);
    assert.deepEqual(Object.keys(handed.api).sort(), ["caCerts", "server"]);
    assert.equal((await Deno.stat(`${folder}/handover.json`)).mode! & 0o777, 0o640);
    const claims = JSON.parse(atob(handed.token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    assert.equal(claims.sub, "system:serviceaccount:keystone-system:keystone-front");
    assert.ok(claims.exp - claims.iat <= 600, `${claims.exp - claims.iat} s`);
  });

  await step(t, "operator and front: have logged no errors", () => {
    const usual = /Enforcing|webhook has a new|Watching/;
    assert.deepEqual(operator.log.filter((line) => !usual.test(line)), []);
    assert.deepEqual(front.log.filter((line) => !/webhook listens|Health and metrics/.test(line)), []);
    return Promise.resolve();
  });

  async function certificates(): Promise<{ authorities: string }> {
    using rest = await clientOf(lab.kubeconfig);
    try {
      const { data } = await rest.performRequest({
        method: "GET",
        path: "/api/v1/namespaces/keystone-system/secrets/keystone-webhook",
      }) as { data: Record<string, string> };
      return { authorities: new TextDecoder().decode(Uint8Array.fromBase64(data["ca.crt"] ?? "")) };
    } catch (error) {
      if (isApiError(error, 404)) return { authorities: "" };
      throw error;
    }
  }
});

/** Returns the fingerprint of the certificate that is served to a new connection. */
function fingerprint(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.end();
      socket.once("close", () => resolve(fingerprint256));
    });
    socket.once("error", reject);
  });
}

/** Returns an account's rights on objects, except the right to query its own rights. */
async function rightsOf(rest: RestClient): Promise<{ resources: string[]; verbs: string[] }[]> {
  const answer = await rest.performRequest({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    bodyJson: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectRulesReview",
      spec: { namespace: "keystone-system" },
    },
  }) as { status: { resourceRules: { resources: string[]; verbs: string[] }[] } };
  return answer.status.resourceRules.filter(({ resources }) => !resources.some((each) => /^selfsubject/.test(each)));
}
