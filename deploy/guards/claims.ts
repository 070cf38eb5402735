/** Guards on volume claims, and on the templates from which controllers create claims. */
import { provisioningClassesAnnotation } from "../../src/core/names.ts";
import { type Cel, type Guard, type NameLists, type Policy, quoted } from "./guard.ts";

const resources = [
  { apiGroups: [""], resources: ["persistentvolumeclaims", "pods", "replicationcontrollers"] },
  { apiGroups: ["apps"], resources: ["deployments", "replicasets", "statefulsets", "daemonsets"] },
  { apiGroups: ["batch"], resources: ["jobs", "cronjobs"] },
];

/** Returns pairs of a path and a claim: the object itself, or the claim templates in it. */
const claimsIn = (object: Cel): Cel =>
  `request.resource.resource == 'persistentvolumeclaims' ? [[dyn(''), dyn(${object})]] :
    dyn(${object}).?spec.?volumeClaimTemplates.orValue([]).map(claim, [dyn('spec.volumeClaimTemplates.'), dyn(claim)]) +
    dyn(${object}).?spec.?jobTemplate.?spec.?template.?spec.or(dyn(${object}).?spec.?template.?spec)
      .or(dyn(${object}).?spec).?volumes.orValue([])
      .filter(volume, has(volume.ephemeral) && has(volume.ephemeral.volumeClaimTemplate))
      .map(volume, [dyn('spec.volumes.ephemeral.volumeClaimTemplate.'), dyn(volume.ephemeral.volumeClaimTemplate)])`;

const claims = ({ object }: NameLists): Cel => object === "object" ? "variables.claims" : "variables.claimsBefore";

/** Returns a claim's class as an optional: the old annotation takes precedence over the field, as for quota and binding. */
const classOf = (claim: Cel): Cel =>
  `${claim}.?metadata.?annotations[?'volume.beta.kubernetes.io/storage-class'].or(${claim}.?spec.?storageClassName)`;

const kind = "PersistentVolumeClaim";
const plain = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } };
const ephemeral = (spec: Record<string, unknown>, metadata: Record<string, unknown> = {}) => ({
  spec: { volumes: [{ name: "tmp", ephemeral: { volumeClaimTemplate: { metadata, spec: { ...plain, ...spec } } } }] },
});
const ofSet = (spec: Record<string, unknown>) => ({
  kinds: ["StatefulSet"],
  spec: { volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { ...plain, ...spec } }] },
});

const claimClass: Guard = {
  name: "claim-class",
  refuses: 'claims without a StorageClass or of the class `""`',
  why: "a claim without a class can bind any volume without a class, including volumes meant for others",
  remedy: "Set spec.storageClassName; ask the owner of this cluster which class to use",
  at: "''",
  // A template may leave it out: the API server sets the default class when the claim is created.
  offences: (names) =>
    `[${claims(names)}.filter(claim, ${classOf("claim[1]")}.orValue(claim[0] == '' ? '' : 'default') == '').map(claim,
      string(claim[0]) + 'spec.storageClassName is ' + (${classOf("claim[1]")}.hasValue() ? 'empty' : 'missing'))]`,
  attacks: [
    {
      title: 'a claim of the class "", with a selector',
      object: { kinds: [kind], spec: { storageClassName: "", selector: { matchLabels: { owner: "carol" } } } },
      says: /spec\.storageClassName is empty/,
    },
    {
      title: "a claim whose annotation takes the class away",
      object: { kinds: [kind], metadata: { annotations: { "volume.beta.kubernetes.io/storage-class": "" } } },
      says: /spec\.storageClassName is empty/,
    },
    {
      title: 'a StatefulSet with claims of the class ""',
      object: ofSet({ storageClassName: "" }),
      says: /storageClassName is empty/,
    },
    {
      title: 'a pod with an ephemeral volume of the class ""',
      pod: ephemeral({ storageClassName: "" }),
      says: /volumeClaimTemplate\.spec\.storageClassName is empty/,
    },
  ],
  ordinary: [
    { title: "a claim", object: { kinds: [kind] } },
    { title: "a workload with claims of the default class", object: ofSet({}) },
    { title: "a pod with a volume of the default class", pod: ephemeral({}) },
  ],
};

