/** The generated clients against a real API server: they match the API that it serves. */
import assert from "node:assert/strict";
import { createRestClient, isApiError, Kubeconfig, type WatchEvent } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { NetworkingV1Api } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { kubernetesGroups } from "../../lib/kubernetes_apis/generate/groups.ts";
import { sharedLab } from "../lab/shared.ts";

const FIELD_MANAGER = "kubernetes-apis-test";
const FINAL_MS = 20_000;

Deno.test("lib/kubernetes_apis on a real API server", async (t) => {
  await using lab = await sharedLab();
  const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
  using rest = createRestClient(config, { userAgent: "kubernetes-apis-test/1" });
  const core = new CoreV1Api(rest);
  const name = `kubernetes-apis-${crypto.randomUUID().slice(0, 8)}`;
  await core.namespaces.create({ metadata: { name } });
  const api = core.namespace(name).resourceQuotas;

  await t.step(
    "a quota is created, read, listed, applied, patched, replaced and deleted, and a watch sees it",
    async () => {
      const { metadata: { resourceVersion } } = await api.list();
      const created = await api.create({
        metadata: { name: "q" },
        spec: { hard: { pods: 3, cpu: "500m" } },
      });
      // The server returns every quantity as a string, numbers included.
      assert.deepEqual(created.spec?.hard, { pods: "3", cpu: "500m" });
      assert.deepEqual([created.apiVersion, created.kind], ["v1", "ResourceQuota"]);
      assert.equal((await api.get("q")).metadata?.uid, created.metadata?.uid);
      const inAll = await core.resourceQuotas.list({ fieldSelector: `metadata.namespace=${name}` });
      assert.deepEqual(inAll.items.map(({ kind, metadata }) => [kind, metadata?.name]), [["ResourceQuota", "q"]]);

      const applied = await api.apply({ metadata: { name: "q" }, spec: { hard: { secrets: "2" } } }, {
        fieldManager: FIELD_MANAGER,
      });
      assert.deepEqual(applied.spec?.hard, { pods: "3", cpu: "500m", secrets: "2" });
      await api.patch("q", { spec: { hard: { pods: "4" } } }, { type: "merge" });
      await api.patch("q", { status: { hard: { pods: "4" } } }, { type: "merge", subresource: "status" });
      // The quota controller may write the status meanwhile.
      const labelled = await api.patch("q", { metadata: { labels: { a: "b" } } }, { type: "strategic" });
      assert.equal(labelled.spec?.hard?.pods, "4");
      await api.delete("q", { uid: created.metadata?.uid });
      await assert.rejects(api.get("q"), (error) => isApiError(error, 404));

      const seen: WatchEvent<ResourceQuota>[] = [];
      const signal = AbortSignal.timeout(FINAL_MS);
      for await (const event of api.watch({ resourceVersion, signal })) {
        seen.push(event);
        if (event.type === "DELETED") break;
      }
      assert.equal(seen[0]?.type, "ADDED");
      assert.ok(seen.every((event) => event.type === "BOOKMARK" || event.object.metadata?.name === "q"));
    },
  );

  await t.step("all fields that the server sends are kept, even those that the types don't know", async () => {
    const sent = {
      metadata: { name: "all", labels: { a: "b" } },
      spec: { podSelector: {}, policyTypes: ["Egress" as const] },
    };
    const policies = new NetworkingV1Api(rest).namespace(name).networkPolicies;
    await policies.create(sent);
    const raw = await rest.performRequest({
      method: "GET",
      path: `/apis/networking.k8s.io/v1/namespaces/${name}/networkpolicies/all`,
    });
    assert.deepEqual(await policies.get("all"), raw);
    const replaced = await policies.replace(await policies.get("all"));
    // Replaced with itself: the server finds no difference and writes nothing.
    assert.deepEqual(replaced, raw);
  });

  await t.step("the server serves every generated resource as its constant describes", async () => {
    for (const { group, version, kinds } of kubernetesGroups) {
      const discovery = await rest.performRequest({
        method: "GET",
        path: group === "" ? `/api/${version}` : `/apis/${group}/${version}`,
      }) as unknown as { resources: { name: string; kind: string; namespaced: boolean; group?: string }[] };
      const file: Record<string, unknown> = await import(`../../lib/kubernetes_apis/${group || "core"}@${version}.ts`);
      for (const kind of kinds) {
        const constant = Object.values(file).find((value) => (value as { kind?: string }).kind === kind);
        const served = discovery.resources.find((each) => each.kind === kind && !each.name.includes("/"));
        assert.ok(served, `${kind} isn't served`);
        assert.deepEqual(constant, { group, version, kind, plural: served.name, namespaced: served.namespaced });
      }
    }
  });

  await core.namespaces.delete(name);
});
