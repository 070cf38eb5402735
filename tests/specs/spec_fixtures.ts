/** What each mutation has to itself: a realm, and the object that is mutated with all that hangs on it, valid and in force. */
import type { KubernetesObject, Resource } from "../../lib/kubernetes/mod.ts";
import { grants, realms, superEntities } from "../../src/api/client/keystone.io@v1alpha1.ts";
import type { SuperEntitySpec } from "../../src/api/mod.ts";
import { digestOf, subjectTexts } from "../../src/core/superentity/digest.ts";
import { type EntityTerms, grantOf, realmOf, superEntityOf } from "../fixtures/test_operator.ts";

export type FixtureKind = "Grant" | "Realm" | "SuperEntity";

interface FixtureKindFields {
  resource: Resource;
  /** Name of the object that is mutated. */
  nameIn: (token: string) => string;
  /** Everything in the order in which it is made; the object that is mutated is among it. */
  objects: (token: string) => KubernetesObject[];
}

/** The realm that the cluster of the campaign is. */
export const localFixture = "alice-home";

const atOnce = { noticeSeconds: 0, drainSeconds: 0, volumes: "Retain" as const };

const grantIn = (token: string, validity?: { from: string; until: string }): KubernetesObject =>
  grantOf({
    name: token,
    to: token,
    hard: {
      "requests.cpu": "2",
      "limits.memory": "4Gi",
      "requests.storage": "10Gi",
      pods: 5,
      "count/widgets.example.com": "3",
      "requests.example.com/gpu": "1",
      "gold.storageclass.storage.k8s.io/requests.storage": "5Gi",
    },
    ...validity,
    destinations: ["203.0.113.0/28:443", "2001:db8::7"],
    termination: atOnce,
  });

const validity = { from: "2020-01-01T00:00:00Z", until: "2040-01-01T00:00:00Z" };

const realmIn = (token: string) =>
  realmOf(token, { subjects: [{ kind: "User", name: `${token}-user` }, { kind: "Group", name: `${token}-group` }] });

/** Who acts for the members of a pool: part of what they approve. */
const subjectsIn = (token: string) => new Map([[token, subjectTexts(token, realmIn(token).spec.subjects)]]);

/** One that all its members have approved. */
const poolIn = (token: string): KubernetesObject => {
  const members: EntityTerms["members"] = {
    [localFixture]: { cpu: "8", "limits.memory": "16Gi" },
    [token]: { "requests.cpu": "4", pods: 10 },
  };
  const entity = superEntityOf({ name: `${token}-pool`, members, purpose: "Together", quorum: 2, graceSeconds: 60 });
  const digest = digestOf(`${token}-pool`, entity.spec!, subjectsIn(token));
  const approvals = [localFixture, token].map((realm) => ({ realm, digest, approvedAt: "2026-01-01T00:00:00Z" }));
  return { ...entity, spec: { ...entity.spec, approvals } } as KubernetesObject;
};

/** What is mutated, by kind. */
export const kinds: Record<FixtureKind, FixtureKindFields> = {
  Grant: { resource: grants, nameIn: (token) => token, objects: (token) => [realmIn(token), grantIn(token, validity)] },
  Realm: { resource: realms, nameIn: (token) => token, objects: (token) => [realmIn(token), grantIn(token)] },
  SuperEntity: {
    resource: superEntities,
    nameIn: (token) => `${token}-pool`,
    objects: (token) => [
      realmIn(token),
      poolIn(token),
      grantOf({ name: `${token}-from`, grantor: `${token}-pool`, to: token, hard: { cpu: "3" }, termination: atOnce }),
      grantOf({ name: `${token}-to`, to: `${token}-pool`, hard: { cpu: "1" }, termination: atOnce }),
    ],
  },
};

/** The object that is mutated, as it is made. */
export const subjectOf = (kind: FixtureKind, token: string): KubernetesObject =>
  kinds[kind].objects(token).find((object) => object.kind === kind)!;

/** The valid spec of the object that is mutated. */
export const fixtureSpecOf = (kind: FixtureKind, token: string): unknown =>
  (subjectOf(kind, token) as { spec: unknown }).spec;

/** The spec with the approvals of those who have approved made out to its terms, if these have a digest. */
export function approvedAnew(kind: FixtureKind, spec: unknown, token: string): unknown {
  if (kind !== "SuperEntity") return spec;
  const terms = spec as SuperEntitySpec;
  try {
    const digest = digestOf(kinds[kind].nameIn(token), terms, subjectsIn(token));
    return { ...terms, approvals: terms.approvals!.map((approval) => ({ ...approval, digest })) };
  } catch {
    return spec;
  }
}

/** A part of a spec of the universe `token`, in that of another name: approvals are of the other's terms. */
export function renamed<T>(part: T, token: string): T {
  if (part === undefined) return part;
  const digestIn = (token: string) => JSON.stringify(poolIn(token)).match(/sha256:\w+/)![0];
  return JSON.parse(
    JSON.stringify(part).replaceAll(digestIn("token"), digestIn(token)).replaceAll(/\btoken\b/g, token),
  ) as T;
}
