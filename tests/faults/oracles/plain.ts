/** Objects without the parts that differ from run to run. */
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";

/** Fields that the API server sets for each stored object. */
const ofTheServer = new Set(["uid", "resourceVersion", "creationTimestamp", "managedFields"]);

const instants = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
/** Digests of a SuperEntity's terms, which include names. */
const digests = /sha256:[0-9a-f]{64}/g;

/** UIDs in annotations: of the Realm of an account, of the namespace that was found empty. */
const uids = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Hashes of the people of an account, which include the UID of their Realm. */
const people = /(?<=realm-[a-z0-9-]*-|(Realm|SuperEntity)\/UID\/)[0-9a-f]{16}(?![0-9a-f])/g;

/** Certificates of each control plane's own authority. */
const certificates = /-----BEGIN CERTIFICATE-----[^"]*/g;

/**
 * The ConfigMap with the cluster's authority and the account `default` are created beside the quota, which may take
 * minutes to count them.
 */
function counted(key: string, value: unknown): unknown {
  if (key !== "used" || !isObject(value)) return value;
  const { configmaps: _, "count/serviceaccounts": _1, ...rest } = value;
  return rest;
}

/** Values that depend on time: the duration of a ping, and when an empty namespace was noted. */
const measured = new Set(["latencyMs", "keystone.io/empty-since"]);

/** Returns the object in a form comparable between plans: names without the mark, times replaced by INSTANT. */
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

/** Returns the differences of two values, e.g. `spec.hard.pods: "1", not "2"`, up to a maximum. */
export function plainDifferences(actual: unknown, wanted: unknown, path = "", most = 8): string[] {
  if (!isObject(actual) || !isObject(wanted)) {
    return Object.is(actual, wanted) ? [] : [`${path}: ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`];
  }
  const keys = new Set([...Object.keys(actual), ...Object.keys(wanted)]);
  return [...keys].flatMap((key) => plainDifferences(actual[key], wanted[key], path ? `${path}.${key}` : key, most))
    .slice(0, most);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
