/**
 * Two nodes with an operator and a front each, behind one Service: certificates and CAs rotate while either node is down,
 * and each review of the API server is answered.
 */
import assert from "node:assert/strict";
import { Balancer } from "../fixtures/balancer.ts";
import { installed } from "../fixtures/in_force.ts";
import { eventually, prepared, step } from "../fixtures/test_operator.ts";
import { type OperatorProcess, startFrontProcess, startOperatorProcess } from "../fixtures/operator_process.ts";
import { freePorts } from "../lab/ports.ts";
import { sharedLab } from "../lab/shared.ts";
import { isJudged } from "./reviewed.ts";
import { hostileOperator } from "./hostile_scene.ts";

/** Processes of one node. */
interface Replica {
  port: number;
  settings: { KEYSTONE_HANDOVER: string; KEYSTONE_WEBHOOK: string; KEYSTONE_REALM: string };
  operator?: OperatorProcess;
  front?: OperatorProcess;
}

Deno.test("certificates rotate while either node is down", {
  // The API server has to reach the fronts on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  await using leaving = new AsyncDisposableStack();
  leaving.defer(async () => {
    await lab.kubectl(["delete", "validatingwebhookconfiguration", "keystone", "--ignore-not-found"]);
  });
  const KUBECONFIG = await lab.user(hostileOperator);
  const [service, ...ports] = freePorts(3);
  const balancer = leaving.use(new Balancer(service!));
  const replicas: Replica[] = await Promise.all(ports.map(async (port) => {
    const KEYSTONE_HANDOVER = await Deno.makeTempDir();
    leaving.defer(() => Deno.remove(KEYSTONE_HANDOVER, { recursive: true }));
    return { port, settings: { KEYSTONE_HANDOVER, KEYSTONE_WEBHOOK: "", KEYSTONE_REALM: "alice-home" } };
  }));
  const [one, other] = replicas as [Replica, Replica];
  const startOperator = async (replica: Replica) => {
    const KEYSTONE_WEBHOOK = `https://127.0.0.1:${service}`;
    replica.operator = leaving.use(await startOperatorProcess({ KUBECONFIG, ...replica.settings, KEYSTONE_WEBHOOK }));
  };
  const startFront = async (replica: Replica) => {
    const KEYSTONE_WEBHOOK = `https://127.0.0.1:${replica.port}`;
    replica.front = leaving.use(await startFrontProcess({ ...replica.settings, KEYSTONE_WEBHOOK }));
    await replica.front.says(/The admission webhook listens/);
  };
  /** Ready fronts only, as in kube-proxy. */
  const route = (...ready: Replica[]) => balancer.ready = ready.map(({ port }) => port);
  const leads = (replica: Replica) => replica.operator!.says(/Enforcing grants/, 60_000);

  await startOperator(one);
  await leads(one);
  await startOperator(other);
  await other.operator!.says(/holds the Lease/);
  await Promise.all(replicas.map(startFront));
  route(one, other);
  const realm = `fronts-${crypto.randomUUID().slice(0, 6)}`;
  const namespace = `guest-${realm}`;
  await cluster.createRealm(realm);
  await cluster.create({ name: realm, to: realm, hard: { cpu: "2", memory: "2Gi" } });
  await cluster.grantIn("Active", realm);
  await eventually("the API server asks a front", async () => await isJudged(cluster.rest, namespace) || "not yet");

  const secret = async (): Promise<Record<string, string>> => {
    const path = "/api/v1/namespaces/keystone-system/secrets/keystone-webhook";
    const { data } = await cluster.rest.performRequest({ method: "GET", path }) as unknown as {
      data: Record<string, string>;
    };
    return data;
  };
  const renewed = (what: "ca.crt" | "tls.crt", before: string) =>
    eventually(`another ${what}`, async () => {
      const now = await secret().catch(() => undefined);
      return now?.[what] !== undefined && now[what] !== "" && now[what] !== before || "not yet";
    }, 30_000);
  const rollCertificate = async () => {
    const before = (await secret())["tls.crt"]!;
    await lab.kubectl([
      "patch",
      "secret",
      "keystone-webhook",
      "-n",
      "keystone-system",
      "--type=merge",
      "-p",
      '{"data":{"tls.crt":""}}',
    ]);
    await renewed("tls.crt", before);
  };
  const rollAuthority = async () => {
    const before = (await secret())["ca.crt"]!;
    await lab.kubectl(["delete", "secret", "keystone-webhook", "-n", "keystone-system"]);
    await renewed("ca.crt", before);
  };
  /** Sends requests during `work` and a while after it; the front has to judge each of them. */
  const underRequests = async (work: () => Promise<void>) => {
    let asked = 0, isOver = false;
    const passed: number[] = [];
    const asking = Promise.all([1, 2].map(async () => {
      while (!isOver) {
        if (!await isJudged(cluster.rest, namespace)) passed.push(asked);
        asked++;
      }
    }));
    try {
      await work();
      const then = asked;
      await eventually("more requests are judged", () => Promise.resolve(asked > then + 20 || "not yet"), 30_000);
    } finally {
      isOver = true;
      await asking;
    }
    assert.deepEqual(passed, [], `of ${asked} requests ${passed.length} were not judged`);
  };
  const rolled = async () => {
    await rollCertificate();
    await rollAuthority();
    await rollCertificate();
  };

  await step(t, "both nodes are up", () => underRequests(rolled));
  await step(t, "the leader's operator is down, its front is up", () =>
    underRequests(async () => {
      await one.operator!.stop();
      await leads(other);
      await rolled();
    }));
  await step(t, "the leader's node goes down and returns", () =>
    underRequests(async () => {
      route(other);
      await one.front!.stop();
      await rolled();
      await startOperator(one);
      await startFront(one);
      route(one, other);
      await rolled();
    }));
  await step(t, "the new leader's node goes down", () =>
    underRequests(async () => {
      route(one);
      await Promise.all([other.front!.stop(), other.operator!.stop()]);
      await leads(one);
      await rolled();
    }));
  assert.ok([...balancer.sent.values()].every((count) => count > 0), "both fronts were called");
});
