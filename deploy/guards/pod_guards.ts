/** Guards on pods, and on the templates from which controllers create pods. */
import { deviceVariables } from "./devices.ts";
import { containerFields, objectFields, podFields, projectedSources, volumeTypes } from "./pod_fields.ts";
import { type Cel, celList, type Guard, type GuardAttack, type NameLists, type Policy, setOf, when } from "./guard.ts";
import { podSettings } from "./guard_settings_cel.ts";
import { workloadGuards } from "./workload_guards.ts";

/** Taints of nodes that run the control plane, as set by kubeadm, k3s, RKE and RKE2. */
const controlPlane = [
  "node-role.kubernetes.io/control-plane",
  "node-role.kubernetes.io/master",
  "node-role.kubernetes.io/controlplane",
  "node-role.kubernetes.io/etcd",
  "CriticalAddonsOnly",
];

/** Taint of cordoned nodes. The DaemonSet controller adds the toleration to its pods. */
const cordoned = "node.kubernetes.io/unschedulable";
const byDaemonSet: Cel = "request.userInfo.username in ['system:serviceaccount:kube-system:daemon-set-controller', " +
  "'system:kube-controller-manager']";

const tolerations: Guard = {
  name: "tolerations",
  since: 0,
  refuses:
    "tolerations without a key, for the taints of the control plane and of cordoned nodes, and for the taints in " +
    "`guards.reservedTaints`",
  why: "those nodes are not for guests",
  remedy: "Remove it, or name the taint of a node that is for guests",
  settings: ["guards.reservedTaints"],
  ofSpec: true,
  offences: ({ spec }) =>
    `[${spec}.?tolerations.orValue([]).filter(t, t.?key.orValue('') in ${celList(["", ...controlPlane])} ||
      t.?key.orValue('') in variables.reservedTaints || (t.?key.orValue('') == '${cordoned}' && !(${byDaemonSet}))).map(t, t.?key.orValue('') == '' ?
      'tolerations has one without a key, which tolerates every taint' : 'tolerations has ' + t.key)]`,
  attacks: [
    {
      title: "a pod that tolerates everything",
      pod: { spec: { tolerations: [{ operator: "Exists" }] } },
      says: /without a key/,
    },
    {
      title: "a pod that tolerates all taints of one effect",
      pod: { spec: { tolerations: [{ operator: "Exists", effect: "NoExecute" }] } },
      says: /without a key/,
    },
    ...controlPlane.map((key): GuardAttack => ({
      title: `a pod for nodes with the taint ${key}`,
      pod: { spec: { tolerations: [{ key, operator: "Exists", effect: "NoSchedule" }] } },
      says: new RegExp(`tolerations has ${key}`),
    })),
    {
      title: "a pod for nodes that are cordoned",
      pod: { spec: { tolerations: [{ key: cordoned, operator: "Exists", effect: "NoSchedule" }] } },
      says: /tolerations has node\.kubernetes\.io\/unschedulable/,
    },
    {
      title: "a pod for nodes that the owner has reserved",
      pod: { spec: { tolerations: [{ key: "dedicated", value: "alice", effect: "NoSchedule" }] } },
      settings: { "keystone.io/reserved-taints": "dedicated,other" },
      says: /tolerations has dedicated/,
    },
  ],
  ordinary: [
    {
      title: "a pod for nodes with devices",
      pod: { spec: { tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }] } },
    },
    {
      title: "a pod that stays a while on a node that isn't ready",
      pod: {
        spec: {
          tolerations: [{
            key: "node.kubernetes.io/not-ready",
            operator: "Exists",
            effect: "NoExecute",
            tolerationSeconds: 60,
          }],
        },
      },
    },
  ],
};

const nodeName: Guard = {
  name: "node-name",
  since: 0,
  refuses: "`nodeName`",
  why: "a pod that names its node bypasses the scheduler, and with it taints and free capacity",
  remedy: "Leave it out, and select nodes with nodeSelector or affinity",
  ofSpec: true,
  // The scheduler sets the node through pods/binding.
  offences: ({ spec }) => when(`${spec}.?nodeName.orValue('') != ''`, `'nodeName is ' + ${spec}.nodeName`),
  attacks: [{
    title: "a pod on a node of the guest's choice",
    pod: { spec: { nodeName: "node-1" } },
    says: /nodeName is node-1/,
  }],
  ordinary: [{
    title: "a pod for nodes with a label",
    pod: { spec: { nodeSelector: { "kubernetes.io/arch": "arm64" } } },
  }],
};

const priority: Guard = {
  name: "priority",
  since: 0,
  refuses: "a priority above `maxPriority`, and the classes `system-*`",
  why: "pods of a higher priority preempt others' pods where room is short",
  remedy: "Leave priorityClassName out or name a lower class; the limit is the setting maxPriority of the operator",
  settings: ["maxPriority"],
  ofSpec: true,
  // The API server has set the priority of a pod's class; a template has only the class.
  offences: ({ spec }) =>
    when(
      `${spec}.?priorityClassName.orValue('').startsWith('system-') ||
        (has(${spec}.priority) ? int(${spec}.priority) > variables.maxPriority : variables.isPod && 0 > variables.maxPriority)`,
      `'priorityClassName is ' + ${spec}.?priorityClassName.orValue('missing') + ', priority ' +
        string(${spec}.?priority.orValue(0)) + ' (allowed: ' + string(variables.maxPriority) + ')'`,
    ),
  attacks: [
    {
      title: "a pod with a priority class of the cluster's own pods",
      pod: { spec: { priorityClassName: "system-node-critical" } },
      says: /priorityClassName is system-node-critical/,
    },
    {
      title: "a pod that preempts the owner's pods",
      pod: { spec: { priorityClassName: "hostile-some" } },
      not: workloadGuards,
      says: /priorityClassName is hostile-some, priority 1000 \(allowed: 0\)/,
    },
    {
      title: "a pod without a class where guests must use a low one",
      pod: { spec: {} },
      not: workloadGuards,
      settings: { "keystone.io/max-priority": "-10" },
      says: /priorityClassName is missing, priority 0 \(allowed: -10\)/,
    },
  ],
  ordinary: [
    {
      title: "a pod with a class at the limit",
      pod: { spec: { priorityClassName: "hostile-some" } },
      settings: { "keystone.io/max-priority": "1000" },
    },
    { title: "a pod with a low class", pod: { spec: { priorityClassName: "hostile-low" } } },
  ],
};

