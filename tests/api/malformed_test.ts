/**
 * Invalid values for each field of a Grant's, a Realm's and a SuperEntity's spec. Each is refused when it is applied or, where
 * only the operator can judge it, reported in a condition. The message names the field and the value, and no other object is
 * affected.
 */
import assert from "node:assert/strict";
import type { Grant } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { parseSettings } from "../../src/api/mod.ts";
import {
  eventually,
  grantOf,
  prepared,
  realmOf,
  startOperator,
  step,
  superEntityOf,
  type TestCluster,
} from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";

/** Description of a value, the value, and the expected message. */
type Case = [string, unknown, string];

interface Field {
  name: string;
  /** The field's path in the API server's messages. */
  path: RegExp;
  object: (value: unknown) => unknown;
  cases: Case[];
}

const grant = (spec: Record<string, unknown>, name: unknown = "malformed") => {
  const { metadata, ...rest } = grantOf({ name: "malformed", to: "bob-home" });
  return { ...rest, metadata: { ...metadata, name }, spec: { ...rest.spec, ...spec } };
};
const realm = (spec: Record<string, unknown>, name: unknown = "malformed") => {
  const { metadata, ...rest } = realmOf("malformed");
  return { ...rest, metadata: { ...metadata, name }, spec: { ...rest.spec, ...spec } };
};
const hard = (values: unknown) => grant({ hard: values });
const termination = (values: unknown) => grant({ termination: values });
const destinations = (allowedDestinations: unknown) =>
  grant({ networkPolicy: { egressAllowed: true, allowedDestinations } });

/** The API server's message for a value of another type. */
const typed = (wanted: string, found: string) => `must be of type ${wanted}: "${found}"`;
const required = "Required value";
const unknown = (path: string) => `unknown field "spec.${path}"`;

const metadataName: Case[] = [
  ["a dot", "a.b", "metadata.name: a.b must be a DNS label of at most 57 characters, without dots"],
  ["too long for a namespace's name", "a".repeat(58), `${"a".repeat(58)} must be a DNS label of at most 57 characters`],
  ["capitals", "Alice", 'Invalid value: "Alice": a lowercase RFC 1123 subdomain'],
  ["an underscore", "a_b", 'Invalid value: "a_b"'],
  ["a dash at the end", "a-", 'Invalid value: "a-"'],
  ["a slash", "a/b", "invalid resource name \"a/b\": [may not contain '/']"],
  ["an umlaut", "ä", 'Invalid value: "ä"'],
  ["a space", " ", 'Invalid value: " "'],
  ["nothing", "", "resource name may not be empty"],
  ["a number", 7, "cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"],
];

const realmNames: Case[] = [
  ["nothing at all", undefined, required],
  ["null", null, required],
  ["an empty text", "", "is not a valid Realm or SuperEntity name; use lowercase letters, digits and dashes"],
  ["capitals", "Alice", "Alice is not a valid Realm or SuperEntity name"],
  ["a dot", "bob.home", "bob.home is not a valid Realm"],
  ["a dash at the start", "-bob", "-bob is not a valid Realm"],
  ["a space at the start", " bob", "bob is not a valid Realm"],
  ["an umlaut", "böb", "böb is not a valid Realm"],
  ["two lines", "bob\nhome", "this value is not a valid Realm"],
  ["too long", "b".repeat(58), "may not be more than 57 bytes"],
  ["a number", 7, typed("string", "integer")],
  ["a list", ["bob-home"], typed("string", "array")],
  ["an object", { name: "bob-home" }, `unknown field "spec.grant`],
];

const seconds: Case[] = [
  ["negative", -1, "Invalid value: -1: "],
  ["a fraction", 1.5, typed("integer", "number")],
  ["more than a week", 604_801, "Invalid value: 604801: "],
  ["huge", 1e12, "Invalid value: 1000000000000: "],
  ["beyond all integers", 1e30, "Invalid value: 1e+30: "],
  ["quoted", "300", typed("integer", "string")],
  ["a duration", "5m", typed("integer", "string")],
  ["true", true, typed("integer", "boolean")],
];

const instants: Case[] = [
  ["a word", "tomorrow", typed("date-time", "tomorrow")],
  ["an empty text", "", typed("date-time", "")],
  ["a date", "2030-01-01", typed("date-time", "2030-01-01")],
  ["no zone", "2030-01-01T00:00:00", typed("date-time", "2030-01-01T00:00:00")],
  ["a space for the T", "2030-01-01 00:00:00Z", typed("date-time", "2030-01-01 00:00:00Z")],
  ["a month that isn't", "2030-13-01T00:00:00Z", typed("date-time", "2030-13-01T00:00:00Z")],
  ["a day that isn't", "2030-02-30T00:00:00Z", typed("date-time", "2030-02-30T00:00:00Z")],
  ["an hour that isn't", "2030-01-01T25:00:00Z", typed("date-time", "2030-01-01T25:00:00Z")],
  ["a year of five digits", "20300-01-01T00:00:00Z", typed("date-time", "20300-01-01T00:00:00Z")],
  ["endless", `2030-01-01T00:00:00.${"0".repeat(30)}Z`, "may not be more than 40 bytes"],
  ["a number", 1893456000, typed("date-time", "int64")],
  ["true", true, typed("date-time", "")],
  ["an object", {}, typed("date-time", "")],
  // The format admits these; the field's CEL rule refuses them.
  ["a list", [], "expected string, got []interface {} evaluating rule: must be an RFC 3339 time"],
  ["a zone that isn't", "2030-01-01T00:00:00+25:00", "formatted string 2030-01-01T00:00:00+25:00"],
  ["a small t", "2030-01-01t00:00:00z", "formatted string 2030-01-01t00:00:00z"],
];

