/** Differences by design: where the result depends on earlier terms, each with its reason. */
interface History {
  /** IDs of the earlier mutations. */
  after: RegExp;
  /** Lines of {@link differences} that it explains. */
  lines: RegExp;
  /** True if the difference also remains when the terms are restored. */
  isKept: boolean;
  why: string;
}

const histories: History[] = [
  {
    after: /^Realm\/spec\.identity\//,
    lines: /./,
    isKept: false,
    why: "a namespace keeps the identity for which it was created; another one gets a NamespaceConflict",
  },
  {
    after: /^Realm\/spec\.trustLevel\/("public"|absent|null)$/,
    lines: /./,
    isKept: false,
    why: "grants in force stay when the trust level is lowered; no new ones come into force",
  },
  {
    after: /^Grant\/spec\.hard(\/|\[[^\]]*\]\/(absent|null)$)/,
    lines:
      /^(ConfigMap guest-token\/keystone\.data\.grants\.yaml\.0\.hard|Grant \/token\.status\.hard|ResourceQuota guest-token\/keystone\.(spec|status)\.hard)\.[^:]*: absent \|/,
    isKept: true,
    why: "a quota keeps its keys: an absent key would be unlimited (ADR 0006)",
  },
  {
    after: /^Grant\/spec\.validity\/|^Grant\/spec\.validity\.valid(From|Until)\//,
    lines: /./,
    isKept: false,
    why: "a start that is moved into the future, or unreadable terms, don't withdraw an active grant",
  },
  {
    after: /^Grant\/spec\.hard\/key "services\.(nodeports|loadbalancers)"$/,
    lines: /./,
    isKept: false,
    why: "a grant in force stays when its terms exceed the trust level, reduced to it; no new one comes into force",
  },
  {
    after: /^SuperEntity\//,
    lines: /^(?!SuperEntity |ClusterRole)|^SuperEntity [^ ]*\.finalizers/,
    isKept: false,
    why: "a pool's allocations stay while it gives no new ones, and count against it",
  },
  {
    after: /^Grant\/spec\.revocation/,
    lines: /./,
    isKept: false,
    why: "a grant that was in force leaves its namespace closed; one that never was leaves nothing",
  },
  {
    after: /^Grant\/spec\.termination(\/|\.noticeSeconds\/)/,
    lines: /./,
    isKept: false,
    why: "a reduction takes effect after the notice in the terms",
  },
  {
    after: /^Grant\/spec\.termination/,
    lines: /^Namespace \/guest-token\.metadata\.annotations\.keystone\.io\/volumes: /,
    isKept: false,
    why: "one grant with Retain keeps the volumes in the namespace",
  },
];

/** Returns the reason of a difference after these mutations; undefined if it isn't by design. */
export const historyOf = (line: string, ...ids: string[]): string | undefined =>
  histories.find(({ after, lines }) => lines.test(line) && ids.some((id) => after.test(id)))?.why;

/** Returns the same when the terms are restored. */
export const keptOf = (line: string, id: string): string | undefined =>
  histories.find(({ after, lines, isKept }) => isKept && lines.test(line) && after.test(id))?.why;
