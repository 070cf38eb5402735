/** Objects that Keystone has made. */
import type { KubernetesObject } from "../../../../lib/kubernetes/mod.ts";
import { managedBy, managedByLabel, operatorName } from "../../names.ts";

/**
 * Tells whether Keystone has made an object: by its label, or, should somebody have taken that off while no operator was
 * looking, since Keystone owns fields of it.
 */
export const isOurs = ({ metadata }: KubernetesObject): boolean =>
  metadata?.labels?.[managedByLabel] === managedBy ||
  (metadata?.managedFields ?? []).some(({ manager, subresource }) => manager === operatorName && !subresource);