const scheduler: Guard = {
  name: "scheduler",
  refuses: "any `schedulerName` except `default-scheduler` and those in `guards.schedulers`",
  why: "another scheduler may ignore taints, priorities and free capacity",
  remedy: "Leave it out; the owner can allow a scheduler with the setting guards.schedulers",
  settings: ["guards.schedulers"],
  ofSpec: true,
  offences: ({ spec }) =>
    when(
      `!(${spec}.?schedulerName.orValue('default-scheduler') in variables.schedulers)`,
      `'schedulerName is ' + ${spec}.schedulerName`,
    ),
  attacks: [{
    title: "a pod for another scheduler",
    pod: { spec: { schedulerName: "volcano" } },
    says: /schedulerName is volcano/,
  }],
  ordinary: [
    { title: "a pod for the default scheduler", pod: { spec: { schedulerName: "default-scheduler" } } },
    {
      title: "a pod for a scheduler that the owner allows",
      pod: { spec: { schedulerName: "volcano" } },
      settings: { "keystone.io/schedulers": "volcano" },
    },
  ],
};

/** Returns the required and preferred terms of affinity and anti-affinity. */
const affinityTerms = (spec: Cel): Cel =>
  `[${spec}.?affinity.?podAffinity, ${spec}.?affinity.?podAntiAffinity].map(a,
    a.?requiredDuringSchedulingIgnoredDuringExecution.orValue([]) +
    a.?preferredDuringSchedulingIgnoredDuringExecution.orValue([]).map(p, p.podAffinityTerm))`;

const term = { topologyKey: "kubernetes.io/os", labelSelector: {} };

const affinity: Guard = {
  name: "affinity",
  refuses: "pod affinity and anti-affinity with pods of other namespaces",
  why: "a running pod's anti-affinity keeps pods of those namespaces off its node, zone or the whole cluster",
  remedy: "Remove namespaces and namespaceSelector; without them a term applies to pods of this namespace",
  ofSpec: true,
  offences: ({ spec }) =>
    `${affinityTerms(spec)}.map(l, l.filter(t, has(t.namespaceSelector) ||
      t.?namespaces.orValue([]).exists(n, n != request.namespace)).map(t,
      'affinity has a term for pods of ' + (has(t.namespaceSelector) ? 'namespaces by their labels' :
      'namespace ' + t.namespaces.filter(n, n != request.namespace)[0])))`,
  attacks: [
    {
      title: "a pod that keeps all other pods out of the cluster",
      pod: {
        spec: {
          affinity: {
            podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term, namespaceSelector: {} }] },
          },
        },
      },
      says: /namespaces by their labels/,
    },
    {
      title: "a pod that keeps the owner's pods off its node",
      pod: {
        spec: {
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [{
                weight: 100,
                podAffinityTerm: { ...term, namespaces: ["kube-system"] },
              }],
            },
          },
        },
      },
      says: /namespace kube-system/,
    },
    {
      title: "a pod that follows the pods of others",
      pod: {
        spec: {
          affinity: {
            podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term, namespaces: ["default"] }] },
          },
        },
      },
      says: /namespace default/,
    },
  ],
  ordinary: [{
    title: "a pod whose replicas run on different nodes",
    pod: {
      spec: {
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [{
              topologyKey: "kubernetes.io/hostname",
              labelSelector: { matchLabels: { app: "x" } },
            }],
          },
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{
              weight: 1,
              preference: { matchExpressions: [{ key: "kubernetes.io/arch", operator: "In", values: ["amd64"] }] },
            }],
          },
        },
      },
    },
  }],
};

const gpuClass = { "keystone.io/device-runtime-classes": "hostile-gpu=example.com/gpu" };
const sandboxed = { "keystone.io/runtime-classes": "hostile-sandbox" };
const required = { ...sandboxed, "keystone.io/runtime-class-required": "true" };

const mostTerms = 256;

/** Returns a list of requirements for each term by which a pod selects its node. */
const requirementsOf = (spec: Cel): Cel =>
  `[${spec}.?affinity.?nodeAffinity].map(a,
    a.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([]) +
    a.?preferredDuringSchedulingIgnoredDuringExecution.orValue([]).map(p, p.preference))[0].map(t,
      t.?matchExpressions.orValue([]) + t.?matchFields.orValue([])) +
    (${podTerms(spec)}).map(t, t.?labelSelector.?matchExpressions.orValue([]))`;

const podTerms = (spec: Cel): Cel =>
  `${affinityTerms(spec)}[0] + ${affinityTerms(spec)}[1] + ${spec}.?topologySpreadConstraints.orValue([])`;

const terms = (count: number) => Array.from({ length: count }, () => term);
const away = (count: number) => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms(count) } },
});
const nodesOf = (values: readonly string[]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values }] }],
      },
    },
  },
});
const hosts = (count: number) => Array.from({ length: count }, (_, index) => `node-${index}`);

const schedulingTerms: Guard = {
  name: "pod-terms",
  refuses: `more than ${mostTerms} terms, requirements and values by which a pod selects its node: \`affinity\`, ` +
    "`topologySpreadConstraints` and `nodeSelector`",
  why: "the scheduler keeps them in memory, many times as large, and compares every pod of the cluster with them",
  remedy: "Use a label that those nodes or pods have in common",
  ofSpec: true,
  offences: ({ spec }) =>
    `[[${requirementsOf(spec)}].map(all, int(all.size()) + all.map(each, int(each.size())).sum() +
      int(${spec}.?nodeSelector.orValue({}).size()) + (${podTerms(spec)}).map(t,
        int(t.?labelSelector.?matchLabels.orValue({}).size()) + int(t.?matchLabelKeys.orValue([]).size()) +
        int(t.?mismatchLabelKeys.orValue([]).size())).sum() + (all.exists(each, each.size() > ${mostTerms}) ? 0 :
        all.map(each, each.map(r, int(r.?values.orValue([]).size())).sum()).sum())).filter(n, n > ${mostTerms}).map(n,
      'affinity and the like have ' + string(n) + ' terms, requirements and values')]`,
  attacks: [
    {
      title: "a pod with thousands of terms for the scheduler",
      pod: { spec: away(5000) },
      says: /affinity and the like have 5000 terms/,
    },
    {
      title: "a pod with thousands of nodes by name",
      pod: { spec: nodesOf(hosts(5000)) },
      says: /affinity and the like have 5002 terms/,
    },
    {
      title: "a pod spread over thousands of keys",
      pod: {
        spec: {
          topologySpreadConstraints: Array.from({ length: 1000 }, (_, index) => ({
            maxSkew: 1,
            topologyKey: `k${index}`,
            whenUnsatisfiable: "ScheduleAnyway",
            labelSelector: {},
          })),
        },
      },
      says: /affinity and the like have 1000 terms/,
    },
  ],
  ordinary: [
    { title: "a pod for a hundred nodes by name", pod: { spec: nodesOf(hosts(100)) } },
    { title: "a pod away from others", pod: { spec: away(10) } },
  ],
};

const mostReferences = 256;
const secrets = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `s${index}` }));

