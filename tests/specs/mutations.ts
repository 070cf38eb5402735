/** The mutations, in a stable order: each field of each kind with each value. */
import { fieldsOf, specSchema, withValue } from "./spec_fields.ts";
import { approvedAnew, type FixtureKind, fixtureSpecOf, kinds, renamed } from "./spec_fixtures.ts";
import { valuesOf } from "./values.ts";

export interface Mutation {
  /** `Grant/spec.hard[requests.cpu]/"-1"`. */
  id: string;
  kind: FixtureKind;
  /** The field, as in the ID. */
  field: string;
  /** Names of which a message must contain one: the field's, or for an entry of a list or map the entry's. */
  names: string[];
  /** Returns the mutated spec, in the fixtures with this name. */
  spec: (token: string) => unknown;
}

/** Returns all mutations. */
export async function allMutations(): Promise<Mutation[]> {
  const perKind = await Promise.all(
    (Object.keys(kinds) as FixtureKind[]).map(async (kind) => {
      const fields = fieldsOf(await specSchema(kinds[kind].resource.plural), fixtureSpecOf(kind, "token"));
      return fields.flatMap(({ path, name, schema, base }) =>
        [...valuesOf(schema, base), ...(extra[name] ?? [])].map(([value, content]): Mutation => ({
          id: `${kind}/${name}/${value}`,
          kind,
          field: name,
          names: path.filter((part) => typeof part === "string").slice(path.length > 1 ? 1 : 0).slice(-2),
          spec: (token) => {
            const valid = { spec: fixtureSpecOf(kind, token) };
            const { spec } = withValue(valid, path, renamed(content, token)) as { spec?: unknown };
            return path[1] === "approvals" ? spec : approvedAnew(kind, spec, token);
          },
        }))
      );
    }),
  );
  const mutations = perKind.flat();
  const twice = mutations.find(({ id }, index) => mutations.findIndex((each) => each.id === id) !== index);
  if (twice) throw new Error(`Two mutations have the ID ${twice.id}.`);
  return mutations;
}

/** Values that can't be derived from a schema: texts that the operator parses. */
const extra: Record<string, [string, unknown][]> = {
  "spec.networkPolicy.allowedDestinations[0]": [
    ...["0.0.0.0/0", "::/0", "203.0.113.9", "203.0.113.9/32", "203.0.113.9/24", "203.0.113.0/31", "2001:db8::/32"],
    ...["2001:DB8::1", "[2001:db8::1]:443", "203.0.113.9:1", "203.0.113.9:65535", "203.0.113.9:0", "203.0.113.9:65536"],
    ...["203.0.113.9:1-65535", "203.0.113.9:443-443", "203.0.113.9:2-1", "203.0.113.9/udp", "203.0.113.9:53/sctp"],
    ...["203.0.113.9/tcp", "203.0.113.9:0443", "10.0.0.0/8", "100.64.0.0/10", "169.254.169.254", "127.0.0.1"],
    ...["224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::1", "token"],
    ...[
      "internet",
      "internet:443/tcp",
      "INTERNET",
      "192.168.0.0/16",
      "2002::/16",
      "64:ff9b::/96",
      "fc00::/7",
      "240.0.0.0/4",
    ],
    ...["token:443", "alice-home", "nobody-home", "1.2.3", "1.2.3.4.5", "203.0.113.0/33", "203.0.113.0/024", "a:b:c"],
  ].map((text): [string, unknown] => [text, text]),
  ...Object.fromEntries(
    ["within", "except"].map((field): [string, [string, unknown][]] => [
      `spec.networkPolicy.${field}`,
      ["192.168.1.0/24", "203.0.113.9", "0.0.0.0/0", "2001:db8::/32", "::/0", "1::2::3", "::ffff:1:2/112", "1.2.3.4/33"]
        .map((
          text,
        ) => [text, [text]]),
    ]),
  ),
  "spec.subjects[0].name": [
    "system:masters",
    "system:",
    "keystone:realm:token",
    "keystone:realm:other",
    "keystone:realm:two\nlines",
    "*",
    "a/b",
    "bob@example.com",
  ]
    .map((text): [string, unknown] => [text, text]),
  "spec.identity": [
    "TOKEN.tailnet-name.ts.net",
    "token.tailnet-name.ts.net.",
    "a.b",
    "127.0.0.1",
  ]
    .map((text): [string, unknown] => [text, text]),
};
