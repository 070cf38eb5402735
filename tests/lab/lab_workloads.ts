import { AGNHOST_IMAGE, PAUSE_IMAGE } from "./lab_image.ts";

/**
 * Returns a pod as a guest writes it, within the restricted Pod Security level. In a lab without a node it doesn't run;
 * tests only need it to be admitted.
 */
export function guestPod(
  name: string,
  requests: { cpu: string; memory: string },
  namespace = "guest-bob-home",
): string {
  return JSON.stringify(
    restrictedPod({ name, namespace }, { image: PAUSE_IMAGE, resources: { requests, limits: requests } }),
  );
}

/**
 * Returns a pod that runs agnhost with these arguments, within the restricted Pod Security level; it needs a lab with a
 * node.
 */
export function agnhostPod(
  metadata: { name: string; namespace: string; labels?: Record<string, string> },
  args: string[],
  options: {
    /** Name of a PersistentVolumeClaim to mount on /data. */
    claim?: string;
    restartPolicy?: "Always" | "Never";
  } = {},
): string {
  const { claim, restartPolicy = "Always" } = options;
  const pod = restrictedPod(metadata, {
    image: AGNHOST_IMAGE,
    // It is mostly idle, but a test waits for it when it isn't.
    resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { cpu: "1", memory: "64Mi" } },
  });
  const [main] = pod.spec.containers;
  return JSON.stringify({
    ...pod,
    spec: {
      ...pod.spec,
      restartPolicy,
      containers: [{ ...main, args, ...(claim ? { volumeMounts: [{ name: "data", mountPath: "/data" }] } : {}) }],
      ...(claim ? { volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }] } : {}),
    },
  });
}

function restrictedPod(
  metadata: { name: string; namespace: string; labels?: Record<string, string> },
  container: { image: string; resources: Record<"requests" | "limits", { cpu: string; memory: string }> },
) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: restrictedSpec(container),
  };
}

/** Returns the spec of a pod with one container, within the restricted Pod Security level. */
export const restrictedSpec = <T extends object>(container: T) => ({
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
  containers: [{
    name: "main",
    ...container,
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  }],
});

/** Returns a Deployment of pods with this spec, labelled with its name. */
export function deploymentOf(
  metadata: { name: string; namespace?: string },
  spec: unknown,
  { replicas = 1, annotations }: { replicas?: number; annotations?: Record<string, string> } = {},
) {
  const labels = { app: metadata.name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels, ...(annotations ? { annotations } : {}) }, spec },
    },
  };
}