const references: Guard = {
  name: "pod-references",
  refuses: `more than ${mostReferences} references of a pod to Secrets and ConfigMaps: \`imagePullSecrets\`, ` +
    "`envFrom`, `valueFrom`, and volumes with their projected sources",
  why: "the node's kubelet watches each of them, even if it does not exist, so all other pods of the node would wait",
  remedy: "Combine them into one Secret or ConfigMap",
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `[[int(${spec}.?imagePullSecrets.orValue([]).size()) +
      (${containers}).map(c, int(c.?envFrom.orValue([]).size()) +
        int(c.?env.orValue([]).filter(e, has(e.valueFrom) &&
          (has(e.valueFrom.secretKeyRef) || has(e.valueFrom.configMapKeyRef))).size())).sum() +
      ${spec}.?volumes.orValue([]).map(v, has(v.secret) || has(v.configMap) ? 1 :
        int(v.?projected.?sources.orValue([]).size())).sum()].filter(n, n > ${mostReferences}).map(n,
      'volumes, env and the like refer to Secrets and ConfigMaps ' + string(n) + ' times')]`,
  attacks: [
    {
      title: "a pod with thousands of image pull secrets that do not exist",
      pod: { spec: { imagePullSecrets: secrets(5000) } },
      says: /spec\.volumes, env and the like refer to Secrets and ConfigMaps 500\d times/,
    },
    {
      title: "a pod with thousands of Secrets as variables",
      pod: { container: { envFrom: secrets(5000).map((secretRef) => ({ secretRef })) } },
      says: /spec\.volumes, env and the like refer to Secrets and ConfigMaps 500\d times/,
    },
    {
      title: "a pod with thousands of Secrets in a volume",
      pod: {
        spec: { volumes: [{ name: "all", projected: { sources: secrets(5000).map((secret) => ({ secret })) } }] },
      },
      says: /spec\.volumes, env and the like refer to Secrets and ConfigMaps 500\d times/,
    },
  ],
  ordinary: [{
    title: "a pod with a hundred variables of a Secret",
    pod: {
      container: {
        env: Array.from({ length: 100 }, (_, index) => ({
          name: `V${index}`,
          valueFrom: { secretKeyRef: { name: "one", key: `k${index}`, optional: true } },
        })),
      },
    },
  }],
};

const runtimeClass: Guard = {
  name: "runtime-class",
  refuses: "RuntimeClasses that the trust level does not allow, and pods without one where one is required",
  why: "a RuntimeClass decides which parts of the node a container gets",
  remedy: "Leave it out or use one that is allowed here (settings trust.LEVEL.runtimeClasses, " +
    "trust.LEVEL.runtimeClassRequired, guards.deviceRuntimeClasses)",
  settings: ["trust.LEVEL.runtimeClasses", "trust.LEVEL.runtimeClassRequired", "guards.deviceRuntimeClasses"],
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `[${spec}.?runtimeClassName.orValue('')].map(class,
      class == '' ? (variables.runtimeClassRequired ? ['runtimeClassName is missing, and one is required'] : []) :
      variables.deviceRuntimeClasses.exists(pair, pair.startsWith(class + '=')) ?
        (variables.runtimeClassRequired && !(class in variables.runtimeClasses) ?
          ['runtimeClassName is ' + class + ', not one that is required here'] :
        ${containers}.exists(c, c.?resources.?limits.orValue({}).exists(name,
          (class + '=' + name) in variables.deviceRuntimeClasses && string(c.resources.limits[name]) != '0')) ? [] :
          ['runtimeClassName is ' + class + ', which is for pods with a limit of its device']) :
      class in variables.runtimeClasses ? [] : ['runtimeClassName is ' + class])`,
  attacks: [
    {
      title: "a pod with a RuntimeClass that gives all devices",
      pod: { spec: { runtimeClassName: "hostile-gpu" } },
      says: /runtimeClassName is hostile-gpu/,
    },
    {
      title: "a pod with the RuntimeClass of a device but without the device",
      pod: { spec: { runtimeClassName: "hostile-gpu" } },
      settings: gpuClass,
      says: /which is for pods with a limit of its device/,
    },
    {
      title: "a pod with the RuntimeClass of a device and zero of the device",
      pod: {
        spec: { runtimeClassName: "hostile-gpu" },
        container: { resources: { limits: { "example.com/gpu": "0" } } },
      },
      settings: gpuClass,
      says: /which is for pods with a limit of its device/,
    },
    {
      title: "a pod outside the required sandbox",
      pod: {},
      settings: required,
      says: /runtimeClassName is missing, and one is required/,
    },
    {
      title: "a pod that leaves the required sandbox by a device's RuntimeClass",
      pod: {
        spec: { runtimeClassName: "hostile-gpu" },
        container: { resources: { limits: { "example.com/gpu": "1" } } },
      },
      settings: { ...gpuClass, ...required },
      says: /not one that is required here/,
    },
  ],
  ordinary: [
    {
      title: "a pod in the required sandbox",
      pod: { spec: { runtimeClassName: "hostile-sandbox" } },
      settings: required,
    },
    {
      title: "a pod in an allowed sandbox",
      pod: { spec: { runtimeClassName: "hostile-sandbox" } },
      settings: sandboxed,
    },
    {
      title: "a pod with a device and its RuntimeClass",
      pod: {
        spec: { runtimeClassName: "hostile-gpu" },
        container: { resources: { limits: { "example.com/gpu": "1" } } },
      },
      settings: gpuClass,
    },
  ],
};

const resourceClaims: Guard = {
  name: "resource-claims",
  refuses: "`resourceClaims` (dynamic resource allocation)",
  why: "devices of a DeviceClass can't be granted",
  remedy: "Remove it; request granted devices with resources.limits",
  ofSpec: true,
  offences: ({ spec }) => `[${spec}.?resourceClaims.orValue([]).map(r, 'resourceClaims has ' + r.name)]`,
  attacks: [{
    title: "a pod with a device from a claim template",
    pod: { spec: { resourceClaims: [{ name: "gpu", resourceClaimTemplateName: "gpus" }] } },
    says: /resourceClaims has gpu/,
  }],
  ordinary: [],
};

