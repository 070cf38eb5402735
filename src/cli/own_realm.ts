/** The realm of this cluster, which lends. */
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { operatorName, systemNamespace } from "../core/names.ts";
import { usageError } from "./exit.ts";
import { isForbidden } from "./grant_summary.ts";
import type { Observed } from "./observed.ts";
import { operatorWorkload, realmOfContainer } from "./operator_workload.ts";
import type { Session } from "./session.ts";

/** A realm, and where it is from. */
export interface OwnRealm {
  name: string;
  /** Source in words, if it is not obvious. */
  source?: string;
}

/** Realms that grants can be made from. */
export interface OwnRealms {
  /** The realm of this cluster, as the operator knows it. */
  cluster?: OwnRealm;
  /** The grantor if no flag names one. */
  grantor?: OwnRealm;
}

/**
 * Returns this cluster's realm by the Realms' statuses, else by the operator's workload. The grantor is KEYSTONE_REALM,
 * else this cluster's realm, else that of all grants.
 */
export async function ownRealms(session: Session, rest: RestClient, { stores }: Observed): Promise<OwnRealms> {
  const local = stores.realms.list().filter(({ status }) => status.local);
  const cluster = local.length === 1 ? { name: local[0]!.name } : await operatorRealm(rest);
  const named = session.io.env("KEYSTONE_REALM");
  const grantors = new Set(stores.grants.list().map(({ spec }) => spec.grantorRealm));
  const grantor = named
    ? { name: named }
    : cluster ?? (grantors.size === 1 ? { name: [...grantors][0]!, source: "all grants are from it" } : undefined);
  return { ...(cluster ? { cluster } : {}), ...(grantor ? { grantor } : {}) };
}

/** Returns the realm that is set for the operator; undefined if it isn't set, or the user may not read it. */
async function operatorRealm(rest: RestClient): Promise<OwnRealm | undefined> {
  try {
    const found = await operatorWorkload(rest);
    const name = found && realmOfContainer(found.container);
    if (found === undefined || name === undefined) return undefined;
    return { name, source: `${found.kind} ${systemNamespace}/${operatorName} names it` };
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** Returns the grantor, and notes where it is from if that is not obvious. */
export function grantorOf(session: Session, { grantor }: OwnRealms): string {
  if (grantor === undefined) {
    throw usageError(
      "--from is not set, and this cluster's realm is not known. Use --from REALM, or set KEYSTONE_REALM.",
    );
  }
  noteSource(session, grantor);
  return grantor.name;
}

/** Notes where the grantor is from if that is not obvious. */
export function noteSource(session: Session, { name, source }: OwnRealm): void {
  if (source !== undefined) session.note(`Note: this cluster's realm is ${name}: ${source}.`);
}
