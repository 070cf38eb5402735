/** The operator's configuration file (KEYSTONE_CONFIG, `--config`): what a cluster's owner may set, with its defaults. */
import { z } from "zod";
import { guardNames } from "./guards.ts";

const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/, "is not a quantity such as 20Gi");

/** Of an object or a resource: no comma, by which lists are kept, and no equals sign, by which pairs are. */
const name = z.string().regex(/^[A-Za-z0-9]([-A-Za-z0-9_.\/]{0,315}[A-Za-z0-9])?$/, "is not a name");
const names = z.array(name).max(64).default([]);

/** A key, its domain, or the beginning of keys as the table of keys has them. */
const keys = z.array(
  z.string().max(317).regex(
    /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\*?|\.\*)?$/,
    "is not a key such as example.com/name, a domain such as example.com, or example.com/name* for all that begin so",
  ),
).max(64).default([]);

const trustRules = (defaults: {
  egress: "any" | "unprotected" | "realm";
  exposed: boolean;
  maxValidityDays?: number;
  maxNoticeSeconds?: number;
  dns: boolean;
  podSecurity: "baseline" | "restricted";
  pods: number;
  objects: number;
  ephemeralStorage: string;
  unknownKeys: "refuse" | "warn";
}) =>
  z.strictObject({
    /** `any`: also protected ranges that are named; `unprotected`: outside of those; `realm`: the realm's node only. */
    egress: z.enum(["any", "unprotected", "realm"]).default(defaults.egress),
    /** Whether load balancers and node ports may be granted. */
    exposed: z.boolean().default(defaults.exposed),
    /** Longest validity; `null` for any. */
    maxValidityDays: z.int().positive().nullable().default(defaults.maxValidityDays ?? null),
    /** Longest notice; `null` for any. */
    maxNoticeSeconds: z.int().min(0).nullable().default(defaults.maxNoticeSeconds ?? null),
    /** Whether guests may ask the cluster's DNS. */
    dns: z.boolean().default(defaults.dns),
    podSecurity: z.enum(["baseline", "restricted"]).default(defaults.podSecurity),
    /** What a grant gives of what it doesn't name: pods, each kind of object, ephemeral storage. */
    pods: z.int().min(0).default(defaults.pods),
    objects: z.int().min(0).default(defaults.objects),
    /** Old revisions that a workload may keep, and finished Jobs of each outcome that a CronJob may keep. */
    history: z.int().min(0).max(1000).default(10),
    ephemeralStorage: quantity.default(defaults.ephemeralStorage),
    /** RuntimeClasses that pods may name; and whether they have to name one of them, such as a sandbox. */
    runtimeClasses: z.array(name).max(32).default([]),
    runtimeClassRequired: z.boolean().default(false),
    /** Whether pods may have tokens of their service account mounted. */
    podTokens: z.boolean().default(true),
    /** `refuse` or `warn` of annotations and labels of domains that nobody has said to be harmless. */
    unknownKeys: z.enum(["refuse", "warn"]).default(defaults.unknownKeys),
    /** Whether pods have to ask for their images each time, so that nobody runs a private one that a node has already. */
    alwaysPullImages: z.boolean().default(false),
    /** Registries that pods may name, since a node asks them; none: any but those named by an address. */
    imageRegistries: z.array(
      z.string().max(270).regex(
        /^[a-z0-9.-]+(:[0-9]{1,5})?$/,
        "is not a registry such as docker.io or registry.lan:5000",
      ),
    ).max(64).default([]),
  }).refine(
    ({ runtimeClasses, runtimeClassRequired }) => !runtimeClassRequired || runtimeClasses.length > 0,
    { path: ["runtimeClassRequired"], error: "needs a class in runtimeClasses, or no pod could run" },
  );

const ranges = z.array(z.union([z.cidrv4(), z.cidrv6()], "is not a CIDR such as 10.42.0.0/16")).max(256);

/** Of labels, at least one: a selector without any would select everything. */
const selector = z.strictObject({
  matchLabels: z.record(
    z.string().regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/),
    z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, "is not the value of a label"),
  ).refine((labels) => Object.keys(labels).length > 0, "names no label, and would select everything"),
});

