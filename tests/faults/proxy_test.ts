/** Tests that the proxy in front of a real API server injects each fault at its point, and nothing else. */
import assert from "node:assert/strict";
import { isApiError, type ResourceApi, type WatchEvent } from "../../lib/kubernetes/mod.ts";
import { type ConfigMap, CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { clientOf, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { type FaultKind, FaultTrigger } from "./fault.ts";
import { Proxy } from "./proxy.ts";
import { upstreamOf } from "./upstream.ts";

const mark = "-mine";

Deno.test("the proxy", async (t) => {
  await using lab = await sharedLab();
  using upstream = await upstreamOf(lab.kubeconfig);
  using direct = await clientOf(lab.kubeconfig);
  const truth = new CoreV1Api(direct).namespace("default").configMaps;
  const map = (name: string): ConfigMap => ({ metadata: { name: name + mark }, data: { of: name } });
  let killed = 0;
  const through = async (
    kind: FaultKind,
    at: string,
    nth: number,
    use: (api: ResourceApi<ConfigMap>, trigger: FaultTrigger) => Promise<void>,
  ) => {
    const trigger = new FaultTrigger([{ kind, at, nth }]);
    await using proxy = await Proxy.listen({ upstream, trigger, mark, onKill: () => killed++ });
    using rest = await clientOf(proxy.kubeconfig, { timeoutMs: 1000, retriesWhenBusy: 0 });
    await use(new CoreV1Api(rest).namespace("default").configMaps, trigger);
    assert.deepEqual(trigger.fired, [{ kind, at, nth }]);
  };
  const isThere = (name: string) => truth.get(name + mark).then(() => true, () => false);

  const ofRequests: readonly [kind: FaultKind, committed: boolean, error: (error: unknown) => boolean][] = [
    ["closed", false, isError("ConnectionError")],
    ["answer-lost", true, isError("ConnectionError")],
    ["half-answer", true, isError("ConnectionError")],
    ["409", false, (error) => isApiError(error, 409)],
    ["429", false, (error) => isApiError(error, 429) && error.retryAfterSeconds === 1],
    ["500", false, (error) => isApiError(error, 500)],
    ["500-after", true, (error) => isApiError(error, 500)],
    ["503", false, (error) => isApiError(error, 503)],
    ["timeout", false, isError("TimeoutError")],
    ["timeout-after", true, isError("TimeoutError")],
    ["killed-before", false, isError("ConnectionError")],
    ["killed-after", true, isError("ConnectionError")],
  ];
  for (const [kind, committed, error] of ofRequests) {
    await step(t, `${kind}: the second write fails, and is ${committed ? "" : "not "}committed`, async () => {
      await through(kind, "create.configmaps:default", 2, async (api) => {
        assert.deepEqual((await api.create(map(`${kind}-1`))).data, { of: `${kind}-1` });
        await assert.rejects(api.create(map(`${kind}-2`)), error);
        if (!kind.startsWith("killed")) await api.create(map(`${kind}-3`));
        else await assert.rejects(api.create(map(`${kind}-3`)), isError("ConnectionError"));
      });
      assert.equal(await isThere(`${kind}-1`), true);
      assert.equal(await isThere(`${kind}-2`), committed);
      assert.equal(await isThere(`${kind}-3`), !kind.startsWith("killed"));
    });
  }
  await step(t, "each kill is reported once", () => Promise.resolve(assert.equal(killed, 2)));

  const ofWatches: readonly [kind: FaultKind, brought: string[], end: string][] = [
    ["eof", ["1"], "ConnectionError"],
    ["gone", ["1"], "410"],
    ["duplicate", ["1", "2", "2", "3"], "done"],
    ["bookmarks", ["1", "BOOKMARK", "BOOKMARK", "BOOKMARK"], "done"],
    ["half-open", ["1"], "ConnectionError"],
    ["hidden", ["1"], "410"],
    ["stale-list", ["1"], "410"],
  ];
  for (const [kind, brought, end] of ofWatches) {
    await step(t, `${kind}: a watch delivers ${brought.join(", ")}, and then ${end}`, async () => {
      await through(kind, "event.configmaps:default", 2, async (api) => {
        const { metadata: { resourceVersion } } = await truth.list();
        for (const number of ["1", "2", "3"]) await truth.create(map(`${kind}-${number}`));
        const seen: string[] = [];
        const stop = new AbortController();
        const nameOf = (event: WatchEvent<ConfigMap>) =>
          event.type === "BOOKMARK" ? event.type : event.object.metadata!.name!.slice(kind.length + 1, -mark.length);
        let came = "done";
        try {
          for await (const event of api.watch({ resourceVersion, signal: stop.signal })) {
            seen.push(nameOf(event));
            if (seen.at(-1) === "3") break;
          }
        } catch (error) {
          came = isApiError(error) ? String(error.code) : (error as Error).name;
        }
        assert.deepEqual([seen, came], [brought, end]);
        if (kind !== "stale-list") return;
        const names = async () => (await api.list()).items.map(({ metadata }) => metadata.name);
        assert.ok(!(await names()).includes(`${kind}-2${mark}`), "the next list shows the earlier state");
        assert.ok((await names()).includes(`${kind}-3${mark}`), "the list after that is up to date");
      });
    });
  }
});

const isError = (name: string) => (error: unknown): boolean => error instanceof Error && error.name === name;
