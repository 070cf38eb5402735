/** Reads what decides how many more pods a guest namespace has room for. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../../lib/kubernetes_apis/core@v1.ts";
import { podRooms, roomText } from "../../core/report/pod_room.ts";
import { isForbidden } from "../grant_summary.ts";

/** Returns the room for more pods in sentences; none if the user may not read the namespace. */
export async function roomLines(rest: RestClient, namespace: string): Promise<string[]> {
  const core = new CoreV1Api(rest).namespace(namespace);
  try {
    const [pods, quotas, limitRanges] = await Promise.all([
      core.pods.all(),
      core.resourceQuotas.all(),
      core.limitRanges.all(),
    ]);
    return podRooms(pods, quotas, limitRanges).map(roomText).map((text) => text[0]!.toUpperCase() + text.slice(1));
  } catch (error) {
    if (isForbidden(error)) return [];
    throw error;
  }
}
