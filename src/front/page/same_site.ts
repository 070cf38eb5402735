/** Requests that come from this page itself, or were typed by a person: a node's identity acts for whatever it opens. */

/** Name or address of a Host header, without the port, the dot at its end and the brackets of IPv6. */
export function hostOf(header: string): string {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header.trim()) ?? [];
  return (bracketed ?? plain ?? "").toLowerCase().replace(/\.$/, "");
}

/**
 * Refuses a request under a name that isn't ours, with which another site could read the page (DNS rebinding), and one that
 * another site has made. Returns the answer's status and sentence.
 */
export function refusedSite(
  { headers }: Pick<Request, "headers">,
  hosts: ReadonlySet<string>,
): { status: number; sentence: string } | undefined {
  if (!hosts.has(hostOf(headers.get("host") ?? ""))) {
    return { status: 421, sentence: "This page is not known by that name. Use the node's tailnet name or address." };
  }
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") {
    return { status: 403, sentence: "Another site asked for this page. Type its address in the browser." };
  }
  const origin = headers.get("origin");
  if (origin !== null && (origin === "null" || !hosts.has(hostOf(origin.replace(/^https?:\/\//, ""))))) {
    return { status: 403, sentence: "Another site asked for this page. Type its address in the browser." };
  }
  return undefined;
}
