/** The tailnet server between raw clients and a stand-in for the API server. Real ones are in tests/tailnet. */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type MadeServer, makeTailnetServer, RawClient, tailnetNode } from "../../../tests/fixtures/tailnet_clients.ts";
import { makeAuthority, makeServerCertificate } from "../../../tests/lab/lab_certificates.ts";
import { poll } from "../../../tests/lab/poll.ts";

const becomes = (what: string, value: () => unknown, expected: unknown, withinMs = 5000) =>
  poll(what, () => {
    const seen = JSON.stringify(value());
    return seen === JSON.stringify(expected) || `it is ${seen}`;
  }, { withinMs, everyMs: 5 });

const pods = "/k8s/bob-home/api/v1/namespaces/guest-bob-home/pods";
const statusOf = (body: string) => JSON.parse(body) as { kind: string; code: number; message: string; reason: string };

/** Answers a watch with one event; more follow by `send`. */
function watching() {
  const open: { write(text: string): void }[] = [];
  return {
    open,
    handle: (_: IncomingMessage, response: import("node:http").ServerResponse) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"type":"ADDED"}\n');
      open.push({ write: (text) => void response.write(text) });
    },
  };
}

Deno.test("GET /k8s: names the caller's realms with their ends", async () => {
  await using made = await makeTailnetServer();
  made.realms.set("bob", ["robs-home", "bob-home"]);
  made.access.set("bob-home", { is: "open", account: "a", endsAt: Date.UTC(2030, 0, 1) });
  const client = await made.client();
  await client.get("/k8s");
  const { status, body } = await client.response();
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(body), {
    apiVersion: "keystone.io/v1alpha1",
    kind: "TailnetAccess",
    lender: "alice-home",
    node: "bob.tailnet-name.ts.net",
    login: "bob@example.com",
    realms: [
      {
        realm: "bob-home",
        namespace: "guest-bob-home",
        path: "/k8s/bob-home",
        ends: "2030-01-01T00:00:00.000Z",
      },
      {
        realm: "robs-home",
        namespace: "guest-robs-home",
        path: "/k8s/robs-home",
        access: false,
        message: "No robs-home.",
      },
    ],
  });
});

Deno.test("request of a realm: sent with its own token and none of the client's identities", async () => {
  await using made = await makeTailnetServer();
  const client = await made.client();
  await client.get(`${pods}?watch=0`, {
    Authorization: "Bearer stolen",
    "X-Remote-User": "admin",
    "X-Remote-Group": "system:masters",
    "X-Forwarded-For": "127.0.0.1",
    "Tailscale-User-Login": "alice@example.com",
    Cookie: "a=b",
    Accept: "application/json",
  });
  assert.equal((await client.response()).status, 200);
  const { request } = made.upstream[0]!;
  assert.equal(request.url, "/api/v1/namespaces/guest-bob-home/pods?watch=0");
  assert.deepEqual(request.headers, {
    host: "10.96.0.1:443",
    authorization: "Bearer token-of-bob-home-bob",
    connection: "keep-alive",
    accept: "application/json",
  });
});

for (
  const [that, headers] of [
    ["a header to impersonate", { "Impersonate-User": "system:admin" }],
    ["Connection names Authorization", { Connection: "authorization" }],
    ["an underscore for a hyphen", { "X_Remote_User": "admin" }],
    ["two lengths", { "Content-Length": "0\r\nContent-Length: 5" }],
    ["another host", { Host: "evil.example" }],
    ["a page of another site", { Origin: "http://evil.example" }],
    ["a request across sites", { "Sec-Fetch-Site": "cross-site" }],
  ] as [string, Record<string, string>][]
) {
  Deno.test(`request with ${that}: refused, and nothing reaches the API server`, async () => {
    await using made = await makeTailnetServer();
    const client = await made.client();
    await client.get(pods, headers);
    const { status, body } = await client.response();
    assert.ok(status >= 400 && status < 500, String(status));
    assert.equal(statusOf(body).kind, "Status");
    assert.equal(await client.rest(), "");
    assert.equal(made.upstreamConnections.total, 0);
  });
}

