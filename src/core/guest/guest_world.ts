/** Facts that the plan of one grantee is made from. */
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

/** Everything that is known about one grantee. */
export interface GuestWorld extends Singles {
  /** Name of the grantee. */
  grantee: string;
  realm: RealmFacts | undefined;
  /** All grants to the grantee. */
  grants: readonly GrantFacts[];
  local: LocalRealm;
  /** As in StandingWorld. */
  pooling?: Pooling;
  settings: Settings;
  cluster: ClusterFacts;
  /** Any Realm by name, for destinations. */
  realmNamed: (name: string) => RealmFacts | undefined;
  /** What a DNS name resolves to, for destinations; undefined while it is being asked. */
  addressesOfName: (name: string) => readonly string[] | { error: string } | undefined;
  namespace: NamespaceFacts | undefined;
  // Ours in the namespace: by label, and by the name that each kind has.
  /** The accounts that were made for people of a realm of this name, if anybody has asked for one. */
  accounts?: readonly IdentityFacts[];
  policies: readonly PolicyFacts[];
  /** Names of the network policies in the namespace that others have made. */
  otherPolicies: readonly string[];
  /** The pods of the namespace; undefined while nobody looks at them. */
  pods: readonly PodFacts[] | undefined;
  /** Why nobody can look at them. */
  podsError?: string;
  /** The Services that let the world in; undefined while nobody looks at them. */
  services?: readonly ServiceFacts[];
  /** Why nobody can look at them. */
  servicesError?: string;
  /** What is stored there; undefined while nobody looks. */
  stored?: StoredData;
  /** Why nobody can look. */
  storedError?: string;
  /** What of this could not be read; the plan goes on without it. */
  unread?: readonly Fault[];
  /** As in StandingWorld. */
  skewMs: number;
  /** Epoch milliseconds. */
  now: number;
}