const notEnforced = (key: string): Case => [key, { [key]: "1" }, `hard: ${key} is not enforced by any ResourceQuota`];
const notWhole = (key: string, value: string): Case => [
  `${value} of ${key}`,
  { [key]: value },
  `hard: ${key} is ${value}; it must be a whole number, such as 3`,
];
const twice = (resource: string): Case => [
  `${resource} in two ways`,
  { [resource]: "1", [`requests.${resource}`]: "2" },
  `hard: ${resource} and requests.${resource} are the same resource; set only one of them`,
];
const noQuantity = (value: string | number): Case => [
  `${JSON.stringify(value)}`,
  value,
  `${String(value).trimStart()} must be a quantity between 0 and 1E, such as 500m, 2 or 4Gi`,
];

const object = typed("object", "string");

const grantFields: Field[] = [
  {
    name: "metadata.name",
    path: /metadata\.name|resource name|"STDIN"/,
    object: (name) => grant({}, name),
    cases: metadataName,
  },
  {
    name: "spec",
    path: /spec/,
    object: (spec) => ({ ...grant({}), spec }),
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ["a text", "all of it", object],
      ["a list", [], typed("object", "array")],
      ["what belongs to another kind", { ...grant({}).spec, trustLevel: "internal" }, unknown("trustLevel")],
    ],
  },
  ...["grantorRealm", "granteeRealm"].map((field): Field => ({
    name: `spec.${field}`,
    path: new RegExp(`spec\\.${field}|grantorRealm and granteeRealm`),
    object: (value) => grant({ [field]: value }),
    cases: [
      ...realmNames,
      [
        "the other one",
        field === "grantorRealm" ? "bob-home" : "alice-home",
        `are both ${field === "grantorRealm" ? "bob" : "alice"}-home; they must be different`,
      ],
    ],
  })),
  {
    name: "the keys of spec.hard",
    path: /spec\.hard/,
    object: hard,
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ["a list", ["cpu"], typed("object", "array")],
      ["a text", "cpu=1", object],
      ...[
        "gpu.deviceclass.resource.k8s.io/devices",
        "count/resourceclaims.resource.k8s.io",
        "count/resourceclaimtemplates.resource.k8s.io",
      ].map((key): Case => [
        key,
        { [key]: "1" },
        `hard: ${key} cannot be granted, because guests may not claim devices of a DeviceClass`,
      ]),
      notEnforced("requests.gpus"),
      notEnforced("CPU"),
      notEnforced("cpu "),
      notEnforced(""),
      notEnforced("limits.nvidia.com/gpu"),
      notEnforced("nvidia.com/gpu"),
      notEnforced("limits.storage"),
      notEnforced("services.externalips"),
      notEnforced("hugepages-2Mi"),
      notEnforced("requests.hugepages-2Mb"),
      notEnforced("count/Pods"),
      notEnforced("count/pods.a..b"),
      notEnforced(`count/${"a".repeat(64)}`),
      notEnforced(`count/${"x".repeat(400)}`),
      notEnforced("requests.example..com/gpu"),
      notEnforced("requests.-example.com/gpu"),
      notEnforced("requests.kubernetes.io/gpu"),
      notEnforced(`requests.${"a".repeat(250)}/gpu`),
      notEnforced("a..b.storageclass.storage.k8s.io/requests.storage"),
      notEnforced("gold.storageclass.storage.k8s.io/requests.cpu"),
      ["two lines", { "cpu\nmemory": "1" }, "hard: contains a key that no ResourceQuota enforces"],
      twice("cpu"),
      twice("memory"),
      twice("ephemeral-storage"),
      [
        "too many",
        Object.fromEntries(letterPairs(65).map((pair) => [`count/${pair}`, "1"])),
        "Too many: 65: must have at most 64",
      ],
    ],
  },
  {
    name: "the values of spec.hard",
    path: /spec\.hard(\[cpu\]|\.cpu)/,
    object: (value) => hard({ cpu: value }),
    cases: [
      ...["lots", "", "-1", "-1m", " 1", "1 ", "1 Gi", "1GB", "1i", "0x10", "NaN", "1,5", "½", ".", "+", "Gi"].map(
        noQuantity,
      ),
      // Parsing some of these exactly would take far too long.
      ...["2E", "1e400", "1e999999999999", "1e-999999999999", -1].map(noQuantity),
      ["two lines", "1\n2", "this value must be a quantity between 0 and 1E"],
      ["endless", "1".repeat(33), "may not be more than 32 bytes"],
      ["a fraction without quotes", 1.5, typed("integer,string", "number")],
      ["beyond all integers", 1e30, typed("integer,string", "number")],
      [
        "a number that programs read as another",
        9007199254740994,
        "9007199254740994 is too large for an exact JSON number",
      ],
      ["true", true, typed("integer,string", "boolean")],
      ["a list", ["1"], typed("integer,string", "array")],
      ["an object", {}, typed("integer,string", "object")],
    ],
  },
  {
    name: "values of spec.hard that are counted",
    path: /spec\.hard/,
    object: hard,
    cases: [
      notWhole("pods", "500m"),
      notWhole("pods", "1n"),
      notWhole("services.loadbalancers", "0.1"),
      notWhole("count/secrets", "1500m"),
      notWhole("requests.nvidia.com/gpu", "0.5"),
      notWhole("gold.storageclass.storage.k8s.io/persistentvolumeclaims", "1e-1"),
      notWhole("gold.storageclass.storage.k8s.io/requests.storage", "0.1Gi"),
    ],
  },
  {
    name: "spec.networkPolicy",
    path: /spec\.networkPolicy/,
    object: (networkPolicy) => grant({ networkPolicy }),
    cases: [
      ["a word", "none", object],
      ["true", true, typed("object", "boolean")],
      ["a list", [], typed("object", "array")],
      ["a field that isn't", { egress: true }, unknown("networkPolicy.egress")],
    ],
  },
  {
    name: "spec.networkPolicy.egressAllowed",
    path: /spec\.networkPolicy\.egressAllowed/,
    object: (egressAllowed) => grant({ networkPolicy: { egressAllowed } }),
    cases: [
      ["a word", "yes", typed("boolean", "string")],
      ["true in quotes", "true", typed("boolean", "string")],
      ["a number", 1, typed("boolean", "integer")],
      ["a list", [], typed("boolean", "array")],
      ["an object", {}, typed("boolean", "object")],
    ],
  },
  {
    name: "spec.networkPolicy.allowedDestinations",
    path: /spec\.networkPolicy\.allowedDestinations/,
    object: destinations,
    cases: [
      ["a text", "10.0.0.0/8", typed("array", "string")],
      ["an object", {}, typed("array", "object")],
      ["a number", 7, typed("array", "integer")],
      ["too many", Array.from({ length: 257 }, () => "10.0.0.1"), "Too many: 257: must have at most 256 items"],
      ["a number in it", ["10.0.0.1", 10], typed("string", "integer")],
      ["a null in it", [null], typed("string", "null")],
      ["a list in it", [["10.0.0.1"]], typed("string", "array")],
      [
        "an empty text in it",
        [""],
        "is not a valid destination; use a CIDR, an IP address, a realm name or a DNS name",
      ],
      ["one that is too long", ["a".repeat(271)], "may not be more than 270 bytes"],
      ["one of two lines", ["a\nb"], "this value is not a valid destination"],
      ...[
        "10.0.0.0/8 ",
        "10.0.0.1, 10.0.0.2",
        "10.0.0.1:80,443",
        "10.0.0.1;rm",
        "*.example.com",
        "fe80::1%eth0",
        "user@example.com",
        "münchen.de",
      ].map((text): Case => [text, [text], `${text} is not a valid destination; use a CIDR`]),
    ],
  },
  ...["within", "except"].map((field): Field => ({
    name: `spec.networkPolicy.${field}`,
    path: new RegExp(`spec\\.networkPolicy\\.${field}`),
    object: (list) => grant({ networkPolicy: { egressAllowed: true, [field]: list } }),
    cases: [
      ["a text", "10.0.0.0/8", typed("array", "string")],
      ["too many", Array.from({ length: 65 }, () => "10.0.0.1"), "Too many: 65: must have at most 64 items"],
      ["a number in it", [10], typed("string", "integer")],
      ["one that is too long", ["1".repeat(44)], "may not be more than 43 bytes"],
      ...[
        "",
        "nas.alice.lan",
        "internet",
        "192.168.1.10:445",
        "192.168.1.0/33",
        "192.168.1.256",
        "192.168.01.1",
        "192.168.1",
        "192.168.1.0/024",
        "2001:db8::/129",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "[2001:db8::1]",
        "2001:db8::g",
      ].map((text): Case => [text, [text], `${text} must be a CIDR or an IP address, such as 192.168.1.0/24`]),
    ],
  })),
  {
    name: "spec.validity",
    path: /spec\.validity/,
    object: (validity) => grant({ validity }),
    cases: [
      ["a word", "always", object],
      ["a list", [], typed("object", "array")],
      ["a number", 7, typed("object", "integer")],
      ["a field that isn't", { until: "2030-01-01T00:00:00Z" }, unknown("validity.until")],
      [
        "an end before the start",
        { validFrom: "2030-01-02T00:00:00Z", validUntil: "2030-01-01T00:00:00Z" },
        "validity.validUntil must be after validity.validFrom",
      ],
      [
        "an end at the start, in another zone",
        { validFrom: "2030-01-01T02:00:00+02:00", validUntil: "2030-01-01T00:00:00Z" },
        "validity.validUntil must be after validity.validFrom",
      ],
    ],
  },
  ...["validFrom", "validUntil"].map((field): Field => ({
    name: `spec.validity.${field}`,
    path: new RegExp(`spec\\.validity\\.${field}`),
    object: (value) => grant({ validity: { [field]: value } }),
    cases: instants,
  })),
  {
    name: "spec.termination",
    path: /spec\.termination/,
    object: termination,
    cases: [
      ["a word", "soon", object],
      ["a number", 300, typed("object", "integer")],
      ["a list", [], typed("object", "array")],
      ["a field that isn't", { notice: 5 }, unknown("termination.notice")],
    ],
  },
  ...["noticeSeconds", "drainSeconds"].map((field): Field => ({
    name: `spec.termination.${field}`,
    path: new RegExp(`spec\\.termination\\.${field}`),
    object: (value) => termination({ [field]: value }),
    cases: seconds,
  })),
  {
    name: "spec.termination.volumes",
    path: /spec\.termination\.volumes/,
    object: (volumes) => termination({ volumes }),
    cases: [
      ["another word", "Keep", 'Unsupported value: "Keep": supported values: "Retain", "Delete"'],
      ["in lower case", "retain", 'Unsupported value: "retain"'],
      ["an empty text", "", 'Unsupported value: ""'],
      ["a number", 1, "Unsupported value: 1"],
      ["a list", ["Retain"], 'Unsupported value: ["Retain"]'],
    ],
  },
  {
    name: "spec.revocation",
    path: /spec\.revocation/,
    object: (revocation) => grant({ revocation }),
    cases: [
      ["a word", "now", object],
      ["true", true, typed("object", "boolean")],
      ["a number", 0, typed("object", "integer")],
      ["a list", [], typed("object", "array")],
    ],
  },
  {
    name: "spec.revocation.reason",
    path: /spec\.revocation\.reason/,
    object: (reason) => grant({ revocation: { reason } }),
    cases: [
      ["a long story", "x".repeat(1025), "may not be more than 1024 bytes"],
      ["a number", 7, typed("string", "integer")],
      ["true", true, typed("string", "boolean")],
      ["a list", ["moved"], typed("string", "array")],
    ],
  },
];