const deviceVariable: Guard = {
  name: "device-variables",
  refuses:
    "environment variables that hand out devices, such as `NVIDIA_VISIBLE_DEVICES`, except with the value `none` or `void`",
  why: "container runtimes hand out devices by it, outside any quota",
  remedy: "Remove it; request granted devices with resources.limits",
  ofSpec: true,
  offences: ({ containers }) =>
    `${containers}.map(c, c.?env.orValue([]).filter(e,
      e.name in ${celList(deviceVariables)} && !(e.?value.orValue('') in ['none', 'void'])).map(e,
      'containers[' + c.name + '].env has ' + e.name) + c.?envFrom.orValue([]).filter(e, e.?prefix.orValue('') != '' &&
      ${celList(deviceVariables)}.exists(name, name.startsWith(e.prefix))).map(e,
      'containers[' + c.name + '].envFrom has the prefix ' + e.prefix))`,
  attacks: [
    {
      title: "a pod that sees all GPUs",
      pod: { container: { env: [{ name: "NVIDIA_VISIBLE_DEVICES", value: "all" }] } },
      says: /containers\[main\]\.env has NVIDIA_VISIBLE_DEVICES/,
    },
    {
      title: "a pod that takes the value from a ConfigMap",
      pod: {
        container: {
          env: [{ name: "NVIDIA_VISIBLE_DEVICES", valueFrom: { configMapKeyRef: { name: "x", key: "y" } } }],
        },
      },
      says: /env has NVIDIA_VISIBLE_DEVICES/,
    },
    {
      title: "a pod whose init container sees a GPU",
      pod: {
        spec: { initContainers: [{ name: "first", image: "x", env: [{ name: "AMD_VISIBLE_DEVICES", value: "0" }] }] },
      },
      says: /containers\[first\]\.env has AMD_VISIBLE_DEVICES/,
    },
    {
      title: "a pod that takes the devices of a network card",
      pod: { container: { env: [{ name: "NVIDIA_MOFED", value: "enabled" }] } },
      says: /containers\[main\]\.env has NVIDIA_MOFED/,
    },
    {
      title: "a pod that composes the name from a prefix",
      pod: { container: { envFrom: [{ prefix: "NVIDIA_", configMapRef: { name: "x" } }] } },
      says: /envFrom has the prefix NVIDIA_/,
    },
  ],
  ordinary: [
    {
      title: "a pod that asks for no device",
      pod: {
        container: {
          env: [{ name: "NVIDIA_VISIBLE_DEVICES", value: "void" }, { name: "CUDA_VISIBLE_DEVICES", value: "0" }],
        },
      },
    },
    {
      title: "a pod with variables from a ConfigMap",
      pod: { container: { envFrom: [{ prefix: "APP_", configMapRef: { name: "x" } }] } },
    },
  ],
};

const pulled = { "keystone.io/always-pull-images": "true" };

const imagePull: Guard = {
  name: "image-pull",
  refuses: "images that are not pulled each time, where `trust.LEVEL.alwaysPullImages` is true",
  why: "a private image that is on the node already would run without the right to pull it",
  remedy: "Set imagePullPolicy: Always",
  settings: ["trust.LEVEL.alwaysPullImages"],
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `!variables.alwaysPull ? [] : [${containers}.filter(c, c.?imagePullPolicy.orValue('') != 'Always').map(c,
      'containers[' + c.name + '].imagePullPolicy is ' + c.?imagePullPolicy.orValue('missing')),
      ${spec}.?volumes.orValue([]).filter(v, has(v.image) && v.image.?pullPolicy.orValue('') != 'Always').map(v,
      'volumes[' + v.name + '].image.pullPolicy is ' + v.image.?pullPolicy.orValue('missing'))]`,
  attacks: [
    {
      title: "a pod that runs another user's image from the node",
      pod: { container: { image: "registry.example.com/private:1", imagePullPolicy: "Never" } },
      settings: pulled,
      says: /containers\[main\]\.imagePullPolicy is Never/,
    },
    {
      title: "a pod without a pull policy",
      pod: { container: { image: "registry.example.com/private:1" } },
      settings: pulled,
      says: /containers\[main\]\.imagePullPolicy is IfNotPresent/,
    },
    // Volumes of type image are not tested: 1.34 drops them without a feature gate.
  ],
  ordinary: [{
    title: "a pod that always pulls its image",
    pod: { container: { imagePullPolicy: "Always" } },
    settings: pulled,
  }],
};

/** Returns the registry of an image as container runtimes determine it. */
const registryOf = (image: Cel): Cel =>
  `[${image}.split('/', 2)[0]].map(first, ${image}.contains('/') && (first.contains('.') || first.contains(':') ||
    first == 'localhost' || first.lowerAscii() != first) ? first.lowerAscii() : 'docker.io')[0]`;

const registries = { "keystone.io/image-registries": "docker.io,registry.lan:5000" };

const imageRegistry: Guard = {
  name: "image-registry",
  refuses: "images from registries named by an IP address or `localhost`; where `trust.LEVEL.imageRegistries` " +
    "is set, from all registries that it does not list",
  why: "the node connects to it, where no network policy applies, and reports the answer in events",
  remedy: "Use another; the owner can allow a registry with the setting trust.LEVEL.imageRegistries",
  settings: ["trust.LEVEL.imageRegistries"],
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `[(${containers}.map(c, ['containers[' + c.name + '].image', string(c.?image.orValue(''))]) +
      ${spec}.?volumes.orValue([]).filter(v, has(v.image)).map(v,
      ['volumes[' + v.name + '].image', string(v.image.?reference.orValue(''))])).map(pair,
      [pair[0], ${registryOf("pair[1]")}]).filter(pair, variables.imageRegistries.size() > 0 ?
        !(pair[1] in variables.imageRegistries) : pair[1].matches('^(localhost(:|$)|[0-9.]+(:|$)|0x)') ||
        pair[1].startsWith('[')).map(pair, pair[0] + ' is of ' + pair[1])]`,
  attacks: [
    ...["192.168.1.1/a", "192.168.1.1:9090/a/b:1", "localhost:10250/a", "[fd00::1]:5000/a"].map((
      image,
    ): GuardAttack => ({
      title: `a pod with an image from ${image}`,
      pod: { container: { image } },
      says: /containers\[main\]\.image is of |must be lowercase|[Ii]nvalid/,
    })),
    {
      title: "a pod whose init container connects to a neighbor of the node",
      pod: { spec: { initContainers: [{ name: "first", image: "10.0.0.1:22/x" }] } },
      says: /containers\[first\]\.image is of 10\.0\.0\.1:22/,
    },
    {
      title: "a pod with an image from a registry that is not listed",
      pod: { container: { image: "registry.example.com/a" } },
      settings: registries,
      says: /containers\[main\]\.image is of registry\.example\.com/,
    },
    {
      title: "a pod with an image from a host in upper case without a domain",
      pod: { container: { image: "REGISTRY/a" } },
      settings: registries,
      says: /containers\[main\]\.image is of registry/,
    },
  ],
  ordinary: [
    ...["nginx", "library/nginx:1", "example.com/x@sha256:" + "0".repeat(64), "registry.lan:5000/x"].map((image) => ({
      title: `a pod with the image ${image}`,
      pod: { container: { image } },
    })),
    {
      title: "a pod with an image from the default registry, which is listed",
      pod: { container: { image: "library/x" } },
      settings: registries,
    },
    {
      title: "a pod with an image from a listed registry",
      pod: { container: { image: "registry.lan:5000/x" } },
      settings: registries,
    },
  ],
};

