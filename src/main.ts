/** The operator's entry point: wiring only. */
import { systemClock } from "../lib/clock/mod.ts";
import { createRestClient, leaseIdentity, ServerTime } from "../lib/kubernetes/mod.ts";
import { clusterConfig } from "./cluster_config.ts";
import { operatorUsage, readConfig, readSettings, SettingsError } from "./config.ts";
import { runOperator } from "./controllers/operator.ts";
import { createNames, readServers } from "./dns/create_names.ts";
import { HandoverWriter } from "./front/handover.ts";
import { setUpLog } from "./log.ts";
import { listenUnlessClosed } from "./server/listen.ts";
import { HealthServer } from "./server/health_server.ts";
import { LoopbackGuard } from "./tailnet/loopback_guard.ts";
import { createTailnet } from "./tailnet/local_tailnet.ts";
import { noTailnet } from "./tailnet/tailnet.ts";
import { version } from "./version.ts";

async function main(): Promise<number> {
  const config = readConfig(Deno.args, (name) => Deno.env.get(name), Deno.stderr.isTerminal());
  if (config.help) {
    console.log(operatorUsage);
    return 0;
  }
  const settings = await readSettings(config);
  const log = await setUpLog(config.log);
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.abort());
  const report = new HealthServer({ version });
  const tailnet = config.socket
    ? createTailnet({ socket: config.socket, ranges: settings.clusterRanges.tailnet })
    : noTailnet;
  const loopback = new LoopbackGuard(config.socket, tailnet);
  await loopback.ask();
  if (config.listen) {
    loopback.subscribe(
      listenUnlessClosed({ address: config.listen, answer: report.answer, optional: !config.listenGiven, log }),
    );
  }
  const cluster = await clusterConfig(config);
  const handover = config.webhook && config.handover ? new HandoverWriter(config.handover, cluster) : undefined;
  // A failure is reported once the operator runs.
  loopback.subscribe((loopbackClosed) => handover?.put({ loopbackClosed }).catch(() => {}));
  const { server } = cluster;
  log.info("Keystone operator {version}, API server {server}, tailnet {tailnet}.", {
    version,
    server,
    tailnet: config.socket ?? "none (TS_SOCKET is not set)",
  });
  const serverTime = new ServerTime(systemClock);
  using rest = createRestClient(cluster, {
    userAgent: `keystone-operator/${version}`,
    onRequest: (record) => [serverTime, report].forEach((each) => each.observe(record)),
  });
  await runOperator({
    rest,
    server,
    serverTime,
    names: createNames({ servers: await readServers() }),
    settings,
    tailnet,
    ...(config.realm ? { realm: config.realm } : {}),
    identity: leaseIdentity(Deno.hostname()),
    listener: report,
    ...(config.tailnetListen ? { servesTailnet: true } : {}),
    ...(config.webhook && handover ? { webhook: { place: config.webhook.place, handover } } : {}),
    log,
    clock: systemClock,
    signal: stop.signal,
  });
  log.info("Stopped.");
  return 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  // Errors that waiting doesn't repair: wrong flags, an unreadable kubeconfig.
  console.error(error instanceof SettingsError || error instanceof Error ? error.message : error);
  Deno.exit(error instanceof SettingsError ? 2 : 1);
}
