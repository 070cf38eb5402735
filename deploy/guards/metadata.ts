/** Guards on metadata: keys that other controllers act on, and finalizers that nothing removes. */
import { realmLabel } from "../../src/core/names.ts";
import { guideName } from "../../src/core/guest/objects/guide.ts";
import {
  type Cel,
  celList,
  type Guard,
  type GuardAttack,
  type GuardBody,
  type NameLists,
  type Policy,
  quoted,
} from "./guard.ts";
import { mayRestoreClaims } from "./claims.ts";
import { dangerousKeys, harmlessKeys } from "./metadata_keys.ts";
import { keySettings } from "./guard_settings_cel.ts";
import { workloadGuards } from "./workload_guards.ts";

/** Resources without pods that guests may write. */
const plainResources = [
  { apiGroups: [""], resources: ["services", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims"] },
  { apiGroups: ["policy"], resources: ["poddisruptionbudgets"] },
  { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"] },
];
const plainKinds = [
  "Service",
  "ConfigMap",
  "Secret",
  "ServiceAccount",
  "PersistentVolumeClaim",
  "PodDisruptionBudget",
  "HorizontalPodAutoscaler",
];
/** Returns a CEL map of lists. */
const mapOf = (lists: Readonly<Record<string, readonly string[]>>): Cel =>
  `{${Object.entries(lists).map(([key, list]) => `${quoted(key)}: ${celList(list)}`).join(", ")}}`;

const podResources = [
  { apiGroups: [""], resources: ["pods", "replicationcontrollers"] },
  { apiGroups: ["apps"], resources: ["deployments", "replicasets", "statefulsets", "daemonsets"] },
  { apiGroups: ["batch"], resources: ["jobs", "cronjobs"] },
];

/** Returns pairs of a path and metadata: of the object, its pod and Job templates, and its claim templates. */
const holdersOf = (object: Cel): Cel =>
  `[[dyn('metadata'), dyn(dyn(${object}).metadata)],
    [dyn('spec.template.metadata'), dyn(dyn(${object}).?spec.?template.?metadata.orValue({}))],
    [dyn('spec.jobTemplate.metadata'), dyn(dyn(${object}).?spec.?jobTemplate.?metadata.orValue({}))],
    [dyn('spec.jobTemplate.spec.template.metadata'),
      dyn(dyn(${object}).?spec.?jobTemplate.?spec.?template.?metadata.orValue({}))]] +
    dyn(${object}).?spec.?volumeClaimTemplates.orValue([]).map(claim,
      [dyn('spec.volumeClaimTemplates.metadata'), dyn(claim.?metadata.orValue({}))]) +
    dyn(${object}).?spec.?jobTemplate.?spec.?template.?spec.or(dyn(${object}).?spec.?template.?spec)
      .or(dyn(${object}).?spec).?volumes.orValue([]).filter(volume, has(volume.ephemeral)).map(volume,
        [dyn('spec.volumes.ephemeral.volumeClaimTemplate.metadata'),
          dyn(volume.ephemeral.?volumeClaimTemplate.?metadata.orValue({}))])`;

/** Returns pairs of a path and a map: the labels and the annotations of each. */
const mapsOf = (holders: Cel): Cel =>
  `${holders}.map(holder, [dyn(string(holder[0]) + '.labels'), dyn(holder[1].?labels.orValue({}))]) +
    ${holders}.map(holder, [dyn(string(holder[0]) + '.annotations'), dyn(holder[1].?annotations.orValue({}))])`;

/** Lists all entries of the table that match `key` (in lower case) with its `domain`, the longest first. */
const fitting: Cel =
  "[key, domain + '/' + (key.contains('/') ? key.split('/')[1].split('.')[0].split('-')[0] : '') + " +
  "'*', domain] + [1, 2, 3, 4].map(labels, domain.split('.', labels + 1).size() == labels + 1 ? " +
  "domain.split('.', labels + 1)[labels] : '') + (domain.split('.', 3).size() == 3 ? " +
  "[domain.split('.')[0] + '.' + domain.split('.')[1] + '.*'] : [])";

/** Maps an entry to its verdict: empty if it is harmless, else what the key does. */
const verdicts: Cel = `{${
  [
    ...harmlessKeys.map((key) => [key, ""]),
    ...Object.entries(dangerousKeys).flatMap(([what, keys]) =>
      keys.map((key) => [key, `one of the keys that ${what}`])
    ),
  ].map(([key, verdict]) => `${quoted(key!)}: ${quoted(verdict!)}`).join(", ")
}}`;

const unknown = "unknown";

/** Returns the verdict on a key of `variables.maps`. */
const verdictOf = (original: Cel): Cel =>
  `[${original}.lowerAscii()].map(key, [key.split('/')[0]].map(domain, [${fitting}].map(entries,
    entries.exists(entry, entry in variables.ownDangerous) ? 'a key that the owner of this cluster refuses' :
    entries.exists(entry, entry in variables.ownHarmless) ? '' :
    (entries.filter(entry, entry in variables.verdicts).map(entry, variables.verdicts[entry]) + ['${unknown}'])[0])[0])[0])[0]`;

/** Returns the value for a message: in one line and not too long. */
const shown = (value: Cel): Cel =>
  `(${value}.size() > 120 ? ${value}.substring(0, 120) + '…' : ${value}).replace('\\n', ' ').replace('\\r', ' ')`;

/** Returns an offence for each key with the verdict that is new or changed. */
const keysThat = (verdict: Cel, says: Cel) => ({ object }: NameLists): Cel =>
  object === "object"
    ? `variables.keys.map(found, found.filter(each, ${verdict}).filter(each, oldObject == null ||
        !variables.mapsBefore.exists(map, map[0] == each.at && each.key in map[1] && string(map[1][each.key]) == each.value))
        .map(each, each.at + ' has ' + each.key + ' (' + ${shown("each.value")} + ')'${says}))`
    // The expression above compares path, key and value itself, because the messages are shortened.
    : "[]";

/** The operator labels it, under any user name, and corrects what guests write there. */
const isDefaultAccount: Cel =
  "request.resource.resource == 'serviceaccounts' && dyn(object).metadata.name == 'default'";

const most = 1000;
const countOf = (maps: Cel): Cel => `${maps}.map(map, int(map[1].size())).sum()`;
const many = (count: number): GuardBody =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, "x"]));