const subject = (values: unknown) => realm({ subjects: [values] });
const oneOf = (value: unknown, values: string) =>
  `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`;
const words = (values: string, ...wrong: string[]): Case[] => [
  ...wrong.map((word): Case => [JSON.stringify(word), word, oneOf(word, values)]),
  ["a number", 1, oneOf(1, values)],
  ["a list", [], oneOf([], values)],
];

const realmFields: Field[] = [
  {
    name: "metadata.name",
    path: /metadata\.name|resource name|"STDIN"/,
    object: (name) => realm({}, name),
    cases: metadataName,
  },
  {
    name: "spec.identity",
    path: /spec\.identity/,
    object: (identity) => realm({ identity }),
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ["an empty text", "", "must be a full MagicDNS name, such as bob-home.tailnet-name.ts.net"],
      ...[
        "bob-home",
        "bob home.ts.net",
        "bob_home.ts.net",
        "https://bob.ts.net",
        "bob..ts.net",
        "-bob.ts.net",
        "bob.ts.net..",
        `${"a".repeat(64)}.ts.net`,
      ].map((text): Case => [text, text, `${text} must be a full MagicDNS name`]),
      ["too long", `${"a.".repeat(130)}net`, "may not be more than 253 bytes"],
      ["a number", 7, typed("string", "integer")],
    ],
  },
  {
    name: "spec.connectionType",
    path: /spec\.connectionType/,
    object: (connectionType) => realm({ connectionType }),
    cases: words('"tailscale", "headscale"', "wireguard", "Tailscale", ""),
  },
  {
    name: "spec.trustLevel",
    path: /spec\.trustLevel/,
    object: (trustLevel) => realm({ trustLevel }),
    cases: words('"internal", "partner", "public"', "friend", "Internal", ""),
  },
  {
    name: "spec.subjects",
    path: /spec\.subjects/,
    object: (subjects) => realm({ subjects }),
    cases: [
      ["a word", "bob", typed("array", "string")],
      ["an object", { kind: "User", name: "bob" }, unknown("subjects.kind")],
      ["names only", ["bob"], typed("object", "string")],
      ["a null in it", [null], typed("object", "null")],
      ["a field that isn't", [{ kind: "User", name: "bob", namespace: "x" }], unknown("subjects[0].namespace")],
      [
        "too many",
        Array.from({ length: 33 }, (_, index) => ({ kind: "User", name: `guest-${index}` })),
        "Too many: 33: must have at most 32 items",
      ],
    ],
  },
  {
    name: "spec.subjects[].kind",
    path: /spec\.subjects\[0\]\.kind/,
    object: (kind) => subject({ kind, name: "bob" }),
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ...words('"User", "Group"', "ServiceAccount", "user", ""),
    ],
  },
  {
    name: "spec.subjects[].name",
    path: /spec\.subjects/,
    object: (name) => subject({ kind: "Group", name }),
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ["an empty text", "", 'Invalid value: "": '],
      ["too long", "x".repeat(254), "may not be more than 253 bytes"],
      ["a number", 7, typed("string", "integer")],
      ...["system:masters", "system:authenticated", "system:serviceaccount:default:default"].map((name): Case => [
        name,
        name,
        `${name} is reserved for Kubernetes; name users or groups of the realm`,
      ]),
      ...["keystone:realm:bob-home", "keystone:realm:", "keystone:realm:malformed "].map((name): Case => [
        name,
        name,
        `spec.subjects: ${name} is the group of another realm`,
      ]),
    ],
  },
  {
    name: "spec.people",
    path: /spec\.people/,
    object: (people) => realm({ people }),
    cases: [
      ["a word", "bob", typed("array", "string")],
      ["names only", ["bob@example.com"], typed("object", "string")],
      ["a null in it", [null], typed("object", "null")],
      ["a field that isn't", [{ login: "bob", node: "n" }], unknown("people[0].node")],
      ["nobody", [{}], "must have either login or tag; stableID is allowed beside login only"],
      ["a login and a tag", [{ login: "bob", tag: "tag:bob" }], "must have either login or tag"],
      ["a StableID alone", [{ stableID: "n1" }], "must have either login or tag"],
      ["a tag of one node", [{ tag: "tag:bob", stableID: "n1" }], "must have either login or tag"],
      [
        "too many",
        Array.from({ length: 65 }, (_, index) => ({ login: `guest-${index}` })),
        "Too many: 65: must have at most 64 items",
      ],
    ],
  },
  {
    name: "spec.people[].login",
    path: /spec\.people\[0\]\.login/,
    object: (login) => realm({ people: [{ login }] }),
    cases: [
      ["an empty text", "", "must be a login name of the tailnet, without spaces, such as bob@example.com"],
      ["a space", "bob @example.com", "bob @example.com must be a login name of the tailnet"],
      ["two lines", "bob\neve", "this value must be a login name of the tailnet"],
      ["all tagged nodes", "tagged-devices", "tagged-devices is the login name of all tagged nodes; use tag"],
      ["too long", "x".repeat(254), "may not be more than 253 bytes"],
      ["a number", 7, typed("string", "integer")],
    ],
  },
  {
    name: "spec.people[].tag",
    path: /spec\.people\[0\]\.tag/,
    object: (tag) => realm({ people: [{ tag }] }),
    cases: [
      ...["", "bob", "tag:", "tag:1a", "tag:bob ci", "Tag:bob", "tag:*"].map((tag): Case => [
        JSON.stringify(tag),
        tag,
        `${tag} must be a tag, such as tag:bob-ci`.trimStart(),
      ]),
      ["too long", `tag:${"x".repeat(61)}`, "may not be more than 64 bytes"],
    ],
  },
  {
    name: "spec.people[].stableID",
    path: /spec\.people\[0\]\.stableID/,
    object: (stableID) => realm({ people: [{ login: "bob", stableID }] }),
    cases: [
      ...["", "n 1", "n1\n", "n/1"].map((id): Case => [
        JSON.stringify(id),
        id,
        "must be the StableID of a node, such as nABC1CNTRL",
      ]),
      ["too long", "n".repeat(65), "may not be more than 64 bytes"],
    ],
  },
];

