/** What a campaign runs on: a cluster with the custom resources, the operator, and a mirror of all there is. */
import type { View } from "../../src/server/view.ts";
import { clientOf, eventually, prepared, realmOf, startOperator } from "../fixtures/operator.ts";
import type { Cluster } from "../lab/lab.ts";
import { Mirror } from "./mirror.ts";
import { beatAnnotation, Theatre } from "./theatre.ts";
import { localRealm } from "./universe.ts";

/** Runs it there, and ends what that needs. */
export async function withTheatre(lab: Cluster, run: (theatre: Theatre) => Promise<void>): Promise<void> {
  using cluster = await prepared(lab);
  let view: View | undefined;
  await using operator = await startOperator(lab, {
    realm: localRealm,
    audience: { stage: () => {}, view: (told) => view = told, reconciled: () => {} },
  });
  using rest = await clientOf(lab.kubeconfig);
  const mirror = new Mirror(rest);
  const stop = new AbortController();
  const mirroring = mirror.run(stop.signal);
  try {
    const { metadata, ...realm } = realmOf(localRealm, { trustLevel: "internal" });
    const annotations = { [beatAnnotation]: "0" };
    await cluster.realms.apply({ ...realm, metadata: { ...metadata, annotations } }, { fieldManager: "specs" });
    await mirroring.synced;
    const isSeen = () => mirror.all()[`Realm /${localRealm}`]?.status?.conditions !== undefined;
    await eventually("the operator is at work", () => Promise.resolve(isSeen() || "its realm has no status"), 30_000);
    await run(
      new Theatre(rest, mirror, {
        requests: () => operator.requests.filter(({ path, stream }) => !stream && !path.includes("/leases")).length,
        view: () => view!,
        log: operator.log,
      }),
    );
  } finally {
    await cluster.realms.delete(localRealm);
    stop.abort();
    await mirroring.ended;
  }
}
