/**
 * Every kind and field that guests may write, read from their role and from the schemas of the real API server. Each
 * kind, each pod template in it and each field must be known to deploy/guards, and every attack on pods is tried in every
 * pod template. So a new rule in the role is attacked automatically.
 */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import {
  containerFields,
  objectFields,
  podFields,
  projectedSources,
  subresources,
} from "../../deploy/guards/pod_fields.ts";
import type { GuardBody } from "../../deploy/guards/guard.ts";
import { podsPolicy } from "../../deploy/guards/pod_guards.ts";
import { clientOf, eventually, root, step } from "../fixtures/test_operator.ts";
import { classes, laid, ordinaryOf } from "./guard_cases.ts";
import { inBatches, refusal } from "./requests.ts";
import { hostileScene } from "./hostile_scene.ts";

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
}

const role =
  (loadAll(Deno.readTextFileSync(`${root}deploy/kustomize/base/guest-role.yaml`)) as { rules: Rule[] }[])[0]!;
const isWrite = (verb: string): boolean => ["create", "update", "patch", "*"].includes(verb);
const writable = role.rules.filter(({ verbs }) => verbs.some(isWrite)).flatMap(({ apiGroups, resources }) =>
  apiGroups.flatMap((group) => resources.map((resource) => ({ group, resource })))
);

/** A kind that guests may write, and its schema. */
interface Kind {
  kind: string;
  apiVersion: string;
  path: string;
  schema: Schema;
  schemas: Record<string, Schema>;
}

async function kindOf(rest: RestClient, group: string, resource: string): Promise<Kind> {
  const get = (path: string) => rest.performRequest({ method: "GET", path });
  const groups = await get("/apis") as { groups: { name: string; preferredVersion: { groupVersion: string } }[] };
  const apiVersion = group === ""
    ? "v1"
    : groups.groups.find(({ name }) => name === group)!.preferredVersion.groupVersion;
  const prefix = group === "" ? "/api/v1" : `/apis/${apiVersion}`;
  const { resources } = await get(prefix) as { resources: { name: string; kind: string }[] };
  const kind = resources.find(({ name }) => name === resource)!.kind;
  const { components: { schemas } } = await get(`/openapi/v3${prefix}`) as unknown as {
    components: { schemas: Record<string, Schema> };
  };
  const version = apiVersion.split("/").at(-1);
  const schema = Object.values(schemas).find((schema) =>
    schema["x-kubernetes-group-version-kind"]?.some((gvk) =>
      gvk.group === group && gvk.version === version && gvk.kind === kind
    )
  )!;
  return { kind, apiVersion, path: `${prefix}/namespaces/NS/${resource}`, schema, schemas };
}

const refOf = (schema: Schema): string | undefined => schema.$ref ?? schema.allOf?.[0]?.$ref;
const resolved = (schema: Schema, schemas: Record<string, Schema>): { name: string; schema: Schema } => {
  const ref = refOf(schema);
  if (ref === undefined) return { name: "", schema };
  const name = ref.split("/").at(-1)!;
  return { name, schema: schemas[name]! };
};

/** Returns the paths in a schema that lead to another schema. */
function* placesOf(
  name: string,
  from: Schema,
  schemas: Record<string, Schema>,
  path: string[] = [],
): Generator<string[]> {
  if (path.length > 12) return;
  for (const [field, schema] of Object.entries(from.properties ?? {})) {
    const to = resolved(schema.items ?? schema, schemas);
    if (to.name === name) yield [...path, field];
    else yield* placesOf(name, to.schema, schemas, [...path, field]);
  }
}

const fieldsOf = (schema: Schema): string[] => Object.keys(schema.properties ?? {});
const undecided = (fields: readonly string[], decided: Readonly<Record<string, string>> = {}): string[] =>
  fields.filter((field) => !(field in decided));

const at = (path: readonly string[], value: unknown): GuardBody =>
  path.reduceRight<unknown>((inner, field) => ({ [field]: inner }), value) as GuardBody;

