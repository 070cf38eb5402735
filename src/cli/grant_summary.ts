/** Grants as table rows: read from the Grant objects by an administrator, or from the guide by a guest. */
import { load } from "js-yaml";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { minQuantity, parseQuantity, type Quantity } from "../../lib/quantity/mod.ts";
import type { GrantFacts, QuotaFacts } from "../core/facts.ts";
import { guideKey, guideName } from "../core/guest/objects/guide.ts";
import { quotaName } from "../core/guest/objects/quota.ts";
import { listFrom, quotaKey, shown } from "../core/resources/quota_lists.ts";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import { keyIn, type Stores } from "../controllers/stores.ts";

export { relative } from "../core/report/relative_time.ts";

/** One grant, for a table and for programs. */
export interface GrantSummary {
  name: string;
  grantor: string;
  grantee: string;
  phase: string;
  /** The phase, or Ending. */
  state: string;
  /** Canonical quantities of the grant's keys. */
  granted: Record<string, string>;
  used: Record<string, string>;
  free: Record<string, string>;
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

export function grantSummaryOf(grant: GrantFacts): GrantSummary {
  const { spec, status, name } = grant;
  const granted = shown(listFrom(spec.hard));
  const usage = Object.fromEntries(
    Object.entries(status.actualUsage ?? {}).map(([key, value]) => [quotaKey(key), value]),
  );
  const used = Object.fromEntries(Object.keys(granted).map((key) => [key, usage[key] ?? "0"]));
  const ends = status.effectiveUntil ?? spec.validity?.validUntil;
  return {
    name,
    grantor: spec.grantorRealm,
    grantee: spec.granteeRealm,
    phase: status.phase ?? "Pending",
    state: status.state ?? status.phase ?? "Pending",
    granted,
    used,
    free: freeOf(granted, used),
    ...(spec.validity?.validFrom ? { from: spec.validity.validFrom } : {}),
    ...(ends ? { ends } : {}),
    namespace: guestNamespace(spec.granteeRealm),
    message: status.message ?? "The operator has not processed it yet. Is it running?",
  };
}

interface GuideEntry {
  name: string;
  from?: string;
  until?: string;
  notice?: { reason: string; ends?: string; because?: string; message?: string };
  reductions?: GuideReduction[];
  hard: Record<string, string>;
}

/** Returns the message of a grant in force, in the words of its status. */
export const enforcedMessage = (namespace: string, ends: string | undefined): string =>
  `Enforced in namespace ${namespace}${ends ? ` until ${ends}` : ""}.`;

/** Returns grants as a guest can read them: from the ConfigMap `keystone`, with the use of the whole namespace. */
export async function lendingsOfGuest(rest: RestClient, namespace: string): Promise<GrantSummary[]> {
  const [guide, quotas] = await Promise.all([
    new CoreV1Api(rest).namespace(namespace).configMaps.get(guideName),
    new CoreV1Api(rest).namespace(namespace).resourceQuotas.all(),
  ]);
  const entries = (load(guide.data?.[guideKey] ?? "") ?? []) as GuideEntry[];
  const quota = quotas.find(({ metadata }) => metadata?.name === quotaName);
  const [all, hard] = [quota?.status?.used ?? {}, quota?.status?.hard ?? {}];
  const shared = entries.length > 1 ? " USED counts all grants to the namespace." : "";
  return entries.map(({ name, from, until, notice, reductions, hard: granted }) => {
    const used = Object.fromEntries(Object.keys(granted).map((key) => [key, String(all[key] ?? "0")]));
    // With several grants the quota is their sum, so a grant may have room although more than it gives is used.
    const most = Object.fromEntries(Object.keys(granted).map((key) => [key, String(hard[key] ?? granted[key])]));
    const left = freeOf(most, used);
    const free = Object.fromEntries(
      Object.entries(granted).map(([key, text]) => [
        key,
        minQuantity(parseQuantity(text), parseQuantity(left[key]!)).toString(),
      ]),
    );
    const ends = notice?.ends ?? until;
    return {
      name,
      grantor: "",
      grantee: realmOfNamespace(namespace) ?? "",
      phase: "Active",
      state: notice ? "Ending" : "Active",
      granted,
      used,
      free,
      ...(from ? { from: String(from) } : {}),
      ...(ends ? { ends: String(ends) } : {}),
      namespace,
      message: notice
        ? notice.message ?? `On notice: ${notice.reason}.`
        : `${enforcedMessage(namespace, ends)}${shared}`,
      ...(reductions ? { reductions } : {}),
    };
  });
}

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

/** `1500m of 2`, with a bar. */
export const share = (used: string | undefined, granted: string | undefined): string =>
  granted === undefined ? "-" : `${bar(used, granted)} ${used ?? "0"} of ${granted}`;

/** The quota of a realm's guest namespace. */
export const quotaOfRealm = (stores: Stores, realm: string): QuotaFacts | undefined =>
  stores.quotas.get(keyIn(guestNamespace(realm), quotaName));

/** The sum of one key over grants that are in force. */
export const total = (all: readonly GrantSummary[], key: string): string | undefined => {
  const amounts = all.filter(({ phase }) => phase === "Active").flatMap(({ granted }) =>
    granted[key] === undefined ? [] : [parseQuantity(granted[key])]
  );
  const [first, ...others] = amounts;
  return first && others.reduce((sum: Quantity, each) => sum.add(each), first).toString();
};
