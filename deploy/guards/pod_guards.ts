/** What pods may not ask for, and the templates from which controllers make pods. */
import { deviceVariables } from "./devices.ts";
import { containerFields, objectFields, podFields, projectedSources, volumeTypes } from "./pod_fields.ts";
import { type Cel, celList, type Guard, type GuardAttack, type NameLists, type Policy, setOf, when } from "./guard.ts";
import { podSettings } from "./guard_settings_cel.ts";
import { workloadGuards } from "./workload_guards.ts";

/** Taints of nodes that run the cluster itself: of kubeadm, k3s, RKE and RKE2. */
const controlPlane = [
  "node-role.kubernetes.io/control-plane",
  "node-role.kubernetes.io/master",
  "node-role.kubernetes.io/controlplane",
  "node-role.kubernetes.io/etcd",
  "CriticalAddonsOnly",
];

/** Taint of nodes that somebody has cordoned. To the pods of a DaemonSet its controller gives the toleration. */
const cordoned = "node.kubernetes.io/unschedulable";
const byDaemonSet: Cel = "request.userInfo.username in ['system:serviceaccount:kube-system:daemon-set-controller', " +
  "'system:kube-controller-manager']";

const tolerations: Guard = {
  name: "tolerations",
  since: 0,
  refuses:
    "tolerations without a key, of the taints of the control plane and of cordoned nodes, and of the taints in " +
    "`guards.reservedTaints`",
  why: "those nodes are not for guests",
  remedy: "Take it out, or name the taint of a node that is",
  settings: ["guards.reservedTaints"],
  ofSpec: true,
  offences: ({ spec }) =>
    `[${spec}.?tolerations.orValue([]).filter(t, t.?key.orValue('') in ${celList(["", ...controlPlane])} ||
      t.?key.orValue('') in variables.reservedTaints || (t.?key.orValue('') == '${cordoned}' && !(${byDaemonSet}))).map(t, t.?key.orValue('') == '' ?
      'tolerations has one without a key, which tolerates every taint' : 'tolerations has ' + t.key)]`,
  attacks: [
    {
      title: "one that tolerates everything",
      pod: { spec: { tolerations: [{ operator: "Exists" }] } },
      says: /without a key/,
    },
    {
      title: "one that tolerates all taints of one effect",
      pod: { spec: { tolerations: [{ operator: "Exists", effect: "NoExecute" }] } },
      says: /without a key/,
    },
    ...controlPlane.map((key): GuardAttack => ({
      title: `one for nodes with the taint ${key}`,
      pod: { spec: { tolerations: [{ key, operator: "Exists", effect: "NoSchedule" }] } },
      says: new RegExp(`tolerations has ${key}`),
    })),
    {
      title: "one for nodes that are cordoned",
      pod: { spec: { tolerations: [{ key: cordoned, operator: "Exists", effect: "NoSchedule" }] } },
      says: /tolerations has node\.kubernetes\.io\/unschedulable/,
    },
    {
      title: "one for nodes that their owner keeps to herself",
      pod: { spec: { tolerations: [{ key: "dedicated", value: "alice", effect: "NoSchedule" }] } },
      settings: { "keystone.io/reserved-taints": "dedicated,other" },
      says: /tolerations has dedicated/,
    },
  ],
  ordinary: [
    {
      title: "one for nodes with devices",
      pod: { spec: { tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }] } },
    },
    {
      title: "one that stays a while on a node that isn't ready",
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
  remedy: "Leave it out, and choose among nodes with nodeSelector or affinity",
  ofSpec: true,
  // The scheduler names the node by pods/binding.
  offences: ({ spec }) => when(`${spec}.?nodeName.orValue('') != ''`, `'nodeName is ' + ${spec}.nodeName`),
  attacks: [{
    title: "one on a node of her choice",
    pod: { spec: { nodeName: "node-1" } },
    says: /nodeName is node-1/,
  }],
  ordinary: [{
    title: "one for nodes with a label",
    pod: { spec: { nodeSelector: { "kubernetes.io/arch": "arm64" } } },
  }],
};

