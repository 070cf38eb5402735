import assert from "node:assert/strict";
import { FakeClock } from "../../../lib/clock/mod.ts";
import { grant, realm } from "../../../tests/fixtures/made_facts.ts";
import { pageCallers, pageScene } from "../../../tests/fixtures/page_scene.ts";
import type { PageCaller, PageWorld } from "../../core/page/page_view.ts";
import { createPage } from "./lending_page.ts";

function setUp(world: () => PageWorld = pageScene) {
  const listeners = new Set<() => void>();
  const clock = new FakeClock(0);
  const page = createPage({
    world,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    clock,
  });
  const get = (
    path: string,
    caller: PageCaller = pageCallers.lender,
    headers: Record<string, string> = {},
    method = "GET",
  ) =>
    page(
      new Request(`http://alice-home.tailnet-name.ts.net:8443${path}`, {
        method,
        headers: { host: "alice-home.tailnet-name.ts.net:8443", ...headers },
      }),
      caller,
    );
  return { get, listeners, clock };
}

Deno.test("page: every answer has the headers that keep other sites out, and 30 KB are enough for all of it", async () => {
  const { get } = setUp();
  const html = await (await get("/")).text();
  const paths = [...html.matchAll(/(?:href|src)="(\/[^"]*\.(?:css|js|svg))"/g)].map(([, path]) => path!);
  assert.equal(paths.length, 3);
  let bytes = html.length;
  for (const path of ["/", "/nothing", "/realm/bob-home", "/events", ...paths]) {
    const response = await get(path);
    assert.match(response.headers.get("content-security-policy")!, /default-src 'none'.*frame-ancestors 'none'/, path);
    assert.equal(response.headers.get("x-frame-options"), "DENY", path);
    assert.equal(response.headers.get("access-control-allow-origin"), null, path);
    if (paths.includes(path)) bytes += (await response.text()).length;
    else await response.body?.cancel();
  }
  assert.ok(bytes <= 30_000, `${bytes} bytes`);
  assert.doesNotMatch(html, /<style|style="|onclick|javascript:/i);
});

Deno.test("page: methods that could change something are refused", async () => {
  const { get } = setUp();
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    assert.equal((await get("/", pageCallers.lender, {}, method)).status, 405, method);
  }
});

Deno.test("page: a stranger: 403 with the reason, no script and no stream", async () => {
  const { get } = setUp();
  const response = await get("/", pageCallers.stranger);
  const html = await response.text();
  assert.equal(response.status, 403);
  assert.match(html, /This node acts for no realm here/);
  assert.doesNotMatch(html, /<script|bob-home|build-power/);
  assert.equal((await get("/events", pageCallers.stranger)).status, 403);
  assert.equal((await get("/realm/bob-home", pageCallers.stranger)).status, 403);
});

Deno.test("page: every text of the API is escaped, wherever it is", async () => {
  const bad = `"'><img src=x onerror=alert(1)><script>alert(1)</script>&lt;\u2028\n\ndata: x`;
  const world = (): PageWorld => ({
    ...pageScene(),
    lender: bad,
    realms: [realm({
      name: bad,
      trustedNode: bad,
      spec: { identity: bad },
      status: {
        connectionState: bad as never,
        lastSeen: bad,
        node: { stableID: bad, addresses: [bad] },
        conditions: [{ type: "Ready", status: "True", reason: bad, message: bad, lastTransitionTime: bad }],
      },
    })],
    grants: [grant({
      name: bad,
      spec: {
        grantorRealm: bad,
        granteeRealm: bad,
        hard: { [bad]: "1" },
        validity: { validFrom: bad, validUntil: bad },
        networkPolicy: { egressAllowed: true, allowedDestinations: [bad], except: [bad] },
        revocation: { reason: bad },
      },
      status: {
        phase: "Active",
        state: bad as never,
        message: bad,
        hard: { [bad]: "1" },
        effectiveUntil: bad,
        reductions: [{ until: bad, hard: { [bad]: "2" } }],
        resolvedDestinations: [{ destination: bad, error: bad }],
        conditions: ["Draining", bad].map((type) => ({
          type,
          status: "True" as const,
          reason: bad,
          message: bad,
          lastTransitionTime: bad,
        })),
      },
    })],
    superEntities: [],
  });
  const { get } = setUp(world);
  const people: PageCaller[] = [
    { ...pageCallers.lender, node: bad, login: bad },
    { ...pageCallers.guest, realms: [bad], node: bad, login: bad },
    { ...pageCallers.stranger, node: bad, login: bad, refusal: bad },
  ];
  for (const caller of people) {
    const html = await (await get("/", caller)).text();
    assert.doesNotMatch(html, /<img|<script>|["']>&lt;img/, html);
    assert.equal(html.split("<script").length, caller === people[2] ? 1 : 2);
  }
  const reader = (await get("/events", people[0]!)).body!.getReader();
  const decoder = new TextDecoder();
  let event = "";
  while (!event.includes("</main>")) event += decoder.decode((await reader.read()).value);
  await reader.cancel();
  assert.ok(event.trimEnd().split("\n").every((line) => /^(data: |retry: |$)/.test(line)), event);
  assert.doesNotMatch(event, /<img|<script/);
});

Deno.test("page: a change is sent to those who look; afterwards nothing is followed any more", async () => {
  let world = pageScene();
  const { get, listeners, clock } = setUp(() => world);
  assert.equal(listeners.size, 0);
  const response = await get("/events");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  const until = async (text: string) => {
    while (!seen.includes(text)) seen += (await reader.read()).value;
  };
  await until("build-power");
  world = { ...world, grants: [grant({ name: "brand-new" })] };
  for (const listener of listeners) listener();
  await clock.advance(500);
  await until("brand-new");
  await reader.cancel();
  assert.equal(listeners.size, 0);
  assert.equal(clock.pending, 0);
});
