/** The requests of guards_test.ts: their users, and the expected answers. */
import type { RequestOptions } from "../../lib/kubernetes/mod.ts";
import { guestPod } from "../lab/lab_workloads.ts";

/** The guest namespace under test. */
export const guests = "guest-guarded-home";
/** Named like a guest namespace, but neither created by Keystone nor handed over. */
export const foreign = "guest-guards-foreign";
/** Handed over, but not yet adopted. */
export const handed = "guest-guards-handed";
/** An ordinary namespace without guests. */
export const shop = "guards-shop";
/** An ordinary namespace that somebody has tried to hand over. */
export const shopHanded = "guards-shop-handed";

export const caseOperator = "system:serviceaccount:keystone-system:keystone-operator";
const caseFront = "system:serviceaccount:keystone-system:keystone-front";
const kubeSystem = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];

/** User names and groups. The tests' own kubeconfig is the cluster admin's. */
export const users = {
  "a guest": ["guards-bob", ["keystone:realm:guarded-home"]],
  /**
   * Has all rights in all namespaces, subresources included, and may write Realms and patch SuperEntities and statuses; has no
   * other rights.
   */
  "eve": ["guards-eve", []],
  /** May write Realms, and has the verb `trust`. */
  "tom": ["guards-tom", []],
  /** Cluster admin by a ClusterRoleBinding, not by the group system:masters. */
  "dana, a cluster admin,": ["guards-dana", []],
  /** The operator with more rights than rbac.yaml gives it: the fence alone must hold. */
  "a mighty operator": [caseOperator, ["guards-mighty"]],
  // After the mighty one, because a lab keeps one kubeconfig for each name.
  "the operator": [caseOperator, []],
  /** The front with more rights than its roles: its fence alone must hold. */
  "a mighty front": [caseFront, ["guards-mighty"]],
  "the front": [caseFront, []],
  "the scheduler": ["system:kube-scheduler", []],
  "the volume binder": ["system:serviceaccount:kube-system:persistent-volume-binder", kubeSystem],
  "the ReplicaSet controller": ["system:serviceaccount:kube-system:replicaset-controller", kubeSystem],
  "the StatefulSet controller": ["system:serviceaccount:kube-system:statefulset-controller", kubeSystem],
} satisfies Record<string, [string, string[]]>;

export type Who = keyof typeof users | "the cluster admin";
export type CaseBody = Record<string, unknown>;
export type Request = Pick<RequestOptions, "method" | "path" | "bodyJson" | "contentType"> & {
  query?: Record<string, string>;
};
/** `who` and `can` form a sentence: "eve" can "create a guest namespace". */
export interface OrdinaryCase {
  who: Who;
  can: string;
  request: Request;
}
export interface GuardRefusal extends OrdinaryCase {
  says: RegExp;
}

const can = (who: Who, cases: [string, Request][]): OrdinaryCase[] =>
  cases.map(([can, request]) => ({ who, can, request }));
const cannot = (who: Who, cases: [string, Request, RegExp][]): GuardRefusal[] =>
  cases.map(([can, request, says]) => ({ who, can, request, says }));

// Paths.
const core = (namespace: string, path: string) => `/api/v1/namespaces/${namespace}/${path}`;
const inGroup = (group: string) => (namespace: string, path: string) =>
  `/apis/${group}/v1/namespaces/${namespace}/${path}`;
const apps = inGroup("apps");
const rbac = inGroup("rbac.authorization.k8s.io");
const networking = inGroup("networking.k8s.io");
const discovery = inGroup("discovery.k8s.io");
const coordination = inGroup("coordination.k8s.io");
const roles = "/apis/rbac.authorization.k8s.io/v1";
const keystone = "/apis/keystone.io/v1alpha1";
export const caseNamespace = (path = ""): string => `/api/v1/namespaces${path && `/${path}`}`;
export const here = (path: string): string => core(guests, path);

// Requests.
export const get = (path: string, query: Record<string, string> = {}): Request => ({ method: "GET", path, query });
export const createCase = (path: string, bodyJson: CaseBody): Request => ({ method: "POST", path, bodyJson });
export const remove = (path: string): Request => ({ method: "DELETE", path });
const replace = (path: string, bodyJson: CaseBody): Request => ({ method: "PUT", path, bodyJson });
export const patch = (path: string, bodyJson: CaseBody): Request => ({
  method: "PATCH",
  path,
  bodyJson,
  contentType: "application/merge-patch+json",
});
const append = (path: string, list: string, value: CaseBody): Request => ({
  method: "PATCH",
  path,
  bodyJson: [{ op: "add", path: `${list}/-`, value }],
  contentType: "application/json-patch+json",
});
/** Server-side apply, as the operator writes; the name is the last part of the path. */
const apply = (path: string, kind: string, bodyJson: CaseBody = {}): Request => {
  const [, api, group, version] = path.split("/");
  return {
    method: "PATCH",
    path,
    bodyJson: {
      apiVersion: api === "api" ? group : `${group}/${version}`,
      kind,
      ...bodyJson,
      metadata: { name: path.split("/").at(-1), ...bodyJson.metadata as CaseBody },
    },
    contentType: "application/apply-patch+yaml",
    query: { fieldManager: "keystone-operator", force: "true" },
  };
};

// Objects.
export const named = (name: string, rest: CaseBody = {}): CaseBody => ({ metadata: { name }, ...rest });
export const labelled = (labels: CaseBody): CaseBody => ({ metadata: { labels } });
export const annotated = (annotations: CaseBody): CaseBody => ({ metadata: { annotations } });
export const caseNamespaceOf = (name: string, labels: CaseBody = {}, annotations: CaseBody = {}): CaseBody => ({
  metadata: { name, labels, annotations },
});
export const pod = (name: string, spec: CaseBody = {}, metadata: CaseBody = {}, namespace = guests): CaseBody => {
  const plain = JSON.parse(guestPod(name, { cpu: "10m", memory: "16Mi" }, namespace));
  return { ...plain, metadata: { ...plain.metadata, ...metadata }, spec: { ...plain.spec, ...spec } };
};
export const template = (app: string, spec: CaseBody = {}): CaseBody => ({
  metadata: { labels: { app } },
  spec: { ...pod(app).spec as CaseBody, ...spec },
});
export const workload = (app: string, spec: CaseBody = {}): CaseBody =>
  named(app, { spec: { selector: { matchLabels: { app } }, template: template(app), ...spec } });
export const service = (name: string, spec: CaseBody = {}): CaseBody =>
  named(name, { spec: { ports: [{ port: 80 }], ...spec } });
/** A Service open to the outside, with all fields that only its type may have. */
export const open = (name: string): CaseBody => ({
  metadata: { name, annotations: { [sourceRanges]: "198.51.100.0/24", "example.com/a": "b" } },
  spec: {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    loadBalancerSourceRanges: ["198.51.100.0/24"],
    loadBalancerClass: "example.com/none",
    selector: { app: "old" },
    ports: [{ port: 80 }],
  },
});
const sourceRanges = "service.beta.kubernetes.io/load-balancer-source-ranges";
/** The patch that makes such a Service internal. */
export const internal = {
  metadata: { annotations: { [sourceRanges]: null } },
  spec: { type: "ClusterIP", loadBalancerSourceRanges: null },
};
export const alias = (name: string): CaseBody =>
  named(name, { spec: { type: "ExternalName", externalName: "example.com" } });
export const claim = (name: string, spec: CaseBody = {}): CaseBody =>
  named(name, {
    spec: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "guards-none",
      resources: { requests: { storage: "1Mi" } },
      ...spec,
    },
  });
export const subject = (kind: string, name: string): CaseBody => ({
  apiGroup: "rbac.authorization.k8s.io",
  kind,
  name,
});
export const caseGroup = subject("Group", "keystone:realm:guarded-home");
export const bindingCase = (subjects: CaseBody[], role: CaseBody = {}): CaseBody => ({
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keystone-guest", ...role },
  subjects,
});

