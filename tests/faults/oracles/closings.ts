/** Counts how often policies closed a peer: a peer that is closed and opened again looks the same at the end. */
import type { NetworkPolicy } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { RecordedFact } from "../recorder.ts";

/** Counts how often a policy that stays stopped opening a peer, by `CLOSED namespace/name`. */
export function closings(sightings: readonly RecordedFact[], mark: string): Record<string, number> {
  const out: Record<string, number> = {};
  const open = new Map<string, readonly string[]>();
  for (const { resource, type, object } of sightings) {
    if (resource !== "networkpolicies") continue;
    const { namespace, name } = object.metadata!;
    const key = `CLOSED ${namespace}/${name}`.replaceAll(mark, "");
    const peers = type === "DELETED" ? [] : peersOf(object as NetworkPolicy);
    const closed = open.get(key)?.some((peer) => !peers.includes(peer)) ?? false;
    if (closed && type !== "DELETED") out[key] = (out[key] ?? 0) + 1;
    open.set(key, peers);
  }
  return out;
}

const peersOf = ({ spec }: NetworkPolicy): string[] =>
  [...spec?.ingress?.flatMap(({ from }) => from ?? []) ?? [], ...spec?.egress?.flatMap(({ to }) => to ?? []) ?? []]
    .map((peer) => JSON.stringify(peer));
