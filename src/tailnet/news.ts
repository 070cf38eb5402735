/** Classifies lines of the bus: those that require a poll of the status, and those that may mean a policy change. */
import { isHeartbeat, type NodePatch, type Notify } from "../../lib/tailscale/mod.ts";

/**
 * Fields of a line that say nothing about nodes. Fields that are unknown here may; and `Health` alone reports that
 * the daemon has lost its control server, which the status shows as this node being offline.
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

/** Fields of a node's patch that change constantly in a large tailnet and don't matter to realms. */
const restless = new Set(["NodeID", "DERPRegion", "Endpoints", "LastSeen", "Cap", "CapMap", "DiscoKey"]);

/** Reports whether the status of a node, including this one, may have changed. */
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
 * Reports whether the tailnet's policy may have changed. No field says so, but a change comes with a whole netmap
 * (daemons up to 1.98) or with this node's own entry (later ones); or it may have been missed before the first line.
 */
export function tellsOfPolicy({ NetMap, SelfChange, SessionID }: Notify): boolean {
  return Boolean(NetMap || SelfChange || SessionID);
}
