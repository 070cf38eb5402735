/** The grant that an effect on a guest namespace is about. */
import { type Effect, writtenBy, type WrittenObject } from "../effects.ts";
import { grantLabel } from "../names.ts";
import { grantOfPolicy } from "./objects/grant_policy.ts";

/** True of an effect that everything which opens relies on: where it fails, nothing opens in the namespace. */
export function isFoundation(effect: Effect): boolean {
  if ("patch" in effect) return effect.patch.kind === "Namespace";
  if ("delete" in effect) return effect.delete.kind === "ResourceQuota";
  const { kind, metadata } = writtenBy(effect) ?? {};
  return kind === "Namespace" || kind === "ResourceQuota" || metadata?.name === "default-deny";
}

/** The one grant that an effect is about; none where it is about all of the namespace. */
export function aboutGrant(effect: Effect): { grant?: string } {
  const grant = "delete" in effect && effect.delete.kind === "NetworkPolicy"
    ? grantOfPolicy(effect.delete.name)
    : writtenBy(effect)?.metadata?.labels?.[grantLabel];
  return grant === undefined ? {} : { grant };
}

/**
 * An object of a guest namespace with the fields that an effect gives it; undefined where it gives none. A patch that hands
 * over a Namespace says of it just that.
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
