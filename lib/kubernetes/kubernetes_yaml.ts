/**
 * YAML as Kubernetes' own programs read it: kubectl, client-go and the API server use sigs.k8s.io/yaml, which is go-yaml
 * v2 with a conversion to JSON. It is YAML 1.1 with exceptions: `yes`, `on` and `y` are booleans, base-60 numbers and
 * dates are strings, merge keys apply in the order of the text, and the last of several equal keys wins.
 */
import {
  COLLECTION_STYLE,
  type Event,
  EVENT_ID,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  YAMLException,
} from "js-yaml";
import { lineCounter } from "./line_counter.ts";
import type { JSONValue } from "./types.ts";

/** Text that Kubernetes' programs can't read. Its message quotes nothing of the text, which may hold secrets. */
export class KubernetesYamlError extends Error {
  /** Name of the error. */
  override readonly name = "KubernetesYamlError";

  /**
   * Makes the error of a problem.
   *
   * @param problem description, without a quotation of the text
   * @param line line of the problem, from 1
   * @param column column of the problem, from 1
   */
  constructor(readonly problem: string, readonly line: number, readonly column?: number) {
    super(`line ${line}${column === undefined ? "" : `, column ${column}`}: ${problem}`);
  }
}

/** A key that a mapping has more than once. */
export interface DuplicateKey {
  /** The key as text. */
  key: string;
  /** Line of the later occurrence, from 1. */
  line: number;
}

/** The first document of a text. */
export interface KubernetesYaml {
  /** Its content as JSON; null if it is empty. An integer that would lose digits is refused. */
  value: JSONValue;
  /** Keys that a mapping has more than once; the last value counts. */
  duplicates: DuplicateKey[];
}

/** Returns the first document of the text; throws {@linkcode KubernetesYamlError}. */
export function readKubernetesYaml(text: string): KubernetesYaml {
  const lineAt = lineCounter(text);
  let root: Node | undefined;
  try {
    const events = parseEvents(text, { maxDepth: 1_000 });
    refuseTabs(text, events, lineAt);
    root = treeOf(text, events, lineAt);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { line, column } = error.mark ?? { line: 0, column: 0 };
    throw new KubernetesYamlError(error.reason, line + 1, column + 1);
  }
  const decoder = new Decoder();
  return { value: root === undefined ? null : decoder.decode(root), duplicates: decoder.duplicates };
}

/** Problem of an integer that JavaScript can't hold: kubectl keeps its digits. */
export const LOSES_DIGITS =
  "an integer beyond 2^53 would lose digits here; round it, or write a quantity with a suffix, such as 16Pi";

type Node =
  | { is: "scalar"; line: number; text: string; tag: string; implicit: boolean }
  | { is: "sequence"; line: number; items: Node[] }
  | { is: "mapping"; line: number; pairs: [Node, Node][] }
  | { is: "alias"; line: number; anchor: string; target: Node };

const CORE = "tag:yaml.org,2002:";

