/** Values at the limits of a field and beyond, and unusual ones, all derived from its schema. */
import fc from "fast-check";
import type { FieldSchema } from "./spec_fields.ts";

/** A value with a short name, unique within its field. */
export type Value = [name: string, value: unknown];

/** Returns all values to try in a field; undefined is an absent field. */
export function valuesOf(schema: FieldSchema, base: unknown): Value[] {
  return [["absent", undefined], ["null", null], ...ofOtherTypes(schema), ...ofItsType(schema, base)];
}

function ofItsType(schema: FieldSchema, base: unknown): Value[] {
  if (schema["x-kubernetes-int-or-string"]) return quantities;
  if (schema.enum) return words(schema.enum);
  if (schema.format === "date-time") return [...instants, ...lengths(schema, "2040-01-01T00:00:00.")];
  switch (schema.type) {
    case "string":
      return [...texts, ...matching(schema), ...lengths(schema, String(base ?? "a"))];
    case "boolean":
      return [["true", true], ["false", false]];
    case "integer":
    case "number":
      return numbers(schema);
    case "array":
      return lists(schema, base);
    case "object":
      return schema.additionalProperties ? maps(schema, base) : [["empty", {}], ["unknown field", withUnknown(base)]];
    default:
      throw new Error(`Type ${schema.type} has no values yet: add them in values.ts.`);
  }
}

const oneOfEach: Record<string, unknown> = { string: "text", integer: 7, boolean: true, array: [], object: {} };

function ofOtherTypes(schema: FieldSchema): Value[] {
  const own = schema["x-kubernetes-int-or-string"] ? ["integer", "string"] : [schema.type];
  return Object.entries(oneOfEach).filter(([type]) => !own.includes(type)).map(([type, value]) => [`a ${type}`, value]);
}

const withUnknown = (base: unknown) => ({ ...base as Record<string, unknown>, unheardOf: 1 });

const texts: Value[] = [
  ["empty", ""],
  ["blank", " "],
  ["two lines", "one\ntwo"],
  ["tab", "a\tb"],
  ["null character", "a\u0000b"],
  ["umlaut", "ü"],
  ["emoji", "🔑"],
  ["right to left", "\u202eabc"],
  ["quotes", `'"\\`],
  ["a variable", "${HOME} $(id) {{.}} %s"],
  ["very long", "x".repeat(100_000)],
  ["capitals", "ABC"],
  ["yes", "yes"],
  ["a number in quotes", "7"],
];

const instants: Value[] = Object.entries({
  "long ago": "1970-01-01T00:00:00Z",
  "before 1970": "1969-12-31T23:59:59Z",
  "year one": "0001-01-01T00:00:00Z",
  "year zero": "0000-01-01T00:00:00Z",
  "far ahead": "9999-12-31T23:59:59Z",
  "beyond 32 bits": "2038-01-19T03:14:08Z",
  "a leap day": "2044-02-29T12:00:00Z",
  "no leap day": "2043-02-29T12:00:00Z",
  "a leap second": "2040-12-31T23:59:60Z",
  "midnight as 24": "2040-01-01T24:00:00Z",
  "a tenth": "2040-01-01T00:00:00.1Z",
  "nanoseconds": "2040-01-01T00:00:00.123456789Z",
  "beyond nanoseconds": "2040-01-01T00:00:00.1234567891Z",
  "a zone": "2040-01-01T00:00:00+05:45",
  "the last zone": "2040-01-01T00:00:00-23:59",
  "no zone that is": "2040-01-01T00:00:00+25:00",
  "unknown zone": "2040-01-01T00:00:00-00:00",
  "no zone": "2040-01-01T00:00:00",
  "small letters": "2040-01-01t00:00:00z",
  "a comma": "2040-01-01T00:00:00,5Z",
  "a date": "2040-01-01",
  "a time": "00:00:00Z",
  "no seconds": "2040-01-01T00:00Z",
  "five digits": "12040-01-01T00:00:00Z",
  "a word": "tomorrow",
  "empty": "",
});

