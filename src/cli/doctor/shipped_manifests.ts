/** Objects that this version installs, as its manifests contain them: the doctor has no list of its own. */
import { loadAll } from "js-yaml";
import guards from "../../../deploy/kustomize/base/guards.yaml" with { type: "text" };
import guestGuards from "../../../deploy/kustomize/base/guest-guards.yaml" with { type: "text" };
import guestRole from "../../../deploy/kustomize/base/guest-role.yaml" with { type: "text" };
import priority from "../../../deploy/kustomize/base/priority.yaml" with { type: "text" };
import rbac from "../../../deploy/kustomize/base/rbac.yaml" with { type: "text" };
import viewerRole from "../../../deploy/kustomize/base/viewer-role.yaml" with { type: "text" };
import webhook from "../../../deploy/kustomize/webhook/webhook.yaml" with { type: "text" };
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";
import { definitions } from "../../api/mod.ts";
import { crdFrom } from "../../api/definition.ts";

/** An object of a manifest. */
export interface ShippedObject extends KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: KubernetesObject["metadata"] & { name: string };
  [field: string]: unknown;
}

/** Objects by the part of the installation that they belong to. */
export interface ShippedManifests {
  /** deploy/kustomize/base */
  base: readonly ShippedObject[];
  /** deploy/kustomize/webhook */
  webhook: readonly ShippedObject[];
  /** crds/ */
  definitions: readonly ShippedObject[];
}

let manifests: ShippedManifests | undefined;

/** Returns the objects that this version installs. */
export function shippedManifests(): ShippedManifests {
  const parse = (text: string) => loadAll(text) as unknown as ShippedObject[];
  return manifests ??= {
    base: [rbac, guestRole, viewerRole, guards, guestGuards, priority].flatMap(parse),
    webhook: parse(webhook),
    definitions: definitions.map((definition) => crdFrom(definition) as unknown as ShippedObject),
  };
}