/** Returns the first document's nodes; undefined for a text without a document. */
function treeOf(text: string, events: readonly Event[], lineAt: (offset: number) => number): Node | undefined {
  const anchors = new Map<string, Node>();
  const handles = new Map([["!!", CORE]]);
  let next = 0;
  let offset = 0;

  const named = <N extends Node>(
    node: N,
    { anchorStart, anchorEnd }: { anchorStart: number; anchorEnd: number },
  ): N => {
    if (anchorStart < 0) return node;
    const name = text.slice(anchorStart, anchorEnd);
    if (!/^[\w-]+$/.test(name)) {
      throw new KubernetesYamlError("an anchor must be of letters, digits, - and _", lineAt(anchorStart));
    }
    anchors.set(name, node);
    return node;
  };
  const tagOf = ({ tagStart, tagEnd }: { tagStart: number; tagEnd: number }): string => {
    const raw = tagStart < 0 ? "" : text.slice(tagStart, tagEnd);
    if (raw.startsWith("!<")) return raw.slice(2, -1);
    const handle = /^!(?:[\w-]*!)?/.exec(raw)?.[0] ?? "";
    return (handles.get(handle) ?? handle) + raw.slice(handle.length);
  };

  const node = (): Node => {
    const event = events[next++]!;
    switch (event.type) {
      case EVENT_ID.SCALAR: {
        if (event.valueStart >= 0) offset = event.valueStart;
        const tag = tagOf(event);
        return named({
          is: "scalar",
          line: lineAt(offset),
          text: getScalarValue(text, event),
          tag,
          implicit: event.style === SCALAR_STYLE.PLAIN && tag === "",
        }, event);
      }
      case EVENT_ID.ALIAS: {
        offset = event.anchorStart;
        const anchor = text.slice(event.anchorStart, event.anchorEnd);
        const target = anchors.get(anchor);
        if (target === undefined) {
          throw new KubernetesYamlError(`unknown anchor '${anchor}' referenced`, lineAt(offset));
        }
        return { is: "alias", line: lineAt(offset), anchor, target };
      }
      case EVENT_ID.SEQUENCE: {
        offset = event.start;
        const sequence = named({ is: "sequence" as const, line: lineAt(offset), items: [] as Node[] }, event);
        while (events[next]!.type !== EVENT_ID.POP) sequence.items.push(node());
        next++;
        return sequence;
      }
      case EVENT_ID.MAPPING: {
        offset = event.start;
        const mapping = named({ is: "mapping" as const, line: lineAt(offset), pairs: [] as [Node, Node][] }, event);
        while (events[next]!.type !== EVENT_ID.POP) mapping.pairs.push([node(), node()]);
        next++;
        return mapping;
      }
      default:
        throw new KubernetesYamlError("a value is expected", lineAt(offset));
    }
  };

  const document = events[next++];
  if (document?.type !== EVENT_ID.DOCUMENT || events[next]?.type === EVENT_ID.POP) return undefined;
  for (const directive of document.directives) {
    if (directive.kind === "tag") handles.set(directive.handle, directive.prefix);
    else if (directive.version !== "1.1") {
      throw new KubernetesYamlError("found incompatible YAML document (%YAML must be 1.1)", 1);
    }
  }
  return node();
}

/**
 * Refuses a tab before the first character of a line, which kubectl can't read and js-yaml often can. It is allowed in
 * quotes, block text and brackets, and below plain text if it is indented more than the mapping or list around it.
 */
function refuseTabs(text: string, events: readonly Event[], lineAt: (offset: number) => number): void {
  for (const { index, 0: before } of text.matchAll(/^(?: |[-?](?=[ \t]))*(?=\t)/gm)) {
    const tab = index + before.length;
    const open: { flow: boolean; column: number }[] = [];
    let allowed = false;
    let end = 0;
    let plain: { end: number; column: number } | undefined;
    for (const event of events) {
      if (event.type === EVENT_ID.SCALAR) {
        if (event.valueStart > tab) break;
        end = Math.max(end, event.valueEnd);
        allowed ||= end > tab;
        const around = open.findLast(({ flow }) => !flow)?.column ?? -1;
        plain = event.style === SCALAR_STYLE.PLAIN ? { end: event.valueEnd, column: around } : undefined;
      } else if (event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING) {
        if (event.start > tab) break;
        const column = event.start - (text.lastIndexOf("\n", event.start - 1) + 1);
        open.push({ flow: event.style === COLLECTION_STYLE.FLOW, column });
        end = event.start + 1;
        plain = undefined;
      } else if (event.type === EVENT_ID.DOCUMENT) open.push({ flow: false, column: -1 });
      else if (event.type === EVENT_ID.ALIAS) end = event.anchorEnd;
      else if (event.type === EVENT_ID.POP && open.pop()?.flow) {
        end += Math.max(0, text.slice(end).search(/[\]}]/));
        allowed ||= end > tab;
        end++;
      }
    }
    allowed ||= open.at(-1)?.flow === true;
    allowed ||= plain !== undefined && text.slice(plain.end, tab).trim() === "" && before.length > plain.column;
    if (!allowed) throw new KubernetesYamlError("tab characters must not be used in indentation", lineAt(tab));
  }
}

