/** A Node without a kubelet: pods run on it as far as the API server knows, and end when a test deletes them. */
import type { HostileScene } from "./hostile_scene.ts";

export interface DeadNode {
  name: string;
  /** Binds a pod of mallory's to the node. */
  bind(pod: string): Promise<string>;
}

/** Creates the Node. */
export async function deadNode(
  { admin, mallory: { realm, namespace } }: HostileScene,
  spec: object = {},
): Promise<DeadNode> {
  const name = `dead-${realm.slice(-6)}`;
  const target = { apiVersion: "v1", kind: "Node", name };
  const metadata = { name, labels: { "kubernetes.io/hostname": name } };
  await admin(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "Node", metadata, spec }));
  return {
    name,
    bind: (pod) =>
      admin(
        ["create", "--raw", `/api/v1/namespaces/${namespace}/pods/${pod}/binding`, "-f", "-"],
        JSON.stringify({ apiVersion: "v1", kind: "Binding", metadata: { name: pod }, target }),
      ),
  };
}
