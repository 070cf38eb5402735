/**
 * A pod as a guest writes it: within the restricted Pod Security level. Nothing runs it in a lab without a node; that it
 * is admitted is what counts.
 */
export function guestPod(
  name: string,
  requests: { cpu: string; memory: string },
  namespace = "guest-bob-home",
): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      containers: [{
        name: "main",
        image: "registry.k8s.io/pause:3.10",
        resources: { requests, limits: requests },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      }],
    },
  });
}
