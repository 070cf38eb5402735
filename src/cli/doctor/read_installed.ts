/** Reads of the cluster that several checks share. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { isForbidden } from "../grant_summary.ts";
import { type DoctorFinding, someOf, unknown } from "./doctor_finding.ts";
import { installedName, type InstalledObject, readInstalled } from "./installed_objects.ts";
import type { ShippedObject } from "./shipped_manifests.ts";

/** Shipped objects in the cluster, and those that the user may not read. */
export interface InstalledObjects {
  installed: InstalledObject[];
  unread: ShippedObject[];
}

export async function readInstalledObjects(
  rest: RestClient,
  manifests: readonly ShippedObject[],
): Promise<InstalledObjects> {
  const installed: InstalledObject[] = [];
  const unread: ShippedObject[] = [];
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
export function unreadFindings(unread: readonly ShippedObject[]): DoctorFinding[] {
  if (unread.length === 0) return [];
  return [unknown(
    "rbac",
    `You have no right to read ${
      someOf(unread.map(installedName), 3)
    }, so they were not compared with the shipped ones.`,
    "Run keystone doctor as a cluster admin to include this check.",
  )];
}
