/** `keystone use --list`: the contexts of earlier uses, with the access that the lender gives now. */
import { isApiError, Kubeconfig } from "../../../lib/kubernetes/mod.ts";
import type { Session } from "../session.ts";
import { momentOf } from "../time_flags.ts";
import { readKubeconfigText } from "./kubeconfig_file.ts";
import { type LenderContext, wayText } from "./lender_context.ts";
import { shownEnd } from "./shown_end.ts";
import { askAccess } from "./lender_access.ts";
import { earlierUses, kubeconfigsOf } from "./use_lender.ts";

/** Time for one lender's answer. */
const answerMs = 5000;

/** Prints the contexts of earlier uses. */
export async function listUsed(session: Session, { kubeconfig }: { kubeconfig?: string }): Promise<void> {
  const paths = kubeconfigsOf(session.io, kubeconfig);
  const used = await earlierUses(paths);
  const current = (await Promise.all(paths.map(readKubeconfigText)))
    .map(({ currentContext }) => currentContext).find((name) => name !== undefined);
  const items = await Promise.all(used.map(async (each) => ({
    context: each.context,
    current: each.context === current,
    lender: each.lender,
    realm: each.realm,
    namespace: each.namespace,
    server: each.server,
    way: each.way,
    ...await accessOf(session, paths, each),
  })));
  if (session.data({ items })) return;
  if (items.length === 0) return session.say("No context is by keystone use. Make one: keystone use LENDER");
  session.table(items, [
    { name: "CURRENT", rank: 3, value: ({ current }) => current ? "*" : "" },
    { name: "CONTEXT", value: ({ context }) => context },
    { name: "LENDER", rank: 1, value: ({ lender }) => lender },
    { name: "REALM", value: ({ realm }) => realm },
    { name: "BY", rank: 2, value: ({ way }) => wayText[way] },
    { name: "ACCESS", value: ({ message }) => message, wraps: true },
  ]);
}

interface ShownAccess {
  /** Null if the lender doesn't answer. */
  access: boolean | null;
  ends?: string;
  message: string;
}

/** Asks the lender over the connection that kubectl uses. */
async function accessOf(session: Session, paths: readonly string[], used: LenderContext): Promise<ShownAccess> {
  const { io } = session;
  try {
    const kubeconfig = await Kubeconfig.load({ paths, env: io.env, attended: false, isInteractive: () => false });
    const config = await kubeconfig.clientConfig(used.context);
    const { realms } = await askAccess(
      { ...config, server: config.server.replace(/\/k8s\/[^/]*$/, "") },
      { timeoutMs: answerMs },
    );
    const found = realms.find(({ realm }) => realm === used.realm);
    if (!found?.access) return { access: false, message: "no grant in force" };
    const { ends } = found;
    return { access: true, ...(ends === undefined ? {} : { ends }), message: shownEnd(ends, momentOf(io)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { access: isApiError(error, 403) ? false : null, message: message.replace(/[.?]$/, "") };
  }
}
