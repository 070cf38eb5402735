/** Reads of the cluster that several checks share. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { isForbidden } from "../grant_summary.ts";
import { type Finding, listed, unknown } from "./finding.ts";
import { type Installed, objectName, readInstalled } from "./installed_objects.ts";
import type { Manifest } from "./shipped_manifests.ts";

/** Shipped objects in the cluster, and those that the user may not read. */
export interface InstalledObjects {
  installed: Installed[];
  unread: Manifest[];
}

export async function readInstalledObjects(
  rest: RestClient,
  manifests: readonly Manifest[],
): Promise<InstalledObjects> {
  const installed: Installed[] = [];
  const unread: Manifest[] = [];
  await Promise.all(manifests.map(async (manifest, index) => {
    try {
      installed[index] = await readInstalled(rest, manifest);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      unread.push(manifest);
    }
  }));
  return { installed: installed.filter((each) => each !== undefined), unread };
}

/** Returns the one finding on all objects that the user may not read. */
export function unreadFindings(unread: readonly Manifest[]): Finding[] {
  if (unread.length === 0) return [];
  return [unknown(
    "rbac",
    `You have no right to read ${listed(unread.map(objectName), 3)}, so they were not compared with the shipped ones.`,
    "Run keystone doctor as a cluster admin to include this check.",
  )];
}
