/**
 * Finds `count` different TCP ports that are free on 127.0.0.1 now. They lie below the range from which the kernel takes
 * the ports of outgoing connections (32768 and up on Linux), so that nothing takes one by accident while the part that
 * will listen there starts or restarts. Another lab may still be quicker: the lab then starts again with other ports.
 */
export function freePorts(count: number): number[] {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 10_000) throw new Error(`There are not ${count} free ports between 20000 and 32000 on 127.0.0.1.`);
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
