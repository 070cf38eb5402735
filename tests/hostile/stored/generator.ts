/** Objects that the API's schemas allow: plain objects with some fields malformed. */
import { SeededRandom } from "../../simulation/random.ts";

/** The parts of an OpenAPI v3 schema that shape values. */
export interface ObjectSchema {
  $ref?: string;
  allOf?: ObjectSchema[];
  oneOf?: ObjectSchema[];
  type?: string;
  format?: string;
  enum?: unknown[];
  items?: ObjectSchema;
  properties?: Record<string, ObjectSchema>;
  additionalProperties?: ObjectSchema | boolean;
  "x-kubernetes-int-or-string"?: boolean;
}

export type Schemas = Readonly<Record<string, ObjectSchema>>;

type Fields = Record<string, unknown>;

const names = ["constructor", "toString", "hasownproperty", "valueOf", "__proto__", "prototype", "a", "x".repeat(63)];
const texts = [
  ...names,
  "",
  " ",
  "0",
  "-1",
  "1e1002",
  "💥",
  "\u0001\u2028<&>",
  "x".repeat(4000),
  "/tmp",
  "example.com/foo",
  "192.0.2.1",
  "2001:db8::/32",
  "::ffff:1.2.3.4",
  "10.0.0.0/8",
  "2026-02-30T00:00:00Z",
  "2026-01-01T00:00:00Z",
  "0001-01-01T00:00:00Z",
  "null",
  "{}",
  "bob-home",
];
const keys = [
  ...names,
  "example.com/foo",
  "example.com/constructor",
  "nvidia.com/gpu",
  "hugepages-2Mi",
  "requests.hugepages-2Mi",
  "requests.example.com/foo",
  "cpu",
  "memory",
  "pods",
  "ephemeral-storage",
  "requests.cpu",
  "count/pods",
  "count/deployments.apps",
  "keystone.io/realm",
  "keystone.io/adopt",
  "keystone.io/cordon-hard",
  "app.kubernetes.io/managed-by",
];
export const quantities = [
  "0",
  "-0",
  "1",
  "1e1002",
  "1e4294967299",
  "1e999999",
  "1e-1002",
  "9".repeat(300),
  `0.${"0".repeat(300)}1`,
  "8Ei",
  "99999Ei",
  "1n",
  "100u",
  ".5Gi",
  "1E",
  "+1",
  "12345678901234567890123456789012345678901234567890",
];
const whole = [0, 1, -1, 2, 30, 443, 65535, 2147483647, -2147483648, 9007199254740991];

/** Generates objects; the same seed gives the same objects. */
export class Generator {
  readonly #schemas: Schemas;
  readonly #random: SeededRandom;

  constructor(schemas: Schemas, seed: number) {
    this.#schemas = schemas;
    this.#random = new SeededRandom(seed);
  }

  /** Returns the plain object with one to four fields malformed, at any depth; only within `parts` if given. */
  odd<T extends object>(plain: T, schema: string, parts?: readonly string[]): T {
    const object = structuredClone(plain) as Fields;
    for (let changes = 1 + this.#random.below(4); changes > 0; changes--) {
      const root = this.#resolved(this.#schemas[schema]!);
      const part = parts && this.#random.of(parts);
      const at = part && root.properties?.[part] ? { ...root, properties: { [part]: root.properties[part]! } } : root;
      this.#change(object, at, 0);
    }
    return object as T;
  }

  #change(object: Fields, schema: ObjectSchema, depth: number): void {
    const { properties } = schema;
    if (!properties) return;
    const field = this.#random.of(Object.keys(properties));
    if (depth === 0 && ["apiVersion", "kind"].includes(field)) return;
    if (["name", "namespace", "generateName", "resourceVersion", "uid"].includes(field)) return;
    const inner = this.#resolved(properties[field]!);
    const value = object[field];
    // Mostly go deeper into existing fields: the API server tends to refuse malformed fields near the top.
    if (this.#random.percent(80)) {
      if (inner.properties) return this.#change((object[field] ??= {}) as Fields, inner, depth + 1);
      const items = inner.items && this.#resolved(inner.items);
      if (items?.properties && Array.isArray(value) && value.length > 0) {
        return this.#change(this.#random.of(value) as Fields, items, depth + 1);
      }
    }
    if (this.#random.percent(8)) delete object[field];
    else object[field] = this.#random.percent(5) ? null : this.value(inner, depth + 1);
  }

  /** Returns a random value of a schema. */
  value(given: ObjectSchema, depth = 0): unknown {
    const schema = this.#resolved(given);
    if (schema.enum) return this.#random.of(schema.enum);
    if (isQuantity(schema)) return this.#random.of(quantities);
    if (schema["x-kubernetes-int-or-string"] || schema.format === "int-or-string") {
      return this.#random.of(["25%", "0%", "999%", "http", ...quantities, ...whole]);
    }
    switch (schema.type) {
      case "boolean":
        return this.#random.percent(50);
      case "integer":
      case "number":
        return this.#random.of(whole);
      case "array": {
        const count = this.#random.of([0, 1, 1, 2, 3, 40]);
        return Array.from({ length: depth > 5 ? 0 : count }, () => this.value(schema.items ?? {}, depth + 1));
      }
      case "string":
        return schema.format === "date-time"
          ? this.#random.of(texts.filter((text) => /^\d{4}-/.test(text)))
          : this.#text();
      default:
        return this.#object(schema, depth);
    }
  }

  #object({ properties, additionalProperties }: ObjectSchema, depth: number): Fields {
    const out: Fields = {};
    if (depth > 6) return out;
    for (const [name, property] of Object.entries(properties ?? {})) {
      if (this.#random.percent(25)) out[name] = this.value(property, depth + 1);
    }
    if (typeof additionalProperties === "object") {
      for (let count = this.#random.below(4); count > 0; count--) {
        Object.defineProperty(out, this.#random.of(keys), {
          value: this.value(additionalProperties, depth + 1),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
    }
    return out;
  }

  #text(): string {
    return this.#random.of(texts);
  }

  #resolved(schema: ObjectSchema): ObjectSchema {
    const name = schema.$ref?.split("/").at(-1);
    if (name?.endsWith(".Quantity")) return { oneOf: [{ type: "string" }] };
    if (name) return this.#resolved(this.#schemas[name] ?? {});
    if (schema.allOf?.length === 1) return this.#resolved(schema.allOf[0]!);
    return schema;
  }
}

const isQuantity = ({ oneOf, type }: ObjectSchema): boolean => oneOf !== undefined && type === undefined;