/** Decodes nodes as go-yaml v2 does into an `interface{}`, and its values as sigs.k8s.io/yaml does into JSON. */
class Decoder {
  readonly duplicates: DuplicateKey[] = [];
  readonly #open = new Set<Node>();
  #decoded = 0;
  #fromAliases = 0;
  #aliasDepth = 0;

  decode(node: Node): JSONValue {
    this.#count(node);
    switch (node.is) {
      case "alias":
        return this.#within(node, (target) => this.decode(target));
      case "sequence":
        return node.items.map((item) => this.decode(item));
      case "mapping": {
        const into = {};
        this.#pairs(node, into);
        return into;
      }
      case "scalar": {
        const value = valueOf(node);
        if (typeof value === "number" && !Number.isFinite(value)) {
          throw new KubernetesYamlError(`${node.text} is not a number in JSON`, node.line);
        }
        if (typeof value !== "bigint") return value;
        if (BigInt(Number(value)) !== value) throw new KubernetesYamlError(LOSES_DIGITS, node.line);
        return Number(value);
      }
    }
  }

  /** Sets the pairs in the order of the text, so that a merge overrides what is before it. */
  #pairs({ pairs }: Node & { is: "mapping" }, into: { [key: string]: JSONValue }): void {
    const own = new Set<string>();
    for (const [keyNode, valueNode] of pairs) {
      if (isMerge(keyNode)) {
        this.#merge(valueNode, into);
        continue;
      }
      const key = this.#key(keyNode);
      if (own.has(key) && this.#aliasDepth === 0) this.duplicates.push({ key, line: keyNode.line });
      own.add(key);
      set(into, key, this.decode(valueNode));
    }
  }

