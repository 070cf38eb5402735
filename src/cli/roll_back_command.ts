/**
 * Finds what would open, end or be deleted if the previous version were installed again. Its custom resources have revision
 * 4, so it does not know later fields and can't report them.
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

/** One effect of a roll-back, and the step that avoids or repairs it. */
export interface Loss {
  message: string;
  remedy: string;
}

const narrower = (name: string): string =>
  `Before: replace it in spec.networkPolicy of Grant ${name} with narrower CIDRs of what is to stay open.`;

/** Returns the destinations of a grant that would open or close. */
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
          `Grant ${name} loses spec.networkPolicy.except (${
            except.join(", ")
          }): those ranges open, and stay open after a ` +
          "return to this version until except is set again.",
        remedy: narrower(name),
      }]
      : []),
    ...(wide.length > 0
      ? [{ message: `Grant ${name} opens the private ranges in ${wide.join(", ")} again.`, remedy: narrower(name) }]
      : []),
    ...(names.length > 0
      ? [{
        message: `Grant ${name} opens private addresses that ${names.join(", ")} may resolve to${
          within.length > 0 ? ", not only those within spec.networkPolicy.within" : ""
        }.`,
        remedy: narrower(name),
      }]
      : []),
    ...(words.length > 0
      ? [{
        message: `Grant ${name} opens nothing for ${
          words.join(", ")
        }, which the previous version reads as the name of a Realm.`,
        remedy: "Before: replace it with 0.0.0.0/0 and ::/0, if the private ranges may be open too.",
      }]
      : []),
  ];
}

/** Returns the SuperEntity if it would lack approvals: the previous version computes digests without subjects. */
export function lossesOfEntity(entity: SuperEntityFacts): Loss[] {
  const { name, spec } = entity;
  const { given, needed } = consentOf(entity);
  const digest = digestOf(name, spec);
  const members = new Set(spec.members.map(({ realm }) => realm));
  const approved = (spec.approvals ?? []).filter((each) => members.has(each.realm) && each.digest === digest).length;
  if (!given || approved >= needed) return [];
  return [{
    message:
      `SuperEntity ${name} has ${approved} of ${needed} approvals, because the previous version's digests include no ` +
      "subjects: nothing new is granted by it or to it.",
    remedy: "Afterwards: let its members approve again with keystone superentity approve.",
  }];
}

/** Returns the realms whose kubeconfigs use accounts that only this version accepts. */
export function lossOfAccounts(accounts: readonly { name: string; realm: string }[]): Loss[] {
  const realms = accounts.filter(({ name, realm }) => name !== `realm-${realm}`).map(({ realm }) => realm);
  return [...new Set(realms)].sort().map((realm) => ({
    message:
      `The kubeconfigs that this version issued to ${realm} stop working, and so does its access over the tailnet.`,
    remedy: `Afterwards: issue new ones with keystone realm kubeconfig ${realm}.`,
  }));
}

/** Quota keys that the previous version does not set: they stay, at its limit for each kind of object. */
const countsThatStay = [
  "count/pods",
  "count/controllerrevisions.apps",
  "count/replicasets.apps",
  "count/jobs.batch",
  "count/serviceaccounts",
];

/** Returns a namespace whose use is at or above that limit, so that nothing new is admitted. */
export function lossOfCounts({ namespace, used }: Pick<QuotaFacts, "namespace" | "used">, objects: number): Loss[] {
  const beyond = countsThatStay.filter((key) =>
    isQuantity(used[key] ?? "") && parseQuantity(used[key]!)
        .compare(parseQuantity(String(objects))) >= 0
  );
  if (beyond.length === 0) return [];
  return [{
    message: `${namespace} may have at most ${objects} of ${
      beyond.map((key) => key.slice("count/".length)).join(", ")
    }, ` +
      "including finished ones: nothing new is admitted.",
    remedy: `Before: raise trust.LEVEL.objects in the previous version's configuration.`,
  }];
}

/** Returns everything that a roll-back would open, end or delete. */
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
        `Namespace ${metadata!.name} is deleted with everything in it one day after its last grant ended, if it has ` +
        "no volume claims, even if Keystone did not create it.",
      remedy: "Before: back up what you need.",
    })),
    ...stores.quotas.list().flatMap((quota) => {
      const realm = quota && stores.realms.get(realmOfNamespace(quota.namespace) ?? "");
      return realm ? lossOfCounts(quota, rulesOf(settings, realm).objects) : [];
    }),
    ...(isClosed
      ? [{
        message: "Guests' writes are closed, and the previous version does not open them again.",
        remedy: `Before: free space in etcd. Or afterwards: kubectl delete flowschema ${guestFlowName}`,
      }]
      : []),
  ];
}
