/**
 * The lab's default StorageClass. Nothing provisions volumes for it: `addVolume` makes them, and the first claim
 * that fits gets one at once.
 */
export const STORAGE_CLASS = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "lab", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "Immediate",
  reclaimPolicy: "Retain",
};
