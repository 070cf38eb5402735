/** Advice that is followed fits, for generated workloads near their limits. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Change, Proposal, Surroundings } from "./change.ts";
import { judge } from "./judge.ts";
import { quotaRoomOf } from "./surroundings.ts";

const keys = ["requests.cpu", "limits.cpu", "requests.memory", "limits.memory"] as const;

const resources = fc.record({ cpu: fc.integer({ min: 1, max: 8 }), more: fc.integer({ min: 0, max: 4 }) }).map((
  { cpu, more },
) => ({
  requests: { cpu: `${cpu * 250}m`, memory: `${cpu * 100}Mi` },
  limits: { cpu: `${(cpu + more) * 250}m`, memory: `${(cpu + more) * 100}Mi` },
}));

const workload = fc.record({
  kind: fc.constantFrom("Deployment", "StatefulSet", "ReplicaSet", "Job", "Pod"),
  replicas: fc.integer({ min: 1, max: 8 }),
  resources,
  maxSurge: fc.integer({ min: 0, max: 2 }),
  maxUnavailable: fc.integer({ min: 0, max: 2 }),
});
type Terms = typeof workload extends fc.Arbitrary<infer T> ? T : never;

function objectOf({ kind, replicas, resources, maxSurge, maxUnavailable }: Terms): Record<string, unknown> {
  const spec = { containers: [{ name: "main", image: "registry.example/main:1", resources }] };
  const template = { metadata: { labels: { app: "web" } }, spec };
  const metadata = { name: "web" };
  if (kind === "Pod") return { apiVersion: "v1", kind, metadata, spec };
  if (kind === "Job") return { apiVersion: "batch/v1", kind, metadata, spec: { parallelism: replicas, template } };
  const strategy = {
    rollingUpdate: { maxSurge, maxUnavailable: maxSurge + maxUnavailable === 0 ? 1 : maxUnavailable },
  };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata,
    spec: { replicas, template, ...(kind === "Deployment" ? { strategy } : {}) },
  };
}

/** Returns the terms with each piece of advice followed. */
function followed(terms: Terms, { pods, size, maxUnavailable }: Proposal): Terms[] {
  const sized = size && {
    ...terms,
    resources: structuredClone(terms.resources) as Record<string, Record<string, string>>,
  };
  for (const [key, amount] of size?.amounts ?? []) {
    const [side, name] = key.split(".") as ["requests" | "limits", string];
    sized!.resources[side]![name] = amount.toString();
  }
  return [
    ...(pods === undefined ? [] : [{ ...terms, replicas: pods }]),
    ...(sized ? [sized as unknown as Terms] : []),
    ...(maxUnavailable ? [{ ...terms, maxUnavailable: 1 }] : []),
  ];
}

Deno.test("advice that is followed fits", () => {
  let given = 0;
  const rooms = fc.array(
    fc.record({
      hard: fc.tuple(...keys.map(() => fc.integer({ min: 0, max: 40 }))),
      used: fc.integer({ min: 0, max: 10 }),
    }),
    { minLength: 1, maxLength: 2 },
  );
  fc.assert(
    fc.property(workload, workload, fc.boolean(), rooms, (terms, before, updates, rooms) => {
      const around: Surroundings = {
        namespace: "guest-bob-home",
        quotas: rooms.map(({ hard, used }, index) => {
          const amounts = (of: (index: number) => number) =>
            Object.fromEntries(
              keys.map((key, at) => [key, key.endsWith("cpu") ? `${of(at) * 250}m` : `${of(at) * 100}Mi`]),
            );
          return quotaRoomOf({
            metadata: { name: index === 0 ? "keystone" : "other" },
            spec: { hard: amounts((at) => hard[at]!) },
            status: { hard: amounts((at) => hard[at]!), used: amounts(() => used) },
          });
        }),
        givers: [],
        limits: [],
        claims: new Map(),
        autoscalers: [],
        nodes: [],
        defaultStorageClass: null,
      };
      const isUpdate = updates && !["Pod", "Job"].includes(terms.kind);
      const change = (terms: Terms): Change => ({
        after: objectOf(terms),
        asked: true,
        ...(isUpdate ? { before: objectOf({ ...before, kind: terms.kind }) } : {}),
      });
      const { fits, proposal, message } = judge(change(terms), around);
      if (fits !== false) return;
      for (const advised of followed(terms, proposal ?? {})) {
        given++;
        assert.equal(judge(change(advised), around).fits, true, `${message}\n${JSON.stringify(advised)}`);
      }
    }),
    { numRuns: 1500, seed: 19 },
  );
  assert.ok(given > 300, `${given} pieces of advice`);
});