const metadataSize: Guard = {
  name: "metadata-size",
  since: 0,
  refuses: `more than ${most} labels and annotations, including those of templates`,
  why: "the API server can't check that many in time",
  remedy: "Keep data in ConfigMaps",
  at: "''",
  offences: ({ object }) => {
    const count = countOf(object === "object" ? "variables.maps" : "variables.mapsBefore");
    return `[${count} > ${most} ? ['metadata has ' + string(${count}) + ' labels and annotations'] : []]`;
  },
  attacks: [{
    title: "an object with more labels than can be checked",
    object: { kinds: [...plainKinds, "Deployment"], metadata: { labels: many(10_000) } },
    says: /metadata has 100\d\d labels and annotations: the API server/,
  }],
  ordinary: [{
    title: "an object with as many labels as can be checked",
    object: { kinds: ["ConfigMap", "Deployment"], metadata: { labels: many(most - 2) } },
  }],
};

const service = (annotations: GuardBody) => ({ kinds: ["Service"], metadata: { annotations } });
const inPods = (annotations: GuardBody) => ({ metadata: { annotations } });

const metadataKeys: Guard = {
  name: "metadata-keys",
  refuses: "annotations and labels that other controllers act on and that give more than a grant does: " +
    "[the list](#annotations-and-labels)",
  why: "other controllers act on that key, and no quota or network policy limits what they do",
  remedy: "Remove it; the owner can allow a key with the setting guards.harmlessKeys",
  settings: ["guards.dangerousKeys", "guards.harmlessKeys"],
  at: "''",
  offences: keysThat(`each.verdict != '' && each.verdict != '${unknown}'`, " + ', ' + each.verdict"),
  attacks: [
    {
      title: "a Service that becomes a node of the tailnet, with a name of the guest's choice",
      object: service({ "tailscale.com/expose": "true", "tailscale.com/hostname": "carol-home" }),
      says: /metadata\.annotations has tailscale\.com\/\w+ \(.*\), one of the keys that hand out names/,
    },
    {
      title: "a pod that joins the LAN",
      pod: inPods({ "k8s.v1.cni.cncf.io/networks": "kube-system/lan" }),
      says: /metadata\.annotations has k8s\.v1\.cni\.cncf\.io\/networks \(kube-system\/lan\)/,
    },
    {
      title: "a pod with the address of another",
      pod: inPods({ "cni.projectcalico.org/ipAddrs": '["10.0.0.1"]' }),
      says: /has cni\.projectcalico\.org\/ipAddrs/,
    },
    {
      title: "a pod on a network of the LAN, by a key that begins with the network's name",
      pod: inPods({ "lan.default.ovn.kubernetes.io/ip_address": "192.168.0.9" }),
      says: /has lan\.default\.ovn\.kubernetes\.io\/ip_address/,
    },
    {
      title: "a pod that bypasses the service mesh's rules",
      pod: inPods({ "traffic.sidecar.istio.io/excludeOutboundIPRanges": "0.0.0.0/0" }),
      says: /has traffic\.sidecar\.istio\.io/,
    },
    {
      title: "a pod with devices from the container runtime",
      pod: inPods({ "cdi.k8s.io/gpu": "nvidia.com/gpu=all" }),
      says: /has cdi\.k8s\.io\/gpu/,
    },
    {
      title: "a pod with a device by a key without a domain",
      pod: inPods({ "io.kubernetes.cri-o.Devices": "/dev/kmsg" }),
      says: /has io\.kubernetes\.cri-o\.Devices/,
    },
    {
      title: "a pod for which agents on the nodes query the LAN",
      pod: inPods({ "ad.datadoghq.com/main.instances": '[{"host": "192.168.0.1"}]' }),
      says: /has ad\.datadoghq\.com/,
    },
    {
      title: "a pod with a cloud identity, by a label",
      pod: { metadata: { labels: { "azure.workload.identity/use": "true" } } },
      says: /metadata\.labels has azure\.workload\.identity\/use/,
    },
    ...[
      { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/admin" },
      { "iam.gke.io/gcp-service-account": "admin@alice.iam.gserviceaccount.com" },
      { "azure.workload.identity/client-id": "x" },
      { "pod-identity.alibabacloud.com/role-name": "admin" },
      { "iam.cloud.ibm.com/trusted-profile": "admin" },
      { "vault.hashicorp.com/alias-metadata-team": "admins" },
      { "tailscale.com/tags": "tag:admin" },
      { "serviceaccounts.openshift.io/oauth-want-challenges": "true" },
    ].map((annotations): GuardAttack => ({
      title: `an account with an identity elsewhere, by ${Object.keys(annotations)}`,
      object: { kinds: ["ServiceAccount"], metadata: { annotations } },
      says: new RegExp(`metadata\\.annotations has ${Object.keys(annotations)} .*, one of the keys that hand out`),
    })),
    {
      title: "a Secret that is copied into every namespace",
      object: {
        kinds: ["Secret"],
        metadata: { annotations: { "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces": "kube-system" } },
      },
      says: /has reflector\.v1\.k8s\.emberstack\.com/,
    },
    {
      title: "a workload whose secrets come from the owner's vault",
      object: { kinds: ["Deployment"], metadata: { annotations: { "operator.1password.io/item-path": "vaults/x" } } },
      says: /has operator\.1password\.io/,
    },
    {
      title: "a claim with a copy of another's volume",
      object: {
        kinds: ["PersistentVolumeClaim"],
        metadata: { annotations: { "k8s.io/CloneRequest": "alice/photos" } },
      },
      says: /has k8s\.io\/CloneRequest/,
    },
    {
      title: "a claim that another driver serves",
      object: {
        kinds: ["PersistentVolumeClaim"],
        metadata: { annotations: { "volume.kubernetes.io/storage-provisioner": "x.example.com" } },
      },
      says: /has volume\.kubernetes\.io\/storage-provisioner/,
    },
    {
      title: "an object that looks like one of Keystone's",
      object: { kinds: plainKinds, metadata: { labels: { "keystone.io/realm": "bob-home" } } },
      says: /metadata\.labels has keystone\.io\/realm \(bob-home\)/,
    },
    {
      title: "a workload whose claim templates have such a key",
      object: {
        kinds: ["StatefulSet"],
        spec: {
          volumeClaimTemplates: [{
            metadata: { name: "data", annotations: { "nfs.io/storage-path": "../../alice" } },
            spec: {
              accessModes: ["ReadWriteOnce"],
              storageClassName: "hostile-none",
              resources: { requests: { storage: "1Mi" } },
            },
          }],
        },
      },
      says: /spec\.volumeClaimTemplates\.metadata\.annotations has nfs\.io\/storage-path/,
    },
    {
      title: "a pod whose ephemeral volumes have such a key",
      pod: {
        spec: {
          volumes: [{
            name: "tmp",
            ephemeral: {
              volumeClaimTemplate: {
                metadata: { annotations: { "trident.netapp.io/cloneFromPVC": "photos" } },
                spec: {
                  accessModes: ["ReadWriteOnce"],
                  storageClassName: "hostile-none",
                  resources: { requests: { storage: "1Mi" } },
                },
              },
            },
          }],
        },
      },
      says: /volumeClaimTemplate\.metadata\.annotations has trident\.netapp\.io\/cloneFromPVC/,
    },
    {
      title: "a CronJob whose Job template has such a key",
      object: {
        kinds: ["CronJob"],
        spec: { jobTemplate: { metadata: { annotations: { "tailscale.com/expose": "true" } } } },
      },
      says: /spec\.jobTemplate\.metadata\.annotations has tailscale\.com\/expose/,
    },
    {
      title: "a Service with a key that the owner refuses",
      object: service({ "lan.example.com/announce": "true" }),
      settings: {
        "keystone.io/dangerous-keys": "example.org/x,example.com",
        "keystone.io/guards-warn": "unknown-keys",
      },
      says: /lan\.example\.com\/announce \(true\), a key that the owner of this cluster refuses/,
    },
  ],
  ordinary: [
    {
      title: "an object with keys of common tools",
      object: {
        kinds: [...plainKinds, ...workloadGuards],
        metadata: {
          labels: { "app.kubernetes.io/name": "x", "helm.sh/chart": "x-1", "app": "x" },
          annotations: {
            "meta.helm.sh/release-name": "x",
            "kubectl.kubernetes.io/last-applied-configuration": "{}\n",
            "argocd.argoproj.io/tracking-id": "x",
            "no-domain": "x",
          },
        },
      },
    },
    {
      title: "a pod with keys for scraping, a checksum and its own sidecar",
      pod: {
        metadata: {
          annotations: {
            "prometheus.io/scrape": "true",
            "checksum/config": "x",
            "sidecar.istio.io/inject": "false",
            "sidecar.istio.io/proxyCPU": "10m",
            "linkerd.io/inject": "enabled",
            "config.linkerd.io/proxy-cpu-request": "10m",
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
          },
        },
      },
    },
    {
      title: "a Service with a key of a dangerous domain that the owner allows",
      object: service({ "metallb.io/address-pool": "guests" }),
      settings: { "keystone.io/harmless-keys": "metallb.io/address-pool" },
    },
  ],
};

const unknownKeys: Guard = {
  name: "unknown-keys",
  refuses: "annotations and labels of domains that are not known to be harmless; only warns where the setting " +
    "`trust.<level>.unknownKeys` is `warn`, the default for internal and partner",
  why: "other controllers could act on that key, and it is not known to be harmless",
  remedy: "Remove it; the owner can allow it with the setting guards.harmlessKeys, and keys of unknown domains with " +
    "trust.<level>.unknownKeys",
  settings: ["trust.<level>.unknownKeys", "guards.harmlessKeys"],
  at: "''",
  offences: keysThat(`each.verdict == '${unknown}' && each.key.contains('/')`, ""),
  attacks: [
    {
      title: "a pod with an unknown key",
      pod: inPods({ "example.com/obey": "me" }),
      says: /metadata\.annotations has example\.com\/obey \(me\): .*guards\.harmlessKeys.*trust\.<level>\.unknownKeys/,
    },
    {
      title: "an object with an unknown label",
      object: { kinds: [...plainKinds, ...workloadGuards], metadata: { labels: { "example.com/obey": "me" } } },
      says: /metadata\.labels has example\.com\/obey/,
    },
    {
      title: "a Service with an unknown key of a Kubernetes domain",
      object: service({ "service.kubernetes.io/new-switch": "on" }),
      says: /has service\.kubernetes\.io\/new-switch/,
    },
  ],
  ordinary: [
    {
      title: "an object with an unknown key, where the guard only warns",
      object: { kinds: plainKinds, metadata: { annotations: { "example.com/obey": "me" } } },
      settings: { "keystone.io/guards-warn": "unknown-keys" },
    },
    {
      title: "a pod with a key that the owner allows",
      pod: inPods({ "lan.example.com/obey": "me" }),
      settings: { "keystone.io/harmless-keys": "example.com" },
    },
  ],
};

/** Finalizers that Kubernetes itself removes from objects of that kind; exact names, no domains. */
const ownFinalizers: Readonly<Record<string, readonly string[]>> = {
  services: ["service.kubernetes.io/load-balancer-cleanup"],
  persistentvolumeclaims: [
    "kubernetes.io/pvc-protection",
    "snapshot.storage.kubernetes.io/pvc-as-source-protection",
    "snapshot.storage.kubernetes.io/pvc-as-source-being-cloned",
    "provisioner.storage.kubernetes.io/cloning-protection",
  ],
};
/** Number of finalizers of an object; more than all of Kubernetes' own. */
const mostFinalizers = 16;
const ofEveryKind = ["foregroundDeletion", "orphan"];

// The policy on pods checks the finalizers of pods and workloads.
const finalizers: Guard = {
  name: "finalizers",
  refuses:
    "finalizers of claims, Services, ConfigMaps, Secrets, ServiceAccounts, budgets and autoscalers, except Kubernetes' own " +
    "for that kind",
  why: "nothing would remove it when the grant ends, so the object and its namespace would stay",
  remedy: `Remove it; allowed are ${ofEveryKind.join(" and ")}, for Services the load balancer's, and for claims ` +
    "kubernetes.io/pvc-protection and those of snapshots and clones",
  at: "''",
  offences: ({ object }) =>
    `[request.resource.resource in ${celList(plainResources.flatMap(({ resources }) => resources))} ?
        dyn(${object}).metadata.?finalizers.orValue([]) : []].map(all, all.size() > ${mostFinalizers} ?
        ['metadata.finalizers has ' + string(all.size()) + ' entries'] :
        all.filter(f, !(f in ${celList(ofEveryKind)}) && !(f in ${
      mapOf(ownFinalizers)
    }[?request.resource.resource].orValue([]))).map(f, 'metadata.finalizers has ' + f))`,
  attacks: [
    {
      title: "an object that can't be deleted",
      object: { kinds: plainKinds, metadata: { finalizers: ["foregroundDeletion", "example.com/held"] } },
      says: /metadata\.finalizers has example\.com\/held/,
    },
    {
      title: "an object with the same finalizer a thousand times",
      object: { kinds: plainKinds, metadata: { finalizers: Array.from({ length: 1000 }, () => "foregroundDeletion") } },
      says: /metadata\.finalizers has 100\d entries/,
    },
    {
      title: "a claim with an unknown finalizer of a Kubernetes domain",
      object: {
        kinds: ["PersistentVolumeClaim"],
        metadata: { finalizers: ["kubernetes.io/held", "kubernetes.io/pvc-protection"] },
      },
      says: /metadata\.finalizers has kubernetes\.io\/held/,
    },
    {
      title: "an object with a finalizer that Kubernetes removes only from claims",
      object: {
        kinds: plainKinds.filter((kind) => kind !== "PersistentVolumeClaim"),
        metadata: { finalizers: ["kubernetes.io/pvc-protection"] },
      },
      says: /metadata\.finalizers has kubernetes\.io\/pvc-protection/,
    },
    {
      title: "an object with a finalizer that Kubernetes removes only from Services",
      object: {
        kinds: plainKinds.filter((kind) => kind !== "Service"),
        metadata: { finalizers: ["service.kubernetes.io/load-balancer-cleanup"] },
      },
      says: /metadata\.finalizers has service\.kubernetes\.io\/load-balancer-cleanup/,
    },
  ],
  ordinary: [
    {
      title: "an object with a finalizer that Kubernetes removes from every kind",
      object: { kinds: plainKinds, metadata: { finalizers: ofEveryKind.slice(0, 1) } },
    },
    {
      title: "a claim with the finalizers that Kubernetes removes from claims",
      object: {
        kinds: ["PersistentVolumeClaim"],
        metadata: { finalizers: [...ownFinalizers.persistentvolumeclaims!] },
      },
    },
    {
      title: "a Service with the finalizer of its load balancer",
      object: { kinds: ["Service"], metadata: { finalizers: [...ownFinalizers.services!] } },
    },
  ],
};

const mostOwners = 4;
const ownersOf = (count: number): GuardBody => ({
  ownerReferences: Array.from({ length: count }, (_, index) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    name: `x${index}`,
    uid: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
  })),
});

