/**
 * The lab's default StorageClass. It has no provisioner: `addVolume` makes volumes, and the first claim that fits binds
 * one at once.
 */
export const STORAGE_CLASS = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "lab", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "Immediate",
  reclaimPolicy: "Retain",
};