const claimSelector: Guard = {
  name: "claim-selector",
  refuses: "`selector` of a claim",
  why: "it chooses among existing volumes, including those meant for others",
  remedy: "Leave it out; a volume is provisioned for the claim",
  at: "''",
  offences: (names) =>
    `[${claims(names)}.filter(claim, claim[1].?spec.?selector.hasValue()).map(claim,
      string(claim[0]) + 'spec.selector is set')]`,
  attacks: [
    {
      title: "a claim that chooses its volume",
      object: { kinds: [kind], spec: { selector: { matchLabels: { owner: "carol" } } } },
      says: /spec\.selector is set/,
    },
    {
      title: "a pod with an ephemeral volume that chooses its volume",
      pod: ephemeral({ storageClassName: "hostile-none", selector: { matchLabels: { owner: "carol" } } }),
      says: /spec\.selector is set/,
    },
  ],
  ordinary: [],
};

const claimSource: Guard = {
  name: "claim-source",
  refuses:
    "`dataSource` and `dataSourceRef` of a claim that name another namespace, or anything but a claim or VolumeSnapshot",
  why: "the volume would be filled with the data of others",
  remedy: "Leave it out, or name a claim or VolumeSnapshot in this namespace",
  at: "''",
  offences: (names) =>
    `${claims(names)}.map(claim, [claim[1].?spec.?dataSource, claim[1].?spec.?dataSourceRef].filter(source,
      source.hasValue()).map(source, source.value()).filter(source, (has(source.namespace) && source.namespace != null) ||
      !(((has(source.apiGroup) && source.apiGroup != null ? string(source.apiGroup) : '') + '/' + string(source.kind)) in
        ['/PersistentVolumeClaim', 'snapshot.storage.k8s.io/VolumeSnapshot'])).map(source,
      string(claim[0]) + 'spec.dataSource is ' + string(source.kind) + ' ' +
      (has(source.namespace) && source.namespace != null ? string(source.namespace) + '/' : '') + string(source.name)))`,
  attacks: [
    {
      title: "a claim that is filled from an object of another controller",
      object: {
        kinds: [kind],
        spec: { dataSourceRef: { apiGroup: "cdi.kubevirt.io", kind: "VolumeCloneSource", name: "photos" } },
      },
      says: /spec\.dataSource is VolumeCloneSource photos/,
    },
    {
      title: "a pod with an ephemeral volume that is filled from another source",
      pod: ephemeral({ dataSourceRef: { apiGroup: "example.com", kind: "Backup", name: "photos" } }),
      says: /spec\.dataSource is Backup photos/,
    },
  ],
  ordinary: [{
    title: "a claim with a copy of another claim in its namespace",
    object: { kinds: [kind], spec: { dataSource: { kind, name: "mine" } } },
  }],
};

const volumeName: Guard = {
  name: "volume-name",
  since: 0,
  refuses: "`volumeName` of a claim",
  why: "a claim that names its volume could bind one meant for others",
  remedy: "Leave it out and set spec.storageClassName; to give a guest a certain volume, set spec.claimRef of the " +
    "PersistentVolume",
  at: "''",
  offences: (names) =>
    `[${claims(names)}.filter(claim, claim[1].?spec.?volumeName.orValue('') != '').map(claim,
      string(claim[0]) + 'spec.volumeName is ' + string(claim[1].spec.volumeName))]`,
  attacks: [
    {
      title: "a claim of a certain volume",
      object: { kinds: [kind], spec: { volumeName: "mine" } },
      says: /spec\.volumeName is mine/,
    },
    {
      title: "a pod with a certain ephemeral volume",
      pod: ephemeral({ volumeName: "mine" }),
      says: /spec\.volumeName is mine/,
    },
    {
      title: "a StatefulSet with claims of a certain volume",
      object: ofSet({ volumeName: "mine" }),
      says: /spec\.volumeClaimTemplates\.spec\.volumeName is mine/,
    },
  ],
  ordinary: [],
};

/** The cluster's own controllers, which have more rights than the authors of their templates. */
const byController: Cel = "(request.userInfo.username == 'system:kube-controller-manager' || " +
  "request.userInfo.?groups.orValue([]).exists(group, group == 'system:serviceaccounts:kube-system'))";

