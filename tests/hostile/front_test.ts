/**
 * Strangers flood the admission webhook with requests of every kind while a grant ends: the leader is unaffected, the front
 * stays within its memory limit, and the API server's reviews are answered.
 */
import assert from "node:assert/strict";
import { installed } from "../fixtures/in_force.ts";
import { eventually, prepared, secondsFromNow, step } from "../fixtures/test_operator.ts";
import { type OperatorProcess, startFrontProcess, startOperatorProcess } from "../fixtures/operator_process.ts";
import { freePorts } from "../lab/ports.ts";
import { sharedLab } from "../lab/shared.ts";
import { isJudged } from "./reviewed.ts";
import { hostileOperator } from "./hostile_scene.ts";
import { startStranger } from "./attacker_process.ts";

const attackMs = 12_000;
/** Memory limits of the containers in the chart, less the memory of an idle Deno. */
const mostFrontBytes = 384 * 2 ** 20;
const mostOperatorBytes = 256 * 2 ** 20;

Deno.test("strangers flood the webhook while a grant ends", {
  // The API server has to reach the front on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  await using leaving = new AsyncDisposableStack();
  leaving.defer(async () => {
    await lab.kubectl(["delete", "validatingwebhookconfiguration", "keystone", "--ignore-not-found"]);
  });
  const KEYSTONE_HANDOVER = await Deno.makeTempDir();
  leaving.defer(() => Deno.remove(KEYSTONE_HANDOVER, { recursive: true }));
  const [port] = freePorts(1);
  const settings = {
    KEYSTONE_HANDOVER,
    KEYSTONE_WEBHOOK: `https://127.0.0.1:${port}`,
    KEYSTONE_REALM: "alice-home",
  };
  const operator = leaving.use(
    await startOperatorProcess({ KUBECONFIG: await lab.user(hostileOperator), ...settings }),
  );
  const front = leaving.use(await startFrontProcess(settings));
  await operator.says(/Enforcing grants/, 30_000);
  await front.says(/The admission webhook listens/, 30_000);

  const realm = `loaded-${crypto.randomUUID().slice(0, 6)}`;
  const namespace = `guest-${realm}`;
  await cluster.createRealm(realm);
  await cluster.create({ name: `${realm}-stays`, to: realm, hard: { cpu: "2", memory: "2Gi" } });
  await cluster.grantIn("Active", `${realm}-stays`);
  const isRefused = () => isJudged(cluster.rest, namespace);
  await eventually("the API server asks the front", async () => await isRefused() || "not yet");

  await step(t, "12 s of flood: the grant ends on time, and each review of the API server is answered", async () => {
    const attack = startStranger(attacker, [String(port)]);
    const { text, at } = secondsFromNow(attackMs / 2000);
    await cluster.create({
      name: `${realm}-ends`,
      to: realm,
      hard: { pods: "1" },
      until: text,
      termination: {
        noticeSeconds: 0,
      },
    });
    let judged = 0, unjudged = 0, slowestMs = 0;
    const ended = (async () => {
      await cluster.grantIn("Expired", `${realm}-ends`, attackMs);
      return Date.now() - at;
    })();
    ended.catch(() => {});
    const until = performance.now() + attackMs;
    while (performance.now() < until) {
      const began = performance.now();
      if (await isRefused()) judged++;
      else unjudged++;
      slowestMs = Math.max(slowestMs, performance.now() - began);
    }
    const lateMs = await ended;
    const sent = Number(await attack.end());
    const memory = { front: await peakOf(front), operator: await peakOf(operator) };
    console.log(
      `${sent} hostile connections; ${judged} reviews judged, ${unjudged} not, the slowest ${
        Math.round(slowestMs)
      } ms; ` +
        `the end ${lateMs} ms late; at most ${Math.round(memory.front / 2 ** 20)} MiB in the front, ` +
        `${Math.round(memory.operator / 2 ** 20)} MiB in the operator`,
    );
    assert.ok(sent >= 400, `${sent} connections`);
    assert.ok(judged > 20, `${judged}`);
    assert.equal(unjudged, 0, `${unjudged} of ${judged + unjudged} reviews were not judged`);
    assert.ok(lateMs <= 1000, `the grant ended ${lateMs} ms late`);
    assert.ok(memory.front < mostFrontBytes, `the front took ${memory.front} bytes`);
    assert.ok(memory.operator < mostOperatorBytes, `the operator took ${memory.operator} bytes`);
  });

  await step(t, "after the flood: operator and front have logged no error and stop cleanly", async () => {
    assert.equal(await isRefused(), true);
    assert.deepEqual(operator.log.filter((line) => /lost|error|WRN/i.test(line)), []);
    assert.deepEqual(front.log.filter((line) => /ended|error|WRN/i.test(line)), []);
    assert.equal(await front.stop(), 0);
    assert.equal(await operator.stop(), 0);
  });
});

/** Returns the peak resident memory of the process. */
async function peakOf({ pid }: OperatorProcess): Promise<number> {
  const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(await Deno.readTextFile(`/proc/${pid}/status`))!;
  return Number(kibibytes) * 1024;
}

const attacker = new URL("front_attack.ts", import.meta.url);