const volumeType: Guard = {
  name: "volume-types",
  refuses: `volumes of types other than ${
    volumeTypes.join(", ")
  }, and inline csi drivers except those in \`guards.csiDrivers\``,
  why: "the node mounts it, and no network policy applies to that",
  remedy: `Use one of ${
    volumeTypes.join(", ")
  }; the owner can allow an inline csi driver with the setting guards.csiDrivers`,
  settings: ["guards.csiDrivers"],
  ofSpec: true,
  offences: ({ spec }) =>
    `${spec}.?volumes.orValue([]).map(v, v.filter(type, !(type in variables.volumeKeys) &&
      !(type == 'csi' && v.csi.driver in variables.csiDrivers)).map(type,
      'volumes[' + v.name + '] is ' + type + (type == 'csi' ? ' of driver ' + v.csi.driver : '')))`,
  attacks: ([
    ["nfs", { server: "192.168.1.10", path: "/" }],
    ["iscsi", { targetPortal: "192.168.1.10", iqn: "iqn.2001-04.com.example:x", lun: 0 }],
    ["gitRepo", { repository: "https://example.com/x" }],
    ["cephfs", { monitors: ["192.168.1.10"] }],
    ["rbd", { monitors: ["192.168.1.10"], image: "x" }],
    ["glusterfs", { endpoints: "x", path: "/" }],
    ["fc", { targetWWNs: ["50060e801049cfd1"], lun: 0 }],
    ["flexVolume", { driver: "example.com/x" }],
    ["azureFile", { secretName: "x", shareName: "y" }],
    ["csi", { driver: "nfs.csi.k8s.io", volumeAttributes: { server: "192.168.1.10", share: "/" } }],
  ] as const).map(([type, source]): GuardAttack => ({
    title: `a pod with a volume of type ${type}`,
    pod: { spec: { volumes: [{ name: "odd", [type]: source }] } },
    says: new RegExp(`volumes\\[odd\\] is ${type}`),
  })),
  ordinary: [
    {
      title: "a pod with every allowed type of volume",
      pod: {
        spec: {
          volumes: [
            { name: "a", configMap: { name: "x" } },
            { name: "b", secret: { secretName: "x" } },
            { name: "c", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
            { name: "d", downwardAPI: { items: [{ path: "x", fieldRef: { fieldPath: "metadata.name" } }] } },
            {
              name: "e",
              projected: { sources: [{ configMap: { name: "x" } }, { serviceAccountToken: { path: "y" } }] },
            },
            { name: "f", persistentVolumeClaim: { claimName: "x" } },
            {
              name: "g",
              ephemeral: {
                volumeClaimTemplate: {
                  spec: {
                    accessModes: ["ReadWriteOnce"],
                    storageClassName: "hostile-none",
                    resources: { requests: { storage: "1Mi" } },
                  },
                },
              },
            },
            { name: "h", image: { reference: "example.com/x" } },
          ],
        },
      },
    },
    {
      title: "a pod with a csi driver that the owner allows",
      pod: { spec: { volumes: [{ name: "odd", csi: { driver: "secrets-store.csi.k8s.io", readOnly: true } }] } },
      settings: { "keystone.io/csi-drivers": "secrets-store.csi.k8s.io" },
    },
  ],
};

const tokenOf = (expirationSeconds: number) => ({
  spec: {
    volumes: [{
      name: "odd",
      projected: { sources: [{ serviceAccountToken: { path: "x", audience: "sts.example.com", expirationSeconds } }] },
    }],
  },
});

/** Longest validity of a pod's token, in seconds. Kubelets renew tokens, so no pod needs a longer one. */
const longestToken = 86_400;

const projectedSource: Guard = {
  name: "projected-sources",
  refuses: "projected sources that hand out identities: `podCertificate`, and `serviceAccountToken` where " +
    "`trust.LEVEL.podTokens` is false; and tokens that are valid for more than a day",
  why: "it would give the pod an identity, or one that outlives the grant in other systems",
  remedy:
    "Remove it; with automountServiceAccountToken: false, in the pod or its ServiceAccount, a pod gets no token by default",
  settings: ["trust.LEVEL.podTokens"],
  ofSpec: true,
  offences: ({ spec }) =>
    `${spec}.?volumes.orValue([]).map(v, v.?projected.?sources.orValue([]).filter(s, s.exists(type,
      !(type in variables.projectedKeys) || (type == 'serviceAccountToken' && variables.tokensRefused))).map(s,
      'volumes[' + v.name + '].projected has ' + s.filter(type, !(type in variables.projectedKeys) ||
      type == 'serviceAccountToken')[0]) + v.?projected.?sources.orValue([]).filter(s,
      s.?serviceAccountToken.?expirationSeconds.orValue(0) > ${longestToken}).map(s, 'volumes[' + v.name +
      '].projected has a serviceAccountToken with expirationSeconds ' + string(s.serviceAccountToken.expirationSeconds) +
      ' (allowed: ${longestToken})'))`,
  attacks: [
    {
      title: "a pod with a token where tokens are refused",
      pod: { spec: { volumes: [{ name: "odd", projected: { sources: [{ serviceAccountToken: { path: "x" } }] } }] } },
      settings: { "keystone.io/pod-tokens": "false" },
      says: /volumes\[odd\]\.projected has serviceAccountToken/,
    },
    {
      title: "a pod with a token for a cloud that is valid for a century",
      pod: tokenOf(3_000_000_000),
      says: /volumes\[odd\]\.projected has a serviceAccountToken with expirationSeconds 3000000000 \(allowed: 86400\)/,
    },
    {
      title: "a pod that gets a token by default where tokens are refused",
      pod: { spec: { automountServiceAccountToken: true } },
      not: workloadGuards,
      settings: { "keystone.io/pod-tokens": "false" },
      says: /projected has serviceAccountToken/,
    },
  ],
  ordinary: [
    {
      title: "a pod with a token",
      pod: { spec: { volumes: [{ name: "odd", projected: { sources: [{ serviceAccountToken: { path: "x" } }] } }] } },
    },
    { title: "a pod with a token that is valid for a day", pod: tokenOf(longestToken) },
  ],
};

const host = { httpGet: { port: 80, host: "192.168.1.1" } };

const probeHosts: Guard = {
  name: "probe-hosts",
  refuses: "`host` in probes and lifecycle hooks",
  why: "the node sends the request, and no network policy applies to that",
  remedy: "Leave host out; then the request goes to the pod itself",
  ofSpec: true,
  offences: ({ containers }) =>
    `${containers}.map(c, [c.?livenessProbe, c.?readinessProbe, c.?startupProbe, c.?lifecycle.?postStart,
      c.?lifecycle.?preStop].map(h, h.?httpGet.?host.orValue(h.?tcpSocket.?host.orValue(''))).filter(h, h != '').map(h,
      'containers[' + c.name + '] has a probe or hook with host ' + h))`,
  attacks: [
    ...["livenessProbe", "readinessProbe", "startupProbe"].map((probe): GuardAttack => ({
      title: `a pod whose ${probe} connects to a neighbor of the node`,
      pod: { container: { [probe]: host } },
      // From Kubernetes 1.34 on Pod Security refuses it, with the second message.
      says: /probe or hook with host 192\.168\.1\.1|probeHost/,
    })),
    {
      title: "a pod whose TCP probe connects to a neighbor of the node",
      pod: { container: { readinessProbe: { tcpSocket: { port: 22, host: "192.168.1.1" } } } },
      says: /probe or hook with host 192\.168\.1\.1|probeHost/,
    },
    ...["postStart", "preStop"].map((hook): GuardAttack => ({
      title: `a pod whose ${hook} hook connects to a neighbor of the node`,
      pod: { container: { lifecycle: { [hook]: host } } },
      says: /probe or hook with host 192\.168\.1\.1|probeHost/,
    })),
    {
      title: "a pod whose sidecar's hook connects to a neighbor of the node",
      pod: {
        spec: { initContainers: [{ name: "side", image: "x", restartPolicy: "Always", lifecycle: { preStop: host } }] },
      },
      says: /containers\[side\] has a probe or hook|probeHost/,
    },
  ],
  ordinary: [{
    title: "a pod with probes and hooks",
    pod: {
      container: {
        livenessProbe: { httpGet: { port: 80, path: "/healthz" } },
        readinessProbe: { tcpSocket: { port: 80 } },
        lifecycle: { preStop: { sleep: { seconds: 5 } } },
      },
    },
  }],
};

const grace: Guard = {
  name: "termination-grace",
  refuses: "`terminationGracePeriodSeconds` above `guards.maxTerminationGraceSeconds`",
  why: "the pod would keep running for that long after the end of the grant",
  remedy: "Lower it; the setting guards.maxTerminationGraceSeconds is the limit",
  settings: ["guards.maxTerminationGraceSeconds"],
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `[${spec}.?terminationGracePeriodSeconds.orValue(0) > variables.maxGraceSeconds ?
      ['terminationGracePeriodSeconds is ' + string(${spec}.terminationGracePeriodSeconds)] : []] + ${containers}.map(c,
      [c.?livenessProbe, c.?startupProbe].map(p, p.?terminationGracePeriodSeconds.orValue(0)).filter(s,
      s > variables.maxGraceSeconds).map(s, 'containers[' + c.name + '] has a probe with terminationGracePeriodSeconds ' +
      string(s)))`,
  attacks: [
    {
      title: "a pod that takes a year to stop",
      pod: { spec: { terminationGracePeriodSeconds: 31_536_000 } },
      says: /terminationGracePeriodSeconds is 31536000/,
    },
    {
      title: "a pod whose probe takes a year to stop it",
      pod: { container: { livenessProbe: { exec: { command: ["x"] }, terminationGracePeriodSeconds: 31_536_000 } } },
      says: /has a probe with terminationGracePeriodSeconds 31536000/,
    },
  ],
  ordinary: [{ title: "a pod that takes an hour to stop", pod: { spec: { terminationGracePeriodSeconds: 3600 } } }],
};

const unknownFields = (
  { name, refuses, of, known, attacks }: Pick<Guard, "refuses" | "attacks"> & {
    name: "pod-fields" | "container-fields" | "workload-fields";
    of: (names: NameLists) => Cel;
    known: Cel;
  },
): Guard => ({
  name,
  refuses,
  why: "the guards do not know this field, which could reach beyond the namespace",
  remedy: "Remove it; if it is harmless, the owner can make the guard only warn with the setting guards.warn",
  ofSpec: true,
  offences: (names) => of(names).replaceAll("KNOWN", known),
  attacks,
  ordinary: [],
});

const podField = unknownFields({
  name: "pod-fields",
  refuses: "fields of a pod's spec that are not listed below, such as those of newer versions of Kubernetes",
  known: "variables.podKeys",
  of: ({ spec }) => `[${spec}.filter(field, !(field in KNOWN)).map(field, field + ' is set')]`,
  attacks: [],
});

const containerField = unknownFields({
  name: "container-fields",
  refuses: "fields of a container that are not listed below",
  known: "variables.containerKeys",
  of: ({ containers }) =>
    `${containers}.map(c, c.filter(field, !(field in KNOWN)).map(field, 'containers[' + c.name + '].' + field + ' is set'))`,
  attacks: [],
});

const workloadField: Guard = {
  ...unknownFields({
    name: "workload-fields",
    refuses: "fields of a workload's spec that are not listed below",
    known: "variables.workloadKeys",
    of: ({ object }) =>
      `variables.isPod ? [] : [${object}.spec, ${object}.spec.?jobTemplate.?spec.orValue({})].map(spec,
      spec.filter(field, !(field in KNOWN)).map(field, 'spec.' + field + ' is set'))`,
    attacks: [],
  }),
  ofSpec: undefined,
  at: "''",
};

/** Finalizers that Kubernetes adds to objects of any kind and removes itself. */
const ofEveryKind = ["foregroundDeletion", "orphan"];
const ofClaims = [
  "kubernetes.io/pvc-protection",
  "snapshot.storage.kubernetes.io/pvc-as-source-protection",
  "provisioner.storage.kubernetes.io/cloning-protection",
];
const jobTracking = "batch.kubernetes.io/job-tracking";

const strange = (metadata: Cel, allowed: readonly string[], at: Cel): Cel =>
  `${metadata}.?finalizers.orValue([]).filter(f, !(f in ${
    celList(allowed)
  })).map(f, ${at} + 'metadata.finalizers has ' + f)`;

const finalizers: Guard = {
  name: "pod-finalizers",
  since: 0,
  refuses: "finalizers of pods, workloads and their templates, except Kubernetes' own for that kind",
  why: "nothing would remove it when the grant ends, so the object would stay",
  remedy: "Remove it",
  at: "''",
  offences: ({ object, template }) =>
    `[(variables.isPod && ${object}.metadata.?ownerReferences.orValue([]).exists(o, o.kind == 'Job' &&
        o.apiVersion == 'batch/v1' && o.?controller.orValue(false)) ?
        ${object}.metadata.?finalizers.orValue([]).filter(f, f != '${jobTracking}') :
        ${object}.metadata.?finalizers.orValue([])).filter(f, !(f in ${celList(ofEveryKind)})).map(f,
        'metadata.finalizers has ' + f),
      variables.isPod ? [] : ${strange(`${template}.?metadata`, ofEveryKind, "'template '")},
      ${strange(`${object}.spec.?jobTemplate.?metadata`, ofEveryKind, "'jobTemplate '")}] +
      ${object}.spec.?volumeClaimTemplates.orValue([]).map(v,
        ${strange("v.?metadata", [...ofEveryKind, ...ofClaims], "'volumeClaimTemplates '")}) +
      ${template}.?spec.?volumes.orValue([]).map(v,
        ${
      strange(
        "v.?ephemeral.?volumeClaimTemplate.?metadata",
        [...ofEveryKind, ...ofClaims],
        "'ephemeral volumeClaimTemplate '",
      )
    })`,
  attacks: [
    {
      title: "a pod that can't be deleted",
      pod: { metadata: { finalizers: ["example.com/held"] } },
      says: /metadata\.finalizers has example\.com\/held/,
    },
    {
      title: "a pod with a finalizer of claims",
      pod: { metadata: { finalizers: ["kubernetes.io/pvc-protection"] } },
      says: /metadata\.finalizers has kubernetes\.io\/pvc-protection/,
    },
    {
      title: "a pod with the finalizer of Jobs but without a Job",
      pod: { metadata: { finalizers: [jobTracking] } },
      says: /metadata\.finalizers has batch\.kubernetes\.io\/job-tracking/,
    },
    {
      title: "a workload that can't be deleted",
      object: { kinds: workloadGuards, metadata: { finalizers: ["example.com/held"] } },
      says: /metadata\.finalizers has example\.com\/held/,
    },
    {
      title: "a workload whose claims can't be deleted",
      object: {
        kinds: ["StatefulSet"],
        spec: {
          volumeClaimTemplates: [{
            metadata: { name: "data", finalizers: ["example.com/held"] },
            spec: {
              accessModes: ["ReadWriteOnce"],
              storageClassName: "hostile-none",
              resources: { requests: { storage: "1Mi" } },
            },
          }],
        },
      },
      says: /volumeClaimTemplates metadata\.finalizers has example\.com\/held/,
    },
  ],
  ordinary: [
    { title: "a pod that is deleted in the foreground", pod: { metadata: { finalizers: ["foregroundDeletion"] } } },
    {
      title: "a pod created by the Job controller",
      pod: {
        metadata: {
          finalizers: [jobTracking],
          ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: "x", uid: "y", controller: true }],
        },
      },
      not: workloadGuards,
    },
  ],
};

