/** The access log: a line for each request that was sent to the API server. */
import { apiRequest } from "./api_request.ts";
import type { TailnetRequest } from "./server_parts.ts";

/** Returns the properties of the line; `jti` also is in the API server's audit log. Nothing in them is secret. */
export function accessLogLine(request: TailnetRequest): Record<string, unknown> {
  const { method, path, query, durationMs, stableId, login, node, realm, status, received, sent } = request;
  const { verb, resource, namespace, name } = apiRequest(method, path, query);
  return {
    who: login || node || stableId,
    login,
    node,
    stableID: stableId,
    realm,
    verb,
    resource,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    status,
    received,
    sent,
    ms: Math.round(durationMs),
    ...(request.jti ? { jti: request.jti } : {}),
    ...(request.cut ? { cut: request.cut } : {}),
    ...(request.error ? { error: request.error } : {}),
  };
}

/** Constant message of the line. */
export const accessLogMessage = "{who} as {realm}: {verb} {resource}: {status} after {ms} ms";
