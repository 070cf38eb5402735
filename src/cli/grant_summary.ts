/** Grants as table rows: read from the Grant objects by an administrator, or from the guide by a guest. */
import { load } from "js-yaml";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { type ConfigMap, CoreV1Api, type ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { minQuantity, parseQuantity } from "../../lib/quantity/mod.ts";
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";
import { guideKey, guideName } from "../core/guest/objects/guide.ts";
import { quotaName } from "../core/guest/objects/quota.ts";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import {
  amountsInForce,
  endOfGrant,
  type GrantAmounts,
  type GrantObject,
  isOver,
  readableGrant,
  usesOf,
} from "../core/report/grant_amounts.ts";
import type { TighterUse } from "../core/report/tighter_use.ts";
import { allot, listFrom, quantitiesOf, quotaKey, shown } from "../core/resources/quota_lists.ts";

export { relative } from "../core/report/relative_time.ts";

type Amounts = Record<string, string>;

/** One grant, for a table and for programs. */
export interface GrantSummary {
  name: string;
  grantor: string;
  grantee: string;
  phase: string;
  /** The phase, or Ending. */
  state: string;
  /** Canonical quantities of the grant's keys. */
  granted: Amounts;
  used: Amounts;
  free: Amounts;
  /** Use of cpu, memory and the like, by requests or by limits, whichever is used up first. */
  use: Record<string, TighterUse>;
  from?: string;
  ends?: string;
  namespace: string;
  message: string;
  /** Reductions on notice, as a guest can read them. */
  reductions?: GuideReduction[];
}

/** A reduction in the guide: amounts that hold until its instant, and those afterwards. */
export interface GuideReduction {
  /** RFC 3339. */
  until?: string;
  hard: Record<string, string>;
  then?: Record<string, string>;
}

/** Returns the free amount of each key, never below zero. */
function freeOf(granted: Record<string, string>, used: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(granted).map(([key, text]) => {
      const left = parseQuantity(text).subtract(parseQuantity(used[key] ?? "0"));
      return [key, left.sign() < 0 ? "0" : left.toString()];
    }),
  );
}

/** Returns the grants of these objects; one whose amounts can't be read has none, and a message that says so. */
export const grantObjectsOf = (objects: readonly Grant[]): GrantObject[] =>
  objects.map(({ metadata, spec, status = {} }) => readableGrant({ name: metadata!.name!, spec, status }));

/** Returns a summary, by default with the use that the grant's status shows. */
export function grantSummaryOf(grant: GrantObject, amounts?: GrantAmounts): GrantSummary {
  const { spec, status, name } = grant;
  const granted = shown(listFrom(spec.hard));
  const usage = Object.fromEntries(
    Object.entries(status.actualUsage ?? {}).map(([key, value]) => [quotaKey(key), value]),
  );
  const used = Object.fromEntries(Object.keys(granted).map((key) => [key, usage[key] ?? "0"]));
  const ends = endOfGrant(grant);
  const phase = status.phase ?? "Pending";
  return {
    name,
    grantor: spec.grantorRealm,
    grantee: spec.granteeRealm,
    phase,
    state: status.state ?? phase,
    granted,
    used,
    free: freeOf(granted, used),
    use: isOver(phase) ? {} : usesOf(amounts ?? { granted: amountsInForce(grant), used: usage }),
    ...(spec.validity?.validFrom ? { from: spec.validity.validFrom } : {}),
    ...(ends ? { ends } : {}),
    namespace: guestNamespace(spec.granteeRealm),
    message: status.message ?? "The operator has not processed it yet. Is it running?",
  };
}

/** A grant as the guests' ConfigMap `keystone` lists it. */
interface GuideEntry {
  name: string;
  from?: string;
  until?: string;
  notice?: { reason: string; ends?: string; because?: string; message?: string };
  reductions?: GuideReduction[];
  hard: Amounts;
  egress?: string[];
}

/** A grant as a guest can read it. */
export interface GuestGrant {
  summary: GrantSummary;
  amounts: GrantAmounts;
  entry: GuideEntry;
}

/** Returns the message of a grant in force, in the words of its status. */
export const enforcedMessage = (namespace: string, ends: string | undefined): string =>
  `Enforced in namespace ${namespace}${ends ? ` until ${ends}` : ""}.`;