const entity = (spec: Record<string, unknown>, name: unknown = "malformed") => {
  const { metadata, ...rest } = superEntityOf({ name: "malformed", members: { "bob-home": { cpu: 1 } } });
  return { ...rest, metadata: { ...metadata, name }, spec: { ...rest.spec, ...spec } };
};
const member = (values: unknown) => entity({ members: [values] });
const contribution = (values: unknown) => member({ realm: "bob-home", contribution: values });
const approval = (values: unknown) => entity({ approvals: [values] });
const contributes = ([that, value, says]: Case): Case => [that, value, says.replace("hard: ", "contribution: ")];
const someDigest = `sha256:${"a".repeat(64)}`;
const memberNames: Case[] = realmNames.map(([that, value, says]) => [
  that,
  value,
  says.replace("Realm or SuperEntity", "Realm").replace("spec.grant", "spec."),
]);

const entityFields: Field[] = [
  {
    name: "metadata.name",
    path: /metadata\.name|resource name|"STDIN"/,
    object: (name) => entity({}, name),
    cases: metadataName,
  },
  {
    name: "spec.purpose",
    path: /spec\.purpose/,
    object: (purpose) => entity({ purpose }),
    cases: [
      ["a long story", "x".repeat(1025), "may not be more than 1024 bytes"],
      ["a number", 7, typed("string", "integer")],
      ["true", true, typed("string", "boolean")],
      ["a list", ["together"], typed("string", "array")],
    ],
  },
  {
    name: "spec.members",
    path: /spec\.members/,
    object: (members) => entity({ members }),
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ["nobody", [], "Invalid value: 0: spec.members in body should have at least 1 items"],
      ["a word", "bob-home", typed("array", "string")],
      ["names only", ["bob-home"], typed("object", "string")],
      ["a null in it", [null], typed("object", "null")],
      ["one twice", [{ realm: "bob-home" }, { realm: "bob-home" }], 'Duplicate value: {"realm":"bob-home"}'],
      [
        "one twice, with other contributions",
        [{ realm: "carol-home", contribution: { cpu: 1 } }, { realm: "carol-home", contribution: { cpu: 2 } }],
        'Duplicate value: {"realm":"carol-home"}',
      ],
      ["a field that isn't", [{ realm: "bob-home", contributes: {} }], unknown("members[0].contributes")],
      [
        "too many",
        letterPairs(65).map((realm) => ({ realm })),
        "Too many: 65: must have at most 64 items",
      ],
    ],
  },
  {
    name: "spec.members[].realm",
    path: /spec\.members/,
    object: (realm) => member({ realm }),
    cases: memberNames,
  },
  {
    name: "the keys of spec.members[].contribution",
    path: /spec\.members\[0\]\.contribution/,
    object: contribution,
    cases: [
      ["a list", ["cpu"], typed("object", "array")],
      ["a text", "cpu=1", object],
      ...["requests.gpus", "CPU", "", "limits.storage", "hugepages-2Mi", "count/Pods", "nvidia.com/gpu"]
        .map(notEnforced).map(contributes),
      ...["cpu", "memory"].map(twice).map(contributes),
      contributes(notWhole("pods", "500m")),
      contributes(notWhole("requests.nvidia.com/gpu", "0.5")),
      [
        "too many",
        Object.fromEntries(letterPairs(33).map((pair) => [`count/${pair}`, "1"])),
        "Too many: 33: must have at most 32",
      ],
    ],
  },
  {
    name: "the values of spec.members[].contribution",
    path: /spec\.members\[0\]\.contribution(\[cpu\]|\.cpu)/,
    object: (value) => contribution({ cpu: value }),
    cases: [
      ...["lots", "", "-1", "1 Gi", "1GB", "NaN", "2E", "1e999999999999"].map(noQuantity),
      ["a fraction without quotes", 1.5, typed("integer,string", "number")],
      ["true", true, typed("integer,string", "boolean")],
      ["a list", ["1"], typed("integer,string", "array")],
      [
        "a number that programs read as another",
        9007199254740994,
        "9007199254740994 is too large for an exact JSON number",
      ],
    ],
  },
  {
    name: "spec.quorum",
    path: /spec(\.quorum)?: .*|spec\.quorum/,
    object: (quorum) => entity({ quorum }),
    cases: [
      ["nobody", 0, "Invalid value: 0: spec.quorum in body should be greater than or equal to 1"],
      ["negative", -1, "Invalid value: -1: "],
      ["more than there are", 2, "quorum is 2; it must be at most the number of members, 1"],
      ["huge", 1e12, "Invalid value: 1000000000000: "],
      ["a fraction", 1.5, typed("integer", "number")],
      ["quoted", "1", typed("integer", "string")],
      ["a word", "all", typed("integer", "string")],
    ],
  },
  {
    name: "spec.approvals",
    path: /spec\.approvals/,
    object: (approvals) => entity({ approvals }),
    cases: [
      ["a word", "yes", typed("array", "string")],
      ["an object", { "bob-home": someDigest }, unknown("approvals.bob-home")],
      ["names only", ["bob-home"], typed("object", "string")],
      [
        "one twice",
        [{ realm: "bob-home", digest: someDigest }, { realm: "bob-home", digest: someDigest }],
        'Duplicate value: {"realm":"bob-home"}',
      ],
    ],
  },
  {
    name: "spec.approvals[].digest",
    path: /spec\.approvals\[0\]\.digest/,
    object: (digest) => approval({ realm: "bob-home", digest }),
    cases: [
      ["nothing at all", undefined, required],
      ["null", null, required],
      ["yes", "yes", "yes must be sha256: and 64 hexadecimal digits; copy it from status.digest"],
      ["no algorithm", "a".repeat(64), "must be sha256: and 64 hexadecimal digits; copy it from status.digest"],
      [
        "another algorithm",
        `sha512:${"a".repeat(64)}`,
        "must be sha256: and 64 hexadecimal digits; copy it from status.digest",
      ],
      ["capitals", `sha256:${"A".repeat(64)}`, "must be sha256: and 64 hexadecimal digits; copy it from status.digest"],
      [
        "too short",
        `sha256:${"a".repeat(63)}`,
        "must be sha256: and 64 hexadecimal digits; copy it from status.digest",
      ],
      ["too long", `sha256:${"a".repeat(65)}`, "may not be more than 71 bytes"],
      ["a number", 7, typed("string", "integer")],
    ],
  },
  {
    name: "spec.approvals[].realm",
    path: /spec\.approvals/,
    object: (realm) => approval({ realm, digest: someDigest }),
    cases: memberNames,
  },
  {
    name: "spec.approvals[].approvedAt",
    path: /spec\.approvals\[0\]\.approvedAt/,
    object: (approvedAt) => approval({ realm: "bob-home", digest: someDigest, approvedAt }),
    cases: instants,
  },
  {
    name: "spec.graceSeconds",
    path: /spec\.graceSeconds/,
    object: (graceSeconds) => entity({ graceSeconds }),
    cases: seconds,
  },
];