export const podSecurity = { "pod-security.kubernetes.io/enforce": "restricted" };
const owned = (realm: string) => ({ "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": realm });
export const labelsOf = (realm: string): Record<string, string> => ({ ...owned(realm), ...podSecurity });

const hijack = labelled({ "keystone.io/realm": "guarded-home" });
const drop = labelled({ "keystone.io/realm": null });
const secure = (key: string, value: string | null) => labelled({ [`pod-security.kubernetes.io/${key}`]: value });
const finalized = (name: string, labels: CaseBody) => ({
  ...caseNamespaceOf(name, labels),
  spec: { finalizers: ["kubernetes"] },
});
const bind = (place: string, who = caseGroup) =>
  apply(rbac(place, "rolebindings/keystone-guest"), "RoleBinding", bindingCase([who]));
const bindOther = (place: string, name: string, role: CaseBody) =>
  createCase(rbac(place, "rolebindings"), named(name, bindingCase([subject("User", "bob")], role)));
const quota = (place: string) =>
  apply(core(place, "resourcequotas/keystone"), "ResourceQuota", { spec: { hard: { pods: "9" } } });
const policy = (place: string, name: string) =>
  apply(networking(place, `networkpolicies/${name}`), "NetworkPolicy", { spec: { podSelector: {} } });
const account = (place: string) =>
  apply(core(place, "serviceaccounts/default"), "ServiceAccount", { automountServiceAccountToken: false });
const evict = (place: string) =>
  createCase(core(place, "pods/old/eviction"), named("old", { apiVersion: "policy/v1", kind: "Eviction" }));
const token = (place: string, account = "default", expirationSeconds = 600, more: CaseBody = {}) =>
  createCase(core(place, `serviceaccounts/${account}/token`), {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { audiences: [], expirationSeconds, ...more },
  });
/** Accounts of a realm: the names that tokens may have, and the one of earlier versions. */
export const realmAccountCase = "realm-guarded-home-0123456789abcdef";
export const formerAccountCase = "realm-guarded-home";
const accountCase = (name: string, more: CaseBody = {}): CaseBody =>
  named(name, { automountServiceAccountToken: false, ...more });
const accountsCase = core("keystone-system", "serviceaccounts");
const notThatAccount = /in keystone-system it only creates accounts realm-REALM-DIGEST/;
const tokenSecret = (name: string, account: string): Request =>
  createCase(core("keystone-system", "secrets"), {
    metadata: { name, annotations: { "kubernetes.io/service-account.name": account } },
    type: "kubernetes.io/service-account-token",
  });
const onlyItsSecret = /the only Secret that it writes is keystone-webhook, of type kubernetes\.io\/tls/;
const onlyRealms = /it creates tokens only for the accounts realm-REALM-DIGEST in keystone-system/;
const noOtherToken = /its tokens are valid for at most 3600 seconds and are bound to no other object/;
const onlyTokens = /the Keystone front may not .*: it writes nothing and only creates tokens of the accounts of realms/;
const event = (place: string) =>
  createCase(inGroup("events.k8s.io")(place, "events"), {
    metadata: { name: "guards-event", namespace: place },
    eventTime: "2026-01-01T00:00:00.000000Z",
    action: "Testing",
    reason: "Tested",
    type: "Normal",
    note: "A test.",
    reportingController: "keystone-operator",
    reportingInstance: "test",
    regarding: { kind: "ConfigMap", name: "keystone", namespace: place },
  });
/** Fields that the operator removes from a pod of the largest size that can be stored. */
const room: CaseBody = {
  metadata: { annotations: null },
  status: { conditions: null, initContainerStatuses: null, containerStatuses: null },
};
export const place = (name: string, node: string): Request =>
  createCase(here(`pods/${name}/binding`), named(name, { target: { kind: "Node", name: node } }));

const makePod = (spec: CaseBody, metadata: CaseBody = {}) => createCase(here("pods"), pod("made", spec, metadata));
const makeService = (spec: CaseBody) => createCase(here("services"), service("made", spec));
const makeClaim = (spec: CaseBody) => createCase(here("persistentvolumeclaims"), claim("made", spec));
const tolerating = (...tolerations: CaseBody[]) => ({ tolerations });
const everything = { operator: "Exists" };
const controlPlane = { key: "node-role.kubernetes.io/control-plane", operator: "Exists" };

const notEves =
  /label keystone\.io\/realm.* may be added, changed or removed only by .* admins, but guards-eve is neither/;
const notItsPlace = /it writes only in namespaces guest-\* that have the label keystone\.io\/realm/;
const notItsName = /it creates, changes and deletes only the namespace guest-REALM/;
const notPrivileged =
  /the label pod-security\.kubernetes\.io\/enforce of a guest namespace must be baseline or restricted/;
const notGuests = /it assigns only the requests of guests, .* to the level keystone-guests/;
const guestsGroup = { kind: "Group", group: { name: "keystone:realm:guarded-home" } };
const anyOf = (namespace: string) => ({ namespace, name: "*" });
/** The guests' FlowSchema, as written by the operator. */
function flow(subject: CaseBody, priorityLevelConfiguration: CaseBody = { name: "keystone-guests" }): Request {
  return apply("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/keystone-guests", "FlowSchema", {
    spec: {
      priorityLevelConfiguration,
      matchingPrecedence: 2000,
      rules: [{
        subjects: [subject],
        nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
      }],
    },
  });
}
const notThatRealm = /its ClusterRole keystone-approve-REALM may allow only to approve for that Realm/;
const notThatRole = /it binds only the ClusterRole keystone-guest, in a RoleBinding of that name/;
const notSystem = /to Users and Groups whose names do not begin with system:/;
const expose = { "tailscale.com/expose": "true" };
const notTheirs = /keystone of guest-guarded-home may be created, changed and deleted only by the Keystone operator/;
const notThatVolume = /spec\.volumeName is carols-photos: a claim that names its volume could bind one meant for/;

/** Requests that ValidatingAdmissionPolicies refuse, by policy. */
const coop = `${keystone}/superentities/guards-coop`;
const realmPath = `${keystone}/realms/guards`;
const subjectNamed = (name: string): CaseBody => ({ kind: "User", name });
const realmBody = (name: string): CaseBody => ({
  apiVersion: "keystone.io/v1alpha1",
  kind: "Realm",
  ...named(name, { spec: { identity: `${name}.tailnet-name.ts.net`, trustLevel: "public" } }),
});
const approving = (realm: string): CaseBody => ({
  spec: { approvals: [{ realm, digest: `sha256:${"a".repeat(64)}` }] },
});

