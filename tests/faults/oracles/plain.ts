/** Objects without what differs from run to run. */
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";

/** What is set anew for each object that the API server stores. */
const ofTheServer = new Set(["uid", "resourceVersion", "creationTimestamp", "managedFields"]);

const instants = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
/** Of a SuperEntity's terms, with the names in them. */
const digests = /sha256:[0-9a-f]{64}/g;

/** In annotations: of the Realm whose account it is, of the namespace that was found empty. */
const uids = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Of the people for whom an account stands, by the UID of their Realm. */
const people = /(?<=realm-[a-z0-9-]*-|(Realm|SuperEntity)\/UID\/)[0-9a-f]{16}(?![0-9a-f])/g;

/** Of the authority that each control plane has of its own. */
const certificates = /-----BEGIN CERTIFICATE-----[^"]*/g;

/** The ConfigMap with the cluster's authority comes beside the quota, which may take minutes to count it. */
function counted(key: string, value: unknown): unknown {
  if (key !== "used" || !isObject(value)) return value;
  const { configmaps: _, ...rest } = value;
  return rest;
}

/** How long a ping takes is measured; that a namespace is empty is noted some time after its last end is over. */
const measured = new Set(["latencyMs", "keystone.io/empty-since"]);

/** The same object in any plan: names without its mark, instants as such. */
export function plain(object: KubernetesObject, mark: string): unknown {
  const text = JSON.stringify(
    object,
    (key, value) => ofTheServer.has(key) || measured.has(key) ? undefined : counted(key, value),
  );
  return JSON.parse(
    text.replaceAll(mark, "").replace(instants, "INSTANT").replace(digests, "DIGEST")
      .replace(uids, "UID").replace(people, "PEOPLE")
      .replace(certificates, "CERTIFICATE"),
  );
}

/** Where two values differ, as `spec.hard.pods: "1", not "2"`; at most so many places. */
export function plainDifferences(actual: unknown, wanted: unknown, path = "", most = 8): string[] {
  if (!isObject(actual) || !isObject(wanted)) {
    return Object.is(actual, wanted) ? [] : [`${path}: ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`];
  }
  const keys = new Set([...Object.keys(actual), ...Object.keys(wanted)]);
  return [...keys].flatMap((key) => plainDifferences(actual[key], wanted[key], path ? `${path}.${key}` : key, most))
    .slice(0, most);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