Deno.test("another realm, another namespace, closed access: refused with a Status that says why", async () => {
  await using made = await makeTailnetServer();
  const refusal = async (path: string) => {
    const client = await made.client();
    await client.get(path);
    const { status, body } = await client.response();
    assert.equal(status, 403);
    return statusOf(body).message;
  };
  assert.match(await refusal("/k8s/carol-home/api/v1/namespaces/guest-carol-home/pods"), /acts for bob-home, not for/);
  assert.match(
    await refusal("/k8s/bob-home/api/v1/namespaces/guest-carol-home/pods"),
    /guest-carol-home is not served/,
  );
  assert.match(await refusal("/k8s/bob-home/api/v1/secrets"), /is not served here/);
  made.access.set("bob-home", { is: "closed", reason: "GrantEnded", message: "No Grant to bob-home is in force." });
  assert.equal(await refusal(pods), "No Grant to bob-home is in force.");
  const client = await made.client();
  await client.get("/k8s/bob-home/api");
  const { status, head, body } = await client.response();
  assert.equal(status, 403);
  assert.match(head, /text\/plain/, "kubectl's discovery reads no Status");
  assert.equal(body, "No Grant to bob-home is in force.");
  assert.equal(made.upstreamConnections.total, 0);
  assert.deepEqual(made.refused, ["stranger", "path", "path", "closed", "closed"]);
});

Deno.test("a node that is nobody, and a connection of no node: 403 with the reason, then closed", async () => {
  await using made = await makeTailnetServer();
  for (
    const [from, pattern] of [
      [tailnetNode("mallory"), /mallory.tailnet-name.ts.net acts for nobody/],
      ["This connection is not from a node of the tailnet.", /not from a node/],
    ] as const
  ) {
    made.from = from;
    const client = await made.client();
    await client.get("/k8s");
    const { status, body } = await client.response();
    assert.equal(status, 403);
    assert.match(statusOf(body).message, pattern);
    assert.equal(await client.rest(), "");
  }
});

Deno.test("requests on one connection: one WhoIs and one connection to the API server, shared with nobody", async () => {
  await using made = await makeTailnetServer();
  const [bob, again] = [await made.client(), await made.client()];
  for (const client of [bob, again, bob, again, bob]) {
    await client.get(pods);
    assert.equal((await client.response()).status, 200);
  }
  assert.equal(made.asked.length, 2);
  assert.equal(new Set(made.upstream.map(({ port }) => port)).size, 2);
  assert.deepEqual(made.upstreamConnections, { total: 2, open: 2 });
  bob.close();
  await becomes("the connections to the API server", () => made.upstreamConnections.open, 1);
});

Deno.test("one connection acts for two realms: never over the same connection to the API server", async () => {
  await using made = await makeTailnetServer();
  made.realms.set("bob", ["bob-home", "carol-home"]);
  const client = await made.client();
  for (const realm of ["bob-home", "carol-home", "bob-home"]) {
    await client.get(`/k8s/${realm}/api/v1/namespaces/guest-${realm}/pods`);
    assert.equal((await client.response()).status, 200);
  }
  assert.equal(new Set(made.upstream.map(({ port }) => port)).size, 3);
  assert.deepEqual(made.upstream.map(({ request }) => request.headers.authorization), [
    "Bearer token-of-bob-home-bob",
    "Bearer token-of-carol-home-bob",
    "Bearer token-of-bob-home-bob",
  ]);
});

Deno.test("a watch: events arrive as they are sent; the client leaves: the API server's connection closes", async () => {
  const { handle, open } = watching();
  await using made = await makeTailnetServer({ handle });
  const client = await made.client();
  await client.get(`${pods}?watch=true`);
  assert.match(await client.until(/"ADDED"/) ?? "", /^HTTP\/1.1 200/);
  for (const event of ["MODIFIED", "DELETED"]) {
    open[0]!.write(`{"type":"${event}"}\n`);
    assert.ok(await client.until(new RegExp(event)));
  }
  client.close();
  await becomes("the connections to the API server", () => made.upstreamConnections.open, 0);
  await becomes("the access log", () => made.answered.map(({ status, path }) => [status, path]), [
    [200, "/api/v1/namespaces/guest-bob-home/pods"],
  ]);
});

async function openWatches(made: MadeServer, count: number, node: string) {
  made.from = tailnetNode(node);
  const path = `/k8s/${node}-home/api/v1/namespaces/guest-${node}-home/pods?watch=true`;
  return await Promise.all(Array.from({ length: count }, async () => {
    const client = await made.client();
    await client.get(path);
    assert.ok(await client.until(/"ADDED"/));
    return client;
  }));
}