const priority: Guard = {
  name: "priority",
  since: 0,
  refuses: "a priority above `maxPriority`, and classes `system-*`",
  why: "pods of a higher priority preempt others' pods where room is short",
  remedy: "Leave priorityClassName out or name a lower class; the limit is the setting maxPriority of the operator",
  settings: ["maxPriority"],
  ofSpec: true,
  // The API server has filled in the number of a pod's class; a template has none.
  offences: ({ spec }) =>
    when(
      `${spec}.?priorityClassName.orValue('').startsWith('system-') ||
        (has(${spec}.priority) ? int(${spec}.priority) > variables.maxPriority : variables.isPod && 0 > variables.maxPriority)`,
      `'priorityClassName is ' + ${spec}.?priorityClassName.orValue('missing') + ', priority ' +
        string(${spec}.?priority.orValue(0)) + ' (allowed: ' + string(variables.maxPriority) + ')'`,
    ),
  attacks: [
    {
      title: "one as important as the cluster's own",
      pod: { spec: { priorityClassName: "system-node-critical" } },
      says: /priorityClassName is system-node-critical/,
    },
    {
      title: "one that puts home's pods out",
      pod: { spec: { priorityClassName: "hostile-some" } },
      not: workloadGuards,
      says: /priorityClassName is hostile-some, priority 1000 \(allowed: 0\)/,
    },
    {
      title: "one of no class where guests have to name a low one",
      pod: { spec: {} },
      not: workloadGuards,
      settings: { "keystone.io/max-priority": "-10" },
      says: /priorityClassName is missing, priority 0 \(allowed: -10\)/,
    },
  ],
  ordinary: [
    {
      title: "one of a class that isn't too high",
      pod: { spec: { priorityClassName: "hostile-some" } },
      settings: { "keystone.io/max-priority": "1000" },
    },
    { title: "one of a low class", pod: { spec: { priorityClassName: "hostile-low" } } },
  ],
};

const scheduler: Guard = {
  name: "scheduler",
  refuses: "another `schedulerName` than `default-scheduler` and those in `guards.schedulers`",
  why: "another scheduler may ignore taints, priorities and free capacity",
  remedy: "Leave it out; the owner can allow a scheduler by the setting guards.schedulers",
  settings: ["guards.schedulers"],
  ofSpec: true,
  offences: ({ spec }) =>
    when(
      `!(${spec}.?schedulerName.orValue('default-scheduler') in variables.schedulers)`,
      `'schedulerName is ' + ${spec}.schedulerName`,
    ),
  attacks: [{
    title: "one for another scheduler",
    pod: { spec: { schedulerName: "volcano" } },
    says: /schedulerName is volcano/,
  }],
  ordinary: [
    { title: "one for the usual scheduler", pod: { spec: { schedulerName: "default-scheduler" } } },
    {
      title: "one for a scheduler that the owner allows",
      pod: { spec: { schedulerName: "volcano" } },
      settings: { "keystone.io/schedulers": "volcano" },
    },
  ],
};

/** Required and preferred terms of both kinds. */
const affinityTerms = (spec: Cel): Cel =>
  `[${spec}.?affinity.?podAffinity, ${spec}.?affinity.?podAntiAffinity].map(a,
    a.?requiredDuringSchedulingIgnoredDuringExecution.orValue([]) +
    a.?preferredDuringSchedulingIgnoredDuringExecution.orValue([]).map(p, p.podAffinityTerm))`;

const term = { topologyKey: "kubernetes.io/os", labelSelector: {} };

