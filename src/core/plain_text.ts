/** Counts, lists and sentences in messages. */

/** Returns `1 pod`, `2 pods`. */
export const countText = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Returns `is` for one and `are` for any other number. */
export const isOrAre = (count: number): "is" | "are" => count === 1 ? "is" : "are";

/** Returns at most a few of the names: `a, b, c and 4 more`. */
export function fewOf(names: readonly string[], most = 3): string {
  const rest = names.length - most;
  return `${names.slice(0, most).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** Returns the text as a sentence: with one full stop at its end. */
export const sentence = (text: string): string => {
  const trimmed = text.trim();
  return trimmed === "" || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
};
