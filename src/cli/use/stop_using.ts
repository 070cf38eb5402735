/** `keystone use --stop`: removes a context, and ends its forwarder. */
import { resolve as absolute } from "node:path";
import { no, usageError } from "../exit.ts";
import type { Session } from "../session.ts";
import { forwarderFolder } from "./forwarder_folder.ts";
import { changeKubeconfig } from "./kubeconfig_file.ts";
import { type LenderContext, removeContext } from "./lender_context.ts";
import { endForwarder } from "./start_forwarder.ts";
import { earlierUses, kubeconfigsOf } from "./use_lender.ts";

/** Removes the context of a lender, or the one of `--context`. */
export async function stopUsing(
  session: Session,
  lender: string | undefined,
  { kubeconfig, context }: { kubeconfig?: string; context?: string },
): Promise<void> {
  const used = await earlierUses(kubeconfigsOf(session.io, kubeconfig));
  const found = chosen(used, lender, context);
  let current: string | undefined;
  await changeKubeconfig(found.file, (text) => {
    removeContext(text, found);
    current = text.currentContext;
  });
  const folder = await forwarderFolder(session.io.env, found.context, absolute(found.file));
  await endForwarder(folder);
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (session.data({ context: found.context, lender: found.lender, current: current ?? null })) return;
  session.say(
    `Context ${found.context} is removed. ${
      current === undefined ? "No context is current." : `Current is ${current}.`
    }`,
  );
}

function chosen(
  used: readonly LenderContext[],
  lender: string | undefined,
  context: string | undefined,
): LenderContext {
  const names = used.map(({ context }) => context).join(", ");
  const found = used.filter((each) =>
    (context === undefined || each.context === context) &&
    (lender === undefined || [each.lender, each.node, each.node.split(".")[0], each.context].includes(lender))
  );
  if (found.length === 1) return found[0]!;
  if (found.length > 1) throw usageError(`Several contexts match: ${names}. Choose one with --context.`);
  throw no(
    used.length === 0
      ? "No context is by keystone use, so there is nothing to stop."
      : `No context of keystone use matches ${context ?? lender}. There are: ${names}.`,
  );
}