const affinity: Guard = {
  name: "affinity",
  refuses: "pod affinity and anti-affinity with pods of other namespaces",
  why: "a running pod's anti-affinity keeps pods of those namespaces off its node, zone or the whole cluster",
  remedy: "Take namespaces and namespaceSelector out; terms without them are about pods of this namespace",
  ofSpec: true,
  offences: ({ spec }) =>
    `${affinityTerms(spec)}.map(l, l.filter(t, has(t.namespaceSelector) ||
      t.?namespaces.orValue([]).exists(n, n != request.namespace)).map(t,
      'affinity has a term for pods of ' + (has(t.namespaceSelector) ? 'namespaces by their labels' :
      'namespace ' + t.namespaces.filter(n, n != request.namespace)[0])))`,
  attacks: [
    {
      title: "one that keeps everybody's pods out of the cluster",
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
      title: "one that keeps home's pods away",
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
      title: "one that follows another's pods",
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
    title: "replicas on different nodes",
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

/** Lists of requirements, one for each term by which a pod chooses its node. */
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
  refuses: `more than ${mostTerms} terms, requirements and values by which a pod chooses its node: \`affinity\`, ` +
    "`topologySpreadConstraints` and `nodeSelector`",
  why: "one scheduler keeps them in memory, many times as large, and holds every pod of the cluster against them",
  remedy: "Choose by a label that those nodes or pods have in common",
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
      title: "one with thousands of terms for the scheduler",
      pod: { spec: away(5000) },
      says: /affinity and the like have 5000 terms/,
    },
    {
      title: "one with thousands of nodes by name",
      pod: { spec: nodesOf(hosts(5000)) },
      says: /affinity and the like have 5002 terms/,
    },
    {
      title: "one spread over thousands of keys",
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
    { title: "one for a hundred nodes by name", pod: { spec: nodesOf(hosts(100)) } },
    { title: "one away from others", pod: { spec: away(10) } },
  ],
};

const mostReferences = 256;
const secrets = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `s${index}` }));

