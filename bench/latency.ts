/** How soon a grant is enforced, and how soon after its end it isn't any more. */
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

/** Milliseconds from the request until it is enforced, round by round. */
export interface GrantLatencies {
  idle: number[][];
  burst: number[][];
  /** From validUntil on, of grants that end at one instant. */
  expiry: number[][];
}

/** Grants one after the other, then many at once, then some that end at one instant; all to realms without any. */
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
    await log.quiet("the operator is quiet", writes, 120_000);
    latencies.expiry.push(await expired(cluster, log));
    say(`round ${round} of ${rounds}`);
  }
  return latencies;
}

/** Creates grants; milliseconds from when each was asked for until it was enforced. */
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
    return lacking.length === 0 || `${lacking.length} are not, such as that of ${lacking[0]}`;
  }, { withinMs: 300_000, everyMs });
  await created;
  return grants.map(({ metadata }, index) => enforcement.at.get(namespaces[index]!)! - asked.get(metadata!.name!)!);
}

/**
 * Gives some grants one end; milliseconds from it until all that closes is written and each quota counts as nothing. The
 * ConfigMap that tells guests what they have closes nothing.
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
  await poll("all quotas count as nothing", async () => {
    await log.read();
    const counted = new Set(closing().filter(isQuotaStatus).map(measuredNamespace));
    return counted.size === endingTogether || `${counted.size} of ${endingTogether} do`;
  }, { withinMs: 60_000, everyMs: 500 });
  await log.quiet("nothing more is closed", writes, 60_000);
  // The last of each namespace stays.
  return [...new Map(closing().map((exchange) => [measuredNamespace(exchange), exchange.done - at])).values()];
}
