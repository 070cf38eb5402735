/** Reads fields of JSON of which nothing is certain. */

/** Members of an object. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns an object's members; none if it is no object. */
export const partsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : {};

/** Returns a text; empty for anything else. */
export const stringOf = (value: unknown): string => typeof value === "string" ? value : "";

/** Returns the members of a list; none if it is no list. */
export const itemsOf = (value: unknown): readonly unknown[] => Array.isArray(value) ? value : [];