const references: Guard = {
  name: "pod-references",
  refuses: `more than ${mostReferences} references of a pod to Secrets and ConfigMaps: \`imagePullSecrets\`, ` +
    "`envFrom`, `valueFrom`, and volumes with their projected sources",
  why:
    "the node's kubelet watches each of them, whether it is there or not, and would be late for every other pod of its node",
  remedy: "Put them together into one Secret or ConfigMap",
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
      title: "one with thousands of Secrets that aren't there, to pull its image with",
      pod: { spec: { imagePullSecrets: secrets(5000) } },
      says: /spec\.volumes, env and the like refer to Secrets and ConfigMaps 500\d times/,
    },
    {
      title: "one with thousands of them as variables",
      pod: { container: { envFrom: secrets(5000).map((secretRef) => ({ secretRef })) } },
      says: /spec\.volumes, env and the like refer to Secrets and ConfigMaps 500\d times/,
    },
    {
      title: "one with thousands of them in a volume",
      pod: {
        spec: { volumes: [{ name: "all", projected: { sources: secrets(5000).map((secret) => ({ secret })) } }] },
      },
      says: /spec\.volumes, env and the like refer to Secrets and ConfigMaps 500\d times/,
    },
  ],
  ordinary: [{
    title: "one with a hundred variables of a Secret",
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
  refuses: "RuntimeClasses that the trust level doesn't have, and pods without one where it is required",
  why: "a RuntimeClass decides what of the node a container gets",
  remedy: "Leave it out or name one that is allowed here (settings trust.LEVEL.runtimeClasses, " +
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
      title: "one of a runtime that gives all devices",
      pod: { spec: { runtimeClassName: "hostile-gpu" } },
      says: /runtimeClassName is hostile-gpu/,
    },
    {
      title: "one of the devices' runtime without a device",
      pod: { spec: { runtimeClassName: "hostile-gpu" } },
      settings: gpuClass,
      says: /which is for pods with a limit of its device/,
    },
    {
      title: "one of the devices' runtime with none of the device",
      pod: {
        spec: { runtimeClassName: "hostile-gpu" },
        container: { resources: { limits: { "example.com/gpu": "0" } } },
      },
      settings: gpuClass,
      says: /which is for pods with a limit of its device/,
    },
    {
      title: "one outside of the sandbox",
      pod: {},
      settings: required,
      says: /runtimeClassName is missing, and one is required/,
    },
    {
      title: "one that leaves the sandbox by a device",
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
      title: "one in the sandbox that is required",
      pod: { spec: { runtimeClassName: "hostile-sandbox" } },
      settings: required,
    },
    { title: "one in a sandbox", pod: { spec: { runtimeClassName: "hostile-sandbox" } }, settings: sandboxed },
    {
      title: "one with a device and its runtime",
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
  remedy: "Take it out; devices that a grant names are asked for by resources.limits",
  ofSpec: true,
  offences: ({ spec }) => `[${spec}.?resourceClaims.orValue([]).map(r, 'resourceClaims has ' + r.name)]`,
  attacks: [{
    title: "one with a device of a claim template",
    pod: { spec: { resourceClaims: [{ name: "gpu", resourceClaimTemplateName: "gpus" }] } },
    says: /resourceClaims has gpu/,
  }],
  ordinary: [],
};

const deviceVariable: Guard = {
  name: "device-variables",
  refuses:
    "environment variables that hand out devices, such as `NVIDIA_VISIBLE_DEVICES`, unless they are `none` or `void`",
  why: "container runtimes hand out devices by it, beside every quota",
  remedy: "Take it out; devices that a grant names are asked for by resources.limits",
  ofSpec: true,
  offences: ({ containers }) =>
    `${containers}.map(c, c.?env.orValue([]).filter(e,
      e.name in ${celList(deviceVariables)} && !(e.?value.orValue('') in ['none', 'void'])).map(e,
      'containers[' + c.name + '].env has ' + e.name) + c.?envFrom.orValue([]).filter(e, e.?prefix.orValue('') != '' &&
      ${celList(deviceVariables)}.exists(name, name.startsWith(e.prefix))).map(e,
      'containers[' + c.name + '].envFrom has the prefix ' + e.prefix))`,
  attacks: [
    {
      title: "one that sees all GPUs",
      pod: { container: { env: [{ name: "NVIDIA_VISIBLE_DEVICES", value: "all" }] } },
      says: /containers\[main\]\.env has NVIDIA_VISIBLE_DEVICES/,
    },
    {
      title: "one that hides that in a ConfigMap",
      pod: {
        container: {
          env: [{ name: "NVIDIA_VISIBLE_DEVICES", valueFrom: { configMapKeyRef: { name: "x", key: "y" } } }],
        },
      },
      says: /env has NVIDIA_VISIBLE_DEVICES/,
    },
    {
      title: "one whose init container sees them",
      pod: {
        spec: { initContainers: [{ name: "first", image: "x", env: [{ name: "AMD_VISIBLE_DEVICES", value: "0" }] }] },
      },
      says: /containers\[first\]\.env has AMD_VISIBLE_DEVICES/,
    },
    {
      title: "one that takes the devices of a network card",
      pod: { container: { env: [{ name: "NVIDIA_MOFED", value: "enabled" }] } },
      says: /containers\[main\]\.env has NVIDIA_MOFED/,
    },
    {
      title: "one that puts the name together",
      pod: { container: { envFrom: [{ prefix: "NVIDIA_", configMapRef: { name: "x" } }] } },
      says: /envFrom has the prefix NVIDIA_/,
    },
  ],
  ordinary: [
    {
      title: "one that wants no device",
      pod: {
        container: {
          env: [{ name: "NVIDIA_VISIBLE_DEVICES", value: "void" }, { name: "CUDA_VISIBLE_DEVICES", value: "0" }],
        },
      },
    },
    {
      title: "one with variables from a ConfigMap",
      pod: { container: { envFrom: [{ prefix: "APP_", configMapRef: { name: "x" } }] } },
    },
  ],
};

const pulled = { "keystone.io/always-pull-images": "true" };

const imagePull: Guard = {
  name: "image-pull",
  refuses: "images that aren't asked for each time, where `trust.LEVEL.alwaysPullImages` is true",
  why: "a private image that the node has already would run without the right to pull it",
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
      title: "one that runs what the node has of others",
      pod: { container: { image: "registry.example.com/private:1", imagePullPolicy: "Never" } },
      settings: pulled,
      says: /containers\[main\]\.imagePullPolicy is Never/,
    },
    {
      title: "one that says nothing of pulling",
      pod: { container: { image: "registry.example.com/private:1" } },
      settings: pulled,
      says: /containers\[main\]\.imagePullPolicy is IfNotPresent/,
    },
    // Not for volumes of type image: 1.34 takes them only with a feature gate, and drops them without.
  ],
  ordinary: [{
    title: "one that pulls its image",
    pod: { container: { imagePullPolicy: "Always" } },
    settings: pulled,
  }],
};

