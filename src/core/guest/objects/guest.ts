/** A guest: what the objects of its namespace are built from. */
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

/** A grant that is in force, as the guide tells of it. */
export interface GuideEntry {
  grant: GrantFacts;
  held: ResourceList;
  destinations: readonly string[];
  notice?: Notice;
  reductions: readonly Reduction[];
}

/** A grant that is in force, as far as it opens destinations. */
export interface GrantOpening {
  grant: GrantFacts;
  destinations: readonly string[];
  except: readonly string[];
  within: readonly string[];
}

export interface Guest extends RecordsWorld {
  /** Name of the grantee. */
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
  /** The accounts of the realm's people. */
  accounts?: readonly IdentityFacts[];
  /** The grants that are in force. */
  entitlements: readonly (GuideEntry & GrantOpening)[];
  ownership: Ownership;
  /** Something is granted. */
  active: boolean;
  /** The namespace is known to be empty, which is to be written down. */
  isEmpty?: boolean;
  /** Somebody is let in: nobody comes in for whom it isn't sure that the namespace was made. */
  access: boolean;
  /** The namespace is being deleted: what is there can be changed and deleted, and nothing made. */
  leaving: boolean;
  /** The quota while nothing is on notice. */
  whole: ResourceList;
  /** The quota now. */
  hard: ResourceList;
  /** The record of a notice to write on the quota; empty: what somebody else has written there goes. */
  freeze?: string;
}