export const refusedByPolicy: Record<string, GuardRefusal[]> = {
  "keystone-namespaces": cannot("eve", [
    [
      "create a guest namespace",
      createCase(caseNamespace(), caseNamespaceOf("guest-guards-new", owned("guards-new"))),
      notEves,
    ],
    [
      "create one with a generated name",
      createCase(caseNamespace(), { metadata: { generateName: "guest-", labels: owned("guards-new") } }),
      notEves,
    ],
    ["put the realm's label on Eve's namespace", patch(caseNamespace(shop), hijack), notEves],
    ["put it there through the subresource status", patch(caseNamespace(`${shop}/status`), hijack), notEves],
    [
      "put it there through the subresource finalize",
      replace(caseNamespace(`${shop}/finalize`), finalized(shop, owned("x"))),
      notEves,
    ],
    ["put it there by server-side apply", apply(caseNamespace(shop), "Namespace", hijack), notEves],
    ["put it on a namespace that is named like a guest namespace", patch(caseNamespace(foreign), hijack), notEves],
    [
      "hand a namespace over to Keystone",
      patch(caseNamespace(foreign), annotated({ "keystone.io/adopt": "guards-foreign" })),
      /annotation keystone\.io\/adopt may be added/,
    ],
    [
      "set another label of Keystone's",
      patch(caseNamespace(shop), labelled({ "keystone.io/x": "y" })),
      /label keystone\.io\/x may/,
    ],
    ["remove the realm's label", patch(caseNamespace(guests), drop), notEves],
    ["remove it through the subresource status", patch(caseNamespace(`${guests}/status`), drop), notEves],
    [
      "remove it through the subresource finalize",
      replace(caseNamespace(`${guests}/finalize`), finalized(guests, podSecurity)),
      notEves,
    ],
    ["remove it by replacing the namespace", replace(caseNamespace(guests), caseNamespaceOf(guests)), notEves],
    ["change the realm's label", patch(caseNamespace(guests), labelled({ "keystone.io/realm": "eve" })), notEves],
    [
      "lower Pod Security",
      patch(caseNamespace(guests), secure("enforce", "privileged")),
      /label pod-security\.kubernetes\.io\/enforce may be added, changed or removed only by/,
    ],
    [
      "lower it through the subresource status",
      patch(caseNamespace(`${guests}/status`), secure("enforce", "privileged")),
      /label pod-security\.kubernetes\.io\/enforce may/,
    ],
    [
      "remove Pod Security",
      patch(caseNamespace(guests), secure("enforce", null)),
      /label pod-security\.kubernetes\.io\/enforce may/,
    ],
    [
      "pin it to an old version",
      patch(caseNamespace(guests), secure("enforce-version", "v1.0")),
      /label pod-security\.\S+\/enforce-version may/,
    ],
    [
      "remove it from the operator's management",
      patch(caseNamespace(guests), labelled({ "app.kubernetes.io/managed-by": "eve" })),
      /label app\.kubernetes\.io\/managed-by may be added/,
    ],
    [
      "remove Keystone's annotations",
      patch(caseNamespace(guests), annotated({ "keystone.io/grantee": null })),
      /annotation keystone\.io\/grantee may be added/,
    ],
  ]),
  "keystone-fence": [
    ...cannot("the operator", [
      [
        "change the terms of a Grant",
        patch(`${keystone}/grants/guards`, { spec: { hard: { "requests.cpu": "99" } } }),
        /it writes only finalizers and status of a Grant; only people change its terms/,
      ],
      ["give guests access to kube-system", bind("kube-system"), notItsPlace],
      ["give them access to its own namespace", bind("keystone-system"), notItsPlace],
      ["give them access to default", bind("default"), notItsPlace],
      ["give them access to a namespace that isn't Keystone's", bind(shop), notItsPlace],
      [
        "give them access to one that is only named like a guest namespace",
        bind(foreign),
        /hand it over with the annotation keystone\.io\/adopt/,
      ],
      [
        "give itself access to a guest namespace",
        bind(guests, { kind: "ServiceAccount", name: "keystone-operator", namespace: "keystone-system" }),
        notSystem,
      ],
      [
        "give another realm's ServiceAccount access",
        bind(guests, { kind: "ServiceAccount", name: "realm-eve", namespace: "keystone-system" }),
        notSystem,
      ],
      [
        "give access to the ServiceAccount of a realm with the same name prefix",
        bind(guests, {
          kind: "ServiceAccount",
          name: "realm-guarded-home-two-0123456789abcdef",
          namespace: "keystone-system",
        }),
        notSystem,
      ],
      [
        "give a ServiceAccount of another namespace access",
        bind(guests, { kind: "ServiceAccount", name: "realm-guarded-home", namespace: "default" }),
        notSystem,
      ],
      [
        "delete another ServiceAccount of its namespace",
        remove(core("keystone-system", "serviceaccounts/default")),
        /in keystone-system it only creates accounts realm-REALM-DIGEST.* and deletes the accounts realm-\*/,
      ],
      [
        "throttle the cluster's own users",
        flow({ kind: "Group", group: { name: "system:authenticated" } }),
        notGuests,
      ],
      ["throttle everybody", flow({ kind: "User", user: { name: "*" } }), notGuests],
      [
        "throttle other ServiceAccounts",
        flow({ kind: "ServiceAccount", serviceAccount: anyOf("kube-system") }),
        notGuests,
      ],
      ["put guests on another priority level", flow(guestsGroup, { name: "exempt" }), notGuests],
      ["make another Service internal, elsewhere", patch(core(shop, "services/open"), internal), notItsPlace],
      ...([
        ["open a Service to the outside", "plain", { spec: { type: "NodePort" } }],
        ["redirect a Service", "plain", { spec: { selector: { app: "mine" } } }],
        ["redirect a Service while making it internal", "open", {
          ...internal,
          spec: { ...internal.spec, selector: { app: "mine" } },
        }],
        ["change its ports while making it internal", "open", {
          ...internal,
          spec: { ...internal.spec, ports: [{ port: 81 }] },
        }],
        ["add labels while making it internal", "open", {
          ...internal,
          metadata: { ...internal.metadata, labels: { x: "y" } },
        }],
        ["add annotations while making it internal", "open", {
          ...internal,
          metadata: { annotations: { ...internal.metadata.annotations, x: "y" } },
        }],
        ["add a finalizer while making it internal", "open", {
          ...internal,
          metadata: { ...internal.metadata, finalizers: ["example.com/x"] },
        }],
      ] as [string, string, CaseBody][]).map(([what, name, body]): [string, Request, RegExp] => [
        what,
        patch(here(`services/${name}`), body),
        /it only changes the type of a Service from LoadBalancer or NodePort to ClusterIP/,
      ]),
      ...([
        ["report that a pod has finished", { status: { phase: "Succeeded" } }],
        ["report another address of a pod", { status: { podIP: "10.99.9.9", podIPs: [{ ip: "10.99.9.9" }] } }],
        ["add a condition to a pod", { status: { conditions: [{ type: "x.example.com/y", status: "True" }] } }],
        ["add annotations through a pod's status", annotated({ x: "y" })],
        ["add labels through a pod's status", labelled({ x: "y" })],
        ["add a finalizer through a pod's status", { metadata: { finalizers: ["example.com/other"] } }],
      ] as [string, CaseBody][]).map(([what, body]): [string, Request, RegExp] => [
        what,
        patch(here("pods/old/status"), body),
        /it only removes annotations, conditions and container statuses from a pod/,
      ]),
      ["shrink a pod elsewhere", patch(core(shop, "pods/old/status"), room), notItsPlace],
      ["give itself access by its user name", bind(guests, subject("User", caseOperator)), notSystem],
      ["give everybody access", bind(guests, subject("Group", "system:authenticated")), notSystem],
      [
        "set a quota elsewhere",
        quota("kube-system"),
        /may not CREATE resourcequotas kube-system\/keystone: it writes only/,
      ],
      ["set a quota in a namespace of another name, handed over or not", quota(shopHanded), notItsPlace],
      [
        "set a policy elsewhere",
        policy("default", "x"),
        /may not CREATE networkpolicies\.networking\.k8s\.io default\/x: /,
      ],
      ["write its ConfigMap elsewhere", apply(core("kube-public", "configmaps/keystone"), "ConfigMap"), notItsPlace],
      [
        "change ServiceAccounts elsewhere",
        account("kube-system"),
        /may not UPDATE serviceaccounts kube-system\/default: /,
      ],
      ["end a pod elsewhere", remove(core(shop, "pods/old")), /may not DELETE pods guards-shop\/old: /],
      ["evict a pod elsewhere", evict(shop), /may not CREATE pods\/eviction guards-shop\/old: /],
      ["delete a claim elsewhere", remove(core(shop, "persistentvolumeclaims/old")), notItsPlace],
      ["write events elsewhere", event("kube-system"), notItsPlace],
      [
        "create a namespace of another name",
        createCase(caseNamespace(), caseNamespaceOf("guards-new", labelsOf("guards-new"))),
        notItsName,
      ],
      [
        "create a guest namespace without its label",
        createCase(caseNamespace(), caseNamespaceOf("guest-guards-new", podSecurity)),
        notItsName,
      ],
      [
        "create one with another realm's label",
        createCase(caseNamespace(), caseNamespaceOf("guest-guards-new", labelsOf("bob-home"))),
        notItsName,
      ],
      [
        "create one without Pod Security",
        createCase(caseNamespace(), caseNamespaceOf("guest-guards-new", owned("guards-new"))),
        notPrivileged,
      ],
      [
        "lower Pod Security to privileged",
        apply(
          caseNamespace(guests),
          "Namespace",
          labelled({ ...owned("guarded-home"), "pod-security.kubernetes.io/enforce": "privileged" }),
        ),
        notPrivileged,
      ],
      ["remove the label that selects a namespace for the guards", patch(caseNamespace(guests), drop), notItsName],
      [
        "adopt a namespace that wasn't handed over",
        apply(caseNamespace(foreign), "Namespace", labelled(labelsOf("guards-foreign"))),
        /To hand over another: kubectl annotate namespace guest-REALM keystone\.io\/adopt=REALM/,
      ],
      [
        "adopt one of another name, handed over or not",
        apply(caseNamespace(shopHanded), "Namespace", labelled(labelsOf("guards-shop-handed"))),
        notItsName,
      ],
      [
        "delete a namespace that isn't Keystone's",
        remove(caseNamespace(shop)),
        /may not DELETE namespaces guards-shop: it creates/,
      ],
      ["delete one that was handed over but not yet adopted", remove(caseNamespace(handed)), notItsName],
    ]),
    ...cannot("the operator", [
      ["create roles", createCase(`${roles}/clusterroles`, named("guards-role", { rules: [] })), notItsPlace],
      ["change the guests' role", patch(`${roles}/clusterroles/keystone-guest`, { rules: [] }), notItsPlace],
      [
        "let a realm approve for all realms",
        createCase(`${roles}/clusterroles`, approver("guards", [mayApprove()])),
        notThatRealm,
      ],
      [
        "let a realm approve for another",
        createCase(`${roles}/clusterroles`, approver("guards", [mayApprove("carol-home")])),
        notThatRealm,
      ],
      [
        "adopt a role that isn't its own",
        apply(`${roles}/clusterroles/keystone-approve-guards-theirs`, "ClusterRole", { rules: [] }),
        notThatRealm,
      ],
      [
        "let itself approve",
        createCase(`${roles}/clusterrolebindings`, approves("guards-theirs", subject("User", caseOperator))),
        notThatRealm,
      ],
      [
        "allow everybody to approve",
        createCase(`${roles}/clusterrolebindings`, approves("guards-theirs", subject("Group", "system:authenticated"))),
        notThatRealm,
      ],
      [
        "let another realm approve",
        createCase(
          `${roles}/clusterrolebindings`,
          approves("guards-theirs", subject("Group", "keystone:realm:carol-home")),
        ),
        notThatRealm,
      ],
    ]),
    ...cannot("a mighty operator", [
      ["delete a Service", remove(here("services/open")), /it only changes the type of a Service/],
      ["make a Service", makeService({}), /it only changes the type of a Service/],
      [
        "give access to Secrets through a role for approvals",
        createCase(
          `${roles}/clusterroles`,
          approver("guards", [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }]),
        ),
        notThatRealm,
      ],
      [
        "bind another role under the name of a role for approvals",
        createCase(
          `${roles}/clusterrolebindings`,
          named("keystone-approve-guards", bindingCase([subject("User", "bob")], { name: "cluster-admin" })),
        ),
        notThatRealm,
      ],
      ["delete a role", remove(`${roles}/clusterroles/keystone-approve-guards-theirs`), notThatRealm],
      ["give guests another role", bindOther(guests, "guards-admin", { name: "cluster-admin" }), notThatRole],
      ["bind it under the usual name", bindOther(handed, "keystone-guest", { name: "cluster-admin" }), notThatRole],
      ["bind a Role of that name", bindOther(handed, "keystone-guest", { kind: "Role" }), notThatRole],
      ["delete a foreign binding", remove(rbac(guests, "rolebindings/guards-other")), notThatRole],
      [
        "make itself a cluster admin",
        createCase(
          `${roles}/clusterrolebindings`,
          named("guards-root", bindingCase([subject("User", caseOperator)], { name: "cluster-admin" })),
        ),
        notItsPlace,
      ],
      [
        "write Secrets elsewhere",
        createCase(core("kube-system", "secrets"), named("x")),
        /may not CREATE secrets kube-system\/x: /,
      ],
      [
        "create a token of its own ServiceAccount, which would outlast its pod",
        token("keystone-system", "keystone-operator"),
        /it creates tokens only for the account keystone-front in keystone-system, for at most 600 seconds/,
      ],
      [
        "create a token of a guest's ServiceAccount",
        token(guests),
        /it creates tokens only for the account keystone-front/,
      ],
      [
        "create a token of its front that lasts an hour",
        token("keystone-system", "keystone-front", 3600),
        /for at most 600 seconds/,
      ],
      [
        "create a token of a realm's account",
        token("keystone-system", realmAccountCase),
        /it creates tokens only for the account keystone-front/,
      ],
      ["create an account of another name", createCase(accountsCase, accountCase("guards-made")), notThatAccount],
      [
        "create an account of a realm without a digest",
        createCase(accountsCase, accountCase("realm-guards")),
        notThatAccount,
      ],
      [
        "create an account whose token is mounted",
        createCase(accountsCase, named("realm-guards-00112233445566aa")),
        notThatAccount,
      ],
      [
        "create an account with a Secret",
        createCase(
          accountsCase,
          accountCase("realm-guards-00112233445566aa", { secrets: [{ name: "keystone-webhook" }] }),
        ),
        notThatAccount,
      ],
      ["change an account", patch(`${accountsCase}/${realmAccountCase}`, labelled({ x: "y" })), notThatAccount],
      ["delete its own account", remove(`${accountsCase}/keystone-operator`), notThatAccount],
      ["get a lasting token of a realm by a Secret", tokenSecret("keystone-webhook", realmAccountCase), onlyItsSecret],
      [
        "get a lasting token for itself by a Secret",
        tokenSecret("keystone-webhook", "keystone-operator"),
        onlyItsSecret,
      ],
      ["write another Secret", createCase(core("keystone-system", "secrets"), named("guards-made")), onlyItsSecret],
      ["make tokens elsewhere", token("kube-system"), /may not CREATE serviceaccounts\/token kube-system\/default: /],
      [
        "change custom resource definitions",
        patch("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/grants.keystone.io", annotated({ x: "y" })),
        /may not UPDATE customresourcedefinitions\.apiextensions\.k8s\.io grants\.keystone\.io: /,
      ],
      [
        "remove a namespace's label through its status",
        patch(caseNamespace(`${guests}/status`), drop),
        /UPDATE namespaces\/status guest-/,
      ],
      [
        "open a shell in a guest's pod",
        { method: "POST", path: here("pods/old/exec"), query: { command: "id", stdout: "true" } },
        /may not CONNECT pods\/exec guest-guarded-home\/old: it only writes objects/,
      ],
    ]),
  ],
  "keystone-front": cannot("a mighty front", [
    ["create a token of the operator", token("keystone-system", "keystone-operator"), onlyRealms],
    ["create a token of itself", token("keystone-system", "keystone-front"), onlyRealms],
    ["create a token of the account default", token("keystone-system", "default"), onlyRealms],
    ["create a token of an account without a digest", token("keystone-system", formerAccountCase), onlyRealms],
    ["create a token of a guest's account", token(guests), onlyRealms],
    ["create a token elsewhere", token("kube-system"), onlyRealms],
    ["create a token of a realm's name elsewhere", token(shop, realmAccountCase), onlyRealms],
    ["create a token of a realm for longer", token("keystone-system", realmAccountCase, 3601), noOtherToken],
    [
      "create a token of a realm that is bound to a Secret",
      token("keystone-system", realmAccountCase, 600, {
        boundObjectRef: { apiVersion: "v1", kind: "Secret", name: "guards-bound" },
      }),
      noOtherToken,
    ],
    ["create an account", createCase(accountsCase, accountCase("realm-guards-00112233445566aa")), onlyTokens],
    [
      "make a realm's account mount its token",
      patch(`${accountsCase}/${realmAccountCase}`, { automountServiceAccountToken: true }),
      onlyTokens,
    ],
    ["delete a realm's account", remove(`${accountsCase}/${realmAccountCase}`), onlyTokens],
    ["get a lasting token by a Secret", tokenSecret("guards-made", "keystone-operator"), onlyTokens],
    [
      "make itself a cluster admin",
      createCase(
        `${roles}/clusterrolebindings`,
        named("guards-root", bindingCase([subject("User", caseFront)], { name: "cluster-admin" })),
      ),
      onlyTokens,
    ],
    ["let a guest in", bind(guests), onlyTokens],
    ["raise a quota", quota(guests), onlyTokens],
    ["change a Grant", patch(`${keystone}/grants/guards`, labelled({ x: "y" })), onlyTokens],
    ["write a Grant's status", patch(`${keystone}/grants/guards/status`, { status: { phase: "Active" } }), onlyTokens],
    ["delete a Realm", remove(`${keystone}/realms/guards`), onlyTokens],
    [
      "create a pod",
      createCase(core(shop, "pods"), pod("guards-made", {}, {}, shop)),
      onlyTokens,
    ],
    ["end a guest's pod", remove(here("pods/old")), onlyTokens],
    ["evict a guest's pod", evict(guests), onlyTokens],
    ["open a shell in a guest's pod", {
      method: "POST",
      path: here("pods/old/exec"),
      query: { command: "id", stdout: "true" },
    }, onlyTokens],
    ["take the Lease", createCase(coordination("keystone-system", "leases"), named("guards-lease")), onlyTokens],
    ["write an event", event("default"), onlyTokens],
  ]),
  "keystone-guest-devices": cannot("a guest", [[
    "request a device that no grant names",
    makePod({
      containers: (pod("made").spec as { containers: CaseBody[] }).containers.map((container) => ({
        ...container,
        resources: { limits: { "example.com/gpu": "1" } },
      })),
    }),
    /spec\.resources has example\.com\/gpu: no grant names it/,
  ]]),
  "keystone-guest-services": [
    ...cannot("a guest", [
      [
        "create a Service with external addresses of others",
        makeService({ externalIPs: ["203.0.113.7"] }),
        /spec\.externalIPs has 203\.0\.113\.7: the Service would receive all traffic of the cluster to that address/,
      ],
      [
        "add such addresses to a Service",
        patch(here("services/plain"), { spec: { externalIPs: ["10.96.0.1"] } }),
        /spec\.externalIPs has 10\.96\.0\.1/,
      ],
      [
        "add an address to a Service that already had some",
        patch(here("services/old"), { spec: { externalIPs: ["198.51.100.1", "198.51.100.2"] } }),
        /spec\.externalIPs has 198\.51\.100\.2/,
      ],
      [
        "create an ExternalName Service",
        createCase(here("services"), alias("made")),
        /spec\.type is ExternalName, for example\.com: clients of this Service/,
      ],
      [
        "turn a Service into an ExternalName Service",
        patch(here("services/plain"), {
          spec: { type: "ExternalName", externalName: "x.internal", clusterIP: null, clusterIPs: null },
        }),
        /spec\.type is ExternalName, for x\.internal/,
      ],
      [
        "redirect an existing ExternalName Service",
        patch(here("services/old-alias"), { spec: { externalName: "x.internal" } }),
        /spec\.type is ExternalName, for x\.internal/,
      ],
    ]),
    ...cannot("the cluster admin", [
      [
        "create a Service with external addresses of others in a guest namespace",
        makeService({ externalIPs: ["203.0.113.7"] }),
        /spec\.externalIPs has/,
      ],
    ]),
  ],
  "keystone-guest-pods": [
    ...cannot("a guest", [
      [
        "create a pod that bypasses the scheduler",
        makePod({ nodeName: "node-1" }),
        /spec\.nodeName is node-1: .* select nodes with nodeSelector or affinity/,
      ],
      [
        "create a pod that tolerates the control plane's taint",
        makePod(tolerating(controlPlane)),
        /spec\.tolerations has node-role\.kubernetes\.io\/control-plane: those nodes are not for guests/,
      ],
      [
        "create a pod that tolerates the taint of the old name",
        makePod(tolerating({ key: "node-role.kubernetes.io/master", operator: "Exists", effect: "NoSchedule" })),
        /spec\.tolerations has node-role\.kubernetes\.io\/master/,
      ],
      [
        "create a pod that tolerates k3s' taint",
        makePod(tolerating({ key: "CriticalAddonsOnly", value: "true", effect: "NoExecute" })),
        /spec\.tolerations has CriticalAddonsOnly/,
      ],
      [
        "create a pod that tolerates all taints",
        makePod(tolerating(everything)),
        /spec\.tolerations has one without a key, which tolerates every taint/,
      ],
      [
        "add such a toleration to a pod",
        append(here("pods/old"), "/spec/tolerations", controlPlane),
        /spec\.tolerations has node-role/,
      ],
      [
        "create a pod that is node-critical",
        makePod({ priorityClassName: "system-node-critical" }),
        /spec\.priorityClassName is system-node-critical, priority \d+ \(allowed: 0\)/,
      ],
      [
        "create a pod that preempts others",
        makePod({ priorityClassName: "keystone-guards-high" }),
        /spec\.priorityClassName is keystone-guards-high, priority 1000000 \(allowed: 0\)/,
      ],
      [
        "create a pod with a finalizer that would hold it",
        makePod({}, { finalizers: ["example.com/hold"] }),
        /metadata\.finalizers has example\.com\/hold: nothing would remove it when the grant ends/,
      ],
      [
        "add a finalizer to a pod",
        patch(here("pods/old"), { metadata: { finalizers: ["example.com/before", "example.com/hold"] } }),
        /metadata\.finalizers has example\.com\/hold/,
      ],
      [
        "set a Job's finalizer that no Job controller removes",
        makePod({}, { finalizers: ["batch.kubernetes.io/job-tracking"] }),
        /has batch\.kubernetes\.io\/job-tracking/,
      ],
    ]),
    ...cannot("the ReplicaSet controller", [
      ["place a pod past the scheduler for a guest", makePod({ nodeName: "node-1" }), /spec\.nodeName is node-1/],
      [
        "create a critical pod for a guest",
        makePod({ priorityClassName: "system-cluster-critical" }),
        /is system-cluster-critical/,
      ],
    ]),
    ...cannot("the cluster admin", [
      ["place a pod there past the scheduler", makePod({ nodeName: "node-1" }), /spec\.nodeName is node-1/],
    ]),
  ],
  "keystone-guest-claims": [
    ...cannot("a guest", [
      ["claim a volume by its name", makeClaim({ volumeName: "carols-photos" }), notThatVolume],
      [
        "bind a pending claim to a volume by its name",
        patch(here("persistentvolumeclaims/waits"), { spec: { volumeName: "carols-photos" } }),
        notThatVolume,
      ],
    ]),
    // Created from a guest's template.
    ...cannot("the StatefulSet controller", [
      ["claim one on a guest's behalf", makeClaim({ volumeName: "carols-photos" }), notThatVolume],
      [
        "claim any volume without a class on a guest's behalf",
        makeClaim({ storageClassName: "" }),
        /spec\.storageClassName is empty: .*\(guard claim-class\)/,
      ],
    ]),
  ],
  "keystone-approvals": [
    ...cannot("the operator", [
      ["approve for a realm", patch(coop, approving("guards")), /the operator may not approve for a realm: guards/],
      [
        "change the terms",
        patch(coop, { spec: { graceSeconds: 1 } }),
        /changing its terms requires the verb propose on it/,
      ],
    ]),
    ...cannot("eve", [
      [
        "approve for a realm",
        patch(coop, approving("guards")),
        /guards-eve may not approve or withdraw for realm guards/,
      ],
      [
        "change the terms",
        patch(coop, { spec: { purpose: "x" } }),
        /changing its terms requires the verb propose on it, but guards-eve/,
      ],
      ["label it", patch(coop, labelled({ a: "b" })), /changing its metadata requires the verb propose on it/],
      [
        "add a finalizer to it",
        patch(coop, { metadata: { finalizers: ["example.com/x"] } }),
        /changing its metadata requires the verb propose on it/,
      ],
    ]),
  ],
  "keystone-guest-storage-classes": [
    ...cannot("a guest", [[
      "claim a volume that was provisioned for others",
      makeClaim({ storageClassName: "guards-premade" }),
      /spec\.storageClassName is guards-premade: its volumes are created by hand/,
    ]]),
    ...cannot("the StatefulSet controller", [
      ["claim one for a guest", makeClaim({ storageClassName: "guards-premade" }), /is guards-premade/],
    ]),
  ],
  "keystone-guest-metadata": cannot("a guest", [
    [
      "create a Service that becomes a node of the tailnet",
      createCase(here("services"), { ...service("made"), ...{ metadata: { name: "made", annotations: expose } } }),
      /metadata\.annotations has tailscale\.com\/expose \(true\), one of the keys that hand out names, addresses/,
    ],
    ["turn a Service into one", patch(here("services/plain"), annotated(expose)), /has tailscale\.com\/expose/],
    [
      "add a finalizer to a ConfigMap",
      createCase(here("configmaps"), { metadata: { name: "made", finalizers: ["example.com/hold"] } }),
      /metadata\.finalizers has example\.com\/hold/,
    ],
  ]),
  "keystone-own-objects": [
    ...cannot("a guest", [
      [
        "make the guide to the grants immutable",
        patch(here("configmaps/keystone"), { immutable: true }),
        /configmaps keystone of guest-guarded-home may be created, changed and deleted only by the Keystone operator .* Use another name/,
      ],
      [
        "add a finalizer to it",
        patch(here("configmaps/keystone"), { metadata: { finalizers: ["foregroundDeletion"] } }),
        notTheirs,
      ],
      ["label it", patch(here("configmaps/keystone"), labelled({ a: "b" })), notTheirs],
      ["delete it", remove(here("configmaps/keystone")), notTheirs],
      ["delete all ConfigMaps", remove(here("configmaps")), notTheirs],
    ]),
  ],
  "keystone-realms": [
    ...cannot("eve", [
      [
        "create a Realm",
        createCase(`${keystone}/realms`, realmBody("guards-new")),
        /Realm guards-new: creating it requires the verb/,
      ],
      [
        "create one with a generated name",
        createCase(`${keystone}/realms`, { ...realmBody("x"), metadata: { generateName: "guards-new-" } }),
        /creating it requires the verb trust on it, but guards-eve does not have it/,
      ],
      [
        "create one by server-side apply",
        apply(`${keystone}/realms/guards-new`, "Realm", realmBody("guards-new")),
        /creating it requires the verb trust/,
      ],
      [
        "add Eve to its subjects",
        patch(realmPath, { spec: { subjects: [{ kind: "User", name: "guards-eve" }] } }),
        /Realm guards: changing spec\.subjects requires the verb trust on it/,
      ],
      [
        "give it another identity",
        patch(realmPath, { spec: { identity: "eve.tailnet-name.ts.net" } }),
        /changing spec\.identity/,
      ],
      ["trust it more", patch(realmPath, { spec: { trustLevel: "internal" } }), /changing spec\.trustLevel/],
      [
        "pin another node",
        patch(realmPath, annotated({ "keystone.io/trusted-node": "eves" })),
        /changing annotation keystone\.io\/trusted-node requires/,
      ],
      [
        "label it with a key of Keystone's",
        patch(realmPath, labelled({ "keystone.io/x": "y" })),
        /changing label key/,
      ],
      [
        "change it along with a field that anybody may change",
        patch(realmPath, { ...annotated({ a: "b" }), spec: { connectionType: "headscale", trustLevel: "internal" } }),
        /changing spec\.trustLevel requires/,
      ],
    ]),
    ...cannot("a mighty operator", [
      ...["spec.trustLevel", "spec.subjects"].map((field, index): [string, Request, RegExp] => [
        `change ${field}`,
        patch(realmPath, { spec: index ? { subjects: [subjectNamed("x")] } : { trustLevel: "internal" } }),
        /changing spec\.\w+ requires the verb trust/,
      ]),
    ]),
  ],
  "keystone-status": cannot(
    "eve",
    ["superentities/guards-coop", "grants/guards", "realms/guards"].map((path): [string, Request, RegExp] => [
      `write the status of ${path}`,
      patch(`${keystone}/${path}/status`, { status: { message: "x", connectionState: "Error" } }),
      /may be written only by the Keystone operator and by cluster admins, but guards-eve is neither/,
    ]),
  ),
  "keystone-guest-ends": cannot("a guest", [
    [
      "delete a running pod without grace",
      createCase(
        here("pods/old/eviction"),
        named("old", { apiVersion: "policy/v1", kind: "Eviction", deleteOptions: { gracePeriodSeconds: 0 } }),
      ),
      /gracePeriodSeconds is 0: .*\(guard forced-end\)/,
    ],
  ]),
  "keystone-guest-scale": cannot("a guest", [
    [
      "scale to a billion pods",
      patch(apps(guests, "statefulsets/old/scale"), { spec: { replicas: 1_000_000_000 } }),
      /spec\.replicas is 1000000000 \(allowed: 100\)/,
    ],
  ]),
  "keystone-guest-accounts": cannot("a guest", [
    [
      "create an account that no quota counts",
      createCase(here("serviceaccounts"), { metadata: { name: "uncounted" } }),
      /ResourceQuota keystone has no count\/serviceaccounts.*\(guard account-count\)/,
    ],
  ]),
  "keystone-guest-data": cannot("a guest", [
    [
      "get all devices through a ConfigMap",
      createCase(here("configmaps"), { metadata: { name: "made" }, data: { NVIDIA_VISIBLE_DEVICES: "all" } }),
      /data has NVIDIA_VISIBLE_DEVICES: a container with envFrom has it as a variable/,
    ],
  ]),
  "keystone-guest-secrets": cannot("a guest", [
    [
      "request a token that never expires",
      createCase(here("secrets"), {
        metadata: { name: "token", annotations: { "kubernetes.io/service-account.name": "default" } },
        type: "kubernetes.io/service-account-token",
      }),
      /type is kubernetes\.io\/service-account-token: the cluster would write a token into it that never expires/,
    ],
  ]),
};

