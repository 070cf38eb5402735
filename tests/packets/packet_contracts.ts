/** Realms and grants of all kinds, as text: the test knows nothing about a Grant but its text. */
import type { Grant, Realm } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { realmOf } from "../fixtures/test_operator.ts";

export type Trust = "internal" | "partner" | "public";

export interface RealmTerms {
  name: string;
  trust: Trust;
  /** Tailnet addresses of the realm's node; empty if the tailnet doesn't know it. */
  addresses: readonly string[];
  grants: readonly GrantText[];
}

export interface GrantText {
  /** False if the destinations are listed but closed. */
  egressAllowed?: boolean;
  destinations?: readonly string[];
  except?: readonly string[];
  within?: readonly string[];
  /** True for a grant that begins later. */
  later?: true;
}

export const GRANTOR = { name: "alice-home", addresses: ["100.64.0.1", "fd7a:115c:a1e0::1"] } as const;

/** A node of the tailnet that belongs to no realm. */
export const STRANGER = ["100.64.99.9", "fd7a:115c:a1e0::99:9"] as const;

/** Addresses of DNS names: some harmless, some hostile, some mixed. */
export const NAMES: Readonly<Record<string, readonly string[]>> = {
  "db.example.org": ["192.0.2.53", "2001:db8:53::1"],
  "inside.example.org": ["192.168.77.10", "10.0.0.5", "fd77:77:77::10"],
  "stealing.example.org": ["169.254.169.254", "100.64.0.1", "fd00:ec2::254"],
  "mixed.example.org": ["198.51.100.53", "192.168.77.10", "169.254.169.254", "fd77:77:77::10", "2001:db8:53::2"],
  "nas.alice.lan": ["192.168.77.20", "192.168.78.20", "fd77:77:77::20"],
};

const tailnet = (nth: number) => [`100.64.1.${nth}`, `fd7a:115c:a1e0::1:${nth}`];

export const REALMS: readonly RealmTerms[] = [
  {
    name: "bob-home",
    trust: "partner",
    addresses: tailnet(2),
    grants: [{}, { egressAllowed: false, destinations: ["192.0.2.0/24", "2001:db8::/32"] }],
  },
  {
    name: "web",
    trust: "partner",
    addresses: tailnet(3),
    grants: [
      { destinations: ["192.0.2.0/24:443"] },
      { destinations: ["192.0.2.128/25:80/tcp", "192.0.2.255:8000-8002"] },
      { destinations: ["[2001:db8:1::/64]:443-445/tcp", "[2001:db8:1:1::1]:80"] },
      { later: true, destinations: ["198.51.100.0/24", "2001:db8:9::/48"] },
    ],
  },
  {
    name: "games",
    trust: "partner",
    addresses: tailnet(4),
    grants: [
      { destinations: ["198.51.100.7:27015-27017/udp", "203.0.113.0/30:53/udp", "203.0.113.0/30:53/tcp"] },
      { destinations: ["198.51.100.64/26/udp", "2001:db8:2::/127/tcp"] },
      { destinations: ["203.0.113.77:5060/sctp", "[2001:db8:3::7]:27015/udp"] },
    ],
  },
  {
    name: "world",
    trust: "partner",
    addresses: tailnet(5),
    grants: [{ destinations: ["0.0.0.0/0"] }, { destinations: ["[::/0]:443"] }],
  },
  {
    name: "halves",
    trust: "partner",
    addresses: tailnet(6),
    grants: [
      { destinations: ["0.0.0.0/1:443", "128.0.0.0/1:443"] },
      { destinations: ["192.160.0.0/11:80", "100.0.0.0/8:80", "168.0.0.0/7:80"] },
      { destinations: ["[fc00::/6]:80", "[2000::/3]:80"] },
    ],
  },
  {
    name: "lan",
    trust: "partner",
    addresses: tailnet(7),
    grants: [
      { destinations: ["192.168.77.10:80", "[fd77:77:77::10]:80"] },
      { destinations: ["192.168.80.0/30:443", "172.16.5.0/24:443", "[fd77:80::/126]:443"] },
      { destinations: ["0.0.0.0/0:8080", "192.168.81.0/30:8080", "10.0.0.0/8:8080"] },
    ],
  },
  {
    name: "metadata",
    trust: "partner",
    addresses: tailnet(8),
    grants: [
      { destinations: ["169.254.169.254:80", "[fd00:ec2::254]:80"] },
      { destinations: ["100.100.100.100", "100.100.100.200", "168.63.129.16", "100.64.0.0/10"] },
      { destinations: ["203.0.113.200:80"] },
    ],
  },
  {
    name: "household",
    trust: "internal",
    addresses: tailnet(9),
    grants: [
      { destinations: ["169.254.169.254:80", "100.64.99.9:443", "[fd7a:115c:a1e0::99:9]:443"] },
      { destinations: ["0.0.0.0/0:8443", "[::/0]:8443"] },
    ],
  },
  {
    name: "names",
    trust: "partner",
    addresses: tailnet(10),
    grants: [
      { destinations: ["db.example.org:5432"] },
      { destinations: ["inside.example.org:80", "stealing.example.org:80"] },
      { destinations: ["mixed.example.org:443", "unknown.example.org:443"] },
    ],
  },
  {
    name: "friends",
    trust: "partner",
    addresses: tailnet(11),
    grants: [{ destinations: ["web:8443", "bob-home:22-23", "nobody:443"] }],
  },
  {
    name: "office",
    trust: "partner",
    addresses: tailnet(12),
    grants: [{ destinations: ["198.51.100.0/25:443"] }, { destinations: ["198.51.100.96/27:443", "203.0.113.128/32"] }],
  },
  {
    name: "surfers",
    trust: "partner",
    addresses: tailnet(14),
    grants: [
      { destinations: ["internet:443", "internet:443/udp"], except: ["203.0.113.96/28", "2001:db8:ffff::/48"] },
      { destinations: ["internet:80", "192.168.77.10:80"] },
    ],
  },
  {
    name: "neighbours",
    trust: "partner",
    addresses: tailnet(15),
    grants: [
      {
        destinations: ["nas.alice.lan:445", "stealing.example.org:445"],
        within: ["192.168.77.0/24", "fd77:77:77::/64", "100.64.0.0/24"],
      },
      { destinations: ["192.168.77.0/24:8000"], except: ["192.168.77.10", "192.168.77.128/25"] },
    ],
  },
  // Public realms get no destination but their own node.
  { name: "stranger", trust: "public", addresses: tailnet(13), grants: [{}, { destinations: ["stranger:443"] }] },
  {
    name: "offline",
    trust: "partner",
    addresses: [],
    grants: [{ destinations: ["203.0.113.8/29:443"] }, { destinations: ["203.0.113.12/30:443", "203.0.113.15:444"] }],
  },
];

