/** A guest: input for building the objects of its namespace. */
import type { Settings } from "../../../api/mod.ts";
import type {
  BindingFacts,
  ClusterFacts,
  ConfigMapFacts,
  GrantFacts,
  IdentityFacts,
  NamespaceFacts,
  PolicyFacts,
  QuotaFacts,
  RealmFacts,
} from "../../facts.ts";
import type { Reduction } from "../../grant/reduction.ts";
import type { Notice } from "../../grant/lifecycle.ts";
import type { Ownership } from "../namespace/ownership.ts";
import type { RecordsWorld } from "../namespace/records.ts";
import type { ResourceList } from "../../resources/resource_list.ts";

/** A grant in force, as the guide shows it. */
export interface GuideEntry {
  grant: GrantFacts;
  /** Amounts in its terms; those in force now, with reductions on notice, are in `held`. */
  terms: ResourceList;
  held: ResourceList;
  destinations: readonly string[];
  notice?: Notice;
  /** Epoch milliseconds: its end without a notice yet, if that is before the end of its validity. */
  endsAt?: number;
  reductions: readonly Reduction[];
}

/** The destinations of a grant in force. */
export interface GrantOpening {
  grant: GrantFacts;
  destinations: readonly string[];
  except: readonly string[];
  within: readonly string[];
}

export interface Guest extends RecordsWorld {
  /** The grantee's name. */
  grantee: string;
  realm: RealmFacts | undefined;
  settings: Settings;
  cluster: ClusterFacts;
  realmNamed: (name: string) => RealmFacts | undefined;
  addressesOfName: (name: string) => readonly string[] | { error: string } | undefined;
  namespace: NamespaceFacts | undefined;
  quota?: QuotaFacts | undefined;
  binding?: BindingFacts | undefined;
  guide?: ConfigMapFacts | undefined;
  policies: readonly PolicyFacts[];
  /** Service accounts of the realm's people. */
  accounts?: readonly IdentityFacts[];
  /** True if a tailnet server runs, which needs the realm's account. */
  servesTailnet?: boolean;
  /** Grants in force. */
  entitlements: readonly (GuideEntry & GrantOpening)[];
  ownership: Ownership;
  /** True if any grant is in force. */
  active: boolean;
  /** True if the namespace is known to be empty, which has to be recorded. */
  isEmpty?: boolean;
  /** True if the realm's subjects get access; false unless the namespace is known to be theirs. */
  access: boolean;
  /** True if the namespace is in deletion: objects can be changed and deleted but not created. */
  leaving: boolean;
  /** The quota without a notice. */
  whole: ResourceList;
  /** The quota now. */
  hard: ResourceList;
  /** Record of the freeze to write on the quota; empty: remove a value written by somebody else. */
  freeze?: string;
}
