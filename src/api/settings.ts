/** The operator's configuration file (KEYSTONE_CONFIG, `--config`) and its defaults. */
import { z } from "zod";
import { guardNames } from "./guards.ts";

const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/, "must be a quantity such as 20Gi");

/** Name of an object or a resource, without the separators of recorded lists and pairs: comma and equals sign. */
const name = z.string().regex(/^[A-Za-z0-9]([-A-Za-z0-9_.\/]{0,315}[A-Za-z0-9])?$/, "is not a valid name");
const names = z.array(name).max(64).default([]);

/** Keys of labels and annotations, their domains or prefixes, in the form of the guards' table of keys. */
const keys = z.array(
  z.string().max(317).regex(
    /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\*?|\.\*)?$/,
    "must be a key such as example.com/name, a domain such as example.com, or a prefix such as example.com/name*",
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
    /**
     * `any`: protected ranges too, if named; `unprotected`: all but protected ranges; `realm`: the realm's node only.
     */
    egress: z.enum(["any", "unprotected", "realm"]).default(defaults.egress),
    /** Permits grants of load balancers and node ports. */
    exposed: z.boolean().default(defaults.exposed),
    /** Longest validity; `null`: no limit. */
    maxValidityDays: z.int().positive().nullable().default(defaults.maxValidityDays ?? null),
    /** Longest notice; `null`: no limit. */
    maxNoticeSeconds: z.int().min(0).nullable().default(defaults.maxNoticeSeconds ?? null),
    /** Permits guests to query the cluster's DNS. */
    dns: z.boolean().default(defaults.dns),
    podSecurity: z.enum(["baseline", "restricted"]).default(defaults.podSecurity),
    /** Defaults for resources that a grant doesn't name: pods, objects of each kind, ephemeral storage. */
    pods: z.int().min(0).default(defaults.pods),
    objects: z.int().min(0).default(defaults.objects),
    /** Limit on a workload's old revisions, and on a CronJob's finished Jobs of each outcome. */
    history: z.int().min(0).max(1000).default(10),
    ephemeralStorage: quantity.default(defaults.ephemeralStorage),
    /** RuntimeClasses that pods may name. */
    runtimeClasses: z.array(name).max(32).default([]),
    /** Requires pods to name one of `runtimeClasses`, such as a sandbox. */
    runtimeClassRequired: z.boolean().default(false),
    /** Permits pods to mount tokens of their service account. */
    podTokens: z.boolean().default(true),
    /** Treatment of annotations and labels whose domain isn't listed as harmless. */
    unknownKeys: z.enum(["refuse", "warn"]).default(defaults.unknownKeys),
    /** Requires `imagePullPolicy: Always`, so that no pod uses a private image that is already on the node. */
    alwaysPullImages: z.boolean().default(false),
    /** Registries that pods may name, because nodes connect to them. Empty: all but those named by an IP address. */
    imageRegistries: z.array(
      z.string().max(270).regex(
        /^[a-z0-9.-]+(:[0-9]{1,5})?$/,
        "must be a registry such as docker.io or registry.lan:5000",
      ),
    ).max(64).default([]),
  }).refine(
    ({ runtimeClasses, runtimeClassRequired }) => !runtimeClassRequired || runtimeClasses.length > 0,
    { path: ["runtimeClassRequired"], error: "requires an entry in runtimeClasses, otherwise no pod could run" },
  );

const ranges = z.array(z.union([z.cidrv4(), z.cidrv6()], "must be a CIDR such as 10.42.0.0/16")).max(256);

/** Label selector with at least one label: an empty one would select everything. */
const selector = z.strictObject({
  matchLabels: z.record(
    z.string().regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/),
    z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, "is not a valid label value"),
  ).refine(
    (labels) => Object.keys(labels).length > 0,
    "must have at least one label: an empty selector would select everything",
  ),
});

