/** Rules for the end of a forwarder. */
import { readForwarderSettings } from "./forwarder_folder.ts";
import { readKubeconfigText } from "./kubeconfig_file.ts";

/** Time without a connection, longer than `credentialMs`: a client asks for credentials again, which starts it. */
const idleLimitMs = 15 * 60_000;

/** State of a forwarder. */
export interface ForwarderState {
  folder: string;
  context: string;
  kubeconfig: string;
  connections: number;
  /** Time since the last change of the number of connections. */
  idleMs: number;
}

/** Reports whether the forwarder has to end: nobody uses it, or its context or folder is gone. */
export async function hasToEnd(state: ForwarderState): Promise<boolean> {
  const { folder, context, kubeconfig, connections, idleMs } = state;
  if (connections === 0 && idleMs >= idleLimitMs) return true;
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
