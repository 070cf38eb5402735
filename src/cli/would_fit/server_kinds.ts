/** Resources that the API server serves, by API version and kind. */
import { isApiError, type Resource, type RestClient } from "../../../lib/kubernetes/mod.ts";

interface ServedResource {
  name: string;
  kind: string;
  namespaced: boolean;
}

export class ServerKinds {
  readonly #rest: RestClient;
  readonly #served = new Map<string, Promise<ServedResource[]>>();

  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  /** Returns the resource of a kind; undefined if the server doesn't serve it in this version. */
  async resourceOf(apiVersion: string, kind: string): Promise<Resource | undefined> {
    const served = this.#served.get(apiVersion) ?? this.#read(apiVersion);
    this.#served.set(apiVersion, served);
    const found = (await served).find((each) => each.kind === kind && !each.name.includes("/"));
    if (found === undefined) return undefined;
    const [group, version] = groupVersionOf(apiVersion);
    return { group, version, kind, plural: found.name, namespaced: found.namespaced };
  }

  async #read(apiVersion: string): Promise<ServedResource[]> {
    const [group, version] = groupVersionOf(apiVersion);
    if (!/^[\w.-]*$/.test(group) || !/^\w+$/.test(version)) return [];
    const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    try {
      const { resources } = await this.#rest.performRequest({ method: "GET", path }) as unknown as {
        resources?: ServedResource[];
      };
      return resources ?? [];
    } catch (error) {
      if (isApiError(error, 404)) return [];
      throw error;
    }
  }
}

/** Splits `apps/v1`; the group of `v1` is empty. */
function groupVersionOf(apiVersion: string): [group: string, version: string] {
  const [first = "", ...others] = apiVersion.split("/");
  return others.length === 0 ? ["", first] : [first, others.join("/")];
}
