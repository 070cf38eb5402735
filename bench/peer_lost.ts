/** The time until a Realm's status reports that its node is gone, on a real tailnet. */
import { prepared, realmOf } from "../tests/fixtures/test_operator.ts";
import { daemonKnows } from "../tests/fixtures/test_tailnet.ts";
import { startLab } from "../tests/lab/lab.ts";
import { poll } from "../tests/lab/poll.ts";
import { operatorName } from "../src/core/names.ts";
import { AuditLog, by } from "./audit.ts";
import { startMeasuredOperator } from "./rounds.ts";
import type { EfficiencyRun } from "./efficiency.ts";

const isOperator = by(operatorName);

/** Milliseconds until a Realm's status reports that its node is gone. */
export interface PeerLost {
  /** From the node's kill. */
  killed: number[];
  /** From the time at which the local tailscaled knew of it. */
  known: number[];
}

/** Repeatedly kills the node of a realm on a real tailnet, and starts it again. */
export async function peerLost({ rounds, say }: EfficiencyRun): Promise<PeerLost> {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  const [alice, bob] = [lab.realms["alice-home"]!, lab.realms["bob-home"]!];
  using cluster = await prepared(lab);
  for (const [name, { identity }] of Object.entries(lab.realms)) {
    await cluster.realms.create(realmOf(name, { identity }));
  }
  const log = await AuditLog.fromNow(lab.auditLog);
  await using _operator = await startMeasuredOperator(lab, { TS_SOCKET: alice.socket });
  const shows = async (state: string) => {
    await poll(`bob-home is ${state}`, async () => {
      const { status } = await cluster.realms.get("bob-home");
      return status?.connectionState === state || `connectionState is ${status?.connectionState}`;
    }, { withinMs: 60_000 });
    await log.read();
    return log.exchanges.findLast((exchange) =>
      isOperator(exchange) && exchange.what === "realms/status" && exchange.name === "bob-home"
    )!.done;
  };
  const lost: PeerLost = { killed: [], known: [] };
  await shows("Connected");
  for (let round = 1; round <= rounds; round++) {
    const killedAt = Date.now();
    await bob.tailscaled.kill();
    const knownAt = performance.timeOrigin + await daemonKnows(alice.socket, bob.identity, false);
    const shownAt = await shows("Disconnected");
    lost.killed.push(shownAt - killedAt);
    lost.known.push(shownAt - knownAt);
    await bob.tailscaled.start();
    await shows("Connected");
    say(`round ${round} of ${rounds}`);
  }
  return lost;
}