const history: Guard = {
  name: "history",
  refuses:
    "`revisionHistoryLimit`, `successfulJobsHistoryLimit` and `failedJobsHistoryLimit` above `trust.LEVEL.history`",
  why: "earlier revisions fill the cluster's database",
  remedy: "Lower it; the setting trust.LEVEL.history is the limit",
  settings: ["trust.LEVEL.history"],
  at: "'spec.'",
  offences: ({ object }) =>
    `[${
      ["revisionHistoryLimit", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"].map((field) =>
        `${object}.spec.?${field}.orValue(0) > variables.maxHistory ? ['${field} is ' + string(${object}.spec.${field})] : []`
      ).join(",\n      ")
    }]`,
  attacks: [
    {
      title: "a workload that keeps a million revisions",
      object: { kinds: ["Deployment", "StatefulSet", "DaemonSet"], spec: { revisionHistoryLimit: 1_000_000 } },
      says: /spec\.revisionHistoryLimit is 1000000/,
    },
    ...["successfulJobsHistoryLimit", "failedJobsHistoryLimit"].map((field): GuardAttack => ({
      title: `a CronJob that keeps all its Jobs by ${field}`,
      object: { kinds: ["CronJob"], spec: { [field]: 11 } },
      says: new RegExp(`spec\\.${field} is 11`),
    })),
  ],
  ordinary: [
    {
      title: "a workload that keeps ten revisions",
      object: { kinds: ["Deployment", "StatefulSet", "DaemonSet"], spec: { revisionHistoryLimit: 10 } },
    },
    {
      title: "a workload that keeps more revisions where the owner allows it",
      object: { kinds: ["Deployment"], spec: { revisionHistoryLimit: 50 } },
      settings: { "keystone.io/max-history": "50" },
    },
    {
      title: "a CronJob that keeps some Jobs",
      object: { kinds: ["CronJob"], spec: { successfulJobsHistoryLimit: 5 } },
    },
  ],
};

