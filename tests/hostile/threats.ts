/**
 * The threat table: threats, their mitigations, the remaining risks, and the tests that try the attacks.
 * `deno task gen` writes it into docs/security.md, and generates docs/attacks.md from it and from the tests. Each test of
 * tests/hostile and each guard belongs to a threat or to the list of ordinary use (hostile_attacks_test.ts).
 */
import type { GuardName } from "../../src/api/mod.ts";

/** A test file below tests/, or one test or step of it: `hostile/verbs_test.ts: a scale beyond …`. */
export type ThreatSource = string;

/** One threat; its texts are cells of a Markdown table, with links relative to docs/. */
export interface Threat {
  threat: string;
  against: string;
  /** Remaining risk; empty if none is known. */
  left: string;
  /** Files (all their steps), tests or steps; `N` replaces the placeholders of a template string. */
  triedBy: readonly ThreatSource[];
  /** Guards of deploy/guards against this threat. */
  guards?: readonly GuardName[];
  /** Reason why no test tries it; set exactly if `triedBy` is empty. */
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
    threat: "a guest uses more than was granted",
    against:
      "one quota per guest namespace: the exact sum of the grants. A resource that no grant names is not granted, " +
      "even a device that no node offers yet. Ephemeral containers and pod resizing are not in the guests' role",
    left: "resources that no quota counts: CPU between requests and limits; disk and network bandwidth; load on the " +
      "API server; the size of images; processes (set the kubelet's `podPidsLimit`); a node's kernel limits per " +
      "user id, such as inotify watches. Also storage on a node's own disk whose StorageClass doesn't enforce the " +
      "size of claims, such as local-path; data of deleted claims, with `reclaimPolicy: Retain`",
    triedBy: [
      counting,
      "e2e/e2e_drain_test.ts: two grants of 2 and 3 cpu: add up to 5, and Bob runs the pods that fit",
      `${reading}: a device requested before any node offered it: the pod is removed once a node does`,
      `${guards}: the quota is missing: no pod is created, everything else works`,
      "hostile/role_test.ts: every subresource is known to the guards",
    ],
    guards: ["devices", "history"],
  },
  {
    threat: "a guest floods the API server",
    against:
      "requests of guests, requests with tokens of their pods, and anonymous requests share a few seats and borrow " +
      "none (PriorityLevelConfiguration `keystone-guests`). The operator has its own seats, so grants end on time " +
      "meanwhile ([priority.yaml](../deploy/kustomize/base/priority.yaml)). Objects that are too big to be judged " +
      "are refused",
    left: "the CPU time of a request that is being served; guests compete with each other for those seats; the " +
      "FlowSchema has room for 5,999 Users, Groups and guest namespaces: further guests use the seats of all other users",
    triedBy: [
      "hostile/flood_test.ts",
      `${metadata}: too many labels to judge: refused to a guest, admitted from a driver and for a deletion`,
      "hostile/guards_life_test.ts: N: judged within the cost budget",
    ],
    guards: ["pod-size", "metadata-size"],
  },
  {
    threat: "a guest reaches your network",
    against:
      "default deny in both directions; destinations are opened by address in [two tiers](network.md). Metadata " +
      "services, the tailnet, nodes and the cluster's own ranges stay closed; only a grant to an `internal` realm " +
      "can open a part of them, by naming it. Private ranges are opened only by a destination inside them. Both " +
      "tiers include the IPv6 forms of IPv4 addresses that a CIDR can name",
    left:
      "needs a network plugin that enforces NetworkPolicies; DNS, where it is on, is a tunnel (off for `public`); " +
      "connections outlive a policy until their pod ends; see [on the network](#on-the-network)",
    triedBy: [
      `${network}: 0.0.0.0/0, ::/0 and internet: cyclonus finds only the internet open`,
      `${network}: a guest creates a NetworkPolicy or reads Grants: forbidden`,
      "api/traffic_test.ts",
      "packets/packets_test.ts: the traffic matrix: every flow is as in the text of the grants",
      "packets/packets_test.ts: a grant is cut, then ended: no new connection passes, and open ones last until their pod ends",
      "packets/packets_test.ts: a pod has just started: denied traffic passes for a moment, and then never",
    ],
    guards: ["external-ips", "external-name", "probe-hosts"],
  },
  {
    threat: "a DNS name resolves into your network, at once or later",
    against:
      "a name opens public addresses, and private ones inside the grant's `within`, never protected ones; each DNS " +
      "answer is checked",
    left: "a former address of a name stays open until twice its TTL has passed, at least one minute and at most two " +
      "hours; while DNS fails, the last answer stays in force for five minutes",
    triedBy: [
      `${network}: N names of the zone that resolve to protected addresses: nothing opens`,
      `${network}: names that are public first and then resolve to protected addresses: these never open`,
      `${network}: a name of the LAN within the grant's range: opens the NAS and nothing else`,
    ],
  },
  {
    threat: "a guest takes over a node",
    against: "Pod Security `restricted` (`baseline` for `internal`); the [guards](guards.md) refuse `nodeName`, " +
      "tolerations of control planes and cordoned nodes, hosts in probes and hooks, and fields they don't know; " +
      "only ordinary types of volumes are allowed; RuntimeClasses need a setting",
    left:
      "flaws of the kernel and of the container runtime: for people you don't know, require a RuntimeClass with a " +
      "sandbox (`runtimeClassRequired`). Any image that a node already has can be run by its name, private ones too, " +
      "unless `alwaysPullImages` is set for the trust level",
    triedBy: [
      `${guards}: all N attacks of the table are refused`,
      `${guards}: an ordinary object that exists: can't be changed into an attack`,
      `${guards}: a field that the guards don't know, as of a newer Kubernetes: refused`,
      "hostile/role_test.ts: every field of every kind is known to the guards",
      "hostile/role_test.ts: N attacks on pods: refused in every pod template of every kind",
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
    threat: "a guest uses devices outside the quota",
    against:
      "RuntimeClasses of devices (`guards.deviceRuntimeClasses`) need a limit of the device; variables such as " +
      "`NVIDIA_VISIBLE_DEVICES` are refused, as keys of ConfigMaps and Secrets too; `resourceClaims` are refused",
    left: "an *image* that sets the variable, if the NVIDIA runtime is the nodes' default or the pod has a GPU. To " +
      "prevent it, set `accept-nvidia-visible-devices-envvar-when-unprivileged = false` in the NVIDIA container " +
      "toolkit's configuration",
    triedBy: [`${guards}: all N attacks of the table are refused`],
    guards: ["resource-claims", "device-variables", "device-keys"],
  },
  {
    threat: "a guest overloads Kubernetes' own controllers",
    against:
      "replicas, ports of Services, owners, metrics of autoscalers and schedules are bounded. Without a bound a " +
      "single large number could crash the controller manager, or block its garbage collector for all other " +
      "namespaces",
    left: "the rate at which a guest creates and deletes counted objects: controllers share their request rate among " +
      "all namespaces",
    triedBy: [
      `${guards}: all N attacks of the table are refused`,
      `${verbs}: a scale beyond the highest number of replicas: refused`,
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
    left: "registries whose names resolve into your network; redirects of a registry; images that the nodes' own " +
      "credentials can pull. With `imageRegistries` of the trust level only the registries that you name are " +
      "allowed",
    triedBy: [`${guards}: all N attacks of the table are refused`],
    guards: ["image-registry"],
  },
  {
    threat: "a guest preempts the owner's pods, or prevents them from being scheduled",
    against:
      "`maxPriority` is 0; no affinity or anti-affinity with pods of other namespaces; no other schedulers unless a " +
      "setting allows them",
    left: "pods with a priority below 0 can be preempted; `PodDisruptionBudgets` of guests hold up `kubectl drain` " +
      "(`--disable-eviction` bypasses them); so does a pod of the largest size that can be stored, while its grant " +
      'lasts (`kubectl patch pod NAME --subresource=status --type=merge -p \'{"status":{"conditions":null}}\'` makes ' +
      "room)",
    triedBy: [`${guards}: all N attacks of the table are refused`],
    guards: ["priority", "scheduler", "affinity"],
  },
  {
    threat: "a guest stays past the end of a grant",
    against:
      "access is removed first, the quota goes to zero, load balancers and node ports become internal, pods are " +
      "evicted and then deleted. Guests get no tokens that outlast the grant and set no finalizers that hold pods; " +
      "`terminationGracePeriodSeconds` is bounded; no running pod may be deleted without grace, because the API " +
      "server would forget it while it still runs. A pod too large for its deletion timestamp is made smaller " +
      "([ADR 0033](adr/0033-a-pod-without-room-loses-its-conditions-first.md)). All this holds in a namespace in " +
      "deletion, when a part of the plan throws, and when other writes are refused. The status is Drained only when " +
      "no pod is left, and names the pods that stay",
    left:
      "data that guests have copied elsewhere. Watches, `exec`, `attach`, `port-forward` and `logs -f` that are already " +
      "open (see [below](#what-is-open-already)). A cloud's load balancer, until its controller has removed it. A " +
      "closing write that another webhook refuses: the Grant reports it (`WriteRefused`). Where writing the " +
      "*status* of a Grant is refused, a restart of the operator starts the notice of a revocation again. If the " +
      "quota can't be lowered, controllers create pods again, and these are deleted again. A pod on a lost node may " +
      "continue to run. Kubernetes before 1.33 deletes the NetworkPolicies of a namespace in deletion before its " +
      "pods: the operator then deletes the pods at once",
    triedBy: [
      closing,
      `${verbs}: a running pod is deleted without grace: refused in every form`,
      `${verbs}: a pod that no node runs: may be deleted without grace`,
      "hostile/limits_test.ts",
      `${ends}: fewer load balancers and node ports granted: the newest Services become internal`,
      `${ends}: grant ended, or namespace in deletion: no Service stays open to the outside`,
      "e2e/e2e_drain_test.ts: the last grant ends: access ends at once, pods are evicted and not replaced, the volume stays",
      "packets/packets_test.ts: a grant is cut, then ended: no new connection passes, and open ones last until their pod ends",
    ],
    guards: [
      "forced-end",
      "termination-grace",
      "pod-finalizers",
      "job-controller",
    ],
  },
  {
    threat: "a guest creates unreadable or huge objects",
    against:
      "every quantity is read, and counted as at most 10^64; unreadable objects are skipped, counted in a metric " +
      "([KeystoneUnreadableObjects](alerts.md#keystoneunreadableobjects)) and drained first; responses have a " +
      "byte budget, and lists are read in pages of a few MiB",
    left: "objects of more than 32 MiB, which etcd stores only if it is configured to; the API server's own cost of " +
      "serving them. A drain reads the guest's finished pods too, in small pages: thousands of large ones delay the " +
      "drain of that guest's own pods by seconds",
    triedBy: [
      `${reading}: a pod that requests 1e1002 of a resource: drained like any other`,
      `${reading}: a node with a malformed status: an operator starts all the same`,
      `${reading}: finished and very large pods: drained, and the operator's memory stays bounded`,
      "hostile/stored_test.ts",
    ],
  },
  {
    threat: "a guest fills etcd, for example by rewriting one object endlessly",
    against:
      "the number of stored objects is [bounded](#what-a-guest-can-keep). An alert fires at half of etcd's quota; " +
      "from 80 % on guests can read and delete but not write, and from 90 % on no pods are created for them either " +
      "([ADR 0031](adr/0031-guests-writes-close-before-the-database-is-full.md)); each Grant reports it " +
      "(`WritesClosed`). If etcd fills up all the same, the last holder of the Lease still deletes. When a grant " +
      "expires, or when you delete the Realm, access and open policies are removed ([ADR " +
      "0030](adr/0030-the-last-holder-deletes-in-a-full-database.md))",
    left: "`storage.quotaBackendBytes` has to match your etcd, and the API server has to report its size; innocent " +
      "guests can't write meanwhile either; kubelets still write the status of running pods, 1 MB each second " +
      "where the readiness of such a large pod changes, until the Grant is ended; a guest can be faster by writing " +
      "more than 50 MB/s, or a fifth of the quota in the 5 s between two Lease renewals. In a full etcd pods, " +
      "quotas and Services wait for room, because the API server deletes no pod without a write; Grants can't be " +
      "revoked; and no operator acts any more once that operator's process ends",
    triedBy: ["hostile/hostile_storage_test.ts", "hostile/nospace_test.ts"],
  },
  {
    threat: "a guest runs all attacks at once, to harm others",
    against:
      "all defenses above. Guests' objects are read in small pieces, of which only the planners' input is kept, so " +
      "the operator stays below 256 MiB. Others' grants begin and end, their objects stay unchanged, and their " +
      "requests are answered ([attackers](promises.md#attackers))",
    left:
      "CPU: on an overloaded API server each write takes longer, and so do grants; other guests wait for the seats " +
      "that all guests share",
    triedBy: ["hostile/attackers_test.ts"],
  },
  {
    threat: "an old kubeconfig works for a later realm of the same name",
    against:
      "the name of each ServiceAccount is derived from the realm's subjects; the Realm owns it, and it is deleted " +
      "when access ends, when the Realm is deleted and when the subjects change ([ADR " +
      "0028](adr/0028-an-account-is-named-by-whom-it-stands-for.md))",
    left: "kubeconfigs that you issue to `subjects` yourself: revoke them where you issued them",
    triedBy: [`${ends}: a Realm is created again for somebody else: the old kubeconfig stops working`],
  },
  {
    threat: "a restored namespace is deleted with its data",
    against:
      "Keystone deletes only a namespace that it created itself, that never kept a volume, and that was found closed " +
      "and empty twice ([ADR 0029](adr/0029-only-a-namespace-that-keystone-made-goes-by-itself.md))",
    left:
      "Secrets and ConfigMaps of an empty namespace, after the retention; a backup that is restored within a minute " +
      "of the namespace's creation can't be distinguished from the namespace",
    triedBy: [`${ends}: a namespace restored from a backup: not deleted, its data stays`],
  },
  {
    threat: "a guest takes somebody else's volume",
    against:
      "claims name a StorageClass that provisions volumes or that a grant names; no volume names, selectors or " +
      "sources elsewhere; the same in claim templates, which may also omit the class; volumes of an ended grant " +
      "stay in the closed namespace of the same identity",
    left:
      "a StorageClass that provisions used disks; free volumes, of any size, of a class without a provisioner that a " +
      "grant names; people who may create PersistentVolumes are exempt; guests may choose any VolumeAttributesClass",
    triedBy: [
      `${guards}: all N attacks of the table are refused`,
      `${metadata}: objects older than the guards: may be changed and deleted, except their dangerous key`,
    ],
    guards: ["claim-class", "claim-selector", "claim-source", "volume-name", "storage-class"],
  },
  {
    threat: "a guest misuses other controllers of the cluster",
    against:
      "annotations and labels that give network access, identity, storage or nodes are refused, in templates too ([the " +
      "list](guards.md#annotations-and-labels)); unknown keys are refused or cause a warning, by trust level",
    left:
      "keys without a domain, such as `grafana_dashboard`, which a sidecar may collect from all namespaces; unknown " +
      "keys where they only cause a warning; keys of objects that are older than the guards",
    triedBy: [
      `${metadata}: guards on metadata: judge every kind that the guests' role can create`,
      `${metadata}: objects annotated by others: the guest may change them and remove such keys and finalizers, but not add any`,
      `${metadata}: an unknown key at a trust level that only warns: written, with a warning`,
    ],
    guards: ["metadata-keys", "unknown-keys", "load-balancer-class"],
  },
  {
    threat: "a guest gains rights by a ServiceAccount",
    against:
      "guests create accounts but no roles, bindings or tokens, and can't impersonate; Secrets with tokens and annotations " +
      "that hand out identities elsewhere are refused; requests with such a token share the guests' seats; accounts are " +
      "created only where the quota counts them, also during an upgrade",
    left:
      "rights and trust that you give to system:authenticated, to all accounts or to accounts of a guest namespace " +
      "([accounts and tokens](#accounts-and-tokens))",
    triedBy: [
      `${verbs}: a guest's account: gives no right, token or identity`,
      `${verbs}: accounts: counted by the quota`,
      `${guards}: the quota does not count accounts: guests create none, until it does`,
      `${guards}: all N attacks of the table are refused`,
    ],
    guards: ["account-tokens", "account-count", "projected-sources"],
  },
  {
    threat: "a guest holds objects past the end",
    against: "guests can add only Kubernetes' own finalizers of that kind; only the operator and cluster admins can " +
      "write the ConfigMap, quota and LimitRange named `keystone`",
    left:
      "finalizers of storage drivers that no longer work: conditions of the Grant and of the namespace name them. " +
      "Objects of the largest size that can be stored can't be deleted while they have a finalizer: remove the " +
      "finalizer, and they are deleted",
    triedBy: [
      `${metadata}: all ConfigMaps deleted in one request: the guide to the grants stays`,
      `${metadata}: the namespace is deleted with all its contents`,
      `${closing}: the guest makes the operator's ConfigMap immutable: refused, or replaced`,
      "api/repair_test.ts: a pod held by a finalizer: reported once its time is up, and holds up no Grant",
      "api/repair_test.ts: a namespace whose deletion is held up: reports the cause",
    ],
    guards: ["finalizers"],
  },
  {
    threat: "a person adds themselves to a realm",
    against:
      "creating a Realm and changing its subjects, people, identity, trust level or pin requires the verb `trust`; the " +
      "members of a SuperEntity approve each member's subjects too",
    left: "people who have the verb",
    triedBy: [
      realms,
      "api/superentity_api_test.ts: members: can't approve for others, edit others' approvals or the terms, or write status",
    ],
  },
  {
    threat: "another node takes over a realm's name",
    against:
      "nodes are pinned by StableID; if another node has the name, the realm's addresses are closed (`NodeReplaced`)",
    left: "the first contact: check the node, or pin it in advance",
    triedBy: [
      `${identity}: a node is removed: its policy closes at once; a node that takes its name is in none`,
      `${identity}: restarts of operator, headscale and tailscaled, or other terms: the impostor stays in no policy`,
      `${identity}: the same machine with a new key: another node, until the pin is removed`,
    ],
  },
  {
    threat: "a node of the tailnet, or a process beside tailscaled, acts for a realm that isn't its own",
    against:
      "only the pinned node, people of the Realm and nodes with the capability act for a realm; tailscaled says which " +
      "node has opened a connection, and an odd answer is nobody; open connections are asked about again ([ADR " +
      "0058](adr/0058-who-a-connection-acts-for.md)); of local processes only those of tailscaled's user are asked " +
      "about ([ADR 0068](adr/0068-loopback-connections-by-their-user.md))",
    left: "editors of the tailnet's policy, tags and logins, and everyone who uses a guest's node. Processes of " +
      "tailscaled's own user that flood the port of a userspace tailscaled keep new guests out",
    triedBy: [
      "tailnet/callers_test.ts",
      "tailnet/carry_test.ts: another user of the lender's machine floods: new guests are served, and tailscaled answers",
    ],
  },
  {
    threat: "a tailscaled or its control server hangs, floods or lies",
    against:
      "its responses are bounded in size and time, and used only if they have the expected form; addresses outside " +
      "`clusterRanges.tailnet` open nothing; grants are enforced and end without it",
    left: "it reports which node is online, and which node has a name at the first contact",
    triedBy: ["tailnet/hostile_test.ts"],
  },
  {
    threat: "a node of the tailnet reaches into the operator's pod",
    against: "Keystone doesn't listen on loopback, where a userspace tailscaled delivers connections ([ADR " +
      "0022](adr/0022-nothing-listens-on-loopback.md)); the sidecar has no token",
    left: "tailscaled's own PeerAPI; see [in the pod](#in-the-pod)",
    triedBy: [
      "tailnet/metrics_on_loopback_test.ts",
      `${install}: a peer of the tailnet: reaches no port of the pod; only the operator's container has its token`,
    ],
  },
  {
    threat: "a user changes the labels that select namespaces for the guards",
    against: "only the operator and cluster admins can",
    left: "cluster admins",
    triedBy: ["api/guards_test.ts: N can't N"],
  },
  {
    threat: "the operator is compromised",
    against: "the fence applies to all its writes. It can't read Secrets except its webhook's, create pods, open a " +
      "shell, change terms, trust or approvals, or create tokens except the front's",
    left: "its purpose. It can end access; give any User or Group that isn't Kubernetes' own access to guest " +
      "namespaces and to the Secrets there; allow them to approve for members of SuperEntities; open guests' " +
      "network and raise their quotas; make the guards only warn and lower Pod Security to `baseline`; delete " +
      "guest namespaces, pods and claims; make Services internal; write statuses; trust another node for a realm; " +
      "point its webhook elsewhere, which then receives guests' writes, except Secrets, and all changes of Grants, " +
      "Realms and SuperEntities, and can refuse them; close guests' writes. The fence judges writes only. In the " +
      "whole cluster the operator can list pods, with the environment variables in their specs; Services, claims, " +
      "VolumeSnapshots and NetworkPolicies; namespaces, nodes, StorageClasses, ranges of Services and pools of network " +
      "plugins; ClusterRoles and their bindings. It can also read the API server's metrics",
    triedBy: [
      "api/guards_test.ts: N can't N",
      "api/guards_test.ts: the operator can't read Secrets or create pods, and has rights on fixed names only by name",
      "api/superentity_api_test.ts: a user with the right to write status: refused by a guard; the operator: can't approve " +
      "for anybody",
    ],
  },
  {
    threat: "two operators act at once",
    against: "one Lease; each write is checked against it on the monotonic clock",
    left: "a write that was already sent when its process was stopped: it takes effect until the leader reverts it, " +
      "which is at once",
    triedBy: [
      `${install}: at no time do two operators write`,
      "api/lib_kubernetes_test.ts: ten lease holders at once: exactly one gets the Lease",
    ],
  },
  {
    threat: "another user of a guest's machine, or a node with the lender's name, comes between a guest and the lender",
    against:
      "the kubeconfig of `keystone use` has no secret; its forwarder takes only the certificate from a folder of its " +
      "owner, and kubectl only the forwarder's. A name that leads elsewhere and a second node of another owner are not " +
      "used ([ADR 0062](adr/0062-the-guests-kubectl-and-its-ways.md))",
    left:
      "users of the machine who can use its tailscaled are the guest's node. Without a certificate of the tailnet, and " +
      "with tailscaled stopped, the way `direct` sends plain HTTP into the machine's usual network; use `--way forwarder`",
    triedBy: ["tailnet/use_test.ts: another user of the machine: neither the forwarder's port nor its keys"],
  },
  {
    threat: "a node of the tailnet uses the API server as somebody else",
    against:
      "a connection is known by its node alone, never by a header; each has its own connection to the API server, " +
      "with a short token of the realm's account; of headers only those of a list are sent; heads are read " +
      "strictly; paths need a second permission beside RBAC; other sites' pages are refused " +
      "([the tailnet server](tailnet-server.md))",
    left: "users of one machine who can use its tailscaled are one caller; the tailnet's admins decide which node " +
      "is which; without a certificate of the tailnet the way from tailscaled to the front is plain HTTP on loopback",
    triedBy: [
      "tailnet/carry_test.ts: a node that is nobody: refused, on every path; forged headers don't help",
      "tailnet/carry_test.ts: forged identities of a guest: refused, or without effect",
      "tailnet/carry_test.ts: a process of another user of the lender's machine: refused, whatever it says",
    ],
  },
  {
    threat: "a guest keeps a stream open past its right",
    against:
      "a stream through the tailnet server is cut within a second: after an end of the grant or access; after a " +
      "change of pin, person or node",
    left: "streams of guests who reach the API server in another way; a capability withdrawn by the tailnet's policy " +
      "counts for up to 15 s more",
    triedBy: [
      "tailnet/carry_test.ts: the grant's end is reached while the operator hangs: cut by the front's own clock",
      "tailnet/carry_test.ts: revoked at once: cut",
      "tailnet/carry_test.ts: the RoleBinding is gone: cut",
      "tailnet/carry_test.ts: another node is pinned: cut, and refused",
      "tailnet/carry_test.ts: a person of the realm, from another node: served; removed from spec.people: cut",
      "tailnet/carry_test.ts: a node is removed from the tailnet: its streams are cut",
    ],
  },
  {
    threat: "strangers flood the webhook",
    against: "a separate process with its own identity and memory limit; connections, sizes and times are bounded " +
      "([admission](admission.md#who-answers)); `failurePolicy: Ignore`",
    left: "a flood from many addresses can leave reviews unanswered: then the quota refuses, in its own words",
    triedBy: ["hostile/front_test.ts"],
  },
  {
    threat: "the front is compromised",
    against:
      "its token can read only the objects that its answers depend on, and expires after ten minutes; of tokens it can " +
      "create only those of realms with access, and a policy refuses all its other writes; the operator reads nothing " +
      "that the front writes; at tailscaled it may change nothing",
    left: "until it is stopped it can act as the guests of any realm with access, and approve for members of " +
      "SuperEntities; it can refuse workloads of guests and changes of Grants and Realms, and it has the webhook's " +
      "serving key; enforcement doesn't depend on it",
    triedBy: [
      "hostile/front_tokens_test.ts",
      "api/webhook_test.ts: the front's credentials: can't write anything or read a Secret",
      "api/webhook_test.ts: the front is down: the quota still applies, and grants begin and end",
    ],
  },
  {
    threat: "clocks are wrong",
    against: "no grant ends for good while the clocks of operator and API server differ by more than 2 s",
    left: "clocks that are both wrong by the same amount",
    triedBy: [
      "api/termination_test.ts: a clock jumps ahead: nothing ends, and due grants end once the clock is right",
    ],
  },
  {
    threat: "no operator is running",
    against:
      "everything stays unchanged, nothing begins or ends; the other replica takes over within the 15 s of the Lease and " +
      "2 s; [KeystoneNoLeader](alerts.md#keystonenoleader)",
    left: "a grant continues past its end until an operator runs again",
    triedBy: [
      `${install}: the leader is killed: another operator leads within the Lease's duration and 2 s`,
      "api/grants_test.ts: deleted while no operator ran: closed by the next one",
    ],
  },
  {
    threat: "the tailnet is down",
    against: "unreachable is not revoked: everything stays unchanged, realms are Unknown",
    left: "",
    triedBy: [
      "tailnet/operator_test.ts: no tailscaled: Unknown with the reason, and grants are enforced and end as before",
      "tailnet/operator_changes_test.ts: tailscaled restarts while the control server is down: no node is taken for removed",
    ],
  },
  {
    threat: "the image or the chart is tampered with",
    against:
      "releases have provenance, the image has an SBOM; the published chart names the image by digest; dependencies " +
      "are locked",
    left: "users who don't verify it: `gh attestation verify oci://… --owner …`",
    triedBy: [],
    untried: "the release workflow creates the signatures",
  },
  {
    threat: "secrets leak",
    against:
      "no value of the chart has to be secret, and Keystone logs no secret; only the sidecar reads the Secret of the " +
      "auth key",
    left: "people who can read Secrets in `keystone-system`; values that you put into `extraEnv` of the chart",
    triedBy: [
      "api/helm_chart_test.ts: containers: the socket only where it is used, the front as another user; a token only where needed",
      "api/helm_chart_test.ts: roles: no wildcard, no escalation, no Secret that isn't needed",
      "api/webhook_test.ts: the front's files: exactly those handed over, readable by nobody else",
    ],
  },
];

/** Ordinary use that has to work with the guards on and during attacks: a guard that blocks it would be turned off. */
export const goesOn: readonly ThreatSource[] = [
  "hostile/scene_test.ts",
  "hostile/guards_life_test.ts",
  "hostile/two_fronts_test.ts",
  `${guards}: the API server's type check: finds no fault in the policies`,
  `${guards}: all N ordinary objects are admitted`,
  `${verbs}: a guest describes its Service: kubectl reads its endpoints`,
  `${guards}: a guard that is set to warn: only warns, in the words of its refusal`,
  "hostile/role_test.ts: the guest namespace has the guards' settings as annotations",
  `${metadata}: where unknown keys are refused: the keys of N charts are admitted`,
  `${metadata}: network plugin, storage driver and scheduler: may annotate, label and finalize the guest's objects`,
];
