/**
 * All fields of a pod and of a container that guests may set, with the protection against abuse. Complete up to Kubernetes
 * 1.37; a field that is not listed is refused.
 */

/** Fields of a pod's `spec`. */
export const podFields: Readonly<Record<string, string>> = {
  activeDeadlineSeconds: "ends the pod",
  affinity: "guard affinity; selects among nodes on which the pod may run",
  automountServiceAccountToken:
    "guard projected-sources, by setting; the token has no rights unless the owner adds some",
  containers: "see below",
  dnsConfig: "affects only the pod; network policies decide what it reaches",
  dnsPolicy: "affects only the pod; network policies decide what it reaches",
  enableServiceLinks: "Services of the namespace only",
  ephemeralContainers: "only through pods/ephemeralcontainers, which guests may not use",
  hostAliases: "affects only the pod",
  hostIPC: "Pod Security",
  hostNetwork: "Pod Security",
  hostPID: "Pod Security",
  hostUsers: "false is safer, true is usual",
  hostname: "affects only the pod; in DNS only within the namespace's own Services",
  hostnameOverride: "affects only the pod",
  imagePullSecrets: "Secrets of the namespace only",
  initContainers: "same as containers",
  nodeName: "guard node-name",
  nodeSelector: "selects among nodes on which the pod may run",
  os: "selects among nodes",
  overhead: "the RuntimeClass's; the API server accepts no other",
  preemptionPolicy: "the priority class's; the API server accepts no other",
  priority: "guard priority",
  priorityClassName: "guard priority",
  readinessGates: "affects only the pod; guests can't write its status",
  resourceClaims: "guard resource-claims",
  resources: "guard devices; the quota counts them",
  restartPolicy: "affects only the pod",
  runtimeClassName: "guard runtime-class",
  schedulerName: "guard scheduler",
  schedulingGates: "delays the pod, which the quota counts",
  securityContext: "Pod Security",
  serviceAccount: "same as serviceAccountName",
  serviceAccountName: "accounts of the namespace only; guests give them no rights, because they may not write roles",
  setHostnameAsFQDN: "affects only the pod",
  shareProcessNamespace: "among the pod's own containers",
  subdomain: "in DNS only within the namespace",
  terminationGracePeriodSeconds: "guard termination-grace",
  tolerations: "guard tolerations",
  topologySpreadConstraints: "counts pods of the namespace only",
  volumes: "guards volume-types and projected-sources",
};

/** Fields of a container, init container or ephemeral container. */
export const containerFields: Readonly<Record<string, string>> = {
  args: "inside the container",
  command: "inside the container",
  env: "guard device-variables",
  envFrom: "guards device-variables and device-keys; ConfigMaps and Secrets of the namespace only",
  image: "guard image-registry; the other protections apply to what it runs",
  imagePullPolicy: "guard image-pull, by setting",
  lifecycle: "guard probe-hosts; guard termination-grace limits its time",
  livenessProbe: "guards probe-hosts and termination-grace",
  name: "a name only",
  ports: "hostPort: Pod Security",
  readinessProbe: "guard probe-hosts",
  resizePolicy: "guests can't resize",
  resources: "guard devices; the quota counts them",
  restartPolicy: "affects only the pod",
  restartPolicyRules: "affects only the pod",
  securityContext: "Pod Security",
  startupProbe: "guards probe-hosts and termination-grace",
  stdin: "inside the container",
  stdinOnce: "inside the container",
  targetContainerName: "of ephemeral containers, which guests may not add",
  terminationMessagePath: "inside the container",
  terminationMessagePolicy: "inside the container",
  tty: "inside the container",
  volumeDevices: "the namespace's own claims",
  volumeMounts: "the pod's own volumes; mount propagation to the node needs a privileged container",
  workingDir: "inside the container",
};

/** Volume types whose content comes from the cluster's own stores or is created by the node. */
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

const ownPods = "affects only its own pods";
const counted = "the quota counts the resulting objects";
const replicas = "the quota counts the resulting objects; guard replicas";
const template = "guards of pods";
const history = "guard history";
const claims = "the namespace's own claims";