/** The registry of an image, as container runtimes read it. */
const registryOf = (image: Cel): Cel =>
  `[${image}.split('/', 2)[0]].map(first, ${image}.contains('/') && (first.contains('.') || first.contains(':') ||
    first == 'localhost' || first.lowerAscii() != first) ? first.lowerAscii() : 'docker.io')[0]`;

const registries = { "keystone.io/image-registries": "docker.io,registry.lan:5000" };

const imageRegistry: Guard = {
  name: "image-registry",
  refuses: "images of registries that are named by an IP address or `localhost`; and of all others where " +
    "`trust.LEVEL.imageRegistries` has a list",
  why: "the node connects there, where no network policy applies, and reports the answer in events",
  remedy: "Name another; the owner can allow a registry by the setting trust.LEVEL.imageRegistries",
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
      title: `one with an image from ${image}`,
      pod: { container: { image } },
      says: /containers\[main\]\.image is of |must be lowercase|[Ii]nvalid/,
    })),
    {
      title: "one whose init container asks a neighbour of the node",
      pod: { spec: { initContainers: [{ name: "first", image: "10.0.0.1:22/x" }] } },
      says: /containers\[first\]\.image is of 10\.0\.0\.1:22/,
    },
    {
      title: "one from another registry than the owner's",
      pod: { container: { image: "registry.example.com/a" } },
      settings: registries,
      says: /containers\[main\]\.image is of registry\.example\.com/,
    },
    {
      title: "one from a host that is a name of one word",
      pod: { container: { image: "REGISTRY/a" } },
      settings: registries,
      says: /containers\[main\]\.image is of registry/,
    },
  ],
  ordinary: [
    ...["nginx", "library/nginx:1", "example.com/x@sha256:" + "0".repeat(64), "registry.lan:5000/x"].map((image) => ({
      title: `one with the image ${image}`,
      pod: { container: { image } },
    })),
    {
      title: "one from a registry that the owner allows",
      pod: { container: { image: "library/x" } },
      settings: registries,
    },
    {
      title: "one from another that the owner allows",
      pod: { container: { image: "registry.lan:5000/x" } },
      settings: registries,
    },
  ],
};

const volumeType: Guard = {
  name: "volume-types",
  refuses: `volumes of other types than ${
    volumeTypes.join(", ")
  }, and inline csi drivers but those in \`guards.csiDrivers\``,
  why: "the node mounts it, and no network policy applies to that",
  remedy: `Use one of ${
    volumeTypes.join(", ")
  }; the owner can allow an inline csi driver by the setting guards.csiDrivers`,
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
    title: `one with a volume of type ${type}`,
    pod: { spec: { volumes: [{ name: "odd", [type]: source }] } },
    says: new RegExp(`volumes\\[odd\\] is ${type}`),
  })),
  ordinary: [
    {
      title: "one with every ordinary volume",
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
      title: "one with a csi driver that the owner allows",
      pod: { spec: { volumes: [{ name: "odd", csi: { driver: "secrets-store.csi.k8s.io", readOnly: true } }] } },
      settings: { "keystone.io/csi-drivers": "secrets-store.csi.k8s.io" },
    },
  ],
};

const projectedSource: Guard = {
  name: "projected-sources",
  refuses: "projected sources that hand out identities: `podCertificate`, and `serviceAccountToken` where " +
    "`trust.LEVEL.podTokens` is false",
  why: "it would give the pod an identity",
  remedy: "Take it out; with automountServiceAccountToken: false a pod gets no token by itself",
  settings: ["trust.LEVEL.podTokens"],
  ofSpec: true,
  offences: ({ spec }) =>
    `${spec}.?volumes.orValue([]).map(v, v.?projected.?sources.orValue([]).filter(s, s.exists(type,
      !(type in variables.projectedKeys) || (type == 'serviceAccountToken' && variables.tokensRefused))).map(s,
      'volumes[' + v.name + '].projected has ' + s.filter(type, !(type in variables.projectedKeys) ||
      type == 'serviceAccountToken')[0]))`,
  attacks: [
    {
      title: "one with a token where there are to be none",
      pod: { spec: { volumes: [{ name: "odd", projected: { sources: [{ serviceAccountToken: { path: "x" } }] } }] } },
      settings: { "keystone.io/pod-tokens": "false" },
      says: /volumes\[odd\]\.projected has serviceAccountToken/,
    },
    {
      title: "one that gets a token by itself where there are to be none",
      pod: { spec: { automountServiceAccountToken: true } },
      not: workloadGuards,
      settings: { "keystone.io/pod-tokens": "false" },
      says: /projected has serviceAccountToken/,
    },
  ],
  ordinary: [{
    title: "one with a token",
    pod: { spec: { volumes: [{ name: "odd", projected: { sources: [{ serviceAccountToken: { path: "x" } }] } }] } },
  }],
};

