/**
 * The chart with generated values: for all values that its schema accepts, a real API server accepts the rendered objects,
 * only the operator's container has the operator's token, and host files are mounted only where a value says so.
 *
 * `KEYSTONE_VALUE_SETS` is the number of sets (default 25), `KEYSTONE_SEED` the seed.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type ManifestFile, render } from "../../deploy/kustomize_files.ts";
import { root } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { sharedLab } from "../lab/shared.ts";

interface Schema {
  type?: string | string[];
  enum?: string[];
  pattern?: string;
  not?: { pattern: string };
  minimum?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  propertyNames?: { pattern?: string; allOf?: [{ pattern: string }, { not: { enum: string[] } }] };
  items?: Schema;
}

/** Strings that YAML reads as another type unless they are quoted. */
const misread = [
  "yes",
  "no",
  "on",
  "null",
  "~",
  "0x1f",
  "0440",
  "1e3",
  "12",
  "1.10",
  "a: b",
  "{}",
  "'",
  '"',
  "#x",
  "- a",
];

/** Choices for values whose shape is Kubernetes' own and not in the schema. */
const known: Record<string, unknown[]> = {
  "/affinity": [{}, { nodeAffinity: {} }, { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } }],
  "/config": [{}, { trust: { partner: { pods: 5 } } }, {
    maxPriority: 1000,
    clusterRanges: { pods: ["10.42.0.0/16"] },
  }],
  "/extraEnv": [[], [{ name: "OTEL_DENO", value: "true" }], [{ name: "A", value: "yes" }, { name: "B", value: "012" }]],
  "/global": [{}],
  "/imagePullSecrets": [[], [{ name: "pull" }]],
  "/realm": ["alice-home", "on", "0x1f", "12"],
  "/tailscale/stateClaim": ["", "", "", "keystone-tailscale"],
  "/tailscale/stateSecret": ["", null],
  "/networkPolicy/egress": [[], [{}], [{ ports: [{ port: 443 }] }]],
  "/networkPolicy/metricsFrom": [[], [{ podSelector: {} }], [{ namespaceSelector: { matchLabels: { a: "yes" } } }]],
  "/tolerations": [[], [{ operator: "Exists" }], [{ key: "a", operator: "Equal", value: "1", effect: "NoSchedule" }]],
  "/topologySpreadConstraints": [[], [{ maxSkew: 1, topologyKey: "a", whenUnsatisfiable: "ScheduleAnyway" }]],
};
for (const path of ["/resources", "/tailscale/resources", "/webhook/resources"]) {
  known[path] = [{}, { requests: { cpu: "10m" }, limits: { memory: "256Mi" } }, {
    requests: { cpu: 1, memory: "64Mi" },
  }];
}

function textOf({ pattern = "", not, maxLength = 90 }: Schema): fc.Arbitrary<string> {
  const fits = (text: string) =>
    text.length <= maxLength && new RegExp(pattern).test(text) && !(not && new RegExp(not.pattern).test(text));
  const odd = misread.filter(fits);
  const any = pattern === "" ? fc.string({ maxLength: 20 }) : fc.stringMatching(new RegExp(pattern), { maxLength: 90 });
  return odd.length > 0 ? fc.oneof(fc.constantFrom(...odd), any.filter(fits)) : any.filter(fits);
}

function valuesOf(schema: Schema, path = ""): fc.Arbitrary<unknown> {
  if (path in known) return fc.constantFrom(...known[path]!);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: schema.minimum ?? 0, max: (schema.minimum ?? 0) + 3 });
    case "string":
      return textOf(schema);
    case "array":
      return fc.array(valuesOf(schema.items!, `${path}/items`), { maxLength: 3 });
    case "object": {
      if (schema.properties) {
        const each = Object.entries(schema.properties).map(([name, of]) => [name, valuesOf(of, `${path}/${name}`)]);
        return fc.record(Object.fromEntries(each), {
          requiredKeys: (path === "" ? ["realm"] : []) as never[],
          noNullPrototype: true,
        });
      }
      const { pattern, allOf } = schema.propertyNames!;
      const taken = new Set(allOf?.[1].not.enum);
      const names = fc.stringMatching(new RegExp(pattern ?? allOf![0].pattern), { maxLength: 90 })
        .filter((name) => !taken.has(name) && !name.split("/")[0]!.endsWith("kubernetes.io"));
      const value = valuesOf(schema.additionalProperties as Schema, `${path}/*`);
      return fc.dictionary(names, value, { maxKeys: 3, noNullPrototype: true });
    }
  }
  throw new Error(`Add choices for ${path}: its type is ${schema.type}.`);
}

