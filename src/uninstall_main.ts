/** The entry point of `uninstall`: wiring only. Exits with 0 once no object has Keystone's finalizer. */
import { systemClock } from "../lib/clock/mod.ts";
import { createRestClient, leaseIdentity } from "../lib/kubernetes/mod.ts";
import { clusterConfig } from "./cluster_config.ts";
import { readConfig, SettingsError } from "./config.ts";
import { withRemedy } from "./controllers/remedy.ts";
import { uninstall, uninstaller } from "./controllers/uninstall.ts";
import { version } from "./version.ts";

async function main(): Promise<void> {
  const config = readConfig(Deno.args, (name) => Deno.env.get(name), Deno.stderr.isTerminal());
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.abort());
  using rest = createRestClient(await clusterConfig(config), { userAgent: `keystone-operator/${version}` });
  await uninstall({
    rest,
    clock: systemClock,
    identity: `${uninstaller}${leaseIdentity(Deno.hostname())}`,
    say: (sentence) => console.log(sentence),
    signal: stop.signal,
  });
}

try {
  await main();
  Deno.exit(0);
} catch (error) {
  console.error(error instanceof SettingsError ? error.message : withRemedy(error));
  Deno.exit(error instanceof SettingsError ? 2 : 1);
}