const owners: Guard = {
  name: "owners",
  refuses: `more than ${mostOwners} \`ownerReferences\``,
  why: "the cluster's one garbage collector looks up every owner of every object, so all others would wait",
  remedy: "Name only the owner to which the object belongs",
  at: "''",
  offences: ({ object }) =>
    `${object === "object" ? "variables.holders" : "variables.holdersBefore"}.map(holder,
      holder[1].?ownerReferences.orValue([]).size() > ${mostOwners} ? [string(holder[0]) + '.ownerReferences has ' +
        string(holder[1].?ownerReferences.orValue([]).size()) + ' entries'] : [])`,
  attacks: [{
    title: "an object with a thousand owners that do not exist",
    object: { kinds: [...plainKinds, ...workloadGuards, "Pod"], metadata: ownersOf(1000) },
    says: /metadata\.ownerReferences has 1000 entries/,
  }],
  ordinary: [{
    title: "an object with one owner",
    object: { kinds: [...plainKinds, ...workloadGuards], metadata: ownersOf(1) },
  }],
};

export const metadataPolicy: Policy = {
  name: "keystone-guest-metadata",
  about:
    "Annotations and labels in the metadata of objects, pod templates and claim templates; and finalizers of kinds " +
    "without pods. Claims have keys of the cluster's own controllers, which a restored backup contains too.",
  resources: [...podResources, ...plainResources],
  madeByControllers: ["replicasets", "jobs", "configmaps", "secrets", "serviceaccounts", "services"],
  variables: [
    ...keySettings,
    ["verdicts", verdicts],
    // The guide and the account `default` have Keystone's own labels. Only the operator and cluster admins can write it: keystone-own-objects.
    [
      "holders",
      `request.resource.resource == 'configmaps' && dyn(object).metadata.name == ${quoted(guideName)} ? [] : ${
        holdersOf("object")
      }`,
    ],
    ["maps", mapsOf("variables.holders")],
    ["holdersBefore", holdersOf("oldObject")],
    ["mapsBefore", mapsOf("variables.holdersBefore")],
    [
      "keys",
      `variables.maps.map(map, map[1].map(each, {'at': string(map[0]), 'key': string(each),
        'value': string(map[1][each]), 'verdict': ${verdictOf("string(each)")}}).filter(each, each.verdict != '' &&
        !(${isDefaultAccount} && each.at == 'metadata.labels' && each.key == ${quoted(realmLabel)})))`,
    ],
  ],
  names: {
    now: { object: "object", template: "", spec: "object.spec", containers: "" },
    before: { object: "oldObject", template: "", spec: "oldObject.spec", containers: "" },
  },
  unless: `request.resource.resource == 'persistentvolumeclaims' && ${mayRestoreClaims}`,
  size: metadataSize,
  guards: [metadataSize, owners, metadataKeys, unknownKeys, finalizers],
};