const host = { httpGet: { port: 80, host: "192.168.1.1" } };

const probeHosts: Guard = {
  name: "probe-hosts",
  refuses: "`host` in probes and lifecycle hooks",
  why: "the node sends the request, and no network policy applies to that",
  remedy: "Leave host out: then it goes to the pod itself",
  ofSpec: true,
  offences: ({ containers }) =>
    `${containers}.map(c, [c.?livenessProbe, c.?readinessProbe, c.?startupProbe, c.?lifecycle.?postStart,
      c.?lifecycle.?preStop].map(h, h.?httpGet.?host.orValue(h.?tcpSocket.?host.orValue(''))).filter(h, h != '').map(h,
      'containers[' + c.name + '] has a probe or hook with host ' + h))`,
  attacks: [
    ...["livenessProbe", "readinessProbe", "startupProbe"].map((probe): GuardAttack => ({
      title: `one whose ${probe} asks a neighbour of the node`,
      pod: { container: { [probe]: host } },
      // As Pod Security says it, from Kubernetes 1.34 on.
      says: /probe or hook with host 192\.168\.1\.1|probeHost/,
    })),
    {
      title: "one whose probe connects to one",
      pod: { container: { readinessProbe: { tcpSocket: { port: 22, host: "192.168.1.1" } } } },
      says: /probe or hook with host 192\.168\.1\.1|probeHost/,
    },
    ...["postStart", "preStop"].map((hook): GuardAttack => ({
      title: `one whose ${hook} hook asks one`,
      pod: { container: { lifecycle: { [hook]: host } } },
      says: /probe or hook with host 192\.168\.1\.1|probeHost/,
    })),
    {
      title: "one whose sidecar's hook asks one",
      pod: {
        spec: { initContainers: [{ name: "side", image: "x", restartPolicy: "Always", lifecycle: { preStop: host } }] },
      },
      says: /containers\[side\] has a probe or hook|probeHost/,
    },
  ],
  ordinary: [{
    title: "one with probes and hooks",
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
  why: "the pod would go on for that long after the end of the grant",
  remedy: "Lower it; the limit is the setting guards.maxTerminationGraceSeconds",
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
      title: "one that takes a year to stop",
      pod: { spec: { terminationGracePeriodSeconds: 31_536_000 } },
      says: /terminationGracePeriodSeconds is 31536000/,
    },
    {
      title: "one whose probe takes a year to stop it",
      pod: { container: { livenessProbe: { exec: { command: ["x"] }, terminationGracePeriodSeconds: 31_536_000 } } },
      says: /has a probe with terminationGracePeriodSeconds 31536000/,
    },
  ],
  ordinary: [{ title: "one that takes an hour to stop", pod: { spec: { terminationGracePeriodSeconds: 3600 } } }],
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
  why: "a field that the guards don't know could reach beyond the namespace",
  remedy: "Take it out; if it is harmless, the owner can let the guard warn only by the setting guards.warn",
  ofSpec: true,
  offences: (names) => of(names).replaceAll("KNOWN", known),
  attacks,
  ordinary: [],
});

const podField = unknownFields({
  name: "pod-fields",
  refuses: "fields of a pod's spec that the list below doesn't have, such as those of newer versions of Kubernetes",
  known: "variables.podKeys",
  of: ({ spec }) => `[${spec}.filter(field, !(field in KNOWN)).map(field, field + ' is set')]`,
  attacks: [],
});

const containerField = unknownFields({
  name: "container-fields",
  refuses: "fields of a container that the list below doesn't have",
  known: "variables.containerKeys",
  of: ({ containers }) =>
    `${containers}.map(c, c.filter(field, !(field in KNOWN)).map(field, 'containers[' + c.name + '].' + field + ' is set'))`,
  attacks: [],
});

