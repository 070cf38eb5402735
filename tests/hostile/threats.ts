/**
 * The threat table: what somebody could try, what stands against it, what is left, and the tests that try it.
 * `deno task gen` writes it into docs/security.md, and docs/attacks.md from it and from the tests themselves. Each test of
 * tests/hostile and each guard belongs to a threat, or to what has to go on beside them (hostile_attacks_test.ts).
 */
import type { GuardName } from "../../src/api/mod.ts";

/** A test file below tests/, or one test or step of it: `hostile/ends_test.ts: keep them after the end, …`. */
export type ThreatSource = string;

/** One threat; texts are cells of a Markdown table, with links from docs/. */
export interface Threat {
  threat: string;
  against: string;
  /** Empty: nothing that we know of. */
  left: string;
  /** All steps of a file, or those that are named; `N` stands for whatever a template puts there. */
  triedBy: readonly ThreatSource[];
  /** Guards of deploy/guards whose attacks are this. */
  guards?: readonly GuardName[];
  /** Why no test tries it; exactly where none does. */
  untried?: string;
}

const counting = "hostile/counting_test.ts";
const ends = "hostile/ends_test.ts";
const closing = "hostile/hostile_closing_test.ts";
const reading = "hostile/reading_test.ts";
const metadata = "hostile/metadata_test.ts";
const network = "hostile/hostile_network_test.ts";
const realms = "hostile/hostile_realms_test.ts";
const guards = "hostile/hostile_guards_test.ts";
const verbs = "hostile/verbs_test.ts";
const install = "e2e/install_test.ts";
const identity = "tailnet/operator_identity_test.ts";