const settingsSchema = z.strictObject({
  /** The ceiling of what grants may do, by the trust level of their grantee. */
  trust: z.strictObject({
    internal: trustRules({
      egress: "any",
      exposed: true,
      dns: true,
      podSecurity: "baseline",
      pods: 100,
      objects: 200,
      ephemeralStorage: "50Gi",
      unknownKeys: "warn",
    }).prefault({}),
    partner: trustRules({
      egress: "unprotected",
      exposed: false,
      dns: true,
      podSecurity: "restricted",
      pods: 50,
      objects: 100,
      ephemeralStorage: "20Gi",
      unknownKeys: "warn",
    }).prefault({}),
    public: trustRules({
      egress: "realm",
      exposed: false,
      maxValidityDays: 30,
      maxNoticeSeconds: 60,
      dns: false,
      podSecurity: "restricted",
      pods: 20,
      objects: 50,
      ephemeralStorage: "5Gi",
      unknownKeys: "refuse",
    }).prefault({}),
  }).prefault({}),
  /** The cluster's own ranges, where nodes and ServiceCIDRs don't tell them: no grant opens them. */
  clusterRanges: z.strictObject({
    /** CIDRs of pods. Needed with network plugins that leave the nodes' podCIDRs empty. */
    pods: ranges.optional(),
    services: ranges.optional(),
    /** Ranges of the nodes beyond the addresses that they tell, such as those of the LAN where they tell only a VPN's. */
    nodes: ranges.optional(),
    /** Ranges of the tailnet: only in them a realm's node has addresses, and only its name opens them. */
    tailnet: ranges.min(1).default(["100.64.0.0/10", "fd7a:115c:a1e0::/48"]),
    /** Prefixes of NAT64 translators, each of 96 bits: behind them is IPv4, and is opened as such. */
    nat64: z.array(z.cidrv6("is not a CIDR such as 64:ff9b::/96").regex(/\/96$/, "is not a prefix of 96 bits")).max(16)
      .default(["64:ff9b::/96"]),
  }).prefault({}),
  dns: z.strictObject({
    /** Addresses of NodeLocal DNSCache, to which pods send instead of to the DNS pods. */
    nodeLocal: z.array(z.string().max(45)).max(4).default(["169.254.20.10"]),
  }).prefault({}),
  /**
   * Pods that stand for the node of a realm, by the name of the Realm: proxies, such as those of the Tailscale operator,
   * where nodes don't route the tailnet. Open while the realm's node is verified.
   */
  realmPeers: z.record(
    z.string().regex(/^[a-z0-9]([-a-z0-9]{0,55}[a-z0-9])?$/, "is not the name of a Realm"),
    z.array(z.strictObject({ namespaceSelector: selector, podSelector: selector })).min(1).max(8),
  ).default({}),
  /**
   * Room in the API server's database. No quota counts the history of an object, so a guest who writes one object again
   * and again could fill it: before that, guests may only read and delete.
   */
  storage: z.strictObject({
    /** etcd's --quota-backend-bytes; its own default is 2 GiB. `null`: the size isn't read and nothing closes. */
    quotaBackendBytes: z.int().min(2 ** 20).nullable().default(2 * 2 ** 30),
    /**
     * Share of it from which on guests' writes are closed, and half of the way from there to 1 also new pods of theirs;
     * `null`: never.
     */
    closeGuestWritesAt: z.number().gt(0).max(1).nullable().default(0.8),
    /** Share of it below which they are open again. */
    openGuestWritesBelow: z.number().gt(0).max(1).default(0.7),
  }).refine(
    ({ closeGuestWritesAt, openGuestWritesBelow }) =>
      closeGuestWritesAt === null || openGuestWritesBelow <= closeGuestWritesAt,
    { path: ["openGuestWritesBelow"], error: "must be at most closeGuestWritesAt" },
  ).prefault({}),
  /** How often status.lastSeen of a Realm is renewed while it is Connected. */
  lastSeenSeconds: z.int().min(10).max(86_400).default(300),
  /** How long an ended realm's namespace that holds no volume is kept. */
  namespaceRetentionSeconds: z.int().min(0).max(31_536_000).default(86_400),
  /** Highest priority that a pod of guests may have; 0 keeps them from putting out pods that have no class. */
  maxPriority: z.int().min(-1_000_000_000).max(1_000_000_000).default(0),
  /** Limits of the guards, see docs/guards.md. */
  guards: z.strictObject({
    /** Guards that only warn. */
    warn: z.array(z.enum(guardNames)).default([]),
    /** Longest time that a pod may take to stop. */
    maxTerminationGraceSeconds: z.int().min(30).max(31_536_000).default(3600),
    /** Resources by the RuntimeClass that their pods need: the class is for pods that have a limit of one of them. */
    deviceRuntimeClasses: z.record(name, z.array(name).min(1).max(32)).default({}),
    /** Drivers of inline csi volumes. */
    csiDrivers: names,
    /** Schedulers besides default-scheduler. */
    schedulers: names,
    /** Keys of taints that keep nodes from guests, besides those of the control plane. */
    reservedTaints: names,
    loadBalancerClasses: names,
    /** Keys of annotations and labels, or their domains, that are harmless in this cluster; they go before all other lists. */
    harmlessKeys: keys,
    /** Those that are not; they go before those that are. */
    dangerousKeys: keys,
  }).prefault({}),
});

/** The configuration, with every default filled in. */
export type Settings = z.infer<typeof settingsSchema>;
/** The rules of one trust level. */
export type TrustRules = Settings["trust"]["partner"];

/** What holds without a configuration file. */
export const defaultSettings: Settings = settingsSchema.parse({});

/**
 * Reads a configuration file's content.
 *
 * @throws Error naming the field, its value and what is wrong with it
 */
export function parseSettings(content: unknown): Settings {
  const parsed = settingsSchema.safeParse(content ?? {});
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join(".") || "the file";
  const value = path.reduce((at: unknown, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], content);
  throw new Error(`${field} is ${JSON.stringify(value)}: ${message}`);
}
