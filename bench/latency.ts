/** The time until a grant is enforced, and the time from its end until it no longer is. */
import { prepared, secondsFromNow, type TestCluster } from "../tests/fixtures/test_operator.ts";
import { poll } from "../tests/lab/poll.ts";
import { guestNamespace, operatorName } from "../src/core/names.ts";
import { type AuditedRequest, AuditLog, by, isEvent, isQuotaStatus, isWriteRequest } from "./audit.ts";
import { Enforcement, measuredNamespace } from "./measured_enforcement.ts";
import { ControlPlane } from "./control_plane.ts";
import { withConcurrency } from "./with_concurrency.ts";
import { startMeasuredOperator } from "./rounds.ts";
import type { EfficiencyRun } from "./efficiency.ts";
import { grantName, shapeGrants, shapeRealmName, shapeRealms } from "./shapes.ts";

const isOperator = by(operatorName);
const writes = (exchange: AuditedRequest): boolean => isOperator(exchange) && isWriteRequest(exchange);

const idle = 50;
const burst = 1000;
const endingTogether = 50;

/** Milliseconds from the request until it is enforced, one list per round. */
export interface GrantLatencies {
  idle: number[][];
  burst: number[][];
  /** From validUntil, for grants that end at the same time. */
  expiry: number[][];
}

/**
 * Measures grants one after another, then many at once, then some that end at the same time; all to realms without
 * other grants.
 */
export async function grantLatencies({ rounds, say }: EfficiencyRun): Promise<GrantLatencies> {
  const shape = { realms: idle + burst, grantsEach: 1 };
  await using controlPlane = await ControlPlane.prepare((cluster) =>
    withConcurrency(shapeRealms(shape), (realm) => cluster.realms.create(realm))
  );
  const grants = shapeGrants(shape);
  const latencies: GrantLatencies = { idle: [], burst: [], expiry: [] };
  for (let round = 1; round <= rounds; round++) {
    await controlPlane.renew();
    const log = await AuditLog.fromNow(controlPlane.lab.auditLog);
    await using _operator = await startMeasuredOperator(controlPlane.lab);
    using cluster = await prepared(controlPlane.lab);
    await log.quiet("the Realms have a status", writes, 120_000);
    const alone: number[] = [];
    for (const grant of grants.slice(0, idle)) alone.push(...await enforced(cluster, log, [grant], 5));
    latencies.idle.push(alone);
    latencies.burst.push(await enforced(cluster, log, grants.slice(idle), 500));
    await log.quiet("the operator is idle", writes, 120_000);
    latencies.expiry.push(await expired(cluster, log));
    say(`round ${round} of ${rounds}`);
  }
  return latencies;
}

/** Creates grants; returns the milliseconds from each request until its grant was enforced. */
async function enforced(
  cluster: TestCluster,
  log: AuditLog,
  grants: ReturnType<typeof shapeGrants>,
  everyMs: number,
): Promise<number[]> {
  const enforcement = new Enforcement();
  const asked = new Map<string, number>();
  const namespaces = grants.map(({ spec }) => guestNamespace(spec.granteeRealm));
  const created = withConcurrency(grants, (grant) => cluster.grants.create(grant));
  await poll("all grants are enforced", async () => {
    const news = await log.read();
    enforcement.observe(news);
    for (const { verb, what, name, received } of news) {
      if (verb === "create" && what === "grants") asked.set(name, received);
    }
    const lacking = namespaces.filter((namespace) => !enforcement.at.has(namespace));
    return lacking.length === 0 || `${lacking.length} are not, e.g. ${lacking[0]}`;
  }, { withinMs: 300_000, everyMs });
  await created;
  return grants.map(({ metadata }, index) => enforcement.at.get(namespaces[index]!)! - asked.get(metadata!.name!)!);
}

/**
 * Gives some grants the same end; returns the milliseconds from it until every write that closes access is done and
 * each quota is counted as zero. The ConfigMap with the guests' guide doesn't count.
 */
async function expired(cluster: TestCluster, log: AuditLog): Promise<number[]> {
  const { text, at } = secondsFromNow(4);
  const ending = Array.from({ length: endingTogether }, (_, n) => idle + n);
  await withConcurrency(
    ending,
    (n) => cluster.grants.patch(grantName(n), { spec: { validity: { validUntil: text } } }, { type: "merge" }),
  );
  const namespaces = new Set(ending.map((n) => guestNamespace(shapeRealmName(n))));
  const closing = () =>
    log.exchanges.filter((exchange) =>
      exchange.received >= at && namespaces.has(measuredNamespace(exchange)) && !isEvent(exchange) &&
      exchange.what !== "configmaps" &&
      (isQuotaStatus(exchange) || writes(exchange))
    );
  await poll("all quotas are zero", async () => {
    await log.read();
    const counted = new Set(closing().filter(isQuotaStatus).map(measuredNamespace));
    return counted.size === endingTogether || `${counted.size} of ${endingTogether} are`;
  }, { withinMs: 60_000, everyMs: 500 });
  await log.quiet("no more writes close access", writes, 60_000);
  // The last write of each namespace counts.
  return [...new Map(closing().map((exchange) => [measuredNamespace(exchange), exchange.done - at])).values()];
}