const workloadField: Guard = {
  ...unknownFields({
    name: "workload-fields",
    refuses: "fields of a workload's spec that the list below doesn't have",
    known: "variables.workloadKeys",
    of: ({ object }) =>
      `variables.isPod ? [] : [${object}.spec, ${object}.spec.?jobTemplate.?spec.orValue({})].map(spec,
      spec.filter(field, !(field in KNOWN)).map(field, 'spec.' + field + ' is set'))`,
    attacks: [],
  }),
  ofSpec: undefined,
  at: "''",
};

/** Made by Kubernetes for objects of any kind, and taken out by it when the object goes. */
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
  refuses: "finalizers of pods, workloads and their templates, but Kubernetes' own for that kind",
  why: "nobody would take it out when the grant ends, and the object would stay",
  remedy: "Take it out",
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
      title: "one that never goes",
      pod: { metadata: { finalizers: ["example.com/held"] } },
      says: /metadata\.finalizers has example\.com\/held/,
    },
    {
      title: "one that is held as a claim is",
      pod: { metadata: { finalizers: ["kubernetes.io/pvc-protection"] } },
      says: /metadata\.finalizers has kubernetes\.io\/pvc-protection/,
    },
    {
      title: "one that no Job tracks",
      pod: { metadata: { finalizers: [jobTracking] } },
      says: /metadata\.finalizers has batch\.kubernetes\.io\/job-tracking/,
    },
    {
      title: "a workload that never goes",
      object: { kinds: workloadGuards, metadata: { finalizers: ["example.com/held"] } },
      says: /metadata\.finalizers has example\.com\/held/,
    },
    {
      title: "one whose claims never go",
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
    { title: "one that goes after what it owns", pod: { metadata: { finalizers: ["foregroundDeletion"] } } },
    {
      title: "one as a Job's controller makes it",
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
  why: "what is kept of earlier revisions fills the cluster's database",
  remedy: "Lower it; the limit is the setting trust.LEVEL.history",
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
      title: "one that keeps more where the owner allows it",
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
  why: "no other controller takes the finalizers of its pods out when the grant ends",
  remedy: "Leave it out",
  at: "''",
  offences: ({ object }) =>
    `[[${object}.spec.?managedBy, ${object}.spec.?jobTemplate.?spec.?managedBy].map(m,
      m.orValue('kubernetes.io/job-controller')).filter(m, m != 'kubernetes.io/job-controller').map(m,
      'spec.managedBy is ' + m)]`,
  attacks: [{
    title: "a Job that nobody looks after",
    object: { kinds: ["Job"], spec: { managedBy: "example.com/nobody" } },
    says: /spec\.managedBy is example\.com\/nobody/,
  }],
  ordinary: [],
};

/** More than any chart has; each guard looks at all of them, and a refusal should cost less than what it refuses. */
const most = { containers: 512, volumes: 1024, tolerations: 512, finalizers: 64 };

const mostOf: Cel = `{${Object.entries(most).map(([of, most]) => `'${of}': ${most}`).join(", ")}}`;

const podSize: Guard = {
  name: "pod-size",
  since: 0,
  refuses: `more than ${most.containers} containers, ${most.volumes} volumes, ${most.tolerations} tolerations or ` +
    `${most.finalizers} finalizers`,
  why: "to judge that many costs the API server too much",
  remedy: "Make several pods of it",
  at: "''",
  offences: ({ object, spec, containers }) =>
    `[[{'containers': ${containers}.size(), 'volumes': ${spec}.?volumes.orValue([]).size(),
      'tolerations': ${spec}.?tolerations.orValue([]).size(), 'finalizers': ${object}.metadata.?finalizers.orValue([]).size()}]
      .map(sizes, sizes.filter(of, sizes[of] > ${mostOf}[of]).map(of, (of == 'finalizers' ? 'metadata.' : variables.at) + of + ' has more than ' + string(${mostOf}[of]) + ' entries'))][0]`,
  attacks: [
    {
      title: "one with more containers than could be judged",
      pod: { spec: { containers: Array.from({ length: 600 }, (_, index) => ({ name: `c${index}`, image: "x" })) } },
      says: /spec\.containers has more than 512 entries/,
    },
    {
      title: "one with more tolerations than could be judged",
      pod: {
        spec: { tolerations: Array.from({ length: 600 }, (_, index) => ({ key: `k${index}`, operator: "Exists" })) },
      },
      says: /spec\.tolerations has more than 512 entries/,
    },
    {
      title: "one with more volumes than could be judged",
      pod: { spec: { volumes: Array.from({ length: 1100 }, (_, index) => ({ name: `v${index}`, emptyDir: {} })) } },
      says: /spec\.volumes has more than 1024 entries/,
    },
    {
      title: "a workload with more finalizers than could be judged",
      object: {
        kinds: workloadGuards,
        metadata: { finalizers: Array.from({ length: 100 }, (_, index) => `example.com/k${index}`) },
      },
      says: /metadata\.finalizers has more than 64 entries/,
    },
  ],
  ordinary: [{
    title: "one with hundreds of containers and variables",
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
    "What pods ask for, and the templates from which controllers make them. Not pods/binding, pods/status and the like: " +
    "through those the scheduler and the kubelets work, and guests have none.",
  resources,
  madeByControllers,
  variables: [
    ...shape,
    ...podSettings,
    ["podKeys", setOf(Object.keys(podFields))],
    ["containerKeys", setOf(Object.keys(containerFields))],
    ["workloadKeys", setOf([...new Set(workloadGuards.flatMap((kind) => Object.keys(objectFields[kind]!)))].sort())],
    // A csi volume has its own sentence.
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

/** Names of resources: requests and limits, of containers and of the pod. */
const resourceNames = (spec: Cel, containers: Cel): Cel =>
  `[${spec}.?resources.?requests.orValue({}).map(n, n), ${spec}.?resources.?limits.orValue({}).map(n, n)] +
    (${containers}).map(c, c.?resources.?requests.orValue({}).map(n, n)) +
    (${containers}).map(c, c.?resources.?limits.orValue({}).map(n, n))`;

const devices: Guard = {
  name: "devices",
  refuses: "resources with a `/` or of huge pages that no grant names, asked for before any node offers them",
  why: "no grant names it",
  remedy: "Take it out of resources, or ask for a grant of it",
  ofSpec: true,
  offences: ({ spec, containers }) =>
    `(${resourceNames(spec, containers)}).map(l, l.filter(n, (n.contains('/') || n.startsWith('hugepages-')) &&
      !(('requests.' + n) in params.spec.?hard.orValue({})) && !(n in params.spec.?hard.orValue({}))).map(n, 'resources has ' + n))`,
  attacks: [
    ...["example.com/ungranted", "hugepages-2Mi"].map((name): GuardAttack => ({
      title: `one with ${name}, which nobody has granted`,
      pod: {
        container: {
          resources: { limits: { [name]: "2Mi".slice(0, name.includes("/") ? 1 : 3), cpu: "10m", memory: "16Mi" } },
        },
      },
      says: new RegExp(`resources has ${name}`),
    })),
    {
      title: "one with a resource of a number that nobody can read",
      pod: { container: { resources: { limits: { "example.com/ungranted": "1e1002", cpu: "10m", memory: "16Mi" } } } },
      says: /resources has example\.com\/ungranted/,
    },
    {
      title: "one whose init container takes a device",
      pod: {
        spec: {
          initContainers: [{ name: "first", image: "x", resources: { limits: { "example.com/ungranted": "1" } } }],
        },
      },
      says: /resources has example\.com\/ungranted/,
    },
  ],
  ordinary: [{
    title: "one with a device that is granted",
    pod: { container: { resources: { limits: { "example.com/gpu": "1", cpu: "10m", memory: "16Mi" } } } },
  }],
};

export const devicesPolicy: Policy = {
  name: "keystone-guest-devices",
  about:
    "Resources that the quota doesn't know are unlimited, and a pod that asks for one before any node has it is scheduled " +
    "when one does. In templates they are judged too where there is a quota; their pods are in any case.",
  resources,
  madeByControllers,
  variables: shape,
  names,
  size: podSize,
  guards: [devices],
  quota: true,
};
