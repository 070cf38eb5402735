import type { Lab } from "./lab.ts";
import { STORAGE_CLASS } from "./storage_class.ts";

/**
 * Makes a PersistentVolume in a folder of the lab's node, which every user in a pod may write to, and returns the
 * folder. Its content stays when its claim is deleted, and is removed with the lab.
 */
export async function addVolume(lab: Lab, name: string, options: { size?: string } = {}): Promise<string> {
  if (lab.kubelet === undefined) throw new Error("The lab has no node: start it with `node: true`.");
  const folder = `${lab.dir}/node/volumes/${name}`;
  Deno.mkdirSync(folder);
  Deno.chmodSync(folder, 0o777); // not limited by the umask; the kubelet doesn't change owners of a hostPath
  const volume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: {
      capacity: { storage: options.size ?? "1Gi" },
      accessModes: ["ReadWriteOnce", "ReadWriteMany"],
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: STORAGE_CLASS.metadata.name,
      hostPath: { path: folder, type: "Directory" },
    },
  };
  const { code, stderr } = await lab.kubectl(["create", "-f", "-"], { stdin: JSON.stringify(volume) });
  if (code !== 0) throw new Error(`The volume ${name} can't be created: ${stderr.trim()}`);
  return folder;
}

/**
 * Returns a Grant's quota keys for claims of premade volumes of the lab's class, which guests may name because a grant
 * does.
 */
export const premadeStorage = (size: string): Record<string, string> => ({
  "requests.storage": size,
  [`${STORAGE_CLASS.metadata.name}.storageclass.storage.k8s.io/requests.storage`]: size,
});