/** Returns grants as a guest can read them: from the ConfigMap `keystone`, with the use of the namespace. */
export async function lendingsOfGuest(rest: RestClient, namespace: string): Promise<GrantSummary[]> {
  const [guide, quotas] = await Promise.all([
    new CoreV1Api(rest).namespace(namespace).configMaps.get(guideName),
    new CoreV1Api(rest).namespace(namespace).resourceQuotas.all(),
  ]);
  return guestGrants(namespace, guide, quotas).map(({ summary }) => summary);
}

/** Returns the grants of the guide, with the use that is attributed to each as the operator does. */
export function guestGrants(
  namespace: string,
  guide: ConfigMap | undefined,
  quotas: readonly ResourceQuota[],
): GuestGrant[] {
  const read = load(guide?.data?.[guideKey] ?? "");
  const entries = (Array.isArray(read) ? read : []) as GuideEntry[];
  const quota = quotas.find(({ metadata }) => metadata?.name === quotaName);
  const [all, hard] = [quota?.status?.used ?? {}, quota?.status?.hard ?? {}];
  const attributed = allot(
    entries.map(({ name, notice, until, hard }) => {
      const endsAt = Date.parse(String(notice?.ends ?? until ?? ""));
      return { name, hard: quantitiesOf(textsOf(hard)), ...(Number.isFinite(endsAt) ? { endsAt } : {}) };
    }),
    textsOf(all),
  );
  return entries.map((entry) => {
    const { name, from, until, notice, reductions } = entry;
    const granted = textsOf(entry.hard);
    const mine = shown(attributed.get(name) ?? new Map());
    const used = Object.fromEntries(Object.keys(granted).map((key) => [key, mine[key] ?? "0"]));
    // While something is on notice, the quota leaves less than the grant.
    const left = freeOf(textsOf({ ...granted, ...pick(hard, Object.keys(granted)) }), textsOf(all));
    const free = Object.fromEntries(
      Object.entries(freeOf(granted, used)).map(([key, text]) => [
        key,
        minQuantity(parseQuantity(text), parseQuantity(left[key]!)).toString(),
      ]),
    );
    const ends = notice?.ends ?? until;
    const summary: GrantSummary = {
      name,
      grantor: "",
      grantee: realmOfNamespace(namespace) ?? "",
      phase: "Active",
      state: notice ? "Ending" : "Active",
      granted,
      used,
      free,
      use: usesOf({ granted, used }),
      ...(from ? { from: String(from) } : {}),
      ...(ends ? { ends: String(ends) } : {}),
      namespace,
      message: notice ? notice.message ?? `On notice: ${notice.reason}.` : enforcedMessage(namespace, ends),
      ...(reductions ? { reductions } : {}),
    };
    return { summary, amounts: { granted, used }, entry };
  });
}

const textsOf = (amounts: Readonly<Record<string, unknown>>): Amounts =>
  Object.fromEntries(Object.entries(amounts).map(([key, value]) => [key, String(value)]));

const pick = (amounts: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(keys.flatMap((key) => key in amounts ? [[key, amounts[key]]] : []));

/** Reports whether the API server refused a request with 403. */
export const isForbidden = (error: unknown): boolean => isApiError(error, 403);

/** Returns the used part of the granted amount as a bar of ten characters. */
export function bar(used: string | undefined, granted: string | undefined): string {
  if (granted === undefined) return "";
  const [of, whole] = [parseQuantity(used ?? "0"), parseQuantity(granted)];
  if (whole.sign() === 0) return of.sign() === 0 ? "·".repeat(10) : "█".repeat(10);
  const tenths = Number(of.nanos * 10n / whole.nanos);
  return "█".repeat(Math.min(10, Math.max(of.sign() > 0 ? 1 : 0, tenths))).padEnd(10, "·");
}

/** Returns `2 of 2 limits`: the use of the side that is used up first. */
export const useText = (use: TighterUse | undefined): string =>
  use === undefined ? "-" : `${use.used} of ${use.granted}${use.side ? ` ${use.side}` : ""}`;

/** Returns the use with a bar before it. */
export const useWithBar = (use: TighterUse | undefined): string =>
  use === undefined ? "-" : `${bar(use.used, use.granted)} ${useText(use)}`;
