/** The commit, machine and time of a run. */
import { cpus } from "node:os";
import { runCommand } from "../tests/lab/command.ts";
import { version } from "../src/version.ts";
import { TOOLS } from "../tests/lab/tools.ts";

/** Returns the metadata of a result. */
export async function runFacts() {
  const { stdout } = await runCommand("git", ["rev-parse", "--short", "HEAD"]);
  return {
    date: `${new Date().toISOString().slice(0, 19)}Z`,
    commit: stdout.trim(),
    machine: {
      cpus: navigator.hardwareConcurrency,
      processor: cpus()[0]?.model ?? "unknown",
      memoryGB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
      /** Processes that ran or waited for a processor in the last minute, on average. */
      load: Math.round(Deno.loadavg()[0]!),
    },
    versions: {
      keystone: version,
      deno: Deno.version.deno,
      kubernetes: TOOLS.kubernetes.stamps["k8s.io/component-base/version.gitVersion"],
    },
  };
}