function letterPairs(count: number): string[] {
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  return letters.flatMap((a) => letters.map((b) => a + b)).slice(0, count);
}

/** Entries of allowedDestinations that only the operator can judge, and its messages. */
const openNothing: [string, string][] = [
  ...[
    "10.0.0.300",
    "10.0.0",
    "10.0.0.1.2",
    "010.0.0.1",
    "203.0.113.0/33",
    "203.0.113.0/-1",
    "203.0.113.0/024",
    "203.0.113.0/24/8",
  ]
    .map((text): [string, string] => [text, `${text} is not an IP address or CIDR, such as 203.0.113.0/24`]),
  ...["2001:db8::1::2", "2001:db8:::1", "2001:db8::12345", "2001:db8::/129", "10.0.0.1:443:80", "::ffff:a00:1"].map((
    text,
  ): [string, string] => [text, `${text} is not an IP address or CIDR`]),
  ["[2001:db8::1", "IPv6 with a port must be written as [address]:port"],
  ["[2001:db8::1]443", "IPv6 with a port must be written as [address]:port"],
  ["[10.0.0.1]:80", "only IPv6 may be in brackets"],
  ["[]:80", "only IPv6 may be in brackets"],
  ["::ffff:10.0.0.1", "an IPv4-mapped address must be written as plain IPv4"],
  ["[::ffff:10.0.0.1]:80", "an IPv4-mapped address must be written as plain IPv4"],
  ["10.0.0.1:0", "0 is not a port; use 1 to 65535, or first-last"],
  ["[2001:db8::1]:0", "0 is not a port"],
  ["10.0.0.1:65536", "65536 is not a port"],
  ["10.0.0.1:700000", "700000 is not a port"],
  ["10.0.0.1:http", "http is not a port"],
  ["10.0.0.1:", " is not a port"],
  ["10.0.0.1:443-80", "443-80 is not a port"],
  ["10.0.0.1:443-", "443- is not a port"],
  ["10.0.0.1:-443", "-443 is not a port"],
  ["10.0.0.1:80-90-100", "80-90-100 is not a port"],
  ["10.0.0.1:443/", "443/ is not a port"],
  ["http://example.com", "//example.com is not a port"],
  ["10.0.0.1:443/icmp", "icmp is not a protocol; use tcp, udp or sctp"],
  ["10.0.0.1/icmp", "icmp is not a protocol"],
  ["example.com/path", "path is not a protocol"],
  ["10.0.0.1/tcp/udp", "10.0.0.1/tcp is not an IP address or CIDR"],
  ["/tcp", " is not a CIDR, an IP address, a realm name or a DNS name"],
  ...["host_name.example.com", "-host.example.com", "host..example.com", "Nobody", "-", `${"a".repeat(64)}.example.com`]
    .map((
      text,
    ): [string, string] => [text, `${text} is not a CIDR, an IP address, a realm name or a DNS name`]),
  ["nobody", "There is no Realm nobody"],
  ["nowhere.invalid:443", "nowhere.invalid"],
  [`${"a.".repeat(129)}example.com`, "a.a.a."],
  ...["169.254.169.254", "127.0.0.1", "0.0.0.0", "100.64.0.9", "10.96.0.1:443", "fd7a:115c:a1e0::1", "ff02::1"].map((
    text,
  ): [string, string] => [text, "which no grant opens (DestinationProtected)"]),
];

