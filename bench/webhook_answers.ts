/** The time of the webhook's answers, beside a handler that reads reviews and allows everything. */
import type { LimitRangeItem } from "../lib/kubernetes_apis/core@v1.ts";
import { defaultSettings } from "../src/api/mod.ts";
import { webhookPath } from "../src/core/admission/configuration.ts";
import { type AdmissionWorld, respondTo } from "../src/core/admission/response.ts";
import { BoundedServer, type Handler } from "../src/front/bounded_server.ts";
import { createReviewer } from "../src/front/review.ts";
import { certificatesAt } from "../src/server/admission/serving_certificates.ts";
import { alice, grant, now, realm } from "../tests/fixtures/made_facts.ts";
import { restrictedSpec } from "../tests/lab/lab_workloads.ts";
import type { EfficiencyRun } from "./efficiency.ts";

/** Milliseconds of single answers, by round. */
export interface WebhookAnswers {
  judging: number[][];
  allowing: number[][];
}

const warmUps = 300;
const answersEach = 1500;

const hard = {
  "requests.cpu": "20",
  "limits.cpu": "40",
  "requests.memory": "64Gi",
  "limits.memory": "64Gi",
  "requests.ephemeral-storage": "100Gi",
  "limits.ephemeral-storage": "100Gi",
  "requests.storage": "500Gi",
  persistentvolumeclaims: "20",
  pods: "100",
  services: "20",
  "count/pods": "300",
  "count/deployments.apps": "100",
  "count/replicasets.apps": "300",
  "count/statefulsets.apps": "100",
  "count/jobs.batch": "300",
  "count/configmaps": "300",
  "count/secrets": "300",
};
const used = Object.fromEntries(Object.keys(hard).map((key) => [key, "1"]));
const limits: LimitRangeItem[] = [{
  type: "Container",
  default: { cpu: "500m", memory: "256Mi" },
  defaultRequest: { cpu: "100m", memory: "64Mi" },
}];
const quotas = [{ metadata: { name: "keystone" }, spec: { hard }, status: { hard, used } }];
const grants = ["one", "two"].map((name) =>
  grant({ name, status: { phase: "Active", hard: { "requests.cpu": "10" } } })
);
const bob = realm({ spec: { trustLevel: "partner" } });

/** A guest namespace with two grants, as the front's caches have it. */
const world: AdmissionWorld = {
  settings: defaultSettings,
  cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
  local: alice,
  realmNamed: () => bob,
  isCollective: () => false,
  realms: () => [bob],
  grantsTo: () => grants,
  guest: () => ({ quotas, limits, grants }),
  now,
};

function deployment(image: string): object {
  const resources = { requests: { cpu: "250m", memory: "128Mi" }, limits: { cpu: "500m", memory: "256Mi" } };
  const env = Array.from({ length: 10 }, (_, index) => ({ name: `NAME_${index}`, value: "value of some length" }));
  const labels = { app: "web" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "guest-bob-home", labels },
    spec: {
      replicas: 5,
      selector: { matchLabels: labels },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
      template: { metadata: { labels }, spec: restrictedSpec({ image, resources, env }) },
    },
    status: { replicas: 5, readyReplicas: 5, updatedReplicas: 5, availableReplicas: 5 },
  };
}

const review = (operation: string, object: object, oldObject: object | null): string =>
  JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: crypto.randomUUID(),
      kind: { group: "apps", version: "v1", kind: "Deployment" },
      operation,
      namespace: "guest-bob-home",
      userInfo: { username: "bob", groups: ["keystone:realm:bob-home", "system:authenticated"] },
      object,
      oldObject,
    },
  });

/** Measures answers over TLS on one connection. Each request goes to one handler, then to the other. */
export async function webhookAnswers({ rounds, say }: EfficiencyRun): Promise<WebhookAnswers> {
  const { certificates } = await certificatesAt(undefined, { dns: [], ip: ["127.0.0.1"] }, Date.now());
  const judging = createReviewer({ judge: (question) => respondTo(question, world) });
  const allowing = createReviewer({ judge: () => ({ allowed: true, warnings: [] }) });
  const reviews = [
    review("CREATE", deployment("example.com/web:1"), null),
    review("UPDATE", deployment("example.com/web:2"), deployment("example.com/web:1")),
  ];
  using client = Deno.createHttpClient({ caCerts: [certificates.authorities], http1: true, http2: false });
  const listen = (handler: Handler) => BoundedServer.listen(certificates, { hostname: "127.0.0.1", port: 0, handler });
  await using judge = await listen(judging);
  await using allowed = await listen(allowing);
  const ask = async (port: number, body: string): Promise<number> => {
    const startedAt = performance.now();
    const url = `https://127.0.0.1:${port}${webhookPath}`;
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body, client });
    const { response } = await answer.json();
    if (!response.allowed || response.warnings) throw new Error(JSON.stringify(response));
    return performance.now() - startedAt;
  };
  const results: WebhookAnswers = { judging: [], allowing: [] };
  for (let round = 0; round < rounds; round++) {
    const [judged, other]: [number[], number[]] = [[], []];
    for (let count = -warmUps; count < answersEach; count++) {
      const body = reviews[Math.abs(count) % reviews.length]!;
      const [first, second] = [await ask(judge.port, body), await ask(allowed.port, body)];
      if (count < 0) continue;
      judged.push(first);
      other.push(second);
    }
    results.judging.push(judged);
    results.allowing.push(other);
    say(`round ${round + 1} of ${rounds}`);
  }
  return results;
}
