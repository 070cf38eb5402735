/** The answer about a whole input. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { WouldFitItem } from "./object_verdicts.ts";

export interface WouldFitAnswer {
  /** Null: at least one object was not judged. */
  fits: boolean | null;
  grants: string[];
  /** Users as whom the API server was asked. */
  askedAs: string[];
  shortBy: Record<string, string>;
  message: string;
  items: WouldFitItem[];
}

/** The answers about the objects of one namespace. */
export interface NamespaceAnswer {
  as: string;
  state: { around: { givers: readonly { name: string }[] } };
  items: { item: WouldFitItem; index: number }[];
}

/** Returns the answer about the whole: one object that is not judged leaves it open. */
export function wholeAnswer(parts: readonly NamespaceAnswer[]): WouldFitAnswer {
  const items = parts.flatMap(({ items }) => items).sort((a, b) => a.index - b.index).map(({ item }) => item);
  // The rest is created without hooks that run only when asked. An input of nothing else is about them.
  const others = items.filter(({ onlyWhenAsked }) => !onlyWhenAsked);
  const created = others.length > 0 ? others : items;
  const shortBy = new Map<string, Quantity>();
  for (const [key, text] of created.flatMap((item) => Object.entries(item.shortBy))) {
    const amount = parseQuantity(text);
    shortBy.set(key, shortBy.get(key)?.add(amount) ?? amount);
  }
  return {
    fits: created.some(({ fits }) => fits === null) ? null : created.every(({ fits }) => fits),
    grants: parts.flatMap(({ state }) => state.around.givers.map(({ name }) => name)),
    askedAs: [...new Set(parts.map(({ as }) => as))],
    shortBy: Object.fromEntries([...shortBy].map(([key, amount]) => [key, amount.toString()])),
    message: items.map(({ message }) => message).join("\n"),
    items,
  };
}
