/** Names of objects for completion: read once, in little time, and none if anything fails. */
import { load } from "js-yaml";
import { delimiter, join } from "node:path";
import { isApiError, type JSONValue, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { guestNamespace, managedBy, managedByLabel, realmOfNamespace } from "../../core/names.ts";
import { explainedResource, explainTarget } from "../explain/explained_resources.ts";
import { lendingsOfGuest } from "../grant_summary.ts";
import type { Io } from "../io.ts";
import type { NameSource } from "./completion_words.ts";

/** Most names that a list may have. */
const MOST_NAMES = 500;

const custom = (plural: string): string => `/apis/keystone.io/v1alpha1/${plural}`;

/** Returns the names of a list; the API server sends the objects' metadata only. */
async function listed(rest: RestClient, path: string, labelSelector?: string): Promise<string[]> {
  const { items } = await rest.performRequest({
    method: "GET",
    path,
    accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    querystring: new URLSearchParams({ limit: String(MOST_NAMES), ...(labelSelector ? { labelSelector } : {}) }),
  }) as JSONValue as { items: { metadata: { name: string } }[] };
  return items.map(({ metadata }) => metadata.name);
}

/** Place of the names. */
export interface NamesScope {
  /** Namespace of `-n` or `--realm`, else the kubeconfig's. */
  namespace: string;
}

/** Returns the names; a guest gets those that guests can know. */
export async function namesFrom(rest: RestClient, source: NameSource, { namespace }: NamesScope): Promise<string[]> {
  const guest = realmOfNamespace(namespace);
  const guests = <T>(list: Promise<T[]>, otherwise: () => Promise<T[]> | T[]): Promise<T[]> =>
    list.catch((error) => {
      if (isApiError(error, 403) && guest !== undefined) return otherwise();
      throw error;
    });
  const ofGuest = () => guest === undefined ? [] : [guest];
  switch (source.of) {
    case "grants":
      return await guests(
        listed(rest, custom("grants")),
        async () => (await lendingsOfGuest(rest, namespace)).map(({ name }) => name),
      );
    case "realms":
      return await guests(listed(rest, custom("realms")), ofGuest);
    case "superentities":
      return await listed(rest, custom("superentities"));
    case "namespaces":
      return await guests(
        listed(rest, "/api/v1/namespaces", `${managedByLabel}=${managedBy}`).then((names) =>
          names.filter((name) => realmOfNamespace(name) !== undefined)
        ),
        () => [namespace],
      );
    case "pods":
      return await listed(rest, `/api/v1/namespaces/${namespace}/pods`);
    case "objects": {
      const { kind } = explainTarget(source.kind, "any");
      if (kind === "Grant") return await namesFrom(rest, { of: "grants" }, { namespace });
      const { group, version, plural } = explainedResource(kind);
      const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
      return await listed(rest, `${root}/namespaces/${namespace}/${plural}`);
    }
    case "contexts":
    case "lenders":
      return [];
  }
}

/** Returns the namespace that flags select; undefined if the kubeconfig does. */
export const namespaceOfFlags = (flags: Readonly<Record<string, unknown>>): string | undefined =>
  typeof flags.namespace === "string"
    ? flags.namespace
    : typeof flags.realm === "string"
    ? guestNamespace(flags.realm)
    : undefined;

/** Returns the contexts of all files of the kubeconfig. */
export async function contextNames(io: Io, kubeconfig: string | undefined): Promise<string[]> {
  const paths = kubeconfig !== undefined
    ? [kubeconfig]
    : io.env("KUBECONFIG")?.split(delimiter).filter(Boolean) ?? [join(io.env("HOME") ?? "", ".kube", "config")];
  const names = await Promise.all(paths.map(async (path) => {
    try {
      const file = load(await io.readTextFile(path)) as { contexts?: { name?: unknown }[] | null } | null;
      return (file?.contexts ?? []).map(({ name }) => name).filter((name) => typeof name === "string");
    } catch {
      return [];
    }
  }));
  return [...new Set(names.flat())];
}
