/**
 * Finds what would open, end or go if the version before were installed again, whose custom resources are of revision 4: it
 * doesn't know what came since, and nobody could say it then.
 */
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { FlowcontrolApiserverV1Api } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import type { Settings } from "../api/mod.ts";
import { isQuantity, parseQuantity } from "../../lib/quantity/mod.ts";
import type { GrantFacts, QuotaFacts, SuperEntityFacts } from "../core/facts.ts";
import { rulesOf } from "../core/grant/lifecycle.ts";
import { parseDestination } from "../core/network/destination.ts";
import {
  endedAnnotation,
  guestFlowName,
  guestWritesAnnotation,
  managedBy,
  managedByLabel,
  realmLabel,
  realmOfNamespace,
  systemNamespace,
} from "../core/names.ts";
import { parseGuestWrites } from "../core/database_storage.ts";
import { consentOf, memberSubjects } from "../core/superentity/consent.ts";
import { digestOf } from "../core/superentity/digest.ts";
import { Observed } from "./observed.ts";

/** The effect of a roll-back on one thing, and the step to take before it. */
export interface Loss {
  /** A sentence. */
  message: string;
  remedy: string;
}

const narrower = (name: string): string =>
  `Before: leave it out of spec.networkPolicy of Grant ${name}, naming what is to stay open by narrower CIDRs.`;

/** Parts of a grant that open or close. */
export function lossesOfGrant({ name, spec, status }: GrantFacts): Loss[] {
  const { networkPolicy } = spec;
  const isOver = status.phase === "Expired" || status.phase === "Revoked";
  if (!networkPolicy?.egressAllowed || isOver) return [];
  const { allowedDestinations = [], except = [], within = [] } = networkPolicy;
  const destinations = allowedDestinations.map(parseDestination).flatMap((each) => "error" in each ? [] : each);
  const names = destinations.filter(({ to }) => "dns" in to).map(({ text }) => text);
  const words = destinations.filter(({ to }) => "internet" in to).map(({ text }) => text);
  const wide = (status.resolvedDestinations ?? []).flatMap(({ destination, narrowed, error }) =>
    narrowed !== undefined || error?.includes("(DestinationPrivate)") ? destination : []
  );
  return [
    ...(except.length > 0
      ? [{
        message:
          `Grant ${name} forgets spec.networkPolicy.except (${except.join(", ")}): that opens, and is not closed by ` +
          "coming back to this version unless it is written again.",
        remedy: narrower(name),
      }]
      : []),
    ...(wide.length > 0
      ? [{ message: `Grant ${name} opens the private ranges in ${wide.join(", ")} again.`, remedy: narrower(name) }]
      : []),
    ...(names.length > 0
      ? [{
        message: `Grant ${name} opens private addresses that ${names.join(", ")} may stand for${
          within.length > 0 ? ", not only those within spec.networkPolicy.within" : ""
        }.`,
        remedy: narrower(name),
      }]
      : []),
    ...(words.length > 0
      ? [{
        message: `Grant ${name} opens nothing for ${words.join(", ")}, which is taken for a Realm's name.`,
        remedy: "Before: write 0.0.0.0/0 and ::/0 in its place, if the private ranges may be open too.",
      }]
      : []),
  ];
}

/** Consent that was given to terms with subjects in them isn't any there. */
export function lossesOfEntity(entity: SuperEntityFacts): Loss[] {
  const { name, spec } = entity;
  const { given, needed } = consentOf(entity);
  const digest = digestOf(name, spec);
  const members = new Set(spec.members.map(({ realm }) => realm));
  const approved = (spec.approvals ?? []).filter((each) => members.has(each.realm) && each.digest === digest).length;
  if (!given || approved >= needed) return [];
  return [{
    message: `SuperEntity ${name} has ${approved} of ${needed} approvals, because digests had no subjects in them: ` +
      "nothing new is granted by it or to it.",
    remedy: "Afterwards: have its members approve again, keystone approve.",
  }];
}

/** The realms whose kubeconfigs are of accounts that only this version lets in. */
export function lossOfAccounts(accounts: readonly { name: string; realm: string }[]): Loss[] {
  const realms = accounts.filter(({ name, realm }) => name !== `realm-${realm}`).map(({ realm }) => realm);
  return [...new Set(realms)].sort().map((realm) => ({
    message: `The kubeconfigs of ${realm} that this version has issued let nobody in.`,
    remedy: `Afterwards: issue new ones, keystone kubeconfig ${realm}.`,
  }));
}

/** The keys of a quota that count what the version before doesn't: they stay, at what it gives of each kind of object. */
const countsThatStay = ["count/pods", "count/controllerrevisions.apps", "count/replicasets.apps", "count/jobs.batch"];

/** Use beyond that: nothing more is made until it is less. */
export function lossOfCounts({ namespace, used }: Pick<QuotaFacts, "namespace" | "used">, objects: number): Loss[] {
  const beyond = countsThatStay.filter((key) =>
    isQuantity(used[key] ?? "") && parseQuantity(used[key]!)
        .compare(parseQuantity(String(objects))) >= 0
  );
  if (beyond.length === 0) return [];
  return [{
    message: `${namespace} may have no more than ${objects} of ${
      beyond.map((key) => key.slice("count/".length)).join(", ")
    }, ` +
      "finished ones too: nothing new is admitted.",
    remedy: `Before: raise trust.LEVEL.objects in the configuration of the version before.`,
  }];
}

/** Everything that going back would open, end or delete. */
export async function lossesByRollBack(rest: RestClient, settings: Settings): Promise<Loss[]> {
  const labelSelector = `${managedByLabel}=${managedBy}`;
  const named = { fieldSelector: `metadata.name=${guestFlowName}` };
  const [{ stores }, accounts, spaces, flows] = await Promise.all([
    new Observed(rest).terms().then((observed) => observed.quotas()),
    new CoreV1Api(rest).namespace(systemNamespace).serviceAccounts.all({ labelSelector: realmLabel }),
    new CoreV1Api(rest).namespaces.all({ labelSelector }),
    new FlowcontrolApiserverV1Api(rest).flowSchemas.all(named),
  ]);
  const entities = stores.superEntities.list().map((entity) => ({
    ...entity,
    subjects: memberSubjects(entity, (name) => stores.realms.get(name)),
  }));
  const closed = spaces.filter(({ metadata }) => metadata!.annotations?.[endedAnnotation] !== undefined);
  const isClosed = flows.some(({ metadata }) =>
    parseGuestWrites(metadata!.annotations?.[guestWritesAnnotation]) !== "Open"
  );
  return [
    ...stores.grants.list().flatMap(lossesOfGrant),
    ...entities.flatMap(lossesOfEntity),
    ...lossOfAccounts(
      accounts.map(({ metadata }) => ({ name: metadata!.name!, realm: metadata!.labels![realmLabel]! })),
    ),
    ...closed.map(({ metadata }) => ({
      message:
        `Namespace ${metadata!.name} is deleted with all that is in it once a day has passed since its last grant ` +
        "ended, if it has no volume claims, whoever made it.",
      remedy: "Before: copy out what is needed.",
    })),
    ...stores.quotas.list().flatMap((quota) => {
      const realm = quota && stores.realms.get(realmOfNamespace(quota.namespace) ?? "");
      return realm ? lossOfCounts(quota, rulesOf(settings, realm).objects) : [];
    }),
    ...(isClosed
      ? [{
        message: "Guests' writes are closed, and nobody opens them again.",
        remedy: `Before: make room in etcd. Or afterwards: kubectl delete flowschema ${guestFlowName}`,
      }]
      : []),
  ];
}
