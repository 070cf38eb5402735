/** The fixtures of each mutation: a realm, and the mutated object with all its dependencies, valid and in force. */
import type { KubernetesObject, Resource } from "../../lib/kubernetes/mod.ts";
import { grants, realms, superEntities } from "../../src/api/client/keystone.io@v1alpha1.ts";
import type { SuperEntitySpec } from "../../src/api/mod.ts";
import { digestOf, subjectTexts } from "../../src/core/superentity/digest.ts";
import { type EntityTerms, grantOf, realmOf, superEntityOf } from "../fixtures/test_operator.ts";

export type FixtureKind = "Grant" | "Realm" | "SuperEntity";

interface FixtureKindFields {
  resource: Resource;
  /** Returns the name of the mutated object. */
  nameIn: (token: string) => string;
  /** Returns all objects in the order of their creation, including the mutated one. */
  objects: (token: string) => KubernetesObject[];
}

/** The local realm of the campaign. */
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
  realmOf(token, {
    subjects: [{ kind: "User", name: `${token}-user` }, { kind: "Group", name: `${token}-group` }],
    people: [{ login: `${token}@example.com`, stableID: "n1" }, { tag: "tag:ci" }],
  });

/** Returns the people who act for the members of a pool: part of the approved terms. */
const subjectsIn = (token: string) => new Map([[token, subjectTexts(token, realmIn(token).spec.subjects)]]);

/** Returns a SuperEntity that all its members have approved. */
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

/** The fixtures by kind. */
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

/** Returns the mutated object in its valid form. */
export const subjectOf = (kind: FixtureKind, token: string): KubernetesObject =>
  kinds[kind].objects(token).find((object) => object.kind === kind)!;

/** Returns the valid spec of the mutated object. */
export const fixtureSpecOf = (kind: FixtureKind, token: string): unknown =>
  (subjectOf(kind, token) as { spec: unknown }).spec;

/** Returns the spec with its existing approvals updated to its terms, if these have a digest. */
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

/**
 * Returns a part of the spec in the fixtures named `token`, for those of another name: approvals are of the other's
 * terms.
 */
export function renamed<T>(part: T, token: string): T {
  if (part === undefined) return part;
  const digestIn = (token: string) => JSON.stringify(poolIn(token)).match(/sha256:\w+/)![0];
  return JSON.parse(
    JSON.stringify(part).replaceAll(digestIn("token"), digestIn(token)).replaceAll(/\btoken\b/g, token),
  ) as T;
}