/** Suffix of names, because an ended grant can't be revived in another run on the same lab. */
const run = crypto.randomUUID().slice(0, 6);

/** Realms outside the matrix: one whose grants are cut and ended under load, one whose pods start. */
export const MOVING = { name: `moving-${run}`, addresses: tailnet(50) } as const;
export const EARLY = { name: `early-${run}`, addresses: tailnet(51) } as const;

export const contractNamespace = ({ name }: Pick<RealmTerms, "name">): string => `guest-${name}`;

export const packetRealm = ({ name, trust }: RealmTerms): Realm => realmOf(name, { trustLevel: trust });

/** Returns the Grants to a realm. */
export const grantObjects = ({ name, trust, grants }: Pick<RealmTerms, "name" | "trust" | "grants">): Grant[] =>
  grants.map(({ egressAllowed = true, destinations, except, within, later }, index) => ({
    apiVersion: "keystone.io/v1alpha1",
    kind: "Grant",
    metadata: { name: `${name}-${index + 1}` },
    spec: {
      grantorRealm: GRANTOR.name,
      granteeRealm: name,
      hard: {
        ...{ "requests.cpu": "1", "limits.cpu": "20", "requests.memory": "2Gi", "limits.memory": "2Gi", pods: "9" },
        ...(trust === "internal" ? { services: "9", "services.nodeports": "3" } : {}),
      },
      termination: { noticeSeconds: 0, drainSeconds: 1 },
      ...(destinations
        ? {
          networkPolicy: {
            egressAllowed,
            allowedDestinations: [...destinations],
            ...(except ? { except: [...except] } : {}),
            ...(within ? { within: [...within] } : {}),
          },
        }
        : {}),
      validity: { ...(later ? { validFrom: daysFromNow(2) } : {}), validUntil: daysFromNow(20) },
    },
  }));

/** Returns a midnight, so that each run on one lab gives the same text. */
const daysFromNow = (days: number): string =>
  `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`;