const jobController: Guard = {
  name: "job-controller",
  refuses: "`managedBy` of Jobs",
  why: "no other controller removes the finalizers of its pods when the grant ends",
  remedy: "Leave it out",
  at: "''",
  offences: ({ object }) =>
    `[[${object}.spec.?managedBy, ${object}.spec.?jobTemplate.?spec.?managedBy].map(m,
      m.orValue('kubernetes.io/job-controller')).filter(m, m != 'kubernetes.io/job-controller').map(m,
      'spec.managedBy is ' + m)]`,
  attacks: [{
    title: "a Job that no controller manages",
    object: { kinds: ["Job"], spec: { managedBy: "example.com/nobody" } },
    says: /spec\.managedBy is example\.com\/nobody/,
  }],
  ordinary: [],
};

/** Limits above the needs of any chart. Each guard reads all entries, and a refusal must not cost more than the request. */
const most = { containers: 512, volumes: 1024, tolerations: 512, finalizers: 64 };

const mostOf: Cel = `{${Object.entries(most).map(([of, most]) => `'${of}': ${most}`).join(", ")}}`;

const podSize: Guard = {
  name: "pod-size",
  since: 0,
  refuses: `more than ${most.containers} containers, ${most.volumes} volumes, ${most.tolerations} tolerations or ` +
    `${most.finalizers} finalizers`,
  why: "to check that many costs the API server too much",
  remedy: "Split it into several pods",
  at: "''",
  offences: ({ object, spec, containers }) =>
    `[[{'containers': ${containers}.size(), 'volumes': ${spec}.?volumes.orValue([]).size(),
      'tolerations': ${spec}.?tolerations.orValue([]).size(), 'finalizers': ${object}.metadata.?finalizers.orValue([]).size()}]
      .map(sizes, sizes.filter(of, sizes[of] > ${mostOf}[of]).map(of, (of == 'finalizers' ? 'metadata.' : variables.at) + of + ' has more than ' + string(${mostOf}[of]) + ' entries'))][0]`,
  attacks: [
    {
      title: "a pod with more containers than can be checked",
      pod: { spec: { containers: Array.from({ length: 600 }, (_, index) => ({ name: `c${index}`, image: "x" })) } },
      says: /spec\.containers has more than 512 entries/,
    },
    {
      title: "a pod with more tolerations than can be checked",
      pod: {
        spec: { tolerations: Array.from({ length: 600 }, (_, index) => ({ key: `k${index}`, operator: "Exists" })) },
      },
      says: /spec\.tolerations has more than 512 entries/,
    },
    {
      title: "a pod with more volumes than can be checked",
      pod: { spec: { volumes: Array.from({ length: 1100 }, (_, index) => ({ name: `v${index}`, emptyDir: {} })) } },
      says: /spec\.volumes has more than 1024 entries/,
    },
    {
      title: "a workload with more finalizers than can be checked",
      object: {
        kinds: workloadGuards,
        metadata: { finalizers: Array.from({ length: 100 }, (_, index) => `example.com/k${index}`) },
      },
      says: /metadata\.finalizers has more than 64 entries/,
    },
  ],
  ordinary: [{
    title: "a pod with hundreds of containers and variables",
    pod: {
      spec: {
        containers: Array.from({ length: 200 }, (_, index) => ({
          name: `c${index}`,
          image: "x",
          env: Array.from({ length: 20 }, (_, variable) => ({ name: `V${variable}`, value: "v" })),
        })),
      },
    },
  }],
};

