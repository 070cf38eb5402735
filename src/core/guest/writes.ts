/** Classification of effects on a guest namespace. */
import { type Effect, writtenBy, type WrittenObject } from "../effects.ts";
import { grantLabel } from "../names.ts";
import { grantOfPolicy } from "./objects/grant_policy.ts";

/** Reports whether all opening effects depend on this one: if it fails, nothing opens in the namespace. */
export function isFoundation(effect: Effect): boolean {
  if ("patch" in effect) return effect.patch.kind === "Namespace";
  if ("delete" in effect) return effect.delete.kind === "ResourceQuota";
  const { kind, metadata } = writtenBy(effect) ?? {};
  return kind === "Namespace" || kind === "ResourceQuota" || metadata?.name === "default-deny";
}

/** Returns the grant that an effect concerns; none if it concerns the whole namespace. */
export function aboutGrant(effect: Effect): { grant?: string } {
  const grant = "delete" in effect && effect.delete.kind === "NetworkPolicy"
    ? grantOfPolicy(effect.delete.name)
    : writtenBy(effect)?.metadata?.labels?.[grantLabel];
  return grant === undefined ? {} : { grant };
}

/**
 * Returns the object with the fields that an effect writes; undefined if it writes none. A patch that takes over a
 * Namespace writes only labels and annotations.
 */
export function givenBy(effect: Effect): WrittenObject | undefined {
  if (!("patch" in effect)) return writtenBy(effect);
  if (effect.patch.kind !== "Namespace") return undefined;
  const { labels = {}, annotations = {} } = effect.body.metadata ?? {};
  const metadata = { name: effect.patch.name, labels: present(labels), annotations: present(annotations) };
  return { kind: "Namespace", metadata };
}

const present = (fields: Readonly<Record<string, string | null>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));
