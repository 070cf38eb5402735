/** Reads where pods really are: the pools of network plugins, and the addresses of running pods. */
import { isApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";

/** A kind of object with ranges of pods. */
interface PoolKind {
  group: string;
  plural: string;
  ranges: (object: PoolObject) => unknown[];
}

// deno-lint-ignore no-explicit-any
type PoolObject = KubernetesObject & { spec?: any; status?: any };

const list = (value: unknown): unknown[] => Array.isArray(value) ? value : [];
const parts = (value: unknown): unknown[] => typeof value === "string" ? value.split(",") : [];

/** Kinds of network plugins that don't use the nodes' podCIDRs, or not only. */
export const poolKinds: readonly PoolKind[] = [
  { group: "crd.projectcalico.org", plural: "ippools", ranges: ({ spec }) => [spec?.cidr] },
  { group: "projectcalico.org", plural: "ippools", ranges: ({ spec }) => [spec?.cidr] },
  {
    group: "cilium.io",
    plural: "ciliumnodes",
    ranges: ({ spec }) => [
      ...list(spec?.ipam?.podCIDRs),
      ...list(spec?.ipam?.pools?.allocated).flatMap((pool) => list((pool as { cidrs?: unknown })?.cidrs)),
    ],
  },
  {
    group: "cilium.io",
    plural: "ciliumpodippools",
    ranges: ({ spec }) => [...list(spec?.ipv4?.cidrs), ...list(spec?.ipv6?.cidrs)],
  },
  {
    group: "crd.antrea.io",
    plural: "ippools",
    ranges: ({ spec }) => list(spec?.ipRanges).map((range) => (range as { cidr?: unknown })?.cidr),
  },
  { group: "kubeovn.io", plural: "subnets", ranges: ({ spec }) => parts(spec?.cidrBlock) },
  {
    group: "config.openshift.io",
    plural: "networks",
    ranges: ({ spec, status }) =>
      [...list(spec?.clusterNetwork), ...list(status?.clusterNetwork)].map((network) =>
        (network as { cidr?: unknown })?.cidr
      ),
  },
];

const pageSize = 500;
/** Number of objects to read at most of each kind. */
const mostObjects = 10_000;

/** Reads the ranges in the pools of network plugins. Pools that may not be read count as none. */
export async function readPools(rest: RestClient, abortSignal: AbortSignal): Promise<string[]> {
  const { groups } = await rest.performRequest({ method: "GET", path: "/apis", abortSignal }) as unknown as {
    groups: { name: string; preferredVersion: { version: string } }[];
  };
  const found = await Promise.all(poolKinds.map(async ({ group, plural, ranges }) => {
    const version = groups.find(({ name }) => name === group)?.preferredVersion.version;
    if (version === undefined) return [];
    try {
      const objects: PoolObject[] = [];
      await readPages(rest, `/apis/${group}/${version}/${plural}`, {}, abortSignal, (page) => {
        objects.push(...(page as unknown as { items: PoolObject[] }).items);
      });
      return objects.flatMap(ranges);
    } catch (error) {
      // 404: not a kind of this version of the plugin; 503: its API server is down.
      if ([403, 404, 503].some((code) => isApiError(error, code))) return [];
      throw error;
    }
  }));
  return [...new Set(found.flat().filter((range) => typeof range === "string" && range !== ""))].sort() as string[];
}

/** Running pods outside the host network. */
const withAddress = "spec.hostNetwork=false,status.phase!=Succeeded,status.phase!=Failed";

interface Table {
  columnDefinitions: { name: string }[] | null;
  rows: { cells: unknown[] }[] | null;
}

/**
 * Reads the addresses of pods, of the first 10,000 pods in large clusters. The API server sends them as a table with a few
 * bytes for each pod, so no pod can be too large.
 */
export async function readPodAddresses(rest: RestClient, abortSignal: AbortSignal): Promise<string[]> {
  const addresses: string[] = [];
  const query = { fieldSelector: withAddress, includeObject: "None" };
  await readPages(rest, "/api/v1/pods", query, abortSignal, (page) => {
    const { columnDefinitions, rows } = page as unknown as Table;
    const column = columnDefinitions?.findIndex(({ name }) => name === "IP") ?? -1;
    for (const { cells } of rows ?? []) {
      const address = cells[column];
      if (typeof address === "string" && address !== "" && address !== "<none>") addresses.push(address);
    }
  }, "application/json;as=Table;v=v1;g=meta.k8s.io");
  return addresses;
}

/** Returns `namespace/name` of the pod with an address; undefined if there is none any more. */
export async function podWithAddress(
  rest: RestClient,
  address: string,
  abortSignal: AbortSignal,
): Promise<string | undefined> {
  const { items } = await rest.performRequest({
    method: "GET",
    path: "/api/v1/pods",
    querystring: new URLSearchParams({ fieldSelector: `status.podIP=${address},${withAddress}`, limit: "1" }),
    abortSignal,
  }) as unknown as { items: KubernetesObject[] };
  const { namespace, name } = items[0]?.metadata ?? {};
  return name === undefined ? undefined : `${namespace}/${name}`;
}

/** Reads a collection in pages, up to the limit on its objects. */
async function readPages(
  rest: RestClient,
  path: string,
  query: Readonly<Record<string, string>>,
  abortSignal: AbortSignal,
  onPage: (page: unknown) => void,
  accept?: string,
): Promise<void> {
  let next: string | undefined = "";
  for (let read = 0; next !== undefined && read < mostObjects; read += pageSize) {
    const page = await rest.performRequest({
      method: "GET",
      path,
      querystring: new URLSearchParams({ ...query, limit: String(pageSize), ...(next ? { continue: next } : {}) }),
      abortSignal,
      ...(accept === undefined ? {} : { accept }),
    });
    onPage(page);
    next = (page as { metadata?: { continue?: string } }).metadata?.continue || undefined;
  }
}