/** Combinations of values that the chart itself refuses. */
const isRefusal = (error: Error): boolean => /realm is empty|stateSecret is|stateClaim is/.test(error.message);

interface PodSpec {
  containers: { name: string; volumeMounts?: { name: string }[] }[];
  volumes: {
    name: string;
    hostPath?: { path: string };
    projected?: { sources: { serviceAccountToken?: unknown }[] };
  }[];
}

function judge(values: { tailscale?: { enabled?: boolean; hostSocket?: string } }, manifests: ManifestFile[]): void {
  const pods = manifests.flatMap(({ kind, spec }) =>
    ["StatefulSet", "Job"].includes(kind) ? [(spec as { template: { spec: PodSpec } }).template.spec] : []
  );
  assert.ok(pods.length > 0);
  for (const { containers, volumes } of pods) {
    const tokens = new Set(
      volumes.filter(({ projected }) => projected?.sources.some((source) => source.serviceAccountToken))
        .map(({ name }) => name),
    );
    const holders = containers.filter(({ volumeMounts }) => volumeMounts?.some(({ name }) => tokens.has(name)));
    assert.deepEqual(holders.map(({ name }) => name).filter((name) => !["operator", "uninstall"].includes(name)), []);
    const { enabled = true, hostSocket = "" } = values.tailscale ?? {};
    const asked = enabled && hostSocket !== "" ? [hostSocket] : [];
    const mounted = volumes.flatMap(({ hostPath }) => hostPath ? [hostPath.path] : []);
    assert.ok(
      mounted.every((path) => asked.includes(path)),
      `hostPath ${mounted} though tailscale.hostSocket is not used`,
    );
  }
}

const monitoring = new Set(["ServiceMonitor", "PrometheusRule"]);

Deno.test("all values that the chart's schema accepts: an API server accepts the rendered objects", async () => {
  const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  const count = Number(Deno.env.get("KEYSTONE_VALUE_SETS") ?? 25);
  const schema = JSON.parse(await Deno.readTextFile(`${root}deploy/chart/values.schema.json`)) as Schema;
  const { helm } = await build(["helm"]);
  await using lab = await sharedLab();
  await lab.kubectl(["create", "namespace", "keystone-system"]);
  const objects = new Map<string, ManifestFile>();
  let rendered = 0;
  for (const sample of fc.sample(valuesOf(schema), { seed, numRuns: count * 3 })) {
    if (rendered === count) break;
    const values = sample as Record<string, unknown>;
    const manifests = await render(helm!, values).catch((error: Error) => {
      if (isRefusal(error)) return undefined;
      throw new Error(`KEYSTONE_SEED=${seed}: ${error.message}\n${JSON.stringify(values)}`);
    });
    if (!manifests) continue;
    rendered++;
    judge(values, manifests);
    for (const manifest of manifests) {
      if (monitoring.has(manifest.kind) || manifest.kind === "CustomResourceDefinition") continue;
      objects.set(JSON.stringify(manifest), manifest);
    }
  }
  assert.equal(rendered, count, `KEYSTONE_SEED=${seed}: too many sets were refused`);
  const { code, stderr } = await lab.kubectl(["create", "--dry-run=server", "--validate=strict", "-f", "-"], {
    stdin: JSON.stringify({ apiVersion: "v1", kind: "List", items: [...objects.values()] }),
  });
  const said = stderr.split("\n").filter((line) => line !== "" && !/already exists/.test(line));
  assert.deepEqual(said.filter((line) => !/^Warning/.test(line)), [], `KEYSTONE_SEED=${seed}`);
  assert.ok(code === 0 || /already exists/.test(stderr));
});
