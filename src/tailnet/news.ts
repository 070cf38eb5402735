/** What a line of the bus is an occasion for. */
import { isHeartbeat, type NodePatch, type Notify } from "../../lib/tailscale/mod.ts";

/**
 * Fields of a line that tell nothing of who is on the tailnet. One that isn't known here may do; and `Health` does, as the
 * only one, when the daemon has lost its control server, which the status then says by this node's being offline.
 */
const elsewhere = new Set([
  "Version",
  "Engine",
  "UserProfiles",
  "SuggestedExitNode",
  "ClientVersion",
  "DriveShares",
  "FilesWaiting",
  "IncomingFiles",
  "OutgoingFiles",
  "LocalTCPPort",
  "BrowseToURL",
]);

/** Fields of a node's patch that change all the time in a big tailnet, and in which no realm is interested. */
const restless = new Set(["NodeID", "DERPRegion", "Endpoints", "LastSeen", "Cap", "CapMap", "DiscoKey"]);

/** Whether the status may say something else than before of a node, this one included. */
export function isNews(notify: Notify): boolean {
  if (isHeartbeat(notify)) return false;
  return Object.entries(notify).some(([field, value]) => {
    if (value === null || value === undefined || elsewhere.has(field)) return false;
    if (field === "PeerChangedPatch" || field === "PeerChanges") return (value as NodePatch[]).some(tells);
    return true;
  });
}

function tells(patch: NodePatch): boolean {
  return Object.entries(patch).some(([field, value]) => value !== null && value !== undefined && !restless.has(field));
}

/**
 * Whether the tailnet's policy may have changed: no field says so, but a change of it comes with a whole netmap, which
 * daemons up to 1.98 send as such and later ones announce by this node's own entry; or unheard, before the first line.
 */
export function tellsOfPolicy({ NetMap, SelfChange, SessionID }: Notify): boolean {
  return Boolean(NetMap || SelfChange || SessionID);
}
