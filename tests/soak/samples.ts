/** A running operator's use of resources, measured from outside. */

export interface Sample {
  /** Resident memory, in bytes. */
  rss: number;
  /** The JavaScript heap in use, in bytes. */
  heap: number;
  /** Open file descriptors: connections, sockets, files. */
  handles: number;
  /** Keys in all work queues: due, waiting for a time, or waiting for a retry. */
  queued: number;
  /** Requests to the API server so far, without Leases and watches. */
  requests: number;
}

/** Measures the process, and reads its metrics. */
export async function sampleOf(pid: number, url: string): Promise<Sample> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return {
    rss: 1024 * Number(status.match(/^VmRSS:\s+(\d+) kB$/m)![1]),
    heap: sumOf(metrics, "process_heap_bytes"),
    handles: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    queued: sumOf(metrics, "keystone_workqueue_depth") + sumOf(metrics, "keystone_workqueue_waiting"),
    requests: sumOf(metrics, "keystone_api_requests_total", /verb="watch"|resource="(leases|other)"/i),
  };
}

/** Returns the sum of all series of a metric. */
function sumOf(metrics: string, name: string, except?: RegExp): number {
  const lines = metrics.split("\n").filter((line) => line.startsWith(name) && !except?.test(line));
  if (lines.length === 0) throw new Error(`The operator has no metric ${name}.`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
