/** The namespace's quotas, Keystone's and those by others, in the words of their status. */
import type { ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import { isQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { quotaName } from "../guest/objects/quota.ts";
import { quotaKey } from "../resources/quota_lists.ts";
import { fewOf, mostListed, type ReportFinding } from "./finding.ts";
import type { GuideGrant, ReportWorld } from "./reported_objects.ts";

/** Amount of one key of a quota. */
export interface QuotaAmount {
  key: string;
  used: string;
  hard: string;
  /** Never below zero. */
  free: Quantity;
}

const zero = parseQuantity("0");
const quantityOf = (value: unknown): Quantity => {
  const text = String(value ?? "0");
  return isQuantity(text) ? parseQuantity(text) : zero;
};

/** Returns the amounts that admission enforces. */
export const amountsOf = ({ status }: ResourceQuota): QuotaAmount[] =>
  Object.entries(status?.hard ?? {}).map(([key, hard]) => {
    const left = quantityOf(hard).subtract(quantityOf(status?.used?.[key]));
    const [used, most] = [String(status?.used?.[key] ?? "0"), String(hard)];
    return { key, used, hard: most, free: left.sign() < 0 ? zero : left };
  });

/** Reports whether pods use more than the grants that are left, so that Keystone evicts some. */
export const isOverused = ({ quotas }: ReportWorld): boolean =>
  quotas.filter(({ metadata }) => isOwnQuota(metadata?.name)).some(({ status }) =>
    Object.entries(status?.hard ?? {}).some(([key, hard]) =>
      /^(requests\.(?!storage)|limits\.|pods$)/.test(quotaKey(key)) &&
      quantityOf(status?.used?.[key]).compare(quantityOf(hard)) > 0
    )
  );

export const quotaNamed = ({ quotas }: ReportWorld, name: string): ResourceQuota | undefined =>
  quotas.find(({ metadata }) => metadata?.name === name);

export const isOwnQuota = (name: string | undefined): boolean => name === quotaName;

/** Returns the quotas that Keystone did not make. */
export const otherQuotas = ({ quotas }: ReportWorld): ResourceQuota[] =>
  quotas.filter(({ metadata }) => !isOwnQuota(metadata?.name));

const makerLabels = ["app.kubernetes.io/managed-by", "helm.sh/chart"];

/** Returns a hint at the maker of an object by others: its owner, its labels, or the field manager of its spec. */
export function makerOf({ metadata }: Pick<ResourceQuota, "metadata">): string | undefined {
  const [owner] = metadata?.ownerReferences ?? [];
  if (owner) return `${owner.kind} ${owner.name}`;
  const labels = Object.entries(metadata?.labels ?? {});
  const policy = labels.find(([key]) => /policy-name$/.test(key));
  const manager = makerLabels.flatMap((key) => metadata?.labels?.[key] ?? [])[0];
  if (manager !== undefined) return policy ? `${manager}, policy ${policy[1]}` : manager;
  if (policy) return `policy ${policy[1]}`;
  return metadata?.managedFields?.find(({ subresource }) => !subresource)?.manager;
}

/** Returns the quota by name, with its maker. */
export function quotaText(quota: ResourceQuota | undefined, name: string): string {
  if (isOwnQuota(name)) return "quota keystone (the grants)";
  const maker = quota && makerOf(quota);
  return `quota ${name} (not Keystone's${maker === undefined ? "" : `, made by ${maker}`})`;
}

const scopeText = ({ spec }: ResourceQuota): string => {
  const scopes = [
    ...spec?.scopes ?? [],
    ...(spec?.scopeSelector?.matchExpressions ?? []).map(({ scopeName }) => scopeName),
  ];
  return scopes.length > 0 ? ` It counts only pods of scope ${fewOf(scopes)}.` : "";
};

const amountText = ({ key, used, hard, free }: QuotaAmount): string => `${key}: ${used} of ${hard} used, ${free} free`;

/** Returns whether a key is used up although something of it is granted. */
export const isFull = ({ free, hard }: QuotaAmount): boolean => free.sign() === 0 && quantityOf(hard).sign() > 0;

/** Returns a finding on each quota that Keystone did not make, because it limits the namespace further. */
export function otherQuotaFindings(world: ReportWorld): ReportFinding[] {
  const others = otherQuotas(world);
  return others.slice(0, mostListed).map((quota, index) => {
    const amounts = amountsOf(quota);
    const full = amounts.filter(isFull);
    const listed = full.length > 0 ? full : amounts;
    const rest = index === mostListed - 1 ? others.length - mostListed : 0;
    return {
      what: `another quota, ${quota.metadata?.name}`,
      status: "warn",
      message: `${capital(quotaText(quota, quota.metadata?.name ?? ""))} limits ${world.namespace} further: ` +
        `${fewOf(listed.map(amountText), 4) || "nothing yet"}.${scopeText(quota)}` +
        (rest > 0 ? ` There are ${rest} more quotas.` : ""),
    };
  });
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Returns a sentence for each grant on notice: until its end nothing may grow. */
export function noticeText(grants: readonly GuideGrant[] | undefined): string {
  const noticed = (grants ?? []).filter(({ notice }) => notice);
  if (noticed.length === 0) return "";
  const list = noticed.map(({ name, notice }) => `${name}${notice?.ends ? ` until ${notice.ends}` : ""}`);
  return `Grant ${fewOf(list)} is on notice: running pods stay until then, but nothing may grow.`;
}
