/** A guest floods the API server with a dozen clients: others' grants begin and end on time all the same. */
import assert from "node:assert/strict";
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { FlowcontrolApiserverV1Api } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { eventually, secondsFromNow, step } from "../fixtures/test_operator.ts";
import { type HostileGuest, hostileScene } from "./hostile_scene.ts";

const clients = 12;
const script = new URL("flood.ts", import.meta.url).pathname;

/** Floods from a separate process; resolves to the number of answers by status. */
async function flood({ kubeconfig, namespace }: HostileGuest, seconds: number): Promise<Record<string, number>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "-A", script, kubeconfig, namespace, String(clients), String(seconds)],
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Returns the UID of the FlowSchema that serves a user's request, or an anonymous one. */
async function flowOf(kubeconfig: string, anonymous = false): Promise<string | null> {
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const { clientCertificate } = anonymous ? {} : await config.credentials.current();
  using client = Deno.createHttpClient({
    caCerts: config.caCerts ? [config.caCerts] : [],
    ...(clientCertificate ? { cert: clientCertificate.certificate, key: clientCertificate.key } : {}),
    http1: true,
    http2: false,
  });
  const answer = await fetch(`${config.server}/version`, { client });
  await answer.body?.cancel();
  return answer.headers.get("X-Kubernetes-PF-FlowSchema-UID");
}

Deno.test("a guest floods the API server: no grant ends late", async (t) => {
  await using scene = await hostileScene();
  const { cluster, mallory, bob } = scene;

  await step(t, "a guest's requests: served by the FlowSchema of guests, which the API server accepts", async () => {
    const schema = await eventually("the FlowSchema names both realms", async () => {
      const { items } = await new FlowcontrolApiserverV1Api(cluster.rest).flowSchemas.list({
        fieldSelector: "metadata.name=keystone-guests",
      });
      const text = JSON.stringify(items[0]?.spec);
      return [mallory, bob].every(({ realm }) => text?.includes(`"keystone:realm:${realm}"`)) ? items[0]! : `${text}`;
    });
    const dangling = schema.status?.conditions?.find(({ type }) => type === "Dangling");
    assert.notEqual(dangling?.status, "True", dangling?.message);
    const answer = await mallory.rest.performRequest({
      method: "GET",
      path: `/api/v1/namespaces/${mallory.namespace}/pods`,
    });
    assert.ok(answer);
    // Out of the lab's 600 seats: with more, guests would keep all processors of a small machine busy.
    if (scene.lab.owned) {
      const metrics = await cluster.rest.performRequest({ method: "GET", path: "/metrics", accept: "text/plain" });
      const level = 'apiserver_flowcontrol_nominal_limit_seats{priority_level="keystone-guests"} ';
      const seats = String(metrics).split("\n").find((line) => line.startsWith(level))?.slice(level.length);
      assert.equal(seats, "2");
    }
  });

  await step(t, "requests with the token of a guest's pod: served by the same FlowSchema", async () => {
    const account = `system:serviceaccount:${mallory.namespace}:default`;
    const path = await scene.lab.user(account, { groups: ["system:serviceaccounts"] });
    await eventually("they are in the guests' flow", async () => {
      const { items: [schema] } = await new FlowcontrolApiserverV1Api(cluster.rest).flowSchemas.list({
        fieldSelector: "metadata.name=keystone-guests",
      });
      const of = await flowOf(path);
      return of === schema?.metadata?.uid || `the flow is ${of}`;
    });
  });

  await step(t, "anonymous requests: served by the same FlowSchema", async () => {
    const schema = await new FlowcontrolApiserverV1Api(cluster.rest).flowSchemas.get("keystone-anonymous");
    assert.equal(schema.spec?.priorityLevelConfiguration.name, "keystone-guests");
    await eventually("they are in that flow", async () => {
      const of = await flowOf(mallory.kubeconfig, true);
      return of === schema.metadata?.uid || `the flow is ${of}`;
    });
  });

  await step(
    t,
    "grants during the flood: end within 1 s, and new ones are in force within 3 s",
    async () => {
      const flooded = flood(mallory, 15);
      await eventually("the flood has begun", async () => {
        const { items } = await new CoreV1Api(cluster.rest).namespace(mallory.namespace).configMaps.list();
        return items.filter(({ metadata }) => metadata.name.startsWith("flood-")).length === clients || "not yet";
      });
      const [late, slow]: [number[], number[]] = [[], []];
      for (let round = 0; round < 4; round++) {
        const name = `${bob.realm}-${round}`;
        const began = performance.now();
        await cluster.create({ name, to: bob.realm, hard: { cpu: "1" }, termination: { noticeSeconds: 0 } });
        await cluster.grantIn("Active", name);
        slow.push(performance.now() - began);
        const { text, at } = secondsFromNow(1.2);
        await cluster.grants.patch(name, { spec: { validity: { validUntil: text } } }, { type: "merge" });
        await cluster.grantIn("Expired", name);
        late.push(Date.now() - at);
      }
      const answers = await flooded;
      console.log(
        `    answers to the flood: ${JSON.stringify(answers)}; ends late by ${late.map(Math.round).join(", ")} ms`,
      );
      assert.ok(Object.values(answers).reduce((a, b) => a + b) > 4 * clients, "it was a flood");
      assert.ok(late.every((ms) => ms <= 1000), `late by ${late.join(", ")} ms`);
      assert.ok(slow.every((ms) => ms <= 3000), `in force after ${slow.join(", ")} ms`);
    },
  );
});
