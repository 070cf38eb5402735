/** Rules for the end of a forwarder. */
import { readForwarderSettings } from "./forwarder_folder.ts";
import { readKubeconfigText } from "./kubeconfig_file.ts";

/** Time without a connection, longer than `credentialMs`: a client asks for credentials again, which starts it. */
const idleLimitMs = 15 * 60_000;
/** The same after the end of the grants. */
const endedLimitMs = 60_000;

/** State of a forwarder. */
export interface ForwarderState {
  folder: string;
  context: string;
  kubeconfig: string;
  /** End of the grants when `keystone use` asked, RFC 3339. */
  ends?: string | undefined;
  connections: number;
  /** Time since the last change of the number of connections. */
  idleMs: number;
}

/** Returns the time without connections after which a forwarder ends. */
export const idleLimit = (now: number, ends: string | undefined): number =>
  ends !== undefined && Date.parse(ends) < now ? endedLimitMs : idleLimitMs;

/** Reports whether the forwarder has to end: nobody uses it, or its context or folder is gone. */
export async function hasToEnd(state: ForwarderState, now = Date.now()): Promise<boolean> {
  const { folder, context, kubeconfig, ends, connections, idleMs } = state;
  if (connections === 0 && idleMs >= idleLimit(now, ends)) return true;
  if (!await readForwarderSettings(folder).catch(() => undefined)) return true;
  try {
    if ((await readKubeconfigText(kubeconfig)).names("contexts").includes(context)) return false;
  } catch {
    // Somebody is editing it.
    return false;
  }
  // Its keys are of no more use.
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  return true;
}
