/** Amounts and their use as lines of a block. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { sidedResourceOf } from "../../core/report/tighter_use.ts";
import { bar, type GrantAmounts } from "../grant_summary.ts";
import { type DetailLine, fieldTable } from "./detail_block.ts";

/** Keys that every namespace uses, and of which nobody has to think. */
const unimportant = new Set(["configmaps", "count/serviceaccounts"]);

const firstKeys = ["cpu", "memory", "storage", "pods"];

/**
 * Returns the use of each key with a bar, and what is left: of those that the terms name, of requests and limits, and of
 * all that are used. The others are in one line.
 */
export function amountLines({ granted, used }: GrantAmounts, named: Iterable<string>): DetailLine[] {
  const important = new Set(named);
  const resources = new Set([...important].map(sidedResourceOf));
  const keys = Object.keys(granted).sort(byImportance);
  const isShown = (key: string) =>
    important.has(key) || (sidedResourceOf(key) !== undefined && resources.has(sidedResourceOf(key))) ||
    (!unimportant.has(key) && quantity(used[key]).sign() > 0);
  const rows = keys.filter(isShown).map((key) => ({ key, used: used[key] ?? "0", granted: granted[key]! }));
  const others = keys.filter((key) => !isShown(key) && quantity(granted[key]).sign() > 0);
  return [
    fieldTable(rows, [
      { name: "key", value: ({ key }) => key },
      {
        name: "use",
        value: ({ used, granted }) => `${bar(used, granted)} ${used} of ${granted}`,
        short: ({ used, granted }) => `${used} of ${granted}`,
      },
      { name: "left", value: ({ used, granted }) => leftText(used, granted) },
    ]),
    ...alsoGranted(granted, others),
  ];
}

/** Keys that count stored objects of a kind. Most grants have the defaults of the trust level. */
const countsObjects = (key: string): boolean => key.startsWith("count/") || (key !== "pods" && !key.includes("."));

/** Returns a line about the amounts that nobody uses, with the counts of objects summed up. */
function alsoGranted(granted: Readonly<Record<string, string>>, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const counts = keys.filter(countsObjects);
  const least = counts.map((key) => quantity(granted[key])).reduce<Quantity | undefined>(
    (least, each) => least === undefined || each.compare(least) < 0 ? each : least,
    undefined,
  );
  const others = keys.filter((key) => counts.length < 3 || !countsObjects(key));
  const parts = others.map((key) => `${granted[key]} ${key}`);
  if (counts.length >= 3) parts.push(`at least ${least} objects of each of ${counts.length} kinds (see -o yaml)`);
  return [`Also granted: ${parts.join(", ")}`];
}

const quantity = (text: string | undefined): Quantity => parseQuantity(text ?? "0");

function leftText(used: string, granted: string): string {
  const left = quantity(granted).subtract(quantity(used));
  if (left.sign() > 0) return `${left} left`;
  return left.sign() < 0 ? `${quantity(used).subtract(quantity(granted))} too much` : "none left";
}

const rank = (key: string): number => {
  const index = firstKeys.findIndex((name) => key === name || key.endsWith(`.${name}`));
  return index < 0 ? firstKeys.length : index;
};

const byImportance = (a: string, b: string): number =>
  rank(a) - rank(b) || Number(a.startsWith("limits.")) - Number(b.startsWith("limits.")) || (a < b ? -1 : 1);
