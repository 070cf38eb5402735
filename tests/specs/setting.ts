/** The setting of a campaign: a cluster with the custom resources, the operator, and a view of all objects. */
import type { Snapshot } from "../../src/server/snapshot.ts";
import { clientOf, eventually, prepared, realmOf, startOperator } from "../fixtures/test_operator.ts";
import type { Cluster } from "../lab/lab.ts";
import { ClusterView } from "./cluster_view.ts";
import { beatAnnotation, SpecHarness } from "./spec_harness.ts";
import { localFixture } from "./spec_fixtures.ts";

/** Runs it there, and ends everything afterwards. */
export async function withHarness(lab: Cluster, run: (harness: SpecHarness) => Promise<void>): Promise<void> {
  using cluster = await prepared(lab);
  let view: Snapshot | undefined;
  await using operator = await startOperator(lab, {
    realm: localFixture,
    listener: { stage: () => {}, snapshot: (told) => view = told, reconciled: () => {} },
  });
  using rest = await clientOf(lab.kubeconfig);
  const mirror = new ClusterView(rest);
  const stop = new AbortController();
  const mirroring = mirror.run(stop.signal);
  try {
    const { metadata, ...realm } = realmOf(localFixture, { trustLevel: "internal" });
    const annotations = { [beatAnnotation]: "0" };
    await cluster.realms.apply({ ...realm, metadata: { ...metadata, annotations } }, { fieldManager: "specs" });
    await mirroring.synced;
    const isSeen = () => mirror.all()[`Realm /${localFixture}`]?.status?.conditions !== undefined;
    await eventually("the operator is at work", () => Promise.resolve(isSeen() || "its realm has no status"), 30_000);
    await run(
      new SpecHarness(rest, mirror, {
        requests: () =>
          operator.requests.filter(({ path, stream }) => !stream && !path.includes("/leases") && path !== "/livez")
            .length,
        view: () => view!,
        log: operator.log,
      }),
    );
  } finally {
    await cluster.realms.delete(localFixture);
    stop.abort();
    await mirroring.ended;
  }
}
