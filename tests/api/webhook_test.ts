/**
 * The admission webhook on a real API server, which calls it on loopback: the operator has just the rights of
 * deploy/kustomize, and all of its guards stand.
 */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import fc from "fast-check";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { demandOf } from "../../src/core/admission/demand.ts";
import { fits, verdictOf } from "../../src/core/admission/verdict.ts";
import { allowanceOf } from "../../src/core/admission/allowance.ts";
import type { ReviewRecord } from "../../src/server/admission/review.ts";
import { clientOf, eventually, prepared, root, secondsFromNow, startOperator, step } from "../fixtures/operator.ts";
import { hard as caseHard, workloads } from "../fixtures/workload_cases.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? 1);
const hard = {
  "requests.cpu": "4",
  "limits.cpu": "8",
  "requests.memory": "4Gi",
  "limits.memory": "8Gi",
  "requests.storage": "10Gi",
  "services.loadbalancers": 1,
};

const deployment = (name: string, replicas: number, cpu: string, namespace = "guest-bob-home") => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [{ name: "main", image: "example.com/none:1", resources: { requests: { cpu }, limits: { cpu } } }],
      },
    },
  },
});

Deno.test("admission that explains", {
  // The API server has to reach this process on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  for (const overlay of ["base", "webhook"]) {
    const { code, stderr } = await lab.kubectl(["apply", "-k", `${root}deploy/kustomize/${overlay}`]);
    assert.equal(code, 0, stderr);
  }
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const [port] = freePorts(1);
  const reviews: ReviewRecord[] = [];
  const start = () =>
    startOperator(lab, {
      kubeconfig,
      realm: "alice-home",
      webhook: {
        place: { url: `https://127.0.0.1:${port}` },
        hostname: "127.0.0.1",
        port: port!,
        onReview: (record) => reviews.push(record),
      },
    });
  let operator = await start();
  await using _ = { [Symbol.asyncDispose]: () => operator.stop() };
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
  /** What the webhook says against it; undefined when it is let through. */
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
      "the webhook is asked",
      async () => (await refusal(deployment("probe", 1, "99"))) !== undefined || `not yet: ${operator.log.join("\n")}`,
    );

  await cluster.createRealm("bob-home", { trustLevel: "internal" });
  const end = secondsFromNow(86_400);
  await cluster.create({ name: "alice-to-bob", to: "bob-home", hard, until: end.text });
  await cluster.grantIn("Active", "alice-to-bob");
  await serving();

  await step(t, "an oversized Deployment is refused at apply, with the full message", async () => {
    const { code, said } = await cluster.apply(deployment("web", 4, "2"));
    assert.equal(code, 1);
    assert.match(
      said,
      new RegExp(
        'admission webhook "workloads.keystone.io" denied the request: Deployment web asks for 8 requests.cpu ' +
          "\\(4 pods of 2\\), and guest-bob-home is granted 4 in all: short by 4. " +
          `Grant alice-to-bob \\(4 requests.cpu, until ${end.text}\\). 2 such pods would fit, or 4 of 1 requests.cpu each.`,
      ),
    );
  });

  await step(t, "what is above what is free goes through with a warning, and the quota does the rest", async () => {
    assert.deepEqual(await cluster.apply(deployment("first", 3, "1")), {
      code: 0,
      said: "deployment.apps/first created\n",
    });
    await eventually(
      "its pods are there",
      async () =>
        (await cluster.quotas.namespace("guest-bob-home").get("keystone")).status?.used?.["requests.cpu"] === "3" ||
        "not yet",
    );
    const { code, said } = await eventually("the webhook knows what is used", async () => {
      const answer = await cluster.apply(deployment("second", 2, "1"));
      if (answer.said.includes("Warning")) return answer;
      await lab.kubectl(["delete", "deployment", "second", "-n", "guest-bob-home"]);
      return "no warning yet";
    });
    assert.equal(code, 0);
    assert.match(said, /Warning: Deployment second asks for 2 requests.cpu \(2 pods of 1\), and 1 of 4 is free/);
    assert.match(said, /short by 1\. 1 of 2 pods can start now/);
    await eventually(
      "the quota lets one pod in",
      async () =>
        (await cluster.quotas.namespace("guest-bob-home").get("keystone")).status?.used?.["requests.cpu"] === "4" ||
        "not yet",
    );
  });

  await step(t, "an update is judged by what it grows", async () => {
    const smaller = await cluster.apply(deployment("first", 2, "1"));
    assert.deepEqual(smaller, { code: 0, said: "deployment.apps/first configured\n" });
    const { code, said } = await cluster.apply(deployment("first", 5, "1"));
    assert.equal(code, 1);
    assert.match(said, /asks for 5 requests.cpu \(\d pods of 1\), and guest-bob-home is granted 4 in all: short by 1/);
    // A label is no growth, whatever the size; nor is what a controller makes.
    const grown = await lab.kubectl(["scale", "deployment", "first", "--replicas=9", "-n", "guest-bob-home"]);
    assert.equal(grown.code, 0, grown.stderr);
    const labelled = await lab.kubectl(["label", "deployment", "first", "a=b", "-n", "guest-bob-home"]);
    assert.equal(labelled.code, 0, labelled.stderr);
    await lab.kubectl(["delete", "deployments", "--all", "-n", "guest-bob-home"]);
  });

  await step(t, `of ${seed}'s workloads exactly those are refused that exceed all that is granted`, async () => {
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
    const allowance = allowanceOf({ namespace: "", asked: enforced, enforced, used: {} }, []);
    const around = { limits: limitRange.spec.limits, nodes: 0 };
    const cases = fc.sample(workloads, { numRuns: 320, seed }).filter((object) =>
      !JSON.stringify(object).includes('"heavy"')
    ) as { kind: string }[];
    const wrong: string[] = [];
    let refused = 0;
    for (const object of cases) {
      const demand = demandOf(object, around);
      const verdict = verdictOf(demand, allowance);
      // Bare pods, claims and services meet the server's own checks first.
      if (demand.obstacle) continue;
      const said = await refusal(object, namespace).catch((error: Error) =>
        isApiError(error, 422) ? undefined : error.message
      );
      if (said !== undefined) refused++;
      if ((said === undefined) !== fits(verdict)) wrong.push(`${said}: ${JSON.stringify(object)}`);
    }
    assert.deepEqual(wrong, [], `KEYSTONE_SEED=${seed}`);
    assert.ok(refused > 0.3 * cases.length, `${refused} of ${cases.length} were refused`);
  });

  await step(t, "nothing outside guest namespaces waits for it", async () => {
    await eventually("no review is under way", () => Promise.resolve(true));
    const before = reviews.length;
    assert.equal(await refusal(deployment("elsewhere", 100, "99", "default"), "default"), undefined);
    await create(cluster.rest, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } });
    assert.equal(reviews.length, before);
  });

  await step(t, "terms that are legal and likely wrong are warned of, and applied", async () => {
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
    assert.doesNotMatch(await warned("plain", {}), /Warning/);
    assert.match(await warned("nobody", { granteeRealm: "carol-home" }), /Warning: .*carol-home.*no such Realm/);
    assert.match(await warned("other", { grantorRealm: "dora-home" }), /Warning: .*enforced there, not here/);
    assert.match(
      await warned("past", { validity: { validUntil: "2020-01-01T00:00:00Z" } }),
      /Warning: spec.validity.validUntil is 2020-01-01T00:00:00Z, which is past/,
    );
    assert.match(await warned("nowhere", { networkPolicy: { egressAllowed: true } }), /Warning: .*nothing is opened/);
    assert.match(
      await warned("closed", { networkPolicy: { allowedDestinations: ["192.0.2.1"] } }),
      /Warning: .*open nothing while egressAllowed is false/,
    );
    await cluster.createRealm("eve-home", { trustLevel: "public" });
    assert.match(
      await warned("ceiling", { granteeRealm: "eve-home" }),
      /Warning: spec.validity.validUntil is no end; a public realm is trusted with at most 30 days/,
    );
    await cluster.createRealm("finn-home", { trustLevel: "partner" });
    assert.match(
      await warned("metadata-service", {
        granteeRealm: "finn-home",
        networkPolicy: { egressAllowed: true, allowedDestinations: ["169.254.169.254:80"] },
      }),
      /Warning: .*169\.254\.169\.254:80 lies in 169\.254\.0\.0\/16, which no grant opens/,
    );
    const twin = await cluster.apply({
      apiVersion: "keystone.io/v1alpha1",
      kind: "Realm",
      metadata: { name: "twin" },
      spec: { identity: "BOB-home.tailnet-name.ts.net.", trustLevel: "partner" },
    });
    assert.match(twin.said, /Warning: .*is Realm bob-home already/);
  });

  await step(t, "what is no review is answered, and the next one is too", async () => {
    const { authorities } = await certificates();
    using client = Deno.createHttpClient({ caCerts: [authorities] });
    for (const body of ["", "{", "null", '{"request":{}}', "x".repeat(100_000)]) {
      const answer = await fetch(`https://127.0.0.1:${port}/admit`, { method: "POST", body, client });
      assert.equal(answer.status, 400);
      await answer.body?.cancel();
    }
    const elsewhere = await fetch(`https://127.0.0.1:${port}/`, { client });
    assert.equal(elsewhere.status, 404);
    await elsewhere.body?.cancel();
    await serving();
  });

  await step(t, "a hundred new certificates under steady requests, and none is dropped", async () => {
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
        await eventually("another certificate is shown", async () => {
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
    assert.deepEqual(passed, [], `of ${asked} requests some were not judged`);
    console.log(`${asked} requests over ${shown.size - 1} rotations, ${passed.length} dropped`);
  });

  await step(t, "a configuration or a Secret that somebody deletes comes back", async () => {
    await lab.kubectl(["delete", "validatingwebhookconfiguration", "keystone"]);
    await serving();
    await lab.kubectl(["delete", "secret", "keystone-webhook", "-n", "keystone-system"]);
    await eventually("there is a Secret", async () => (await certificates()).authorities !== "" || "not yet");
    await serving();
  });

  await step(
    t,
    "with the webhook down the quota still holds, and it comes back with the same certificate",
    async () => {
      const { authorities } = await certificates();
      await operator.stop();
      const { code, said } = await cluster.apply(deployment("unjudged", 20, "1"));
      assert.equal(code, 0, said);
      await eventually("the quota lets in what is granted", async () => {
        const { status } = await cluster.quotas.namespace("guest-bob-home").get("keystone");
        const [used, most] = [status?.used?.["requests.cpu"], status?.hard?.["requests.cpu"]];
        return (used === most && Number(used) < 20) || `used is ${used} of ${most}`;
      });
      operator = await start();
      await serving();
      assert.equal((await certificates()).authorities, authorities);
    },
  );

  await step(t, "the operator says nothing of errors", () => {
    assert.deepEqual(operator.log.filter((line) => !/Enforcing|webhook (listens|has a new)|Watching/.test(line)), []);
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

/** Of the certificate that a new connection is shown. */
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
