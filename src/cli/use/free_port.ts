/** Ports for forwarders, below those that systems choose for outgoing connections (from 32768 on). */
const [lowest, count] = [21_000, 11_000];

/** Returns a port of 127.0.0.1 that is free now: the preferred one if possible. */
export function freePort(preferred: number | undefined, random = Math.random): number {
  if (preferred !== undefined && isFree(preferred)) return preferred;
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = lowest + Math.floor(random() * count);
    if (isFree(port)) return port;
  }
  throw new Error("No port of 127.0.0.1 between 21000 and 31999 is free.");
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}
