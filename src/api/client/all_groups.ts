import { type Group, kubernetesGroups } from "../../../lib/kubernetes_apis/generate/groups.ts";

/** Keystone's own kinds. */
const keystoneGroup: Group = {
  group: "keystone.io",
  version: "v1alpha1",
  className: "KeystoneV1alpha1",
  schemas: "io.keystone.v1alpha1",
  kinds: ["Grant", "Realm", "SuperEntity"],
  folder: new URL("./", import.meta.url),
};

/** API groups for which clients are generated. */
export const groups: readonly Group[] = [...kubernetesGroups, keystoneGroup];
