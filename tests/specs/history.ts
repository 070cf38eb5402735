/** Where what was is part of what is, by design: differences that a way through other terms leaves, each with its reason. */
interface History {
  /** Ids of the mutations on the way. */
  after: RegExp;
  /** Which lines of {@link differences} it is about. */
  lines: RegExp;
  /** Whether it stays also when the terms are again as they were. */
  isKept: boolean;
  why: string;
}

const histories: History[] = [
  {
    after: /^Realm\/spec\.identity\//,
    lines: /./,
    isKept: false,
    why: "a namespace stays with the identity that it was made for; another one finds a NamespaceConflict",
  },
  {
    after: /^Realm\/spec\.trustLevel\/("public"|absent|null)$/,
    lines: /./,
    isKept: false,
    why: "what is in force stays when the trust is lowered; nothing new comes into force",
  },
  {
    after: /^Grant\/spec\.hard(\/|\[[^\]]*\]\/(absent|null)$)/,
    lines:
      /^(ConfigMap guest-token\/keystone\.data\.grants\.yaml\.0\.hard|Grant \/token\.status\.hard|ResourceQuota guest-token\/keystone\.(spec|status)\.hard)\.[^:]*: absent \|/,
    isKept: true,
    why: "a key stays in a quota in which it was: without it nothing would be limited (ADR 0006)",
  },
  {
    after: /^Grant\/spec\.validity\/|^Grant\/spec\.validity\.valid(From|Until)\//,
    lines: /./,
    isKept: false,
    why: "a start that is moved into the future, or terms that nobody can read, take nothing back that has begun",
  },
  {
    after: /^Grant\/spec\.hard\/key "services\.(nodeports|loadbalancers)"$/,
    lines: /./,
    isKept: false,
    why: "what is in force stays when its terms go beyond the trust, less what is beyond; nothing new comes into force",
  },
  {
    after: /^SuperEntity\//,
    lines: /^(?!SuperEntity |ClusterRole)|^SuperEntity [^ ]*\.finalizers/,
    isKept: false,
    why: "what a pool has given stays while it gives nothing new, and holds the pool",
  },
  {
    after: /^Grant\/spec\.revocation/,
    lines: /./,
    isKept: false,
    why: "what was in force ends, and leaves its namespace closed; what never was leaves nothing",
  },
  {
    after: /^Grant\/spec\.termination(\/|\.noticeSeconds\/)/,
    lines: /./,
    isKept: false,
    why: "what is taken from the terms goes after the notice that they give",
  },
  {
    after: /^Grant\/spec\.termination/,
    lines: /^Namespace \/guest-token\.metadata\.annotations\.keystone\.io\/volumes: /,
    isKept: false,
    why: "one grant that said Retain keeps what is stored in the namespace",
  },
];

/** Why a difference is as it has to be on a way over these mutations; undefined: it has to be explained otherwise. */
export const historyOf = (line: string, ...ids: string[]): string | undefined =>
  histories.find(({ after, lines }) => lines.test(line) && ids.some((id) => after.test(id)))?.why;

/** The same where the terms are again as they were. */
export const keptOf = (line: string, id: string): string | undefined =>
  histories.find(({ after, lines, isKept }) => isKept && lines.test(line) && after.test(id))?.why;