/** A role that lets a realm approve, and its binding. */
function approver(realm: string, rules: CaseBody[]): CaseBody {
  return named(`keystone-approve-${realm}`, { rules });
}
function mayApprove(...resourceNames: string[]): CaseBody {
  return { apiGroups: ["keystone.io"], resources: ["realms"], resourceNames, verbs: ["approve"] };
}
function approves(realm: string, who: CaseBody): CaseBody {
  return named(`keystone-approve-${realm}`, bindingCase([who], { name: `keystone-approve-${realm}` }));
}

/** Resources that the operator may read and write under one name only. */
export const byName: [path: string, name: string][] = [
  ["/api/v1/resourcequotas", "keystone"],
  ["/api/v1/limitranges", "keystone"],
  ["/api/v1/configmaps", "keystone"],
  ["/api/v1/serviceaccounts", "default"],
  [`${roles}/rolebindings`, "keystone-guest"],
];
const selecting = (name: string) => ({ fieldSelector: `metadata.name=${name}` });

const no = /cannot (get|list|create|update|patch|delete|watch) resource/;

/** Requests that no role allows; the authorizer refuses them before any policy. */
export const refusedByRole: GuardRefusal[] = [
  ...cannot("the operator", [
    ["read Secrets", get("/api/v1/secrets"), no],
    ["read guests' Secrets", get(here("secrets")), no],
    ...byName.map(([path]): [string, Request, RegExp] => [`list all ${path.split("/").at(-1)}`, get(path), no]),
    ["list ConfigMaps by label", get("/api/v1/configmaps", { labelSelector: "x=y" }), no],
    ["write a ConfigMap of another name", apply(here("configmaps/other"), "ConfigMap"), no],
    ["create pods", createCase(here("pods"), pod("made")), no],
    ["set a quota of another name", apply(here("resourcequotas/other"), "ResourceQuota"), no],
    ["bind under another name", apply(rbac(guests, "rolebindings/other"), "RoleBinding", bindingCase([])), no],
    [
      "grant a role whose rights it lacks",
      apply(rbac(handed, "rolebindings/keystone-guest"), "RoleBinding", bindingCase([caseGroup], { name: "admin" })),
      /attempting to grant RBAC permissions not currently held/,
    ],
    ["delete roles", remove(`${roles}/clusterroles/keystone-guest`), no],
    [
      "allow reading Secrets through a role for approvals",
      createCase(
        `${roles}/clusterroles`,
        approver("guards", [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }]),
      ),
      /attempting to grant RBAC permissions not currently held/,
    ],
    ["create grants", createCase(`${keystone}/grants`, {}), no],
    ["delete grants", remove(`${keystone}/grants/guards`), no],
    ["change nodes", patch("/api/v1/nodes/node-1", labelled({ x: "y" })), no],
    ["read EndpointSlices other than the API server's", get(discovery("kube-system", "endpointslices")), no],
    ["read Leases elsewhere", get(coordination("kube-system", "leases")), no],
    [
      "delete its fence",
      remove("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/keystone-fence"),
      no,
    ],
    ["create tokens", token(guests), no],
    ["create tokens of realms", token("keystone-system", realmAccountCase), no],
    ["change the accounts of realms", patch(`${accountsCase}/${realmAccountCase}`, labelled({ x: "y" })), no],
  ]),
  ...cannot("a guest", [
    ["list pods in other namespaces", get(core(shop, "pods")), no],
    ["list namespaces", get(caseNamespace()), no],
    ["change their own namespace", patch(caseNamespace(guests), labelled({ x: "y" })), no],
    ["delete their own namespace", remove(caseNamespace(guests)), no],
    ["change the quota", patch(here("resourcequotas/keystone"), { spec: { hard: { pods: "99" } } }), no],
    ["change the quota's status", patch(here("resourcequotas/keystone/status"), { status: { used: {} } }), no],
    ["set a LimitRange", createCase(here("limitranges"), named("made", { spec: { limits: [] } })), no],
    [
      "open the network",
      createCase(networking(guests, "networkpolicies"), named("made", { spec: { podSelector: {}, egress: [{}] } })),
      no,
    ],
    ["delete a NetworkPolicy", remove(networking(guests, "networkpolicies/default-deny")), no],
    [
      "give others access",
      createCase(rbac(guests, "rolebindings"), named("made", bindingCase([subject("User", "carol")]))),
      no,
    ],
    ["create roles", createCase(rbac(guests, "roles"), named("made", { rules: [] })), no],
    ["create tokens", token(guests), no],
    ["create Endpoints", createCase(here("endpoints"), named("made")), no],
    [
      "create EndpointSlices",
      createCase(discovery(guests, "endpointslices"), named("made", { addressType: "IPv4", endpoints: [] })),
      no,
    ],
    ["create Ingresses", createCase(networking(guests, "ingresses"), named("made")), no],
    ["write a Service's addresses", patch(here("services/plain/status"), { status: { loadBalancer: {} } }), no],
    ["use a Service through the API server's proxy", get(here("services/plain/proxy/")), no],
    ["use a pod through the API server's proxy", get(here("pods/old/proxy/")), no],
    ["write a pod's status", patch(here("pods/old/status"), { status: { phase: "Succeeded" } }), no],
    ["schedule a pod", place("old", "node-1"), no],
    [
      "schedule a pod through its old binding",
      createCase(here("bindings"), named("old", { target: { kind: "Node", name: "node-1" } })),
      no,
    ],
    ["resize a pod", patch(here("pods/old/resize"), { spec: {} }), no],
    ["add an ephemeral container", patch(here("pods/old/ephemeralcontainers"), { spec: {} }), no],
    ["write events", event(guests), no],
    ["read nodes", get("/api/v1/nodes"), no],
    ["read volumes", get("/api/v1/persistentvolumes"), no],
    ["read grants", get(`${keystone}/grants`), no],
  ]),
];