/** Fields of the other objects that guests may write: of `spec`, or of the object itself if it has no spec. */
export const objectFields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Deployment: {
    minReadySeconds: ownPods,
    paused: ownPods,
    progressDeadlineSeconds: ownPods,
    replicas,
    revisionHistoryLimit: history,
    selector: ownPods,
    strategy: counted,
    template,
  },
  ReplicaSet: { minReadySeconds: ownPods, replicas, selector: ownPods, template },
  ReplicationController: { minReadySeconds: ownPods, replicas, selector: ownPods, template },
  StatefulSet: {
    minReadySeconds: ownPods,
    ordinals: ownPods,
    persistentVolumeClaimRetentionPolicy: claims,
    podManagementPolicy: ownPods,
    replicas,
    revisionHistoryLimit: history,
    selector: ownPods,
    serviceName: "a name within the namespace",
    template,
    updateStrategy: ownPods,
    volumeClaimTemplates: "guards of claims, and pod-finalizers",
  },
  DaemonSet: {
    minReadySeconds: ownPods,
    revisionHistoryLimit: history,
    selector: ownPods,
    template,
    updateStrategy: counted,
  },
  Job: {
    activeDeadlineSeconds: ownPods,
    backoffLimit: counted,
    backoffLimitPerIndex: counted,
    completionMode: ownPods,
    completions: counted,
    managedBy: "guard job-controller",
    manualSelector: ownPods,
    maxFailedIndexes: ownPods,
    parallelism: counted,
    podFailurePolicy: ownPods,
    podReplacementPolicy: counted,
    selector: ownPods,
    successPolicy: ownPods,
    suspend: ownPods,
    template,
    ttlSecondsAfterFinished: "keeps a finished Job, which the quota counts",
  },
  CronJob: {
    concurrencyPolicy: counted,
    failedJobsHistoryLimit: history,
    jobTemplate: template,
    schedule: "guard schedule; the quota counts the resulting objects",
    startingDeadlineSeconds: ownPods,
    successfulJobsHistoryLimit: history,
    suspend: ownPods,
    timeZone: ownPods,
  },
  Service: {
    allocateLoadBalancerNodePorts: counted,
    clusterIP: "a free address of the cluster's Services; the API server gives no address twice",
    clusterIPs: "same as clusterIP",
    externalIPs: "guard external-ips",
    externalName: "guard external-name",
    externalTrafficPolicy: "affects only its own traffic",
    healthCheckNodePort: "only with services.loadbalancers, a free port; the API server gives no port twice",
    internalTrafficPolicy: "affects only its own traffic",
    ipFamilies: "affects only its own addresses",
    ipFamilyPolicy: "affects only its own addresses",
    loadBalancerClass: "guard load-balancer-class",
    loadBalancerIP: "only with services.loadbalancers; the load balancer's controller decides",
    loadBalancerSourceRanges: "only narrows access",
    ports: "guard service-ports; nodePort: services.nodeports of the quota",
    publishNotReadyAddresses: ownPods,
    selector: ownPods,
    sessionAffinity: "affects only its own traffic",
    sessionAffinityConfig: "affects only its own traffic",
    trafficDistribution: "affects only its own traffic",
    type: "services.loadbalancers and services.nodeports of the quota; guard external-name",
  },
  PersistentVolumeClaim: {
    accessModes: "affects only the provisioned volume",
    dataSource: "claims and snapshots of the namespace",
    dataSourceRef: "another namespace only with a ReferenceGrant there",
    resources: "requests.storage of the quota",
    selector: "guards of claims",
    storageClassName: "guards of claims",
    volumeAttributesClassName: "only classes that the cluster's owner has created",
    volumeMode: "a block device is the pod's own",
    volumeName: "guard volume-name",
  },
  HorizontalPodAutoscaler: {
    behavior: ownPods,
    maxReplicas: replicas,
    metrics:
      "guard autoscaler-metrics; metrics of its own pods, and external metrics if the cluster's owner publishes any",
    minReplicas: counted,
    scaleTargetRef: "a workload of the namespace",
  },
  PodDisruptionBudget: {
    maxUnavailable: "delays evictions of its own pods: see the security model",
    minAvailable: "delays evictions of its own pods: see the security model",
    selector: ownPods,
    unhealthyPodEvictionPolicy: ownPods,
  },
  ConfigMap: {
    binaryData: "the quota counts the object",
    data: "guard device-keys; the quota counts the object",
    immutable: "affects only the object",
  },
  Secret: {
    data: "guard device-keys; the quota counts the object",
    immutable: "affects only the object",
    stringData: "same as data",
    type: "guard account-tokens",
  },
  ServiceAccount: {
    automountServiceAccountToken: "guard projected-sources, by setting, judges the resulting pods",
    imagePullSecrets: "Secrets of the namespace only; guard pod-references judges the resulting pods",
    secrets: "Secrets of the namespace only; the cluster creates no token for it",
  },
};

/** Subresources in the guests' role, with the protection against abuse. */
export const subresources: Readonly<Record<string, string>> = {
  "replicationcontrollers/scale": replicas,
  "deployments/scale": replicas,
  "replicasets/scale": replicas,
  "statefulsets/scale": replicas,
  "pods/log": "reads the guest's own logs",
  "pods/exec": "into the guest's own pods",
  "pods/attach": "into the guest's own pods",
  "pods/portforward": "to the guest's own pods",
  "pods/eviction": "guard forced-end; ends the guest's own pods",
};