export const threats: readonly Threat[] = [
  {
    threat: "a guest takes more than was granted",
    against:
      "one quota per guest namespace: the exact sum of the grants. What isn't named isn't given, devices that no " +
      "node offers yet included. Ephemeral containers and pod resizing are not in the guests' role",
    left:
      "what no quota counts: CPU above requests up to limits, disk and network bandwidth, the API server's own load, " +
      "the size of images, processes (set the kubelet's `podPidsLimit`), what the kernel counts per user id on a " +
      "node, such as inotify watches. Storage of a StorageClass on a node's own disk, such as local-path, that " +
      "doesn't enforce the size of a claim, or that keeps the data of deleted claims (`reclaimPolicy: Retain`)",
    triedBy: [
      counting,
      "e2e/e2e_drain_test.ts: two grants of 2 and 3 cpu give 5, and Bob runs what fits",
      `${reading}: a device that was asked for before a node offered it is not kept`,
      `${guards}: without the quota that says what is granted no pod is made, and all else goes on`,
      "hostile/role_test.ts: each subresource is one that somebody has decided about",
    ],
    guards: ["devices", "history"],
  },
  {
    threat: "a guest floods the API server",
    against:
      "requests of guests, requests with tokens of their pods, and anonymous requests share a few seats and borrow " +
      "none (PriorityLevelConfiguration `keystone-guests`). The operator has seats of its own, so grants end on time " +
      "meanwhile ([priority.yaml](../deploy/kustomize/base/priority.yaml)). Objects that are too big to be judged " +
      "are refused",
    left: "the CPU time of a request that is being served; guests compete with each other for those seats; the " +
      "FlowSchema has room for 5,999 Users, Groups and guest namespaces: beyond that, guests share everybody's seats",
    triedBy: [
      "hostile/flood_test.ts",
      `${metadata}: too many labels to judge: refused to a guest, never in the way of a driver or a deletion`,
      "hostile/guards_life_test.ts: N are judged in the budget",
    ],
    guards: ["pod-size", "metadata-size"],
  },
  {
    threat: "a guest reaches your network",
    against:
      "default deny in both directions; destinations are opened by address in [two tiers](network.md): metadata " +
      "services, the tailnet, nodes and the cluster's own ranges stay closed (only a grant to an `internal` realm " +
      "can open a part of them, by naming it); private ranges are opened only by a destination that lies inside " +
      "them. Both hold for the IPv6 forms of IPv4 addresses that a CIDR can name",
    left: "needs a network plugin that enforces NetworkPolicies; DNS is a tunnel where it is on (off for `public`); " +
      "connections outlive a policy until their pod ends; see [on the network](#on-the-network)",
    triedBy: [
      `${network}: 0.0.0.0/0, ::/0 and internet are the internet: cyclonus lets nothing through to a place inside`,
      `${network}: no guest opens more by a policy or a grant of his own`,
      "api/traffic_test.ts",
      "packets/packets_test.ts",
    ],
    guards: ["external-ips", "external-name", "probe-hosts"],
  },
  {
    threat: "a DNS zone leads into your network, now or later",
    against:
      "a name opens public addresses, and private ones inside the grant's `within`, never protected ones; each " +
      "answer is judged",
    left: "an address that a name had stays open until twice its TTL has passed, at least one minute and at most two " +
      "hours; while DNS fails, the last answer stays in force for five minutes",
    triedBy: [
      `${network}: N names of the zone that stand for a place inside open nothing`,
      `${network}: names that are public at first and then stand for a place inside open that at no moment`,
      `${network}: the NAS and nothing else: a name of the LAN is opened within the range that the grant says`,
    ],
  },
  {
    threat: "a guest takes the node",
    against:
      "Pod Security `restricted` (`baseline` for `internal`); the [guards](guards.md): no `nodeName`, no tolerations " +
      "of control planes and cordoned nodes, volumes of ordinary types only, no hosts in probes and hooks, " +
      "RuntimeClasses by setting, no field that the guards don't know",
    left:
      "flaws of the kernel and of the container runtime: for people you don't know, require a RuntimeClass with a " +
      "sandbox (`runtimeClassRequired`). Any image that a node already has can be run by its name, private ones too, " +
      "unless `alwaysPullImages` is set for the trust level",
    triedBy: [
      `${guards}: all N attacks of the table are refused`,
      `${guards}: ordinary objects that are there are not turned into such`,
      `${guards}: a field that the guards don't know is refused, as one of a newer Kubernetes would be`,
      "hostile/role_test.ts: each field of each kind is one that somebody has decided about",
      "hostile/role_test.ts: N attacks on pods are tried wherever a kind describes a pod",
    ],
    guards: [
      "node-name",
      "tolerations",
      "runtime-class",
      "image-pull",
      "volume-types",
      "pod-fields",
      "container-fields",
      "workload-fields",
    ],
  },
  {
    threat: "a guest takes devices beside the quota",
    against:
      "RuntimeClasses of devices (`guards.deviceRuntimeClasses`) need a limit of the device; variables such as " +
      "`NVIDIA_VISIBLE_DEVICES` are refused, as keys of ConfigMaps and Secrets too; `resourceClaims` are refused",
    left:
      "an *image* that sets the variable, where the NVIDIA runtime is the nodes' default or the pod has been given " +
      "one GPU: set `accept-nvidia-visible-devices-envvar-when-unprivileged = false` in the NVIDIA container " +
      "toolkit's configuration",
    triedBy: [`${guards}: all N attacks of the table are refused`],
    guards: ["resource-claims", "device-variables", "device-keys"],
  },
  {
    threat: "a guest keeps Kubernetes' own controllers busy",
    against:
      "replicas, ports of Services, owners, metrics of autoscalers and schedules are bounded: a single large number " +
      "could end the controller manager, or keep its garbage collector from all other namespaces",
    left: "how fast a guest creates and deletes what is counted: controllers share their request rate among all " +
      "namespaces",
    triedBy: [
      `${guards}: all N attacks of the table are refused`,
      `${verbs}: no workload is scaled beyond all that could ever run`,
    ],
    guards: [
      "replicas",
      "service-ports",
      "owners",
      "autoscaler-metrics",
      "schedule",
      "selector-size",
      "pod-terms",
      "pod-references",
    ],
  },
  {
    threat: "a guest makes a node send requests into your network",
    against: "no hosts in probes and hooks; no images of registries that are named by an address",
    left: "registries whose names resolve into your network, redirects of a registry, and images that the nodes' own " +
      "credentials can pull: with `imageRegistries` of the trust level only the registries that you name are allowed",
    triedBy: [`${guards}: all N attacks of the table are refused`],
    guards: ["image-registry"],
  },
  {
    threat: "a guest preempts the owner's pods, or keeps them from being scheduled",
    against:
      "`maxPriority` is 0; no affinity or anti-affinity with pods of other namespaces; no other schedulers, unless a " +
      "setting allows them",
    left: "pods with a priority below 0 can be preempted; `PodDisruptionBudgets` of guests hold up `kubectl drain` " +
      "(`--disable-eviction` bypasses them), and so does a pod of the largest size that can be stored, while its " +
      'grant lasts (`kubectl patch pod NAME --subresource=status --type=merge -p \'{"status":{"conditions":null}}\'` ' +
      "makes room)",
    triedBy: [`${guards}: all N attacks of the table are refused`],
    guards: ["priority", "scheduler", "affinity"],
  },
  {
    threat: "a guest stays after the end",
    against:
      "access is removed first, the quota goes to zero, load balancers and node ports become internal, pods are " +
      "evicted and then deleted. Guests get no tokens that outlast the grant and set no finalizers that hold pods; " +
      "`terminationGracePeriodSeconds` is bounded; no running pod is deleted without grace, which would make the API " +
      "server forget it while it runs on. A pod that has no room for the mark that it is being deleted gets some " +
      "([ADR 0033](adr/0033-a-pod-without-room-loses-its-conditions-first.md)). All this holds in a namespace that " +
      "is being deleted, when a part of the plan throws, and when other writes are refused. Status says Drained only " +
      "when no pod was seen any more, and names those that stay",
    left:
      "what guests have copied elsewhere. Watches, `exec`, `attach`, `port-forward` and `logs -f` that are already " +
      "open (see [below](#what-is-open-already)). A cloud's load balancer, until its controller has removed it. A " +
      "closing write that somebody else's webhook refuses: the Grant says so (`WriteRefused`). Where writing the " +
      "*status* of a Grant is refused, a restart of the operator starts the notice of a revocation again. If the " +
      "quota can't be lowered, controllers create pods again, and these are deleted again. A pod on a lost node may " +
      "run on. NetworkPolicies of a namespace in deletion before Kubernetes 1.33, which deletes them before the " +
      "pods: the operator then deletes the pods at once",
    triedBy: [
      closing,
      `${verbs}: no pod that runs is taken off the books before it has stopped`,
      `${verbs}: what runs nowhere is deleted as anybody likes`,
      "hostile/limits_test.ts",
      `${ends}: keep load balancers and node ports after a cut`,
      `${ends}: keep them after the end, and in a namespace that is being deleted`,
      "e2e/e2e_drain_test.ts: at the last end Bob is out at once, his pods go, no controller refills, what he stored stays",
      "packets/packets_test.ts: a grant is cut, then ended: nothing new passes, and what is open lives until its pod ends",
    ],
    guards: [
      "forced-end",
      "termination-grace",
      "pod-finalizers",
      "job-controller",
      "account-tokens",
      "projected-sources",
    ],
  },
  {
    threat: "a guest makes objects that can't be read, or are huge",
    against: "every quantity is read, and counted as at most 10^64; what can't be read is left out, counted " +
      "([KeystoneUnreadableObjects](alerts.md#keystoneunreadableobjects)) and goes first in a drain; answers have a " +
      "byte budget, and lists come in pages of a few MiB",
    left:
      "objects of more than 32 MiB, which etcd stores only if it is configured to; what the API server itself spends " +
      "on them. A drain reads the guest's finished pods too, in small pages: thousands of large ones delay the drain " +
      "of that guest's own pods by seconds",
    triedBy: [
      `${reading}: a pod that asks for 1e1002 of something is drained as any other`,
      `${reading}: an operator starts beside a node with an odd status`,
      `${reading}: finished and fat pods are drained, and don't fill the operator`,
      "hostile/stored_test.ts",
    ],
  },
  {
    threat: "a guest fills etcd, for example by writing one object again and again",
    against:
      "the number of stored objects is [bounded](#what-a-guest-can-keep). An alert fires at half of etcd's quota; " +
      "from 80 % on guests can read and delete but not write, and from 90 % on no pods are created for them either " +
      "([ADR 0031](adr/0031-guests-writes-close-before-the-database-is-full.md)); each Grant says so " +
      "(`WritesClosed`). If etcd fills up all the same, the last holder of the Lease goes on with deletes: when a " +
      "grant expires, or when you delete the Realm, access and open policies are removed ([ADR " +
      "0030](adr/0030-the-last-holder-deletes-in-a-full-database.md))",
    left:
      "`storage.quotaBackendBytes` has to match your etcd, and the API server has to report its size; guests who did " +
      "nothing wrong can't write either meanwhile; kubelets go on writing the status of running pods, 1 MB each " +
      "second where the readiness of such a large pod changes, until the Grant is ended; a guest who writes more " +
      "than 50 MB/s, or a fifth of the quota in the 5 s between two renewals of the Lease, can be faster. In a full " +
      "etcd pods, quotas and Services wait for room, because the API server deletes no pod without a write; Grants " +
      "can't be revoked; and nobody acts any more if that operator's process ends too",
    triedBy: ["hostile/hostile_storage_test.ts", "hostile/nospace_test.ts"],
  },
  {
    threat: "a guest does all of it at once, so that others suffer",
    against:
      "the same defences, and: what guests write is read in small pieces, and only what plans need is kept, so that " +
      "the operator stays below 256 MiB. For others, grants begin and end, their objects stay as they are, and their " +
      "requests are answered ([attackers](promises.md#attackers))",
    left:
      "CPU: on an API server that has none to spare each write takes longer, and so do grants; other guests wait for " +
      "the seats that all guests share",
    triedBy: ["hostile/attackers_test.ts"],
  },
  {
    threat: "an old kubeconfig opens the next realm of that name",
    against:
      "the name of each account is derived from the people it was made for; the Realm owns it, and it is deleted " +
      "with access, with the Realm and with a change of the subjects ([ADR " +
      "0028](adr/0028-an-account-is-named-by-whom-it-stands-for.md))",
    left: "kubeconfigs that you issue to `subjects` yourself: revoke them where you issued them",
    triedBy: [`${ends}: keep the account of a Realm that is made again for somebody else`],
  },
  {
    threat: "a restored namespace is deleted with its data",
    against:
      "Keystone deletes only a namespace that it created itself, that never kept a volume, and that was found closed " +
      "and empty twice ([ADR 0029](adr/0029-only-a-namespace-that-keystone-made-goes-by-itself.md))",
    left:
      "Secrets and ConfigMaps of an empty namespace, after the retention; a backup that is restored within a minute " +
      "of the namespace's creation is taken for the namespace itself",
    triedBy: [`${ends}: lose what is stored: a namespace restored from a backup is not deleted`],
  },
  {
    threat: "a guest takes another's volume",
    against:
      "claims name a StorageClass that provisions volumes or that a grant names; no volume names, selectors or " +
      "sources elsewhere; the same in claim templates, which may also leave the class out; volumes of an ended grant " +
      "stay in the closed namespace of the same identity",
    left:
      "a StorageClass that hands out used disks; free volumes, of any size, of a class without a provisioner that a " +
      "grant names; whoever may create PersistentVolumes is exempt; guests choose any VolumeAttributesClass",
    triedBy: [
      `${guards}: all N attacks of the table are refused`,
      `${metadata}: what is older than the guards is changed and deleted, but its dangerous key isn't`,
    ],
    guards: ["claim-class", "claim-selector", "claim-source", "volume-name", "storage-class"],
  },
  {
    threat: "a guest uses other controllers of the cluster",
    against:
      "annotations and labels that hand out network, identity, storage or nodes are refused, in templates too ([the " +
      "list](guards.md#annotations-and-labels)); unknown ones are refused or warned of, by trust level",
    left:
      "keys without a domain, such as `grafana_dashboard`, which a sidecar may collect from all namespaces; unknown " +
      "keys where they only cause a warning; what objects had before the guards came",
    triedBy: [
      `${metadata}: guards on metadata judge every kind that the guests' role can make`,
      `${metadata}: the guest changes, relabels and lets go what others have annotated, and adds nothing to it`,
      `${metadata}: an unknown key warns where the realm's trust says so, and is written`,
    ],
    guards: ["metadata-keys", "unknown-keys", "load-balancer-class"],
  },
  {
    threat: "a guest holds objects past the end",
    against: "guests can add only Kubernetes' own finalizers of that kind; the ConfigMap, quota and LimitRange named " +
      "`keystone` can be written only by the operator and cluster admins",
    left:
      "finalizers of storage drivers that no longer work: conditions of the Grant and of the namespace name them. " +
      "Objects of the largest size that can be stored can't be deleted while they have a finalizer: remove the " +
      "finalizer, and they go",
    triedBy: [
      `${metadata}: all ConfigMaps are deleted at once, but not the guide to the grants`,
      `${metadata}: the namespace goes, with all that is in it`,
      `${closing}: makes what the operator writes for him immutable`,
      "api/repair_test.ts: a pod that a finalizer holds is named once its time is up, and holds up no Grant",
      "api/repair_test.ts: a namespace whose deletion is held up says by what",
    ],
    guards: ["finalizers"],
  },
  {
    threat: "somebody adds themselves to a realm",
    against:
      "creating a Realm and changing its subjects, identity, trust level or pin takes the verb `trust`; a member's " +
      "subjects are part of what a SuperEntity's members approve",
    left: "those who have the verb",
    triedBy: [
      realms,
      "api/superentity_api_test.ts: nobody approves for another, edits another's approval or the terms, or writes status",
    ],
  },
  {
    threat: "somebody takes over a realm's name",
    against:
      "nodes are pinned by StableID; if another node has the name, the realm's addresses are closed (`NodeReplaced`)",
    left: "the first contact: check the node, or pin it before",
    triedBy: [
      `${identity}: a node that is removed closes its way at once; who takes its name is in no policy`,
      `${identity}: nor after a restart of the operator, of headscale, of the tailscaled, or with other terms`,
      `${identity}: the machine itself with a new key is another node, until the realm is released`,
    ],
  },
  {
    threat: "a tailscaled, or the control server behind it, hangs, floods or lies",
    against:
      "its answers are bounded in size and time, and used only if they have the expected form; addresses outside " +
      "`clusterRanges.tailnet` open nothing; grants are enforced and end without it",
    left: "it says which node is online, and which node has a name at the first contact",
    triedBy: ["tailnet/hostile_test.ts"],
  },
  {
    threat: "a node of the tailnet reaches into the operator's pod",
    against: "nothing of ours listens on loopback, to which a userspace tailscaled delivers ([ADR " +
      "0022](adr/0022-nothing-listens-on-loopback.md)); the sidecar has no token",
    left: "tailscaled's own PeerAPI; see [in the pod](#in-the-pod)",
    triedBy: [
      "tailnet/metrics_on_loopback_test.ts",
      `${install}: a peer of the tailnet reaches nothing of the pod, and no container but the operator's has its token`,
    ],
  },
  {
    threat: "somebody changes the labels that the guards select by",
    against: "only the operator and cluster admins can",
    left: "cluster admins",
    triedBy: ["api/guards_test.ts: N can't N"],
  },
  {
    threat: "the operator is taken over",
    against:
      "the fence applies to all its writes. It reads no Secret except its webhook's, creates no pods, opens no " +
      "shell, changes no terms, trust or approval, and creates no tokens except the front's",
    left: "its purpose: it can end access and let in any User or Group that isn't Kubernetes' own, who then work in " +
      "guest namespaces and read the Secrets there, and let them approve for a realm that is a member of a " +
      "SuperEntity; open guests' network and raise their quotas; make the guards only warn and lower Pod Security to " +
      "`baseline`; delete guest namespaces, pods and claims; make Services internal; write statuses; trust another " +
      "node for a realm; point its webhook elsewhere, which then sees what guests write, except Secrets, and all " +
      "changes of Grants, Realms and SuperEntities, and can refuse them; close guests' writes. The fence judges " +
      "writes only: the operator can list pods, with the environment variables in their specs, Services, claims, " +
      "VolumeSnapshots, NetworkPolicies, namespaces, nodes, StorageClasses, ranges of Services, and ClusterRoles and " +
      "their bindings in the whole cluster, and read the API server's metrics",
    triedBy: [
      "api/guards_test.ts: N can't N",
      "api/guards_test.ts: the operator has no secrets, makes no pods, and has what is of one name by that name",
      "api/superentity_api_test.ts: even with the right to write it, status is the operator's, and the operator approves for " +
      "nobody",
    ],
  },
  {
    threat: "two operators act at once",
    against: "one Lease; each write is checked against it on the monotonic clock",
    left: "a write that was already sent when its process was stopped: what it did stands until the leader sees it, " +
      "which is at once",
    triedBy: [
      `${install}: at no time did two of them write`,
      "api/lib_kubernetes_test.ts: of ten that want the lease at once, exactly one gets it",
    ],
  },
  {
    threat: "strangers load the webhook",
    against: "a process, an identity and a memory limit of its own; connections, sizes and times are bounded " +
      "([admission](admission.md#who-answers)); `failurePolicy: Ignore`",
    left: "a flood from many addresses can keep reviews from being answered: then the quota refuses, in its own words",
    triedBy: ["hostile/front_test.ts"],
  },
  {
    threat: "the front is taken over",
    against:
      "its token can read only what answers depend on, and expires after ten minutes; the operator reads nothing " +
      "that the front writes",
    left: "until it is stopped it can refuse workloads of guests and changes of Grants and Realms, and it holds the " +
      "webhook's serving key; enforcement doesn't depend on it",
    triedBy: [
      "api/webhook_test.ts: with all that the front has, nothing is written and no secret is read",
      "api/webhook_test.ts: without a front the quota still holds, and grants begin and end",
    ],
  },
  {
    threat: "clocks are wrong",
    against: "no grant ends for good while the clocks of operator and API server differ by more than 2 s",
    left: "clocks that are both wrong by the same time",
    triedBy: [
      "api/termination_test.ts: a clock that jumps ahead ends nothing, and what is due ends once it is set right",
    ],
  },
  {
    threat: "no operator acts",
    against:
      "everything stays as it is, nothing begins or ends; the other replica takes over within the 15 s of the Lease and 2 s; " +
      "[KeystoneNoLeader](alerts.md#keystonenoleader)",
    left: "a grant goes on past its end until an operator acts again",
    triedBy: [
      `${install}: a leader that is killed is followed within the Lease and 2 s`,
      "api/grants_test.ts: one that was deleted while no operator ran is closed by the next one",
    ],
  },
  {
    threat: "the tailnet is gone",
    against: "unreachable is not revoked: everything stays as it is, realms are Unknown",
    left: "",
    triedBy: [
      "tailnet/operator_test.ts: without a tailscaled: Unknown with the reason, and grants are enforced and end as before",
      "tailnet/operator_changes_test.ts: it restarts while the control server is away: nobody is taken for gone",
    ],
  },
  {
    threat: "the image or the chart is not what it seems",
    against:
      "releases have provenance, the image has an SBOM; the published chart names the image by digest; dependencies " +
      "are locked",
    left: "check them: `gh attestation verify oci://… --owner …`",
    triedBy: [],
    untried: "the release's signatures are made where it is published",
  },
  {
    threat: "secrets leak",
    against:
      "no value of the chart needs one, and Keystone logs none; the auth key is a Secret that only the sidecar reads",
    left: "whoever reads Secrets of `keystone-system`; what you put into `extraEnv` of the chart",
    triedBy: [
      "api/helm_chart_test.ts: the socket is in the operator's container and tailscaled's, the token only where it is needed",
      "api/helm_chart_test.ts: no role has a wildcard, may give itself more, or reaches secrets that it doesn't need",
      "api/webhook_test.ts: the front's files are what was handed over, and no one else reads them",
    ],
  },
];

/** What has to go on beside the guards and the attacks: a guard that is in the way of ordinary life is lifted. */
export const goesOn: readonly ThreatSource[] = [
  "hostile/scene_test.ts",
  "hostile/guards_life_test.ts",
  "hostile/two_fronts_test.ts",
  `${guards}: the API server finds no fault in the policies`,
  `${guards}: all N ordinary objects pass`,
  `${guards}: a guard that is to warn only warns, with the same words`,
  "hostile/role_test.ts: the operator has written the settings of the guards on the namespace",
  `${metadata}: the keys of N charts pass, where unknown ones are refused`,
  `${metadata}: a network plugin, a storage driver and the scheduler annotate, label and finalize what is the guest's`,
];