Deno.test("kinds and fields that guests may write", async (t) => {
  await using scene = await hostileScene({ trustLevel: "internal" });
  const { cluster: { rest }, mallory, lab } = scene;
  const kinds = await Promise.all(
    writable.filter(({ resource }) => !resource.includes("/")).map(({ group, resource }) =>
      kindOf(rest, group, resource)
    ),
  );
  assert.ok(kinds.length >= 13);

  await t.step("every subresource is known to the guards", () => {
    const names = writable.map(({ resource }) => resource).filter((resource) => resource.includes("/"));
    assert.deepEqual(undecided(names, subresources), []);
  });

  await t.step("every field of every kind is known to the guards", () => {
    for (const { kind, schema, schemas } of kinds) {
      if (kind === "Pod") continue;
      const spec = schema.properties!.spec;
      const fields = spec ? fieldsOf(resolved(spec, schemas).schema) : fieldsOf(schema);
      const ofObject = ["apiVersion", "kind", "metadata", "status"];
      assert.deepEqual(undecided(fields, objectFields[kind]).filter((field) => !ofObject.includes(field)), [], kind);
    }
    const { schemas } = kinds.find(({ kind }) => kind === "Pod")!;
    const of = (name: string) => fieldsOf(schemas[`io.k8s.api.core.v1.${name}`]!);
    assert.deepEqual(undecided(of("PodSpec"), podFields), []);
    assert.deepEqual(undecided(of("Container"), containerFields), []);
    assert.deepEqual(undecided(of("EphemeralContainer"), containerFields), []);
    assert.deepEqual(
      of("VolumeProjection").filter((source) => !projectedSources.includes(source)),
      ["podCertificate"],
      "the only refused source",
    );
    assert.deepEqual(of("Probe").filter((field) => ["exec", "httpGet", "tcpSocket", "grpc"].includes(field)).sort(), [
      "exec",
      "grpc",
      "httpGet",
      "tcpSocket",
    ]);
    assert.deepEqual(of("LifecycleHandler").sort(), ["exec", "httpGet", "sleep", "tcpSocket"]);
    assert.deepEqual(of("Lifecycle").sort(), ["postStart", "preStop", "stopSignal"]);
  });

  // Attacks on claims and metadata are tried with the table, which has the classes and lists that they need.
  const attacks = podsPolicy.guards.flatMap(({ name, attacks }) =>
    // Attacks that need settings are tried with the table.
    attacks.filter(({ pod, settings }) => pod?.spec && !pod.container && !settings).map((attack) => ({
      name,
      ...attack,
    }))
  );
  const { code, said } = await scene.cluster.apply(...classes);
  assert.equal(code, 0, said);
  await eventually("the guards are in force", async () => {
    const { said } = await mallory.kubectl(
      ["create", "--dry-run=server", "-f", "-"],
      JSON.stringify(ordinaryOf("Pod", { spec: { nodeName: "x" } })),
    );
    return said.includes("denied request") || said;
  });
  using guest = await clientOf(mallory.kubeconfig);

  await step(t, `${attacks.length} attacks on pods: refused in every pod template of every kind`, async () => {
    const tries = kinds.flatMap(({ kind, apiVersion, path, schema, schemas }) => {
      const places = kind === "Pod" ? [["spec"]] : [...placesOf("io.k8s.api.core.v1.PodSpec", schema, schemas)];
      const plain = kind in objectFields || kind === "Pod"
        ? ordinaryOf(kind)
        : { apiVersion, kind, metadata: { name: "x" } };
      return places.flatMap((place) =>
        attacks.filter(({ not = [] }) => not.length === 0 || kind === "Pod").map((attack) => ({
          what: `${attack.name}: ${attack.title}, in ${kind} ${place.join(".")}`,
          says: attack.says,
          path: path.replace("NS", mallory.namespace),
          bodyJson: laid(plain, at(place, attack.pod!.spec)),
        }))
      );
    });
    const wrong = await inBatches(tries, async ({ what, says, path, bodyJson }) => {
      const said = await refusal(guest, { method: "POST", path, bodyJson });
      // Where Pod Security forbids the same, its refusal comes first.
      return says.test(said) || /violates PodSecurity/.test(said) ? undefined : `${what}: ${said || "it goes through"}`;
    });
    assert.deepEqual(wrong, []);
    assert.ok(tries.length >= attacks.length * 7, `${tries.length}`);
  });

  await step(t, "the guest namespace has the guards' settings as annotations", async () => {
    const { stdout } = await lab.kubectl(["get", "namespace", mallory.namespace, "-o", "json"]);
    const { annotations } = JSON.parse(stdout).metadata;
    assert.equal(annotations["keystone.io/max-priority"], "0");
    assert.equal(annotations["keystone.io/guards-warn"], "unknown-keys", "the default of internal realms");
  });
});