for (
  const [that, end, reason] of [
    [
      "access is closed",
      (made: MadeServer) => made.access.set("bob-home", { is: "closed", reason: "GrantEnded", message: "" }),
      "GrantEnded",
    ],
    [
      "its people are others",
      (made: MadeServer) => made.access.set("bob-home", { is: "open", account: "realm-bob-home-2" }),
      "PeopleChanged",
    ],
    ["its node acts for it no longer", (made: MadeServer) => made.realms.delete("bob"), "PeopleChanged"],
  ] as const
) {
  Deno.test(`a realm's ${that}: 100 of its watches are cut, 100 of another realm live on`, async () => {
    const { handle, open } = watching();
    await using made = await makeTailnetServer({ handle });
    const bobs = await openWatches(made, 100, "bob");
    const carols = await openWatches(made, 100, "carol");
    assert.deepEqual(made.streams.counts(), [["bob-home", 100], ["carol-home", 100]]);
    end(made);
    const began = performance.now();
    made.changed("bob-home");
    for (const client of bobs) assert.ok(!(await client.rest()).includes("0\r\n\r\n"), "the end must not look regular");
    assert.ok(performance.now() - began < 1000);
    assert.deepEqual(made.streams.counts(), [["carol-home", 100]]);
    assert.deepEqual(made.cuts, Array(100).fill(reason));
    await becomes("the connections to the API server", () => made.upstreamConnections.open, 100);
    for (const each of open) each.write('{"type":"BOOKMARK"}\n');
    for (const client of carols) assert.ok(await client.until(/BOOKMARK/));
    assert.deepEqual(made.answered.map(({ realm, cut }) => [realm, cut]), Array(100).fill(["bob-home", reason]));
  });
}

Deno.test("a node is gone or replaced: its connections are cut, idle ones too; other nodes' live on", async () => {
  const { handle, open } = watching();
  await using made = await makeTailnetServer({ handle });
  const [bob] = await openWatches(made, 1, "bob");
  const [carol] = await openWatches(made, 1, "carol");
  made.from = tailnetNode("bob");
  const idle = await made.client();
  await idle.get("/k8s");
  await idle.response();
  made.identityChanged("bob", undefined);
  assert.ok(await bob!.rest() !== undefined);
  assert.equal(await idle.rest(), "");
  assert.deepEqual(made.cuts, ["IdentityChanged"]);
  open[1]!.write("BOOKMARK\n");
  assert.ok(await carol!.until(/BOOKMARK/));
});

const upgrading = (answer: string) => {
  const sockets: Duplex[] = [];
  return {
    sockets,
    upgrade: (_: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      sockets.push(socket);
      if (head.length > 0) socket.unshift(head);
      socket.write(answer);
      socket.on("data", (data: Uint8Array) => socket.write(`<${new TextDecoder().decode(data)}>`));
    },
  };
};
const exec = "/k8s/bob-home/api/v1/namespaces/guest-bob-home/pods/web/exec?command=sh";

