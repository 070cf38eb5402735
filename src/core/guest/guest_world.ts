/** Input of the plan for one grantee. */
import type { Settings } from "../../api/mod.ts";
import type {
  ClusterFacts,
  GrantFacts,
  IdentityFacts,
  LocalRealm,
  NamespaceFacts,
  PodFacts,
  PolicyFacts,
  RealmFacts,
  ServiceFacts,
} from "../facts.ts";
import type { Fault } from "../faults.ts";
import type { Pooling } from "../grant/parties.ts";
import type { StoredData } from "./namespace/retention.ts";
import type { Singles } from "./objects/table.ts";

/** All facts about one grantee. */
export interface GuestWorld extends Singles {
  /** Name of the grantee. */
  grantee: string;
  realm: RealmFacts | undefined;
  /** All grants to the grantee. */
  grants: readonly GrantFacts[];
  local: LocalRealm;
  /** As in LifecycleWorld. */
  pooling?: Pooling;
  settings: Settings;
  cluster: ClusterFacts;
  /** Returns any Realm by name, for destinations. */
  realmNamed: (name: string) => RealmFacts | undefined;
  /** Returns the addresses of a DNS name, for destinations; undefined while it is being resolved. */
  addressesOfName: (name: string) => readonly string[] | { error: string } | undefined;
  namespace: NamespaceFacts | undefined;
  // Keystone's objects in the namespace, found by label and by the name of their kind.
  /** Service accounts created for the people of a realm of this name. */
  accounts?: readonly IdentityFacts[];
  /** True if a tailnet server runs, which needs the realm's account. */
  servesTailnet?: boolean;
  policies: readonly PolicyFacts[];
  /** Names of the NetworkPolicies in the namespace that Keystone hasn't made. */
  otherPolicies: readonly string[];
  /** Pods of the namespace; undefined while they aren't watched. */
  pods: readonly PodFacts[] | undefined;
  /** Reason that they can't be watched. */
  podsError?: string;
  /** Exposed Services; undefined while they aren't listed. */
  services?: readonly ServiceFacts[];
  /** Reason that they can't be listed. */
  servicesError?: string;
  /** Stored data; undefined while it isn't listed. */
  stored?: StoredData;
  /** Reason that it can't be listed. */
  storedError?: string;
  /** Facts that could not be read; the plan goes on without them. */
  unread?: readonly Fault[];
  /** As in LifecycleWorld. */
  skewMs: number;
  /** Epoch milliseconds. */
  now: number;
}
