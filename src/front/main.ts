/** The front's entry point: wiring only. */
import { systemClock } from "../../lib/clock/mod.ts";
import { readConfig, readSettings, SettingsError } from "../config.ts";
import { setUpLog } from "../log.ts";
import { listenUnlessClosed } from "../server/listen.ts";
import { createPages } from "../server/pages.ts";
import { version } from "../version.ts";
import { Front } from "./front.ts";
import { HandoverReader } from "./handover.ts";
import { standardInput } from "./tailnet/socket_owners.ts";

async function main(): Promise<void> {
  const config = readConfig(Deno.args, (name) => Deno.env.get(name), false);
  const { webhook, handover, frontListen, realm, tailnetListen, socket } = config;
  if (!webhook) {
    throw new SettingsError("KEYSTONE_WEBHOOK is off, so the front has nothing to serve. Set it to service.");
  }
  if (handover === undefined) {
    throw new SettingsError(
      "KEYSTONE_HANDOVER is not set. Set it to the folder that the operator writes its handover to.",
    );
  }
  if (tailnetListen && socket === undefined) {
    throw new SettingsError(
      "TS_SOCKET is not set, but KEYSTONE_TAILNET_LISTEN is. Set it to the socket of tailscaled.",
    );
  }
  const settings = await readSettings(config);
  const log = await setUpLog(config.log);
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.abort());
  const reader = new HandoverReader(handover);
  const front = new Front({
    handover: reader,
    ...(webhook.hostname === undefined ? {} : { hostname: webhook.hostname }),
    port: webhook.port,
    settings,
    ...(realm ? { realm } : {}),
    ...(tailnetListen && socket !== undefined
      ? { tailnet: { place: tailnetListen, socket, socketTable: standardInput() } }
      : {}),
    userAgent: `keystone-front/${version}`,
    log,
    clock: systemClock,
  });
  if (frontListen) {
    const tell = listenUnlessClosed({
      address: frontListen,
      answer: createPages({ ready: front.ready, metrics: () => front.metrics.text() }),
      optional: true,
      log,
    });
    reader.subscribe(({ loopbackClosed }) => tell(loopbackClosed));
  }
  await front.run(stop.signal);
  log.info("Stopped.");
}

try {
  await main();
  Deno.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(error instanceof SettingsError ? 2 : 1);
}
