/** Reads fields of JSON of which nothing is certain. */
import { isQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";

/** Members of an object. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns an object's members; none if it is no object. */
export const partsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : {};

/** Returns a text; empty for anything else. */
export const stringOf = (value: unknown): string => typeof value === "string" ? value : "";

/** Returns the members of a list; none if it is no list. */
export const itemsOf = (value: unknown): readonly unknown[] => Array.isArray(value) ? value : [];

/** Returns the quantities of a list without those that can't be read. */
export const readableList = (list: unknown): Map<string, Quantity> =>
  new Map(
    Object.entries(partsOf(list)).flatMap(([key, value]): [string, Quantity][] => {
      const text = String(value);
      return isQuantity(text) ? [[key, parseQuantity(text)]] : [];
    }),
  );