for (const protocol of ["websocket", "SPDY/3.1"]) {
  Deno.test(`exec by ${protocol}: bytes pass both ways after 101 only`, async () => {
    const { upgrade } = upgrading(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\nready`,
    );
    await using made = await makeTailnetServer({ upgrade });
    const client = await made.client();
    await client.get(exec, { Connection: "Upgrade", Upgrade: protocol });
    assert.match(await client.until(/ready/) ?? "", new RegExp(`^HTTP/1.1 101 .*upgrade: ${protocol}\r\n`, "si"));
    await client.send("ls");
    assert.ok(await client.until(/<ls>/));
    client.close();
    await becomes("the connections to the API server", () => made.upstreamConnections.open, 0);
    assert.equal(made.answered[0]!.status, 101);
  });
}

Deno.test("exec is cut when access closes", async () => {
  const { upgrade } = upgrading(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  await using made = await makeTailnetServer({ upgrade });
  const client = await made.client();
  await client.get(exec, { Connection: "Upgrade", Upgrade: "websocket" });
  await client.until(/\r\n\r\n/);
  made.access.set("bob-home", { is: "closed", reason: "AccessClosed", message: "" });
  made.changed("bob-home");
  assert.equal(await client.rest(), "");
  await becomes("the connections to the API server", () => made.upstreamConnections.open, 0);
});

for (
  const [that, answer] of [
    ["answered with 400", "HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\noops"],
    ["answered with 200", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops"],
  ] as const
) {
  Deno.test(`upgrade ${that} (CVE-2018-1002105): answered, then closed; what follows never reaches the API server`, async () => {
    const seen: string[] = [];
    await using made = await makeTailnetServer({
      upgrade: (_, socket, head) => {
        seen.push(new TextDecoder().decode(head));
        socket.on("data", (data: Uint8Array) => seen.push(new TextDecoder().decode(data)));
        socket.write(answer);
      },
    });
    const client = await made.client();
    await client.get(exec, { Connection: "Upgrade", Upgrade: "websocket" });
    await client.send("GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nImpersonate-User: admin\r\n\r\n");
    const { body } = await client.response();
    assert.equal(body, "oops");
    assert.equal(await client.rest(), "");
    await becomes("the connections to the API server", () => made.upstreamConnections.open, 0);
    assert.equal(seen.join(""), "");
  });
}

Deno.test("101 without a request for it: 502, and no pipe", async () => {
  await using made = await makeTailnetServer({
    handle: (_, response) =>
      void response.socket!.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      ),
  });
  const client = await made.client();
  await client.get(pods);
  assert.equal((await client.response()).status, 502);
  assert.equal(await client.rest(), "");
});

Deno.test("bodies: by length and chunked, with 100-continue; a pause for the next request", async () => {
  const bodies: string[] = [];
  await using made = await makeTailnetServer({
    handle: (request, response) => {
      let text = "";
      request.on("data", (data) => text += data);
      request.on("end", () => {
        bodies.push(text);
        response.end(`got ${text.length}`);
      });
    },
  });
  const client = await made.client();
  const post = `POST ${pods} HTTP/1.1\r\nHost: alice-home\r\n`;
  await client.send(`${post}Content-Length: 5\r\n\r\nhello`);
  assert.equal((await client.response()).body, "got 5");
  await client.send(`${post}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n`);
  assert.ok(await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n/));
  await client.send("3\r\nabc\r\n");
  await client.send("2\r\nde\r\n0\r\n\r\n");
  assert.equal((await client.response()).body, "got 5");
  assert.deepEqual(bodies, ["hello", "abcde"]);
  assert.equal(made.upstreamConnections.total, 1);
});

Deno.test("a body that ends before its length: the API server doesn't take it for whole", async () => {
  let whole = 0;
  await using made = await makeTailnetServer({
    handle: (request) => {
      request.on("error", () => {});
      request.on("data", () => {});
      request.on("end", () => whole++);
    },
  });
  const client = await made.client();
  await client.send(`POST ${pods} HTTP/1.1\r\nHost: alice-home\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
  await becomes("the requests", () => made.upstream.length, 1);
  client.close();
  await becomes("the connections to the API server", () => made.upstreamConnections.open, 0);
  assert.equal(whole, 0);
});

Deno.test("the API server has closed a kept connection: a request without a body is sent again", async () => {
  await using made = await makeTailnetServer();
  const client = await made.client();
  await client.get(pods);
  await client.response();
  made.dropUpstream();
  await client.get(pods);
  assert.equal((await client.response()).status, 200);
  assert.equal(made.upstreamConnections.total, 2);
});

Deno.test("no token: 503 with the reason, and nothing is sent", async () => {
  await using made = await makeTailnetServer({
    token: () => Promise.reject(new Error("There is no account for bob-home.")),
  });
  const client = await made.client();
  await client.get(pods);
  const { status, body } = await client.response();
  assert.equal(status, 503);
  assert.equal(statusOf(body).message, "There is no account for bob-home.");
  assert.equal(made.upstreamConnections.total, 0);
});

Deno.test("limits: too many connections of one node, of nobody, of unknown nodes; late heads", async (t) => {
  const bounds = {
    connectionsPerNode: 3,
    connectionsPerStranger: 1,
    unknownConnections: 4,
    headMs: 300,
    idleMs: 100_000,
  };
  const { handle } = watching();
  await using made = await makeTailnetServer({ bounds, handle });
  await t.step("a node has all its connections: 429; another node is served", async () => {
    const clients = await openWatches(made, 3, "bob");
    const more = await made.client();
    await more.get(pods);
    assert.equal((await more.response()).status, 429);
    await openWatches(made, 1, "carol");
    clients.forEach((client) => client.close());
    await becomes("the connections", () => made.server.connections, 1);
    await openWatches(made, 3, "bob");
  });
  await t.step("heads that don't end: cut", async () => {
    made.from = tailnetNode("mallory");
    const slow = await made.client();
    await slow.send("GET / HTTP/1.1\r\nHost: ");
    const second = await made.client();
    await second.get("/k8s");
    assert.equal((await second.response()).status, 429);
    assert.equal(await slow.rest(), "");
    assert.ok(made.refused.includes("slow"));
  });
});

Deno.test("stop: idle connections end at once, requests finish, watches are cut after the grace", async () => {
  let finish = () => {};
  const { handle } = watching();
  await using made = await makeTailnetServer({
    handle: (request, response) => {
      if (request.url!.includes("watch")) return handle(request, response);
      if (request.url!.includes("slow")) return void (finish = () => response.end("done"));
      response.end("{}");
    },
  });
  const [watch] = await openWatches(made, 1, "bob");
  const idle = await made.client();
  await idle.get(pods);
  await idle.response();
  const slow = await made.client();
  await slow.get(`${pods}/slow`);
  await becomes("the requests", () => made.upstream.length, 3);
  const began = performance.now();
  const stopped = made.server.stop(500);
  assert.equal(await idle.rest(), "");
  finish();
  const { head, body } = await slow.response();
  assert.match(head, /connection: close/);
  assert.equal(body, "done");
  assert.ok(performance.now() - began < 450, "both ended before the grace");
  slow.close();
  await watch!.rest();
  await stopped;
  assert.ok(performance.now() - began < 1500);
  assert.deepEqual(made.cuts, ["Stopping"]);
});

Deno.test("paths outside /k8s: the page's, with its own headers only; its endless stream ends with the client or the rights", async () => {
  const seen: [string, string[]][] = [];
  let cancelled = 0;
  await using made = await makeTailnetServer({
    page: (request, caller) => {
      seen.push([request.url, [...request.headers.keys()]]);
      if (!request.url.endsWith("events")) return Promise.resolve(new Response(`for ${caller.realms}`));
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
        cancel: () => void cancelled++,
      });
      return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    },
  });
  const client = await made.client();
  await client.get("/?a=b", { Cookie: "secret", Authorization: "x", Accept: "text/html" });
  assert.equal((await client.response()).body, "for bob-home");
  assert.deepEqual(seen, [["http://alice-home:8443/?a=b", ["accept", "host"]]]);
  await client.get("/events");
  assert.ok(await client.until(/data: 1/));
  client.close();
  await becomes("the cancelled streams", () => cancelled, 1);
  const other = await made.client();
  await other.get("/events");
  assert.ok(await other.until(/data: 1/));
  made.realms.set("bob", []);
  made.changed();
  await other.rest();
  await becomes("the cancelled streams", () => cancelled, 2);
});

