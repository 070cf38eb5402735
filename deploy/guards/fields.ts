/**
 * Every field of a pod and of a container that guests may set, and what stands against abuse. Known up to Kubernetes
 * 1.37; a field that isn't here is refused.
 */

/** Of `spec` of a pod. */
export const podFields: Readonly<Record<string, string>> = {
  activeDeadlineSeconds: "ends the pod",
  affinity: "guard affinity; chooses among nodes that the pod may run on",
  automountServiceAccountToken: "guard projected-sources, by setting; such a token has no rights here",
  containers: "see below",
  dnsConfig: "of the pod only; network policies decide whom it reaches",
  dnsPolicy: "of the pod only; network policies decide whom it reaches",
  enableServiceLinks: "Services of the namespace only",
  ephemeralContainers: "by pods/ephemeralcontainers only, which guests may not",
  hostAliases: "of the pod only",
  hostIPC: "Pod Security",
  hostNetwork: "Pod Security",
  hostPID: "Pod Security",
  hostUsers: "false is safer, true is usual",
  hostname: "of the pod; in DNS within the namespace's own Services",
  hostnameOverride: "of the pod only",
  imagePullSecrets: "Secrets of the namespace only",
  initContainers: "as containers",
  nodeName: "guard node-name",
  nodeSelector: "chooses among nodes that the pod may run on",
  os: "chooses among nodes",
  overhead: "that of the RuntimeClass; the API server takes no other",
  preemptionPolicy: "that of the priority class; the API server takes no other",
  priority: "guard priority",
  priorityClassName: "guard priority",
  readinessGates: "of the pod; guests can't write its status",
  resourceClaims: "guard resource-claims",
  resources: "guard devices; the quota counts them",
  restartPolicy: "of the pod only",
  runtimeClassName: "guard runtime-class",
  schedulerName: "guard scheduler",
  schedulingGates: "holds the pod back, which the quota counts",
  securityContext: "Pod Security",
  serviceAccount: "accounts of the namespace only; guests can't make any",
  serviceAccountName: "accounts of the namespace only; guests can't make any",
  setHostnameAsFQDN: "of the pod only",
  shareProcessNamespace: "among the pod's own containers",
  subdomain: "in DNS within the namespace",
  terminationGracePeriodSeconds: "guard termination-grace",
  tolerations: "guard tolerations",
  topologySpreadConstraints: "looks at pods of the namespace only",
  volumes: "guards volume-types and projected-sources",
};

/** Of a container, init container and ephemeral container. */
export const containerFields: Readonly<Record<string, string>> = {
  args: "inside the container",
  command: "inside the container",
  env: "guard device-variables",
  envFrom: "guard device-variables; ConfigMaps and Secrets of the namespace only",
  image: "the guest's choice; what runs is held by all else",
  imagePullPolicy: "of images that a node has already, see the security model",
  lifecycle: "guard probe-hosts; time is bounded by termination-grace",
  livenessProbe: "guards probe-hosts and termination-grace",
  name: "names it",
  ports: "hostPort: Pod Security",
  readinessProbe: "guard probe-hosts",
  resizePolicy: "guests can't resize",
  resources: "guard devices; the quota counts them",
  restartPolicy: "of the pod only",
  restartPolicyRules: "of the pod only",
  securityContext: "Pod Security",
  startupProbe: "guards probe-hosts and termination-grace",
  stdin: "inside the container",
  stdinOnce: "inside the container",
  targetContainerName: "of an ephemeral container, which guests may not add",
  terminationMessagePath: "inside the container",
  terminationMessagePolicy: "inside the container",
  tty: "inside the container",
  volumeDevices: "the namespace's own claims",
  volumeMounts: "the pod's own volumes; mount propagation to the node needs a privileged container",
  workingDir: "inside the container",
};

/** What the node takes from the cluster's own stores, or makes itself. */
export const volumeTypes: readonly string[] = [
  "configMap",
  "secret",
  "emptyDir",
  "downwardAPI",
  "projected",
  "persistentVolumeClaim",
  "ephemeral",
  "image",
];

/** Sources of a projected volume. */
export const projectedSources: readonly string[] = [
  "secret",
  "configMap",
  "downwardAPI",
  "serviceAccountToken",
  "clusterTrustBundle",
];
