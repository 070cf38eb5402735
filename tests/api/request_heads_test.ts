/** Heads that the front accepts and builds again, read by a real API server. */
import assert from "node:assert/strict";
import { MessageSource } from "../../src/front/http/message_source.ts";
import { type ClientHead, parseClientHead } from "../../src/front/http/client_head.ts";
import { latin1Bytes } from "../../src/front/http/head_reader.ts";
import { type FinalResponse, parseResponseHead } from "../../src/front/http/response_head.ts";
import { upstreamHead } from "../../src/front/http/upstream_head.ts";
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";
import { sharedLab } from "../lab/shared.ts";
import { SeededRandom } from "../simulation/random.ts";
import { bodyBytes, randomHead, readHead } from "../support/random_heads.ts";

/** Number of connections. */
const connections = 100;
const most = 30;

Deno.test("request heads on a real API server", async (t) => {
  await using lab = await sharedLab();
  const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
  const url = new URL(config.server);
  const { stdout: token, stderr } = await lab.kubectl(["create", "token", "default", "-n", "default"]);
  assert.match(token, /^ey/, stderr);
  const authorization = `Bearer ${token.trim()}`;
  const user = "system:serviceaccount:default:default";

  /** Sends bytes on one connection and reads a response to each request, in order. */
  async function responses(text: string, requests: readonly Pick<ClientHead, "method" | "upgrade">[]) {
    using socket = await Deno.connectTls({
      hostname: url.hostname,
      port: Number(url.port),
      caCerts: [config.caCerts!],
      alpnProtocols: ["http/1.1"],
    });
    const reader = socket.readable.getReader();
    const source = new MessageSource(async () => (await reader.read()).value, "response");
    const writer = socket.writable.getWriter();
    const written = writer.write(latin1Bytes(text));
    const found: { response: FinalResponse; body: string }[] = [];
    for (const request of requests) {
      const head = await source.head();
      if (head === undefined) break;
      const response = parseResponseHead(head, request);
      assert.ok(response.kind === "final", head);
      const pieces = await Array.fromAsync(source.body(response.body));
      found.push({ response, body: await new Response(new Blob(pieces as BlobPart[])).text() });
    }
    await written;
    return found;
  }

  await t.step(`${connections} connections of random requests: who, what and where as the front means`, async () => {
    const random = new SeededRandom(4);
    let compared = 0;
    for (let connection = 0; connection < connections; connection++) {
      const heads: ClientHead[] = [];
      let text = "";
      while (heads.length < most) {
        const head = readHead(randomHead(random), random)?.head;
        // An answer of 403 names the path; only paths that no object has are named so.
        if (!head || head.path === "/") continue;
        heads.push(head);
        text += upstreamHead(head, { path: head.path, host: url.host, authorization }) + bodyBytes(head).wire;
        if (head.close || head.upgrade !== undefined) break;
      }
      const found = await responses(text, heads);
      assert.equal(found.length, heads.length, text);
      for (const [at, { response, body }] of found.entries()) {
        const { method, path } = heads[at]!;
        assert.equal(response.status, 403, `${body}\n${text}`);
        if (method === "HEAD") continue;
        const { message } = JSON.parse(body);
        assert.equal(message, `forbidden: User "${user}" cannot ${method.toLowerCase()} path "${path}"`);
        compared++;
      }
    }
    assert.ok(compared > connections, `${compared}`);
  });

  await t.step("discovery, lists and errors: the responses of the API server are accepted", async () => {
    const targets = ["/api", "/apis", "/api/v1", "/version", "/openapi/v3", "/openapi/v2", "/api/v1/pods", "/nothing"];
    const request = (method: string, target: string, ...more: string[]) =>
      [`${method} ${target} HTTP/1.1`, `Host: ${url.host}`, `Authorization: ${authorization}`, ...more, "", ""].join(
        "\r\n",
      );
    for (const method of ["GET", "HEAD"]) {
      const text = targets.map((target) => request(method, target, "Accept-Encoding: gzip")).join("");
      const found = await responses(text, targets.map(() => ({ method })));
      assert.equal(found.length, targets.length, method);
    }
  });

  await t.step("token among a WebSocket's protocols: the API server takes it, so the front refuses it", async () => {
    const protocols = `base64url.bearer.authorization.k8s.io.${
      btoa(token.trim()).replace(/=+$/, "")
    }, v4.channel.k8s.io`;
    const head = [
      ...["GET /nothing HTTP/1.1", `Host: ${url.host}`, "Connection: Upgrade", "Upgrade: websocket"],
      ...["Authorization: Bearer expired", "Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==", "Sec-WebSocket-Version: 13"],
      `Sec-WebSocket-Protocol: ${protocols}`,
    ].join("\r\n");
    const [answer] = await responses(`${head}\r\n\r\n`, [{ method: "GET" }]);
    assert.match(answer!.body, new RegExp(`User \\\\"${user}\\\\" cannot get path`));
    assert.throws(() => parseClientHead(head), /must not have a token/);
  });
});