Deno.test("with a certificate: HTTPS, also after another certificate has replaced it; open connections continue", async () => {
  await using made = await makeTailnetServer();
  const authority = await makeAuthority();
  const pair = () => makeServerCertificate(authority, { dns: ["localhost"], ip: [] });
  using client = Deno.createHttpClient({ caCerts: [authority.certificate] });
  const get = async (port: number) => {
    const response = await fetch(`https://localhost:${port}/k8s`, { client });
    assert.equal(response.status, 200);
    return (await response.json()).lender;
  };
  const first = made.server.listen({ hostname: "127.0.0.1", port: 0 }, await pair());
  assert.equal(await get(first.port), "alice-home");
  await first.stop();
  made.server.listen({ hostname: "127.0.0.1", port: first.port }, await pair());
  assert.equal(await get(first.port), "alice-home");
  using fresh = Deno.createHttpClient({ caCerts: [authority.certificate] });
  assert.equal(
    (await (await fetch(`https://localhost:${first.port}/k8s`, { client: fresh })).json()).lender,
    "alice-home",
  );
  const plain = await RawClient.connect(first.port);
  await plain.get("/k8s");
  assert.doesNotMatch(await plain.rest(), /HTTP/, "plain HTTP is not answered there");
  plain.close();
});

Deno.test("HTTPS: a small response is written as a whole; a second write would wait for the client", async () => {
  await using made = await makeTailnetServer({
    handle: (request) => void request.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
  });
  const authority = await makeAuthority();
  const keys = await makeServerCertificate(authority, { dns: ["localhost"], ip: [] });
  const { port } = made.server.listen({ hostname: "127.0.0.1", port: 0 }, keys);
  using client = await Deno.connectTls({ hostname: "localhost", port, caCerts: [authority.certificate] });
  const piece = new Uint8Array(1000);
  // The client's system answers the first packets of a connection at once, so that they don't show it.
  for (let request = 0; request < 20; request++) {
    await client.write(new TextEncoder().encode(`GET ${pods} HTTP/1.1\r\nHost: alice-home:8443\r\n\r\n`));
    const count = await client.read(piece);
    assert.match(new TextDecoder().decode(piece.subarray(0, count!)), /^HTTP\/1\.1 200 [^]*\r\n\r\n\{\}$/);
  }
});

Deno.test("TLS on the plain port: refused at its first byte", async () => {
  await using made = await makeTailnetServer();
  const client = await made.client();
  await client.send(new Uint8Array([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  assert.match(await client.rest(), /^HTTP\/1.1 400 /);
});
