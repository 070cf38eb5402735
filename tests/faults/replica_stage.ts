/**
 * The stage of a plan that stops, kills or disconnects operators: two of them, each a separate process behind a proxy.
 */
import { type OperatorProcess, startOperatorProcess } from "../fixtures/operator_process.ts";
import { poll } from "../lab/poll.ts";
import type { LabProcess } from "../lab/process.ts";
import type { ProcessFault } from "./fault.ts";
import { onTheWire, writesByOthers } from "./oracles/two_writers.ts";
import { type HeldWrite, Proxy } from "./proxy.ts";
import { FaultStage } from "./fault_stage.ts";
import { type Upstream, upstreamOf } from "./upstream.ts";

/** Timeout for a Lease to expire and be taken, and for a part of the control plane to come back. */
const patienceMs = 90_000;
/** Timeout for a resumed operator to find out that it no longer leads. */
const wakingMs = 30_000;
const quietMs = 500;

interface Replica {
  /** Its user in the API server, and so in the audit log. */
  user: string;
  upstream: Upstream;
  proxy: Proxy;
  process: OperatorProcess;
  is: "there" | "away" | "dead";
}

export class ReplicaStage extends FaultStage {
  readonly #replicas: Replica[] = [];
  /** Functions that end the faults. */
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #restarts: Promise<void>[] = [];
  /** True once another replica has led. */
  #isFollowed = false;
  /** Length of the audit log when the plan began. */
  #auditedFrom = 0;

  override get requests(): number {
    return this.#replicas.reduce((sum, { proxy }) => sum + proxy.requests, 0);
  }

  /** Starts both replicas; the first one leads. */
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
    /** Completes the writes that still wait for their response. */
    const finish = async () => {
      const givenUp = poll("the operator has given up the write", () => write.isGivenUp || "not yet", {
        withinMs: 3000,
      });
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

  /** Resolves when the operator is to come back; the caller then calls the resolved function. */
  async #away(replica: Replica): Promise<() => void> {
    replica.is = "away";
    const returning = Promise.withResolvers<void>();
    const returned = Promise.withResolvers<void>();
    this.#ends.push(async () => {
      returning.resolve();
      await returned.promise;
      replica.is = "there";
      // It finds out that it no longer leads, and waits until it may lead again.
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

  /** Waits until another replica leads, ends the faults, and waits until all effects are over. */
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
      if (!there.every(({ proxy }) => proxy.idle)) return "a request is pending, or a watch is closed";
      const since = performance.now() - Math.max(...there.map(({ proxy }) => proxy.lastWrite));
      return since >= quietMs || `the last write was ${Math.round(since)} ms ago`;
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
