import assert from "node:assert/strict";
import { configFrom, type Handover, handoverFile, HandoverReader, HandoverWriter, readHandover } from "./handover.ts";

const api = {
  source: "test",
  server: "https://192.0.2.1:6443",
  caCerts: "PEM",
  namespace: "default",
  credentials: {
    current: () => Promise.resolve({ authorization: "Bearer of-the-operator" }),
    renew: () => Promise.resolve(false),
  },
};

async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("handover: contains the API server and the changes, never the operator's credentials", () =>
  withFolder(async (folder) => {
    const writer = new HandoverWriter(folder, api);
    assert.equal(await readHandover(folder), undefined);
    await writer.put({});
    await writer.put({ token: "t1" });
    await writer.put({ serving: { certificate: "c", key: "k" } });
    await writer.put({ loopbackClosed: "why" });
    await writer.put({ loopbackClosed: undefined, token: "t2" });
    assert.deepEqual(await readHandover(folder), {
      api: { server: api.server, caCerts: "PEM" },
      token: "t2",
      serving: { certificate: "c", key: "k" },
    });
    assert.doesNotMatch(await Deno.readTextFile(handoverFile(folder)), /of-the-operator/);
  }));

Deno.test("handover: operator restarts: the earlier handover stays until it is replaced", () =>
  withFolder(async (folder) => {
    const serving = { certificate: "c", key: "k" };
    await new HandoverWriter(folder, api).put({ token: "t1", serving });
    const writer = new HandoverWriter(folder, { ...api, server: "https://192.0.2.2:6443" });
    await writer.put({ token: "t2" });
    assert.deepEqual(await readHandover(folder), {
      api: { server: "https://192.0.2.2:6443", caCerts: "PEM" },
      token: "t2",
      serving,
    });
    await writer.put({ serving: { certificate: "d", key: "l" } });
    assert.deepEqual((await readHandover(folder))?.serving, { certificate: "d", key: "l" });
  }));

Deno.test("handover file: replaced atomically, readable only by its owner and group", () =>
  withFolder(async (folder) => {
    const writer = new HandoverWriter(folder, api);
    await Promise.all(Array.from({ length: 20 }, (_, index) => writer.put({ token: `t${index}` })));
    assert.equal((await readHandover(folder))?.token, "t19");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["handover.json"]);
    assert.equal((await Deno.stat(handoverFile(folder))).mode! & 0o777, 0o640);
  }));

Deno.test("handover folder is missing: a write succeeds once it exists again", () =>
  withFolder(async (folder) => {
    const writer = new HandoverWriter(`${folder}/later`, api);
    await assert.rejects(writer.put({ token: "t" }));
    await Deno.mkdir(`${folder}/later`);
    await writer.put({});
    assert.equal((await readHandover(`${folder}/later`))?.token, "t");
  }));

Deno.test("handover reader: reports each change, keeps the last one if the file can't be read", () =>
  withFolder(async (folder) => {
    const writer = new HandoverWriter(folder, api);
    await writer.put({ token: "t1" });
    const reader = new HandoverReader(folder);
    const stop = new AbortController();
    const errors: unknown[] = [];
    const heard: (string | undefined)[] = [];
    let told = Promise.withResolvers<void>();
    reader.subscribe(({ token }) => {
      heard.push(token);
      told.resolve();
    });
    const running = reader.run(stop.signal, (error) => errors.push(error));
    await told.promise;
    told = Promise.withResolvers();
    await writer.put({ token: "t2" });
    await told.promise;
    assert.deepEqual(heard, ["t1", "t2"]);
    await Deno.writeTextFile(handoverFile(folder), "{");
    told = Promise.withResolvers();
    await writer.put({ token: "t3" });
    await told.promise;
    assert.equal(reader.now?.token, "t3");
    stop.abort();
    await running;
  }));

Deno.test("handover file can't be read: the error quotes nothing of it", () =>
  withFolder(async (folder) => {
    for (const text of ['{"api":{"server":"x"},"token": hidden}', '{"api":{"server":"hidden"}}']) {
      await Deno.writeTextFile(handoverFile(folder), text);
      const error = await readHandover(folder).then(() => assert.fail("read"), (error: unknown) => error);
      assert.match(String(error), /handover\.json can't be read: [^]*(JSON|server)/);
      assert.doesNotMatch(Deno.inspect(error), /hidden/);
    }
  }));

Deno.test("front's credentials: the current token, retried only with a new one", async () => {
  let now: Handover = { api: { server: api.server }, token: "t1" };
  const { credentials } = configFrom(now, () => now);
  const first = await credentials.current();
  assert.deepEqual(first, { authorization: "Bearer t1" });
  assert.equal(await credentials.renew(first), false);
  now = { ...now, token: "t2" };
  assert.equal(await credentials.renew(first), true);
  now = { api: now.api };
  await assert.rejects(credentials.current(), /has not handed over a token yet/);
});