const templateOf = (object: Cel): Cel =>
  `(variables.isPod ? dyn(${object}) : dyn(${object}).spec.?jobTemplate.?spec.?template.or(
    dyn(${object}).spec.?template).orValue({}))`;
const containersOf = (spec: Cel): Cel =>
  `${spec}.?containers.orValue([]) + ${spec}.?initContainers.orValue([]) + ${spec}.?ephemeralContainers.orValue([])`;

const shape: readonly (readonly [string, Cel])[] = [
  ["isPod", "request.resource.resource == 'pods'"],
  [
    "at",
    "variables.isPod ? 'spec.' : has(dyn(object).spec.jobTemplate) ? 'spec.jobTemplate.spec.template.spec.' : " +
    "'spec.template.spec.'",
  ],
  ["template", templateOf("object")],
  ["spec", "variables.template.?spec.orValue({})"],
  ["containers", containersOf("variables.spec")],
  ["oldTemplate", `oldObject == null ? dyn({}) : ${templateOf("oldObject")}`],
  ["oldSpec", "variables.oldTemplate.?spec.orValue({})"],
  ["oldContainers", containersOf("variables.oldSpec")],
];

const names = {
  now: {
    object: "dyn(object)",
    template: "variables.template",
    spec: "variables.spec",
    containers: "variables.containers",
  },
  before: {
    object: "dyn(oldObject)",
    template: "variables.oldTemplate",
    spec: "variables.oldSpec",
    containers: "variables.oldContainers",
  },
};

const resources: Policy["resources"] = [
  { apiGroups: [""], resources: ["pods", "pods/ephemeralcontainers", "replicationcontrollers"] },
  { apiGroups: ["apps"], resources: ["deployments", "replicasets", "statefulsets", "daemonsets"] },
  { apiGroups: ["batch"], resources: ["jobs", "cronjobs"] },
];
const madeByControllers = ["replicasets", "jobs"];

export const podsPolicy: Policy = {
  name: "keystone-guest-pods",
  about:
    "Pods, and the templates from which controllers create them. Not pods/binding, pods/status and the like, which are for " +
    "the scheduler and the kubelets and which guests may not use.",
  resources,
  madeByControllers,
  variables: [
    ...shape,
    ...podSettings,
    ["podKeys", setOf(Object.keys(podFields))],
    ["containerKeys", setOf(Object.keys(containerFields))],
    ["workloadKeys", setOf([...new Set(workloadGuards.flatMap((kind) => Object.keys(objectFields[kind]!)))].sort())],
    // csi is missing: the guard volume-types has a separate message for it.
    ["volumeKeys", setOf(["name", ...volumeTypes])],
    ["projectedKeys", setOf(projectedSources)],
  ],
  names,
  size: podSize,
  guards: [
    podSize,
    nodeName,
    tolerations,
    priority,
    scheduler,
    affinity,
    schedulingTerms,
    references,
    runtimeClass,
    resourceClaims,
    deviceVariable,
    imagePull,
    imageRegistry,
    volumeType,
    projectedSource,
    probeHosts,
    grace,
    podField,
    containerField,
    workloadField,
    finalizers,
    history,
    jobController,
  ],
};

/** Returns the names of all requested and limited resources, of containers and of the pod. */
const resourceNames = (spec: Cel, containers: Cel): Cel =>
  `[${spec}.?resources.?requests.orValue({}).map(n, n), ${spec}.?resources.?limits.orValue({}).map(n, n)] +
    (${containers}).map(c, c.?resources.?requests.orValue({}).map(n, n)) +
    (${containers}).map(c, c.?resources.?limits.orValue({}).map(n, n))`;

const devices: Guard = {
  name: "devices",
  refuses: "resources with a `/` and huge pages that no grant names, even before any node offers them",
  why: "no grant names it",
  remedy: "Remove it from resources, or ask for a grant with it",
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `(${resourceNames(spec, containers)}).map(l, l.filter(n, (n.contains('/') || n.startsWith('hugepages-')) &&
      !(('requests.' + n) in params.spec.?hard.orValue({})) && !(n in params.spec.?hard.orValue({}))).map(n, 'resources has ' + n))`,
  attacks: [
    ...["example.com/ungranted", "hugepages-2Mi"].map((name): GuardAttack => ({
      title: `a pod with ${name}, which no grant names`,
      pod: {
        container: {
          resources: { limits: { [name]: "2Mi".slice(0, name.includes("/") ? 1 : 3), cpu: "10m", memory: "16Mi" } },
        },
      },
      says: new RegExp(`resources has ${name}`),
    })),
    {
      title: "a pod with a huge amount of a resource",
      pod: { container: { resources: { limits: { "example.com/ungranted": "1e1002", cpu: "10m", memory: "16Mi" } } } },
      says: /resources has example\.com\/ungranted/,
    },
    {
      title: "a pod whose init container uses a device",
      pod: {
        spec: {
          initContainers: [{ name: "first", image: "x", resources: { limits: { "example.com/ungranted": "1" } } }],
        },
      },
      says: /resources has example\.com\/ungranted/,
    },
  ],
  ordinary: [{
    title: "a pod with a granted device",
    pod: { container: { resources: { limits: { "example.com/gpu": "1", cpu: "10m", memory: "16Mi" } } } },
  }],
};

export const devicesPolicy: Policy = {
  name: "keystone-guest-devices",
  about:
    "Resources. A key that the quota does not have is not limited, and a pod that requests a device before any node offers it " +
    "is scheduled once one does. Templates are checked if there is a quota, pods in any case.",
  resources,
  madeByControllers,
  variables: shape,
  names,
  size: podSize,
  guards: [devices],
  quota: true,
};
