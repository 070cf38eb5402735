/** Where a plan runs that stops, kills or cuts off operators: two of them, each a process of its own, behind proxies. */
import { type OperatorProcess, startOperatorProcess } from "../fixtures/operator_process.ts";
import { poll } from "../lab/poll.ts";
import type { LabProcess } from "../lab/process.ts";
import type { ProcessFault } from "./fault.ts";
import { onTheWire, writesByOthers } from "./oracles/two_writers.ts";
import { type HeldWrite, Proxy } from "./proxy.ts";
import { FaultStage } from "./fault_stage.ts";
import { type Upstream, upstreamOf } from "./upstream.ts";

/** How long a Lease may take to run out and to be taken, and a part of the control plane to be back. */
const patienceMs = 90_000;
/** How long one that goes on may take to find out that it doesn't lead any more. */
const wakingMs = 30_000;
const quietMs = 500;

interface Replica {
  /** Who it is for the API server, and so in the audit log. */
  user: string;
  upstream: Upstream;
  proxy: Proxy;
  process: OperatorProcess;
  is: "there" | "away" | "dead";
}

export class ReplicaStage extends FaultStage {
  readonly #replicas: Replica[] = [];
  /** What ends what has gone wrong. */
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #restarts: Promise<void>[] = [];
  /** Whether another has been seen to lead. */
  #isFollowed = false;
  /** Where the audit log was when the plan began. */
  #auditedFrom = 0;

  override get requests(): number {
    return this.#replicas.reduce((sum, { proxy }) => sum + proxy.requests, 0);
  }

  /** Starts the two, the first of which leads. */
  override async startOperator(): Promise<number> {
    this.#auditedFrom = (await Deno.stat(this.plane.lab.auditLog)).size;
    const leader = await this.#start();
    await leader.process.says(/Enforcing grants/, patienceMs);
    const other = await this.#start();
    await other.process.says(/Waiting: /, patienceMs);
    return 0;
  }

  async #start(): Promise<Replica> {
    const user = `operator-${this.#replicas.length}${this.mark}`;
    const replica = { user, is: "there" } as Replica;
    replica.upstream = await upstreamOf(await this.plane.lab.user(user, { groups: ["system:masters"] }));
    replica.proxy = await Proxy.listen({
      upstream: replica.upstream,
      trigger: this.trigger,
      mark: this.mark,
      onKill: () => {},
      onProcessFault: (fault, write) => this.#disturb(replica, fault, write),
    });
    replica.process = await startOperatorProcess({
      KUBECONFIG: replica.proxy.kubeconfig,
      KEYSTONE_REALM: this.named("alice"),
    });
    this.#replicas.push(replica);
    return replica;
  }

  async #disturb(replica: Replica, fault: ProcessFault, write: HeldWrite): Promise<void> {
    const { lab } = this.plane;
    const stop = () => {
      Deno.kill(replica.process.pid, "SIGSTOP");
      return this.#away(replica);
    };
    const goOn = () => Deno.kill(replica.process.pid, "SIGCONT");
    /** What still waits for its answer goes its way. */
    const finish = async () => {
      const givenUp = poll("the write is given up", () => write.isGivenUp || "not yet", { withinMs: 3000 });
      if (await givenUp.then(() => false, () => true)) write.give(await write.pass());
    };
    switch (fault) {
      case "stopped": {
        const end = await stop();
        goOn();
        await finish();
        return end();
      }
      case "stopped-on-wire": {
        const end = await stop();
        const answer = await write.pass(onTheWire);
        await this.#idle();
        goOn();
        write.give(answer);
        return end();
      }
      case "stopped-after": {
        const answer = await write.pass();
        const end = await stop();
        goOn();
        write.give(answer);
        return end();
      }
      case "partitioned": {
        const heal = replica.proxy.cutOff();
        const end = await this.#away(replica);
        heal();
        await finish();
        return end();
      }
      case "sigkill-before":
      case "sigkill-after":
        if (fault === "sigkill-after") await write.pass();
        replica.is = "dead";
        Deno.kill(replica.process.pid, "SIGKILL");
        return;
      case "etcd-killed":
        return await this.#restarted(lab.etcd, write);
      case "apiserver-killed":
        return await this.#restarted(lab.apiserver, write);
      case "controller-manager-killed":
        return await this.#restarted(lab.controllerManager, write);
    }
  }

  /** Resolves when it is to come back; call what it resolves to when it is. */
  async #away(replica: Replica): Promise<() => void> {
    replica.is = "away";
    const returning = Promise.withResolvers<void>();
    const returned = Promise.withResolvers<void>();
    this.#ends.push(async () => {
      returning.resolve();
      await returned.promise;
      replica.is = "there";
      // It finds out, and waits until it may lead again.
      await replica.process.says(/Waiting: /, wakingMs);
    });
    await returning.promise;
    return returned.resolve;
  }

  async #restarted(part: LabProcess, write: HeldWrite): Promise<void> {
    const restart = part.kill().then(() => part.start());
    this.#restarts.push(restart);
    await Promise.all([restart, write.pass().then((answer) => write.give(answer))]);
  }

  override async until(what: string, look: () => true | string): Promise<void> {
    await poll(what, () => Promise.resolve(look()), { withinMs: patienceMs, everyMs: 20 });
  }

  /** Waits until another leads, ends what has gone wrong, and waits until nothing more comes of it. */
  override async quiet(): Promise<void> {
    await Promise.all(this.#restarts);
    if (!this.#isFollowed && this.#replicas.some(({ is }) => is !== "there")) {
      this.#isFollowed = true;
      const next = this.#replicas.find(({ is }) => is === "there");
      await next!.process.says(/Enforcing grants/, patienceMs);
    }
    await this.#idle();
    for (const end of this.#ends.splice(0)) await end();
    await this.#idle();
    await super.quiet();
  }

  async #idle(): Promise<void> {
    await poll("the operators are quiet", () => {
      const there = this.#replicas.filter(({ is }) => is === "there");
      if (!there.every(({ proxy }) => proxy.idle)) return "one asks, or doesn't watch";
      const since = performance.now() - Math.max(...there.map(({ proxy }) => proxy.lastWrite));
      return since >= quietMs || `one wrote ${Math.round(since)} ms ago`;
    }, { withinMs: patienceMs, everyMs: 50 });
  }

  override async broken(): Promise<string[]> {
    const log = (await Deno.readFile(this.plane.lab.auditLog)).subarray(this.#auditedFrom);
    const lines = new TextDecoder().decode(log).split("\n");
    return writesByOthers(lines, this.#replicas.map(({ user }) => user));
  }

  override async end(): Promise<string[]> {
    const failures: string[] = [];
    for (const { process, proxy, upstream, is } of this.#replicas) {
      if (is === "away") Deno.kill(process.pid, "SIGCONT");
      const code = await process.stop();
      if (code !== 0 && is !== "dead") failures.push(`exit code ${code}`);
      this.log.push(...process.log);
      await proxy[Symbol.asyncDispose]();
      upstream[Symbol.dispose]();
    }
    return failures;
  }
}
