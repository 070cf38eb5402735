import assert from "node:assert/strict";
import { createRestClient, type RestClient } from "../../lib/kubernetes/mod.ts";
import { apiCauseOf, isConnectionError } from "./api_cause.ts";
import { makeAuthority, makeServerCertificate } from "../../tests/lab/lab_certificates.ts";

const user = { current: () => Promise.resolve({}), renew: () => Promise.resolve(false), attended: false };

/** Returns the error of a probe at a server. */
async function failureAt(server: string, options: { caCerts?: string; timeoutMs?: number } = {}): Promise<unknown> {
  using rest = createRestClient(
    {
      server,
      namespace: "default",
      source: "kubeconfig /etc/kubeconfig",
      credentials: user,
      ...(options.caCerts ? { caCerts: options.caCerts } : {}),
    } as Parameters<typeof createRestClient>[0],
    { userAgent: "test", timeoutMs: options.timeoutMs ?? 5000 },
  );
  return await (rest as RestClient).performRequest({ method: "GET", path: "/livez", accept: "text/plain" }).then(
    () => assert.fail("it was answered"),
    (error) => error,
  );
}

const said = (error: unknown): string => `${apiCauseOf(error).kind}: ${apiCauseOf(error).text}`;
const portOf = (listener: Deno.Listener) => (listener.addr as Deno.NetAddr).port;

Deno.test("cause: nothing listens: connection refused", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = portOf(listener);
  listener.close();
  const error = await failureAt(`https://127.0.0.1:${port}`);
  assert.equal(said(error), "refused: connection refused");
  assert.ok(isConnectionError(error));
});

Deno.test("cause: a name that doesn't exist: DNS", async () => {
  assert.equal(
    said(await failureAt("https://no-such-host.invalid:6443")),
    "dns: its host name can't be resolved (DNS)",
  );
});

Deno.test("cause: it accepts connections and never answers: no answer in time", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const error = await failureAt(`http://127.0.0.1:${portOf(listener)}`, { timeoutMs: 50 });
  assert.equal(said(error), "timeout: no answer in time");
  assert.ok(isConnectionError(error));
});

Deno.test("cause: it closes each connection", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closing = (async () => {
    for await (const connection of listener) connection.close();
  })();
  assert.equal(said(await failureAt(`https://127.0.0.1:${portOf(listener)}`)), "unreachable: it closed the connection");
  listener.close();
  await closing.catch(() => {});
});

Deno.test("cause: a plain HTTP server at an https address: another program", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("hi"));
  assert.equal(
    said(await failureAt(`https://127.0.0.1:${server.addr.port}`)),
    "other: another program answers at its address",
  );
  await server.shutdown();
});

Deno.test("cause: 401 and 500: what the server says", async () => {
  let status = 401;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed", { status }),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  assert.match(said(await failureAt(url)), /^unauthorized: it doesn't accept this operator's credentials \(401/);
  status = 500;
  const error = await failureAt(url);
  assert.equal(said(error), "unhealthy: it isn't healthy (etcd)");
  assert.ok(!isConnectionError(error));
  await server.shutdown();
});

for (
  const [title, names, expected] of [
    ["expired", { validity: "past" }, "certificate: its certificate has expired"],
    ["not valid yet", { validity: "future" }, "certificate: its certificate is not valid yet"],
    ["for another host", { ip: "127.0.0.9" }, "certificate: its certificate doesn't name this host"],
    ["of another authority", { stranger: true }, "certificate: its certificate is of an unknown authority"],
  ] as [string, { validity?: "past" | "future"; ip?: string; stranger?: true }, string][]
) {
  Deno.test(`cause: certificate ${title}`, async () => {
    const [trusted, other] = [await makeAuthority(), await makeAuthority()];
    const { certificate, key } = await makeServerCertificate(names.stranger ? other : trusted, {
      dns: [],
      ip: [names.ip ?? "127.0.0.1"],
    }, names.validity);
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert: certificate, key, onListen: () => {} },
      () => new Response("ok"),
    );
    assert.equal(
      said(await failureAt(`https://127.0.0.1:${server.addr.port}`, { caCerts: trusted.certificate })),
      expected,
    );
    await server.shutdown();
  });
}
