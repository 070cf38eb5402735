/**
 * The private folder of a forwarder: its settings, its keys and the lock that the running one holds. kubectl waits for
 * a program that imports this, so it imports little.
 */
import { join } from "node:path";
import type { ForwarderKeys } from "./forwarder_keys.ts";

/** Settings of a forwarder. */
export interface ForwarderSettings {
  context: string;
  /** Path of the kubeconfig with the context. */
  kubeconfig: string;
  /** Port of 127.0.0.1. */
  port: number;
  /** Socket of the tailscaled. */
  socket: string;
  /** Full name of the lender's first node. */
  lender: string;
  /** Tags or login of the lender's nodes. */
  owner?: string;
  /** Port of the tailnet server. */
  lenderPort: number;
  /** True if the tailnet server has a certificate. */
  tls: boolean;
}

/** Lifetime of the credentials that a client keeps. */
export const credentialMs = 5 * 60_000;

const keyFiles: Readonly<Record<keyof ForwarderKeys, string>> = {
  authority: "authority.pem",
  certificate: "server.pem",
  key: "server-key.pem",
  clientCertificate: "client.pem",
  clientKey: "client-key.pem",
};
const settingsFile = "forwarder.json";

/** Returns the folder for the forwarder of a context. Another kubeconfig may have a context of the same name. */
export async function forwarderFolder(
  env: (name: string) => string | undefined,
  context: string,
  kubeconfig: string,
): Promise<string> {
  const home = env("HOME") ?? env("USERPROFILE");
  const state = env("XDG_STATE_HOME") || (home && join(home, ".local", "state"));
  if (!state) throw new Error("There is no place for the forwarder's keys. Set HOME or XDG_STATE_HOME.");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(kubeconfig))).toHex();
  const name = context.replace(/[^A-Za-z0-9-]/g, "_").slice(0, 100);
  const whole = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(context))).toHex();
  return join(state, "keystone", "use", `${name}-${whole.slice(0, 8)}${digest.slice(0, 8)}`);
}

/** Returns the settings; undefined if there are none. */
export async function readForwarderSettings(folder: string): Promise<ForwarderSettings | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(join(folder, settingsFile)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${join(folder, settingsFile)} can't be used. Run keystone use again.`, { cause: error });
  }
}

/** Writes the settings, and the keys if there are new ones, for the owner only. */
export async function writeForwarderFolder(
  folder: string,
  settings: ForwarderSettings,
  keys?: ForwarderKeys,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  // The folder may exist with other rights.
  await Deno.chmod(folder, 0o700);
  const write = async (name: string, text: string) => {
    const path = join(folder, name);
    await Deno.writeTextFile(`${path}.new`, text, { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  };
  for (const [name, file] of Object.entries(keyFiles)) {
    if (keys) await write(file, keys[name as keyof ForwarderKeys]);
  }
  await write(settingsFile, `${JSON.stringify(settings, null, 2)}\n`);
}

/** Returns the keys; undefined unless all are there. */
export async function readForwarderKeys(folder: string): Promise<ForwarderKeys | undefined> {
  try {
    const texts = await Promise.all(
      Object.entries(keyFiles).map(async ([name, file]) => [name, await Deno.readTextFile(join(folder, file))]),
    );
    return Object.fromEntries(texts);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A lock that a running forwarder holds; the kernel releases it at the process's end. */
export async function forwarderLock(folder: string): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(join(folder, "lock"), { read: true, write: true, create: true, mode: 0o600 });
  if (await file.tryLock(true)) return file;
  file.close();
  return undefined;
}

/** Returns the process ID of the running forwarder; undefined if none runs. */
export async function runningForwarder(folder: string): Promise<number | undefined> {
  try {
    using lock = await forwarderLock(folder);
    if (lock) return undefined;
    const pid = Number(await Deno.readTextFile(join(folder, "lock")));
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Path of the file with the reason why the last forwarder could not start. */
export const problemFile = (folder: string): string => join(folder, "problem");
