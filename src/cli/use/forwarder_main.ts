/**
 * The forwarder of `keystone use`, a separate process: `forwarder_main.ts FOLDER`. It writes one line to standard
 * output when it can be used. It ends when it was idle, when its context is removed, and at a signal.
 */
import { Forwarder } from "./forwarder.ts";
import { forwarderLock, problemFile, readForwarderKeys, readForwarderSettings } from "./forwarder_folder.ts";
import { dialLender } from "./dial_lender.ts";
import { hasToEnd } from "./forwarder_life.ts";

const [folder] = Deno.args as [string];
const checkMs = 30_000;

async function fail(message: string): Promise<never> {
  await Deno.writeTextFile(problemFile(folder), message, { mode: 0o600 }).catch(() => {});
  Deno.exit(1);
}

/** Takes the lock. A check whether a forwarder runs holds it for an instant. */
async function locked(): Promise<Deno.FsFile | undefined> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const lock = await forwarderLock(folder);
    if (lock) return lock;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return undefined;
}

const [settings, keys] = await Promise.all([readForwarderSettings(folder), readForwarderKeys(folder)]);
if (!settings || !keys) await fail("The forwarder's folder is incomplete. Run keystone use again.");
const lock = await locked();
if (!lock) {
  // Another one runs, or is about to.
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port: settings!.port })).close();
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  Deno.exit(0);
}
await lock.truncate();
await lock.write(new TextEncoder().encode(String(Deno.pid)));

const { port, context, kubeconfig } = settings!;
const target = { ...settings!, port: settings!.lenderPort };
let idleSince = Date.now();
const forwarder = await Forwarder.open({
  keys: keys!,
  port,
  connect: (signal) => dialLender(target, signal),
  onConnections: () => idleSince = Date.now(),
}).catch((error) =>
  fail(
    `Port ${port} of 127.0.0.1 can't be opened: ${(error as Error).message}. Run keystone use again, which chooses ` +
      "another one.",
  )
);
await Deno.remove(problemFile(folder)).catch(() => {});

async function end(): Promise<never> {
  await forwarder[Symbol.asyncDispose]();
  Deno.exit(0);
}
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => void end());
setInterval(async () => {
  const { connections } = forwarder;
  if (await hasToEnd({ folder, context, kubeconfig, connections, idleMs: Date.now() - idleSince })) await end();
}, checkMs);

await Deno.stdout.write(new TextEncoder().encode("ready\n"));
Deno.stdout.close();