/** Requests that are accepted; `seen` is the guest namespace as it is. */
export const allowed = (seen: CaseBody): OrdinaryCase[] => [
  ...can("a mighty front", [
    ["create a token of a realm's account", token("keystone-system", realmAccountCase)],
    ["create one for an hour", token("keystone-system", realmAccountCase, 3600)],
    ["read what its roles allow", get(`${keystone}/grants`)],
  ]),
  ...can("the operator", [
    ["create a realm's account", createCase(accountsCase, accountCase("realm-guards-00112233445566aa"))],
    ["delete a realm's account", remove(`${accountsCase}/${realmAccountCase}`)],
    ["delete one of an earlier version", remove(`${accountsCase}/${formerAccountCase}`)],
  ]),
  ...can("a mighty operator", [[
    "write its webhook's Secret",
    createCase(core("keystone-system", "secrets"), {
      ...named("keystone-webhook"),
      type: "kubernetes.io/tls",
      data: { "tls.crt": "", "tls.key": "" },
    }),
  ]]),
  ...can("eve", [
    [
      "set other labels on a guest namespace",
      patch(caseNamespace(guests), labelled({ "team": "x", "istio.io/rev": "1" })),
    ],
    ["set other annotations", patch(caseNamespace(guests), annotated({ "field.cattle.io/projectId": "p" }))],
    ["write its status", replace(caseNamespace(`${guests}/status`), seen)],
    ["finish its deletion, as the namespace controller does", replace(caseNamespace(`${guests}/finalize`), seen)],
    ["delete it", remove(caseNamespace(guests))],
    ["set Pod Security on Eve's namespace", patch(caseNamespace(shop), secure("enforce", "privileged"))],
    ["set the label managed-by", patch(caseNamespace(shop), labelled({ "app.kubernetes.io/managed-by": "keystone" }))],
    [
      "create a namespace that is named like a guest namespace",
      createCase(caseNamespace(), caseNamespaceOf("guest-guards-new", podSecurity)),
    ],
  ]),
  ...can("eve", [
    ["change a realm's connection type", patch(realmPath, { spec: { connectionType: "headscale" } })],
    ["label a Realm", patch(realmPath, labelled({ team: "x" }))],
    ["write its spec unchanged", patch(realmPath, { spec: { trustLevel: "partner" } })],
  ]),
  ...can("tom", [
    ["create a Realm", createCase(`${keystone}/realms`, realmBody("guards-new"))],
    ["set its subjects", patch(realmPath, { spec: { subjects: [subjectNamed("bob@example.com")] } })],
    ["pin a node", patch(realmPath, annotated({ "keystone.io/trusted-node": "n" }))],
  ]),
  ...can("dana, a cluster admin,", [
    ["restore a claim with its volume", makeClaim({ volumeName: "carols-photos" })],
    ["restore a claim without a class", makeClaim({ storageClassName: "", volumeName: "carols-photos" })],
    ["write the guide to the grants", patch(here("configmaps/keystone"), labelled({ a: "b" }))],
  ]),
  ...can("dana, a cluster admin,", [["trust a realm more", patch(realmPath, { spec: { trustLevel: "internal" } })]]),
  ...can("the cluster admin", [
    ["remove the realm's label", patch(caseNamespace(guests), drop)],
    ["set the realm's label", patch(caseNamespace(foreign), labelled(labelsOf("guards-foreign")))],
    ["hand a namespace over", patch(caseNamespace(foreign), annotated({ "keystone.io/adopt": "guards-foreign" }))],
  ]),
  ...can("dana, a cluster admin,", [
    ["remove the realm's label", patch(caseNamespace(guests), drop)],
    ["change Pod Security", patch(caseNamespace(guests), secure("enforce", "baseline"))],
  ]),
  ...can("the operator", [
    ["write the guests' FlowSchema", flow(guestsGroup)],
    [
      "create a guest namespace",
      createCase(
        caseNamespace(),
        caseNamespaceOf("guest-guards-new", labelsOf("guards-new"), { "keystone.io/grantee": "x" }),
      ),
    ],
    [
      "restore its labels",
      apply(
        caseNamespace(guests),
        "Namespace",
        labelled({ ...labelsOf("guarded-home"), "pod-security.kubernetes.io/enforce": "baseline" }),
      ),
    ],
    [
      "adopt a namespace that was handed over",
      apply(caseNamespace(handed), "Namespace", labelled(labelsOf("guards-handed"))),
    ],
    ["delete their own namespace", remove(caseNamespace(guests))],
    ["set the quota", quota(guests)],
    ["delete the quota", remove(here("resourcequotas/keystone"))],
    [
      "set a LimitRange",
      apply(here("limitranges/keystone"), "LimitRange", { spec: { limits: [{ type: "Container" }] } }),
    ],
    ["write the default deny", policy(guests, "default-deny")],
    ["write the policy of a grant", policy(guests, "grant-x")],
    ["delete a policy", remove(networking(guests, "networkpolicies/default-deny"))],
    ["give people access", bind(guests, subject("User", "bob@example.com"))],
    ["give a group access", bind(guests)],
    [
      "give the realm's ServiceAccount access",
      bind(guests, {
        kind: "ServiceAccount",
        name: "realm-guarded-home-0123456789abcdef",
        namespace: "keystone-system",
      }),
    ],
    [
      "give the ServiceAccount of an earlier version access",
      bind(guests, { kind: "ServiceAccount", name: "realm-guarded-home", namespace: "keystone-system" }),
    ],
    ["make an open Service internal", patch(here("services/open"), internal)],
    ["remove their access", remove(rbac(guests, "rolebindings/keystone-guest"))],
    ["keep tokens out of pods", account(guests)],
    ["write the guide to the grants", apply(here("configmaps/keystone"), "ConfigMap", { data: { "grants.yaml": "" } })],
    ["delete it", remove(here("configmaps/keystone"))],
    ["evict a pod", evict(guests)],
    ["shrink a pod that has no room for its deletion timestamp", patch(here("pods/old/status"), room)],
    ["delete a pod", remove(here("pods/old"))],
    ["delete a claim", remove(here("persistentvolumeclaims/waits"))],
    ["write events about its kinds", event("default")],
    ["write events in guest namespaces", event(guests)],
    [
      "put its finalizer on a grant",
      patch(`${keystone}/grants/guards`, { metadata: { finalizers: ["keystone.io/guest"] } }),
    ],
    ["put its finalizer on a SuperEntity", patch(coop, { metadata: { finalizers: ["keystone.io/guest"] } })],
    ["let a realm approve for itself", createCase(`${roles}/clusterroles`, approver("guards", [mayApprove("guards")]))],
    ["write a grant's status", patch(`${keystone}/grants/guards/status`, { status: { message: "x" } })],
    ["pin a realm's node", patch(`${keystone}/realms/guards`, annotated({ "keystone.io/trusted-node": "n" }))],
    ["create a Lease", createCase(coordination("keystone-system", "leases"), named("guards-lease", { spec: {} }))],
    ...byName.flatMap(([path, name]): [string, Request][] => [
      [`list all ${path.split("/").at(-1)} of the name ${name}`, get(path, selecting(name))],
      ["watch them", get(path, { ...selecting(name), watch: "true", timeoutSeconds: "1" })],
    ]),
    ...["pods", "persistentvolumeclaims", "nodes"].map((plural): [string, Request] => [
      `list all ${plural}`,
      get(`/api/v1/${plural}`),
    ]),
    ["list the ranges of Services", get("/apis/networking.k8s.io/v1/servicecidrs")],
    ["list the storage classes", get("/apis/storage.k8s.io/v1/storageclasses")],
    ["list the API server's endpoints", get(discovery("default", "endpointslices"))],
  ]),
  ...can("a guest", [
    ["create a pod", makePod({})],
    [
      "create a pod that tolerates the taints of nodes with devices",
      makePod(
        tolerating({ key: "nvidia.com/gpu", operator: "Exists" }, {
          key: "node.kubernetes.io/not-ready",
          operator: "Exists",
        }),
      ),
    ],
    ["create a pod with foreground deletion", makePod({}, { finalizers: ["foregroundDeletion"] })],
    ["change a pod that had a finalizer before", patch(here("pods/old"), labelled({ x: "y" }))],
    ["remove that finalizer", patch(here("pods/old"), { metadata: { finalizers: null } })],
    [
      "delete a pod in the foreground",
      { ...remove(here("pods/old")), bodyJson: { propagationPolicy: "Foreground", dryRun: ["All"] } },
    ],
    ["evict a pod", evict(guests)],
    ["create a Deployment", createCase(apps(guests, "deployments"), workload("made"))],
    ["scale a StatefulSet", patch(apps(guests, "statefulsets/old/scale"), { spec: { replicas: 3 } })],
    ["create a DaemonSet", createCase(apps(guests, "daemonsets"), workload("made"))],
    [
      "create a PodDisruptionBudget",
      createCase(inGroup("policy")(guests, "poddisruptionbudgets"), named("made", { spec: { maxUnavailable: 1 } })),
    ],
    [
      "create a HorizontalPodAutoscaler",
      createCase(
        `/apis/autoscaling/v2/namespaces/${guests}/horizontalpodautoscalers`,
        named("made", {
          spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "old" } },
        }),
      ),
    ],
    ["create a Service", makeService({})],
    // The quota limits the number of these.
    ["create one with a node port", makeService({ type: "NodePort" })],
    ["create one with a load balancer", makeService({ type: "LoadBalancer" })],
    ["change a Service that already had external addresses", patch(here("services/old"), labelled({ x: "y" }))],
    ["remove those addresses", patch(here("services/old"), { spec: { externalIPs: null } })],
    ["change an existing ExternalName Service", patch(here("services/old-alias"), labelled({ x: "y" }))],
    ["claim storage", makeClaim({})],
    ["change a bound claim", patch(here("persistentvolumeclaims/bound"), labelled({ x: "y" }))],
    ["create a Secret", createCase(here("secrets"), named("made", { stringData: { x: "y" } }))],
    ["create a ConfigMap", createCase(here("configmaps"), named("made"))],
    ...["resourcequotas", "limitranges", "events"].map((
      plural,
    ): [string, Request] => [`read ${plural}`, get(here(plural))]),
    ["read the network policies", get(networking(guests, "networkpolicies"))],
  ]),
  ...can("the scheduler", [["place a guest's pod", place("old", "node-1")]]),
  ...can("the volume binder", [
    ["bind a guest's claim", replace(here("persistentvolumeclaims/waits"), claim("waits", { volumeName: "found" }))],
  ]),
  // Outside of guest namespaces the guards judge none of these.
  ...can("the cluster admin", [
    [
      "give a Service elsewhere any address",
      createCase(core(shop, "services"), service("made", { externalIPs: ["203.0.113.7"] })),
    ],
    [
      "create a pod elsewhere that bypasses the scheduler and has a finalizer",
      createCase(
        core(shop, "pods"),
        pod("made", { nodeName: "x", ...tolerating(everything) }, { finalizers: ["x.com/y"] }, shop),
      ),
    ],
    [
      "claim a volume by its name elsewhere",
      createCase(core(shop, "persistentvolumeclaims"), claim("made", { volumeName: "mine" })),
    ],
  ]),
];