/** Users who may create PersistentVolumes: a restored backup contains volumes and claims. */
export const mayRestoreClaims: Cel =
  `authorizer.group('').resource('persistentvolumes').check('create').allowed() && !${byController}`;

const variables: Policy["variables"] = [
  ["claims", claimsIn("object")],
  ["claimsBefore", claimsIn("oldObject")],
];
const names: Policy["names"] = {
  now: { object: "object", template: "", spec: "object.spec", containers: "" },
  before: { object: "oldObject", template: "", spec: "oldObject.spec", containers: "" },
};

export const claimsPolicy: Policy = {
  name: "keystone-guest-claims",
  about:
    "Claims, and the claim templates of StatefulSets and pods. Claims that controllers create are checked too, because " +
    "guests write their templates. Binding sets the volume by a controller's update, which is not checked.",
  resources,
  madeByControllers: ["replicasets", "jobs"],
  variables,
  names,
  unless: mayRestoreClaims,
  guards: [claimClass, claimSelector, claimSource, volumeName],
};

const suffix = quoted(".storageclass.storage.k8s.io/requests.storage");

export const classesPolicy: Policy = {
  name: "keystone-guest-storage-classes",
  about:
    "StorageClasses that claims may name: those in a grant, and those that provision a volume for each claim. The " +
    "operator lists the latter in an annotation of the quota.",
  resources,
  madeByControllers: ["replicasets", "jobs"],
  // Guests get access after the quota exists, but a backup may be restored before that.
  quota: "where there is one",
  variables: [
    ...variables!,
    [
      "provisioning",
      `dyn(params).metadata.?annotations[?${quoted(provisioningClassesAnnotation)}].orValue('').split(',')`,
    ],
  ],
  names,
  unless: mayRestoreClaims,
  guards: [{
    name: "storage-class",
    refuses: "StorageClasses of manually created volumes that no grant names",
    why: "its volumes are created by hand for certain users, and no grant names the class",
    remedy: "Use a class that provisions volumes, or ask for a grant with " +
      "CLASS.storageclass.storage.k8s.io/requests.storage in hard",
    at: "''",
    offences: (judged) =>
      `[${claims(judged)}.map(claim, [string(claim[0]), string(${classOf("claim[1]")}.orValue(''))]).filter(claim,
        claim[1] != '' && !(claim[1] in variables.provisioning) &&
        !(dyn(params).?spec.?hard[?(claim[1] + ${suffix})].hasValue() &&
          quantity(string(dyn(params).spec.hard[claim[1] + ${suffix}])).isGreaterThan(quantity('0')))).map(claim,
        claim[0] + 'spec.storageClassName is ' + claim[1])]`,
    attacks: [
      {
        title: "a claim of manually created volumes that no grant names",
        object: { kinds: [kind], spec: { storageClassName: "hostile-premade" } },
        says: /spec\.storageClassName is hostile-premade/,
      },
      {
        title: "a claim of a class of which a grant gives zero",
        object: { kinds: [kind], spec: { storageClassName: "hostile-zero" } },
        says: /spec\.storageClassName is hostile-zero/,
      },
      {
        title: "a claim that names it by the old annotation",
        object: {
          kinds: [kind],
          spec: { storageClassName: "hostile-none" },
          metadata: { annotations: { "volume.beta.kubernetes.io/storage-class": "hostile-premade" } },
        },
        says: /spec\.storageClassName is hostile-premade/,
      },
      {
        title: "a StatefulSet with claims of manually created volumes",
        object: ofSet({ storageClassName: "hostile-premade" }),
        says: /spec\.volumeClaimTemplates\.spec\.storageClassName is hostile-premade/,
      },
      {
        title: "a pod with a manually created ephemeral volume",
        pod: ephemeral({ storageClassName: "hostile-premade" }),
        says: /spec\.storageClassName is hostile-premade/,
      },
    ],
    ordinary: [
      { title: "a claim of a class that a grant names", object: { kinds: [kind] } },
      {
        title: "a claim of a class that provisions volumes",
        object: { kinds: [kind], spec: { storageClassName: "hostile-making" } },
      },
    ],
  }],
};
