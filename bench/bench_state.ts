/** The final state: of the operator's work, and of the bare loop's. */
import assert from "node:assert/strict";
import { type KubernetesObject, ResourceApi, type RestClient } from "../lib/kubernetes/mod.ts";
import { grants } from "../src/api/client/keystone.io@v1alpha1.ts";
import { isGuests, necessary } from "./necessary.ts";

/** Objects as JSON by `<plural>/<namespace>/<name>`. */
export type BenchState = Map<string, string>;

/** The controller-manager creates it in every namespace. */
const rootCertificates = "kube-root-ca.crt";

/**
 * Reads all objects of the necessary kinds in guest namespaces, the Realms and the Grants; each Grant must be Active.
 */
export async function readBenchState(rest: RestClient): Promise<BenchState> {
  const state: BenchState = new Map();
  for (const resource of new Set(necessary.map(({ resource }) => resource))) {
    for await (const { items } of new ResourceApi(rest, resource).pages()) {
      for (const object of items) {
        if (resource.group !== "keystone.io" && !isGuests(object)) continue;
        const { namespace = "", name } = object.metadata;
        if (resource === grants) {
          const { phase, message } = (object as { status?: { phase?: string; message?: string } }).status ?? {};
          if (phase !== "Active") throw new Error(`Grant ${name} is ${phase ?? "without a status"}: ${message ?? ""}`);
        }
        if (name === rootCertificates) continue;
        const { managedFields: _, resourceVersion: __, creationTimestamp: ___, ...metadata } = object.metadata;
        state.set(`${resource.plural}/${namespace}/${name}`, JSON.stringify({ ...object, metadata }));
      }
    }
  }
  return state;
}

/** Throws an error with the first difference. */
export function assertSame(bare: BenchState, operator: BenchState): void {
  for (const key of new Set([...operator.keys(), ...bare.keys()])) {
    const [ours, theirs] = [bare, operator].map((state) => comparable(state.get(key)));
    assert.deepEqual(ours, theirs, `The final states of the bare loop and the operator differ: ${key}`);
  }
}

/** Returns the object without times, UIDs, and a quota's usage, which the cluster counts at its own pace. */
function comparable(text: string | undefined): unknown {
  const { metadata, status, ...object } = JSON.parse(text?.replaceAll(instant, "T") ?? "{}") as Stored;
  return { ...object, metadata: { ...metadata, uid: "" }, status: { ...status, used: undefined } };
}

type Stored = KubernetesObject & { status?: Record<string, unknown> };

const instant = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;