const settingsSchema = z.strictObject({
  /** Limits of grants, by their grantee's trust level. */
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
  /** The cluster's own ranges, which no grant opens. Needed where nodes and ServiceCIDRs don't report them. */
  clusterRanges: z.strictObject({
    /** Pod CIDRs. Needed where the ranges of the network plugin are unknown. */
    pods: ranges.optional(),
    services: ranges.optional(),
    /** Node addresses that the nodes don't report, such as LAN addresses where the nodes report only those of a VPN. */
    nodes: ranges.optional(),
    /** Ranges of the tailnet. All addresses of realms' nodes lie in them, and only a realm's name opens them. */
    tailnet: ranges.min(1).default(["100.64.0.0/10", "fd7a:115c:a1e0::/48"]),
    /** Prefixes of NAT64 translators, 96 bits each. Addresses in them are judged as the embedded IPv4 address. */
    nat64: z.array(z.cidrv6("must be a CIDR such as 64:ff9b::/96").regex(/\/96$/, "must be a 96-bit prefix")).max(16)
      .default(["64:ff9b::/96"]),
  }).prefault({}),
  dns: z.strictObject({
    /** Addresses of NodeLocal DNSCache, which pods query instead of the DNS pods. */
    nodeLocal: z.array(z.string().max(45)).max(4).default(["169.254.20.10"]),
  }).prefault({}),
  /**
   * Proxy pods to a realm's node, by the name of the Realm, such as those of the Tailscale operator. Needed where the
   * cluster's nodes don't route the tailnet. They are reachable while the realm's node is verified.
   */
  realmPeers: z.record(
    z.string().regex(/^[a-z0-9]([-a-z0-9]{0,55}[a-z0-9])?$/, "is not a valid Realm name"),
    z.array(z.strictObject({ namespaceSelector: selector, podSelector: selector })).min(1).max(8),
  ).default({}),
  /**
   * Room in the API server's database. No quota counts the history of an object, so a guest that keeps rewriting one
   * object could fill the database. Before it is full, guests may only read and delete.
   */
  storage: z.strictObject({
    /** etcd's --quota-backend-bytes; etcd's default is 2 GiB. `null`: the size isn't read and writes never close. */
    quotaBackendBytes: z.int().min(2 ** 20).nullable().default(2 * 2 ** 30),
    /**
     * Fraction of it at which guests' writes close. Halfway between this and 1, creating pods for guests closes too.
     * `null`: never.
     */
    closeGuestWritesAt: z.number().gt(0).max(1).nullable().default(0.8),
    /** Fraction of it below which guests' writes open again. */
    openGuestWritesBelow: z.number().gt(0).max(1).default(0.7),
  }).refine(
    ({ closeGuestWritesAt, openGuestWritesBelow }) =>
      closeGuestWritesAt === null || openGuestWritesBelow <= closeGuestWritesAt,
    { path: ["openGuestWritesBelow"], error: "must be at most closeGuestWritesAt" },
  ).prefault({}),
  /** Interval at which status.lastSeen of a Connected Realm is updated. */
  lastSeenSeconds: z.int().min(10).max(86_400).default(300),
  /** Retention of a guest namespace without volumes after its last grant has ended. */
  namespaceRetentionSeconds: z.int().min(0).max(31_536_000).default(86_400),
  /** Highest priority of a guest's pod; at 0 guests' pods can't preempt pods without a PriorityClass. */
  maxPriority: z.int().min(-1_000_000_000).max(1_000_000_000).default(0),
  /** Limits of the guards, see docs/guards.md. */
  guards: z.strictObject({
    /** Guards that only warn. */
    warn: z.array(z.enum(guardNames)).default([]),
    /** Longest termination grace period of a pod. */
    maxTerminationGraceSeconds: z.int().min(30).max(31_536_000).default(3600),
    /** Device resources by RuntimeClass: a pod may use the class only if it has a limit of one of the resources. */
    deviceRuntimeClasses: z.record(name, z.array(name).min(1).max(32)).default({}),
    /** Permitted drivers of inline csi volumes. */
    csiDrivers: names,
    /** Permitted schedulers besides default-scheduler. */
    schedulers: names,
    /** Keys of taints that guests may not tolerate, besides those of the control plane. */
    reservedTaints: names,
    loadBalancerClasses: names,
    /** Harmless annotation and label keys, or their domains. They take precedence over the built-in lists. */
    harmlessKeys: keys,
    /** Dangerous ones. They take precedence over `harmlessKeys`. */
    dangerousKeys: keys,
  }).prefault({}),
});

/** Configuration with all defaults filled in. */
export type Settings = z.infer<typeof settingsSchema>;
/** Rules of one trust level. */
export type TrustRules = Settings["trust"]["partner"];

/** Configuration in force without a configuration file. */
export const defaultSettings: Settings = settingsSchema.parse({});

/**
 * Validates the content of a configuration file.
 *
 * @throws Error with the field, its value and the problem
 */
export function parseSettings(content: unknown): Settings {
  const parsed = settingsSchema.safeParse(content ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const { path, message } = issue;
  if (issue.code === "unrecognized_keys") {
    const unknown = [...path, issue.keys[0]!].join(".");
    const shape = path.length === 0 ? `; the keys are ${Object.keys(settingsSchema.shape).join(", ")}` : "";
    throw new Error(`there is no setting ${unknown}${shape}`);
  }
  const field = path.join(".") || "the file";
  const value = path.reduce((at: unknown, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], content);
  throw new Error(`${field} is ${JSON.stringify(value)}: ${message}`);
}