const quantities: Value[] = [
  ...[0, 1, 7, -1, 1.5, 2147483648, 9007199254740991, 9007199254740992, 9223372036854775807, 1e30]
    .map((number): Value => [String(number), number]),
  ...[
    ...["0", "-0", "-1", "+1", "00012", "1.0", "1.", ".5", "1.5", "1.0000000001", "", " 1", "1 ", "1_000", "1,5"],
    ...["1n", "1u", "1m", "999m", "1000m", "1001m", "0.5m", "1k", "1K", "1Ki", "1.5Gi", "0.1Ki", "1T", "1P", "1E"],
    ...["1Ei", "0.999E", "1000P", "2E", "1e3", "1E3", "1e+3", "1e-3", "1e18", "1e19", "1e-99", "1e99", "1e100"],
    ...["9223372036854775807", "9223372036854775808", "18446744073709551616", "NaN", "Infinity", "0x10", "½", "٣"],
    ...["1".repeat(32), "0".repeat(32), "1".repeat(33), `0.${"0".repeat(29)}1`, "1\n2", "lots"],
  ].map((text): Value => [JSON.stringify(text), text]),
];

/** Returns each valid word, and similar invalid ones. */
function words(meant: string[]): Value[] {
  const near = [meant[0]!.toUpperCase(), meant[0]!.toLowerCase(), `${meant[0]} `, meant.join(), "", "unheard-of"];
  return [...new Set([...meant, ...near])].map((word) => [JSON.stringify(word), word]);
}

function numbers({ minimum = 0, maximum = 2 ** 31 - 1 }: FieldSchema): Value[] {
  const near = [minimum, maximum].flatMap((bound) => [bound - 1, bound, bound + 1]);
  return [
    ...[...new Set([...near, 0, -1, 1, 2, 1.5, 1e-9, 2 ** 31, 2 ** 53 - 1, 2 ** 53, -(2 ** 63), 1e30])]
      .map((number): Value => [String(number), number]),
    ["in quotes", String(minimum)],
    ["a duration", "5m"],
  ];
}

/** Returns texts of the maximum length, one less and one more, made from the valid value. */
function lengths({ minLength, maxLength }: FieldSchema, base: string): Value[] {
  const bounds = [minLength, maxLength].filter((bound) => bound !== undefined);
  return [...new Set(bounds.flatMap((bound) => [bound - 1, bound, bound + 1]))].filter((length) => length > 0)
    .map((length) => [`${length} characters`, ofLength(length, base)]);
}

function ofLength(length: number, base: string): string {
  if (length <= base.length) return base.slice(0, length);
  if (base.startsWith("2040-")) return `${base.padEnd(length - 1, "0")}Z`;
  const more = length - base.length;
  // A DNS name is extended by labels.
  return (base.includes(".") ? `${"a".repeat(49)}.`.repeat(Math.ceil(more / 50)).slice(-more) : "a".repeat(more)) +
    base;
}

/** Texts that match the patterns of the rules, but may be invalid. */
function matching({ "x-kubernetes-validations": rules = [] }: FieldSchema): Value[] {
  return rules.flatMap(({ rule }) => samplesOf(rule, "self", 12)).map((
    text,
  ) => [`matching ${JSON.stringify(text)}`, text]);
}

/** Returns texts that the patterns of a rule on this variable match; always the same ones. */
function samplesOf(rule: string, variable: string, count: number): string[] {
  const patterns = new RegExp(`(?<!!)\\b${variable}\\.matches\\('((?:[^'\\\\]|\\\\.)*)'\\)`, "g");
  const found = [...rule.matchAll(patterns)].map(([, pattern]) => new RegExp(pattern!.replaceAll("\\\\", "\\")));
  return [...new Set(found.flatMap((pattern) => fc.sample(fc.stringMatching(pattern), { numRuns: count, seed: 1 })))];
}

