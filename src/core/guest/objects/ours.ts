/** Detection of Keystone's own objects. */
import type { KubernetesObject } from "../../../../lib/kubernetes/mod.ts";
import { managedBy, managedByLabel, operatorName } from "../../names.ts";

/**
 * Reports whether Keystone made an object: by its label or, if somebody removed that while no operator ran, by
 * Keystone's field ownership.
 */
export const isOurs = ({ metadata }: KubernetesObject): boolean =>
  metadata?.labels?.[managedByLabel] === managedBy ||
  (metadata?.managedFields ?? []).some(({ manager, subresource }) => manager === operatorName && !subresource);
