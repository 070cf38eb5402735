/** Compares an object in the cluster with the shipped one. */
import { isDeepStrictEqual } from "node:util";

/** A field that isn't as shipped. */
export interface FieldDifference {
  /** JSON pointer of the field in the object in the cluster. */
  pointer: string;
  /** The field as people write it. */
  field: string;
  /** Its value in the cluster; undefined if it is missing there. */
  live?: unknown;
  /** Its shipped value; undefined if it was added. */
  shipped?: unknown;
}

/** Fields with values that the API server adds to an object that doesn't name them. */
const defaults: Readonly<Record<string, unknown>> = {
  matchPolicy: "Equivalent",
  namespaceSelector: {},
  objectSelector: {},
  scope: "*",
  conversion: { strategy: "None" },
};

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Lists whose entries the API server merges by their names, which are unique. */
const named = /(^|\.)(variables|matchConditions|versions|webhooks)$/;
const entriesOf = (list: unknown): { name: string }[] | undefined =>
  Array.isArray(list) ? list as { name: string }[] : undefined;

/** Returns the differences between two values of a field; an order of named entries is none. */
export function differencesOf(shipped: unknown, live: unknown, pointer = "", field = ""): FieldDifference[] {
  const under = (key: string) => `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  if (isFields(shipped) && isFields(live)) {
    return [...new Set([...Object.keys(shipped), ...Object.keys(live)])].flatMap((key) => {
      if (!(key in shipped) && isDeepStrictEqual(live[key], defaults[key])) return [];
      return differencesOf(shipped[key], live[key], under(key), field === "" ? key : `${field}.${key}`);
    });
  }
  const [before, now] = [entriesOf(shipped), entriesOf(live)];
  if (before && now && named.test(field)) {
    const names = [...new Set([...before, ...now].map(({ name }) => name))];
    return names.flatMap((name) => {
      const index = now.findIndex((entry) => entry.name === name);
      const entry = before.find((each) => each.name === name);
      return differencesOf(entry, now[index], under(String(index)), `${field}[${name}]`);
    });
  }
  if (before && now && before.length === now.length && before.every(isFields)) {
    return before.flatMap((entry, index) =>
      differencesOf(entry, now[index], under(String(index)), `${field}[${index}]`)
    );
  }
  if (isDeepStrictEqual(withoutFolds(shipped), withoutFolds(live))) return [];
  return [{
    pointer,
    field,
    ...(live === undefined ? {} : { live }),
    ...(shipped === undefined ? {} : { shipped }),
  }];
}

/** Returns a text without its line ends and indentation, which readers of YAML fold in different ways. */
const withoutFolds = (value: unknown): unknown => typeof value === "string" ? value.replace(/\s+/g, " ").trim() : value;

/** Reports whether the difference is a field or a named entry that was added: `kubectl apply` leaves it. */
export const isAddition = ({ live, shipped }: FieldDifference): boolean => shipped === undefined && live !== undefined;

/** Returns the difference in words. */
export function inWords({ field, live, shipped }: FieldDifference): string {
  const short = (value: unknown): string | undefined => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return text.length <= 80 && !text.includes("\n") ? text : undefined;
  };
  if (live === undefined) return `${field} is missing`;
  if (shipped === undefined) return `${field} was added${short(live) === undefined ? "" : ` (${short(live)})`}`;
  const [now, before] = [short(live), short(shipped)];
  return now === undefined || before === undefined ? `${field} was edited` : `${field} is ${now}, shipped as ${before}`;
}