function lists(schema: FieldSchema, base: unknown): Value[] {
  const items = Array.isArray(base) ? base : [];
  const first: unknown = items[0];
  const most = schema.maxItems ?? 64;
  const many = (
    count: number,
  ): Value => [`${count} items`, Array.from({ length: count }, (_, index) => other(first, index))];
  return [
    ["empty", []],
    ["null in it", [null]],
    ["a list in it", [[]]],
    ["one of another type in it", [...items, 7]],
    ["one twice", [...items, ...items.slice(0, 1)]],
    ["the other way round", items.toReversed()],
    ...(first === undefined ? [] : [many(most - 1), many(most), many(most + 1)]),
  ];
}

/** Returns a similar item with another name. */
function other(item: unknown, index: number): unknown {
  if (index === 0 || typeof item !== "object" || item === null) return item;
  const name = Object.keys(item).find((key) => key === "realm" || key === "name");
  return name === undefined ? item : { ...item, [name]: `${(item as Record<string, string>)[name]}-${index}` };
}

function maps(schema: FieldSchema, base: unknown): Value[] {
  const entries = base as Record<string, unknown>;
  const most = schema.maxProperties ?? 64;
  const many = (count: number): Value => [
    `${count} keys`,
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`count/${letters(index)}.example.com`, "1"])),
  ];
  const sampled = (schema["x-kubernetes-validations"] ?? []).flatMap(({ rule }) => samplesOf(rule, "k", 60));
  return [
    ["empty", {}],
    ["only null", Object.fromEntries(Object.keys(entries).map((key) => [key, null]))],
    many(most - 1),
    many(most),
    many(most + 1),
    ...[...new Set([...quotaKeys, ...sampled])].map((
      key,
    ): Value => [`key ${JSON.stringify(key)}`, { ...entries, [key]: "1" }]),
  ];
}

const letters = (index: number): string =>
  [...index.toString(26)].map((digit) => "abcdefghijklmnopqrstuvwxyz"[parseInt(digit, 26)]).join("");

/** ResourceQuota keys, at their limits, and invalid ones. */
const quotaKeys = [
  ..."cpu memory requests.cpu requests.memory limits.cpu limits.memory ephemeral-storage limits.ephemeral-storage"
    .split(" "),
  ..."requests.ephemeral-storage requests.storage pods services services.nodeports services.loadbalancers".split(" "),
  ..."persistentvolumeclaims secrets configmaps replicationcontrollers count/pods count/deployments.apps".split(" "),
  ..."count/secrets count/configmaps count/services count/persistentvolumeclaims count/jobs.batch".split(" "),
  ..."count/widgets.example.com resourcequotas requests.hugepages-2Mi requests.hugepages-1Gi".split(" "),
  ..."requests.hugepages-3Ki hugepages-2Mi limits.nvidia.com/gpu requests.nvidia.com/gpu requests.nvidia.com".split(
    " ",
  ),
  ..."gold.storageclass.storage.k8s.io/requests.storage gold.storageclass.storage.k8s.io/persistentvolumeclaims".split(
    " ",
  ),
  ..."gpu.deviceclass.resource.k8s.io/devices gold.volumeattributesclass.storage.k8s.io/requests.storage".split(" "),
  `count/${"a".repeat(63)}`,
  `count/${"a".repeat(64)}`,
  `count/a.${"b".repeat(63)}`,
  `count/a.${"b".repeat(64)}`,
  `requests.${"a".repeat(63)}.example.com/${"B".repeat(63)}`,
  `requests.${"a".repeat(63)}.example.com/${"B".repeat(64)}`,
  `requests.${"a".repeat(64)}.example.com/b`,
  `requests.${`${"a".repeat(60)}.`.repeat(4)}b/c`,
  `${"s".repeat(63)}.storageclass.storage.k8s.io/requests.storage`,
  `${`${"s".repeat(50)}.`.repeat(5)}storageclass.storage.k8s.io/requests.storage`,
  "",
  " ",
  "CPU",
  "requests.CPU",
  "pods ",
  "count/",
  "a/b/c",
  "metadata",
  "ü",
];
