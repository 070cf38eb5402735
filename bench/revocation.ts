/** The time from a revocation until the last pod is gone, on a real node. */
import { grantOf, prepared, type TestCluster } from "../tests/fixtures/test_operator.ts";
import { type Lab, startLab } from "../tests/lab/lab.ts";
import { poll } from "../tests/lab/poll.ts";
import { agnhostPod } from "../tests/lab/lab_workloads.ts";
import { guestNamespace } from "../src/core/names.ts";
import { type AuditedRequest, AuditLog } from "./audit.ts";
import { startMeasuredOperator } from "./rounds.ts";
import type { EfficiencyRun } from "./efficiency.ts";

const podsEach = 5;

/** Returns the milliseconds from a revocation without notice until the last of its pods is gone from a real node. */
export async function revocations({ rounds, say }: EfficiencyRun): Promise<number[]> {
  await using lab = await startLab({ node: true });
  using cluster = await prepared(lab);
  const log = await AuditLog.fromNow(lab.auditLog);
  await using _operator = await startMeasuredOperator(lab);
  const latencies: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    latencies.push(await revocation(cluster, lab, log, `realm-${round}`));
    say(`round ${round} of ${rounds}`);
  }
  return latencies;
}

async function revocation(cluster: TestCluster, lab: Lab, log: AuditLog, realm: string): Promise<number> {
  const namespace = guestNamespace(realm);
  await cluster.createRealm(realm);
  await cluster.grants.create(grantOf({
    name: realm,
    to: realm,
    hard: { "requests.cpu": "1", "limits.cpu": "10", "requests.memory": "1Gi", pods: String(podsEach) },
    termination: { noticeSeconds: 0 },
  }));
  await cluster.grantIn("Active", realm);
  const names = Array.from({ length: podsEach }, (_, n) => `pod-${n}`);
  const pods = names.map((name) => agnhostPod({ name, namespace }, ["netexec"])).join("\n---\n");
  const created = await lab.kubectl(["create", "-f", "-"], { stdin: pods });
  if (created.code !== 0) throw new Error(created.stderr);
  const running = await lab.kubectl([
    "wait",
    "pod",
    "--all",
    "-n",
    namespace,
    "--for=condition=Ready",
    "--timeout=60s",
  ]);
  if (running.code !== 0) throw new Error(running.stderr);
  await log.read();
  const mark = log.exchanges.length;
  await cluster.grants.patch(realm, { spec: { revocation: {} } }, { type: "merge" });
  // A pod is gone when the kubelet has seen its containers end and has deleted it.
  const isGone = ({ verb, what, namespace: of, user, code }: AuditedRequest) =>
    verb === "delete" && what === "pods" && of === namespace && user.startsWith("system:node:") && code === 200;
  await poll("all pods are gone", async () => {
    await log.read();
    const gone = log.exchanges.slice(mark).filter(isGone).length;
    return gone >= podsEach || `${podsEach - gone} are left`;
  }, { withinMs: 180_000, everyMs: 100 });
  const news = log.exchanges.slice(mark);
  const asked = news.find(({ verb, what, name }) => verb === "patch" && what === "grants" && name === realm)!;
  return Math.max(...news.filter(isGone).map(({ done }) => done)) - asked.received;
}
