import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock/mod.ts";
import { type ListWatch, Reflector, runController, Store, WorkQueue } from "../../lib/controller/mod.ts";
import {
  createRestClient,
  isApiError,
  Kubeconfig,
  type KubernetesObject,
  type Resource,
  ResourceApi,
} from "../../lib/kubernetes/mod.ts";
import { poll } from "../lab/poll.ts";
import { sharedLab } from "../lab/shared.ts";

interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
}

const configMaps: Resource<ConfigMap> = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};
const namespaces: Resource = { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };

const COUNT = 500;
const LABEL = "lib-controller-test";

Deno.test("reflector, store, queue and controller on a real API server", async (t) => {
  await using lab = await sharedLab();
  const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
  using rest = createRestClient(config, { userAgent: "lib-controller-test/1" });
  const namespace = `lib-controller-${crypto.randomUUID().slice(0, 8)}`;
  await new ResourceApi(rest, namespaces).create({ metadata: { name: namespace } });
  const api = new ResourceApi(rest, configMaps, namespace);
  const newConfigMap = (name: string, value: string): ConfigMap => ({
    metadata: { name, namespace, labels: { [LABEL]: "true" } },
    data: { value },
  });
  const apply = (name: string, value: string) =>
    api.apply(newConfigMap(name, value), { fieldManager: "lib-controller-test" });

  /** Holds back watch events until disposed, so that only own writes change the store. */
  let passing = Promise.resolve();
  const holdWatch = (): Disposable => {
    const { promise, resolve } = Promise.withResolvers<void>();
    passing = promise;
    return { [Symbol.dispose]: resolve };
  };
  const calls = { lists: 0, pages: 0, expired: 0 };
  const counted: ListWatch<ConfigMap> = {
    async *pages(options) {
      calls.lists++;
      for await (const page of api.pages({ ...options, limit: 100 })) {
        calls.pages++;
        yield page;
      }
    },
    async *watch(options) {
      try {
        for await (const event of api.watch(options)) {
          await passing;
          yield event;
        }
      } catch (error) {
        if (isApiError(error, 410)) calls.expired++;
        throw error;
      }
    },
  };
  const store = new Store({
    project: ({ metadata, data }: ConfigMap) => ({
      name: metadata?.name ?? "",
      version: metadata?.resourceVersion,
      uid: metadata?.uid ?? "",
      value: data?.value,
    }),
    indexes: { value: ({ value }) => value === undefined ? [] : [value] },
  });
  const replayed = new Map<string, unknown>();
  let changes = 0;
  store.subscribe(({ key, old, new: now }) => {
    changes++;
    assert.equal(replayed.get(key), old);
    if (now === undefined) replayed.delete(key);
    else replayed.set(key, now);
  });
  const reports: string[] = [];
  const reflector = new Reflector({
    api: counted,
    store,
    selector: { labelSelector: `${LABEL}=true` },
    clock: systemClock,
    onError: (error) => reports.push(error instanceof Error ? error.name : String(error)),
    onRecover: () => reports.push("recovered"),
  });
  const versionOf = (name: string) => store.get(`${namespace}/${name}`)?.version;
  const expectTruth = async () => {
    const truth: string[] = [];
    for await (const page of api.pages({ labelSelector: `${LABEL}=true` })) {
      for (const { metadata } of page.items) truth.push(`${metadata?.name} ${metadata?.resourceVersion}`);
    }
    const stored = store.list().map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(stored.sort(), truth.sort());
    assert.equal(replayed.size, truth.length);
    for (const [key, value] of replayed) assert.equal(store.get(key), value);
  };
  let stop = new AbortController();
  let running = Promise.resolve();
  const start = () => {
    stop = new AbortController();
    running = reflector.run(stop.signal);
  };

  try {
    await Promise.all(Array.from({ length: COUNT }, (_, i) => apply(`config-${i}`, "new")));

    await t.step(`the reflector lists ${COUNT} objects in pages`, async () => {
      start();
      await reflector.synced(AbortSignal.timeout(10_000));
      assert.deepEqual([store.size, calls.lists], [COUNT, 1]);
      assert.ok(calls.pages >= COUNT / 100);
      assert.equal(store.index("value", "new").length, COUNT);
      await expectTruth();
    });

    await t.step("the store follows others' writes and deletions", async () => {
      const changed = await apply("config-0", "changed");
      await api.delete("config-1");
      const added = await apply("added", "new");
      await poll("the store has all three changes", () => {
        const seen = versionOf("config-0") === changed.metadata?.resourceVersion &&
          versionOf("added") === added.metadata?.resourceVersion && versionOf("config-1") === undefined;
        return seen || JSON.stringify([versionOf("config-0"), versionOf("added"), versionOf("config-1")]);
      }, { withinMs: 5000 });
      await expectTruth();
    });

    await t.step("own writes and deletions: in the store at once, and reported once", async () => {
      changes = 0;
      {
        using _held = holdWatch();
        const written = await apply("config-2", "own");
        store.observe(written);
        assert.equal(versionOf("config-2"), written.metadata?.resourceVersion);
        const { uid } = store.get(`${namespace}/config-3`)!;
        await api.delete("config-3", { uid });
        store.forget(`${namespace}/config-3`, uid);
        assert.equal(versionOf("config-3"), undefined);
      }
      const last = await apply("config-4", "others'");
      await poll(
        "the watch is past both",
        () => versionOf("config-4") === last.metadata?.resourceVersion || "not yet",
        {
          withinMs: 5000,
        },
      );
      // Both own writes and the other's: watch events of own writes caused no further change.
      assert.equal(changes, 3);
      await expectTruth();
    });

    await t.step("a controller: brings all objects to the desired state, with one write each", async () => {
      const queue = new WorkQueue<string>({ clock: systemClock });
      const end = store.subscribe(({ key }) => queue.add(key));
      const controllerStop = new AbortController();
      let writes = 0;
      let failures = 0;
      const controlling = runController({
        name: "test",
        queue,
        concurrency: 8,
        reconcile: async (key, signal) => {
          const stored = store.get(key);
          if (stored === undefined || stored.value === "done") return {};
          writes++;
          if (writes % 50 === 0) throw new Error("injected failure");
          store.observe(
            await api.apply(newConfigMap(stored.name, "done"), { fieldManager: "lib-controller-test", signal }),
          );
          return {};
        },
        onError: () => failures++,
        clock: systemClock,
        signal: controllerStop.signal,
      });
      const total = store.size;
      {
        using _held = holdWatch();
        for (const { name } of store.list()) queue.add(`${namespace}/${name}`);
        await poll("all objects are reconciled", () => {
          const done = store.index("value", "done").length;
          return (done === total && queue.depth + queue.waiting === 0) || `${done} of ${total}`;
        }, { withinMs: 20_000 });
      }
      const marker = await apply("marker", "done");
      await poll(
        "the watch is past all",
        () => versionOf("marker") === marker.metadata?.resourceVersion || "not yet",
        {
          withinMs: 5000,
        },
      );
      controllerStop.abort();
      await controlling;
      end();
      assert.ok(failures > 0);
      assert.equal(writes - failures, total);
      await expectTruth();
    });

    assert.deepEqual(reports, []);

    await t.step({
      name: "the server crashes: reported once, and the store recovers by itself",
      ignore: !lab.owned,
      fn: async () => {
        if (!lab.owned) return;
        await lab.apiserver.kill();
        await lab.apiserver.start();
        const written = await apply("config-5", "after the crash");
        await poll(
          "the store has the write",
          () => versionOf("config-5") === written.metadata?.resourceVersion || reports.join(", "),
          {
            withinMs: 30_000,
          },
        );
        await poll("the recovery is reported", () => reports.at(-1) === "recovered" || reports.join(", "), {
          withinMs: 5000,
        });
        assert.equal(reports.filter((report) => report === "recovered").length, 1);
        assert.ok(reports.length <= 4, reports.join(", "));
        assert.equal(reports[0], "ConnectionError");
        await expectTruth();
      },
    });

    await t.step({
      name: "an expired resource version: listed again, and only differences are reported",
      ignore: !lab.owned,
      fn: async () => {
        if (!lab.owned) return;
        stop.abort();
        await running;
        await apply("config-6", "changed while away");
        await api.delete("config-7");
        // A restarted server has no history from before its start, as after etcd's compaction.
        await lab.apiserver.kill();
        await lab.apiserver.start();
        const before = { ...calls };
        changes = 0;
        start();
        await poll(
          "the store has the change",
          () => store.get(`${namespace}/config-6`)?.value === "changed while away" || "not yet",
          {
            withinMs: 30_000,
          },
        );
        assert.deepEqual([calls.expired - before.expired, calls.lists - before.lists, changes], [1, 1, 2]);
        await expectTruth();
      },
    });
  } finally {
    stop.abort();
    await running;
    await new ResourceApi(rest, namespaces).delete(namespace);
  }
});
