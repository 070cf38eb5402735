/**
 * Finds `count` different TCP ports that are free on 127.0.0.1. They are below the kernel's range for outgoing
 * connections (32768 and up on Linux), so that no connection takes one by accident while the part that will listen
 * there starts or restarts. Another lab may still take one first: the lab then starts again with other ports.
 */
export function freePorts(count: number): number[] {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 10_000) throw new Error(`127.0.0.1 has fewer than ${count} free ports between 20000 and 32000.`);
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!found.has(port) && isFree(port)) found.add(port);
  }
  return [...found];
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