/** Validities that the API server admits although they are not instants. */
const noInstants: [string, Record<string, unknown> | null, string][] = [
  ["no validity", null, "spec.validity is null; remove it or set validUntil"],
  ["no start", { validFrom: null }, "spec.validity.validFrom is null; remove it or set an RFC 3339 time"],
  ["no end", { validUntil: null }, "spec.validity.validUntil is null; remove it or set an RFC 3339 time"],
  [
    "a zone that isn't",
    { validFrom: "2030-01-01T00:00:00+24:00" },
    "spec.validity.validFrom is 2030-01-01T00:00:00+24:00; it must be an RFC 3339 time",
  ],
  [
    "a comma in it",
    { validUntil: "2030-01-01T00:00:00,5Z" },
    "spec.validity.validUntil is 2030-01-01T00:00:00,5Z; it must be an RFC 3339 time",
  ],
];

Deno.test("malformed values: named in the message, and no other object is affected", async (t) => {
  await using lab = await sharedLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, {
    realm: "alice-home",
    settings: parseSettings({ clusterRanges: { pods: ["10.42.0.0/16"], services: ["10.96.0.0/16"] } }),
  });
  const made: string[] = [];
  const create = async (name: string, spec: Record<string, unknown>) => {
    made.push(name);
    await cluster.grants.create(
      grant({ ...spec, granteeRealm: "erring-home", termination: { noticeSeconds: 0 } }, name) as Grant,
    );
  };
  await cluster.createRealm("erring-home");
  await create("good", { hard: { cpu: "1" } });
  await cluster.grantIn("Active", "good");
  const before = await present(cluster);

  const kinds = [["Grant", grantFields], ["Realm", realmFields], ["SuperEntity", entityFields]] as const;
  for (const [kind, fields] of kinds) {
    for (const { name, path, object, cases } of fields) {
      await step(
        t,
        `${kind} ${name}: ${cases.length} values are refused, naming field and value`,
        async () => {
          assert.ok(cases.length >= 4);
          for (const [that, value, says] of cases) {
            const { code, said } = await cluster.apply(object(value));
            assert.ok(code !== 0 && path.test(said) && said.includes(says), `${that}: ${said}`);
          }
        },
      );
    }
  }

  await step(t, "refused objects: none is stored", async () => {
    const count = grantFields.flatMap(({ cases }) => cases).length;
    assert.ok(count >= 100, `${count} malformed Grants`);
    const entities = entityFields.flatMap(({ cases }) => cases).length;
    assert.ok(entities >= 40, `${entities} malformed SuperEntities`);
    assert.deepEqual(await present(cluster), before);
  });

  await step(
    t,
    `${openNothing.length} malformed destinations: open nothing and are reported; the rest of their grants is enforced`,
    async () => {
      const names = openNothing.map((_, index) => `destination-${index}`);
      for (const [index, [text]] of openNothing.entries()) {
        await create(names[index]!, { networkPolicy: { egressAllowed: true, allowedDestinations: [text, good] } });
      }
      for (const [index, [text, says]] of openNothing.entries()) {
        const { status } = await settled(cluster, names[index]!);
        const [bad, ...others] = status!.resolvedDestinations!;
        assert.ok(bad!.error?.includes(says), `${text}: ${bad!.error}`);
        assert.deepEqual(bad, { destination: text, error: bad!.error });
        assert.deepEqual(others, [{ destination: good, addresses: ["203.0.113.9/32"], ports: "443/TCP" }]);
        assert.ok(condition(status, "NetworkApplied")!.message.includes(bad!.error!));
        assert.deepEqual(["QuotaApplied", "AccessApplied"].map((type) => condition(status, type)!.status), [
          "True",
          "True",
        ]);
        const { spec } = await cluster.policies.namespace("guest-erring-home").get(`grant-${names[index]}`);
        assert.deepEqual(spec!.egress, [{
          ports: [{ protocol: "TCP", port: 443 }],
          to: [{ ipBlock: { cidr: "203.0.113.9/32" } }],
        }], text);
      }
    },
  );

  await step(t, "the largest number of the longest malformed destinations: reported too", async () => {
    const many = Array.from({ length: 255 }, (_, index) => `${index}.${"9".repeat(266)}`);
    await create("many", { networkPolicy: { egressAllowed: true, allowedDestinations: [...many, good] } });
    const { status } = await settled(cluster, "many");
    assert.equal(status!.resolvedDestinations!.filter(({ error }) => error !== undefined).length, 255);
    assert.match(condition(status, "NetworkApplied")!.message, /0\.9+ is not an IP address/);
  });

  await step(t, `${noInstants.length} malformed validities: reported, and the grants never begin`, async () => {
    for (const [index, [, validity]] of noInstants.entries()) await create(`validity-${index}`, { validity });
    for (const [index, [that, , says]] of noInstants.entries()) {
      const { status } = await cluster.grantIn("Pending", `validity-${index}`);
      assert.equal(condition(status, "Ready")!.reason, "InvalidValidity", that);
      assert.ok(status!.message!.includes(says), `${that}: ${status!.message}`);
    }
  });

  await step(t, "the operator logs no error, and a valid grant is in force", async () => {
    const { status } = await cluster.grants.get("good");
    assert.equal(status!.phase, "Active");
    assert.equal(condition(status, "Ready")!.status, "True");
    assert.deepEqual(operator.log.filter((line) => !line.startsWith("Enforcing grants")), []);
  });

  await step(t, "all malformed objects can be deleted", async () => {
    for (const name of made) await cluster.grants.delete(name);
    await eventually("the Grants are deleted", async () => {
      const left = (await cluster.grants.list()).items.filter(({ metadata }) => made.includes(metadata.name!));
      return left.length === 0 || `${left.length} are left`;
    }, 30_000);
    await cluster.realms.delete("erring-home");
    await lab.kubectl(["delete", "namespace", "guest-erring-home", "--wait=false"]);
  });
});

/** A valid destination, which malformed ones must not affect. */
const good = "203.0.113.9:443";

const condition = (status: Grant["status"], type: string) => status?.conditions?.find((each) => each.type === type);

/** Returns the names of all Grants, Realms and SuperEntities. */
async function present(cluster: TestCluster): Promise<string[]> {
  return (await Promise.all([cluster.grants.list(), cluster.realms.list(), cluster.superEntities.list()])).flatMap((
    { items },
  ) => items.map(({ metadata }) => metadata.name!)).sort();
}

/** Waits until the grant is in force and its policies exist. */
function settled(cluster: TestCluster, name: string): Promise<Grant> {
  return eventually(`Grant ${name} is in force`, async () => {
    const grant = await cluster.grants.get(name);
    const { status, reason } = condition(grant.status, "NetworkApplied") ?? {};
    const resolving = grant.status?.resolvedDestinations?.some(({ error }) => error?.endsWith("is being resolved."));
    return grant.status?.phase === "Active" && status === "False" && reason !== "Applying" && !resolving
      ? grant
      : `its status is ${JSON.stringify(grant.status)}`;
  }, 20_000);
}