  #key(node: Node): string {
    this.#count(node);
    if (node.is === "alias") return this.#within(node, (target) => this.#key(target));
    if (node.is !== "scalar") throw new KubernetesYamlError("a mapping or list can't be a key", node.line);
    const value = valueOf(node);
    if (value === null || typeof value === "bigint" && value > MAX_INT64) {
      throw new KubernetesYamlError(`${node.text || "nothing"} can't be a key`, node.line);
    }
    return typeof value === "number" ? floatText(value) : String(value);
  }

  #merge(node: Node, into: { [key: string]: JSONValue }): void {
    const mapping = (each: Node): void => {
      this.#count(each);
      const target = each.is === "alias" ? each.target : each;
      if (target.is !== "mapping") {
        throw new KubernetesYamlError("map merge requires map or sequence of maps as the value", each.line);
      }
      if (each.is === "alias") this.#within(each, () => this.#pairs(target, into));
      else this.#pairs(target, into);
    };
    // The earlier mappings of a list take precedence.
    if (node.is === "sequence") { for (const each of node.items.toReversed()) mapping(each); }
    else mapping(node);
  }

  #within<T>(alias: Node & { is: "alias" }, use: (target: Node) => T): T {
    if (this.#open.has(alias)) {
      throw new KubernetesYamlError(`anchor '${alias.anchor}' value contains itself`, alias.line);
    }
    this.#open.add(alias);
    this.#aliasDepth++;
    try {
      return use(alias.target);
    } finally {
      this.#aliasDepth--;
      this.#open.delete(alias);
    }
  }

  /** Refuses a small text that expands to a huge one, by the limits of go-yaml. */
  #count(node: Node): void {
    this.#decoded++;
    if (this.#aliasDepth > 0) this.#fromAliases++;
    const [low, high] = [400_000, 4_000_000];
    const most = 0.99 - 0.89 * Math.min(1, Math.max(0, (this.#decoded - low) / (high - low)));
    if (this.#fromAliases > 100 && this.#decoded > 1_000 && this.#fromAliases / this.#decoded > most) {
      throw new KubernetesYamlError("document contains excessive aliasing", node.line);
    }
  }
}

const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Defines a property, `__proto__` too. */
function set(object: { [key: string]: JSONValue }, key: string, value: JSONValue): void {
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

const isMerge = (node: Node): boolean =>
  node.is === "scalar" && node.text === "<<" && (node.implicit || node.tag === `${CORE}merge`);

const words = new Map<string, boolean | null | number>([
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map((word) => [word, false] as const),
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...[".nan", ".NaN", ".NAN"].map((word) => [word, NaN] as const),
  ...[".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"].map((word) => [word, Infinity] as const),
  ...["-.inf", "-.Inf", "-.INF"].map((word) => [word, -Infinity] as const),
]);

/** A scalar's value; integers are bigints, so that a key keeps all digits. */
type Scalar = string | boolean | null | number | bigint;

function valueOf({ text, tag, implicit, line }: Node & { is: "scalar" }): Scalar {
  if (tag === "" && !implicit) return text;
  const name = tag.startsWith(CORE) ? tag.slice(CORE.length) : tag;
  if (tag === `${CORE}binary`) return decodedBinary(text, line);
  if (tag !== "" && !(tag.startsWith(CORE) && ["str", "bool", "int", "float", "null", "timestamp"].includes(name))) {
    return text;
  }
  if (name === "str") return text;
  const value = resolved(text);
  const is = typeof value === "bigint"
    ? "int"
    : typeof value === "number"
    ? "float"
    : typeof value === "boolean"
    ? "bool"
    : value === null
    ? "null"
    : "str";
  if (tag === "" || name === is) return value;
  if (name === "float" && typeof value === "bigint" && value <= MAX_INT64) return Number(value);
  if (name === "timestamp" && is === "str" && isTimestamp(text)) return value;
  throw new KubernetesYamlError(`cannot decode !!${is} as a !!${name}`, line);
}

/** Returns the value of plain text. Dates stay strings, as in go-yaml when it decodes into an `interface{}`. */
function resolved(text: string): Scalar {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (text.startsWith(".")) return floatOf(text, /^\.(?:\d+_?)*\d(?:[eE][-+]?\d+)?$/) ?? text;
  if (!/^[-+0-9]/.test(text)) return text;
  if (isTimestamp(text)) return text;
  const plain = text.replaceAll("_", "");
  const integer = integerOf(plain);
  if (integer !== undefined) return integer;
  return floatOf(plain, /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/) ?? text;
}

function floatOf(text: string, form: RegExp): number | undefined {
  if (!form.test(text)) return undefined;
  const value = Number(text.replaceAll("_", ""));
  return Number.isFinite(value) ? value : undefined;
}

/** Returns an integer of up to 64 bits in any notation of Go: `10`, `0x1F`, `0o17`, `017`, `0b101`. */
function integerOf(text: string): bigint | undefined {
  const [, sign, digits] = /^([-+]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|\d+)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const octal = /^0\d/.test(digits);
  if (octal && /[89]/.test(digits)) return undefined;
  const size = BigInt(octal ? `0o${digits}` : digits);
  if (sign === "-") return size <= MAX_INT64 + 1n ? -size : undefined;
  return size <= (sign === "+" ? MAX_INT64 : MAX_UINT64) ? size : undefined;
}

/** True for the times that go-yaml recognizes. */
function isTimestamp(text: string): boolean {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?(?:Z|[-+]\d\d:\d\d))| (\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?)?$/
      .exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return date.getUTCMonth() === Number(month) - 1 && Number(day) > 0 && Number(hour ?? 0) < 24 &&
    Number(minute ?? 0) < 60 && Number(second ?? 0) < 60;
}

function decodedBinary(text: string, line: number): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(text.replace(/[\r\n]/g, "")));
  } catch {
    throw new KubernetesYamlError("!!binary value contains invalid base64 data", line);
  }
}

/** Formats a number as Go does with `strconv.FormatFloat(value, 'g', -1, 32)`, for a key. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  const short = shortestFloat32(value);
  const [digits, exponent] = short.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(short);
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

function shortestFloat32(value: number): number {
  const single = Math.fround(value);
  for (let precision = 1; precision < 17; precision++) {
    const short = Number(single.toPrecision(precision));
    if (Math.fround(short) === single) return short;
  }
  return single;
}
