import { type Command, Option } from "commander";
import { Cancelled } from "./dialog/dialog.ts";
import { openDialog } from "./dialog/open_dialog.ts";
import { no, usageError } from "./exit.ts";
import { type CommandAction, type Session, verb } from "./session.ts";
import { proxyOf } from "./kubeconfig_command.ts";
import { momentOf } from "./time_flags.ts";
import { ways } from "./use/lender_routes.ts";
import { listUsed } from "./use/list_used.ts";
import { stopUsing } from "./use/stop_using.ts";
import { shownEnd } from "./use/shown_end.ts";
import type { AccessAnswer, RealmAccess } from "./use/lender_access.ts";
import { useLender, type UseOptions } from "./use/use_lender.ts";

/** Port of tailnet servers. */
const usualPort = 8443;

export const useCommand = (run: CommandAction): Command =>
  verb(
    "use",
    "Work in a lender's cluster over the tailnet: find their server, and write a context without any secret. Needs " +
      "tailscaled and kubectl, and no cluster of your own.",
    [
      "keystone use alice-home && kubectl get pods",
      "keystone use alice-home.tailnet-name.ts.net --context alice --no-switch",
      "keystone use alice-home --proxy-url socks5://127.0.0.1:1055",
      "keystone use --list",
      "keystone use alice-home --stop",
    ],
    { connects: false },
  )
    .argument("[lender]", "name of the lender's node: alice-home, or the full MagicDNS name")
    .option("--context <name>", "context to write (default: the lender's realm)")
    .option("--realm <name>", "realm to act for, if the lender knows this node as several")
    .option("--no-switch", "leave the current context as it is")
    .option("--list", "list the contexts that this command wrote, and their access")
    .option("--stop", "remove the context, and end its forwarder")
    .option("--port <number>", "port of the lender's tailnet server", portFrom, usualPort)
    .addOption(
      new Option("--way <way>", "way of the connections (default: the first that works)").choices(ways),
    )
    .option("--proxy-url <url>", "URL of tailscaled's proxy: http or socks5 (default: that of its command line)")
    .option("--ts-socket <path>", "socket of the tailscaled (default: TS_SOCKET, else the usual one)")
    .action(run(async (session, given, lender) => {
      const options = given as unknown as Omit<UseOptions, "chooseRealm"> & { list?: boolean; stop?: boolean };
      const name = lender === undefined ? undefined : String(lender);
      if (options.list && options.stop) throw usageError("--list and --stop are both set. Use one of them.");
      if (options.list) return await listUsed(session, options);
      if (options.stop) return await stopUsing(session, name, options);
      if (name === undefined) throw usageError("LENDER is not set. Use keystone use LENDER, or --list.");
      if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.?$/.test(name)) {
        throw usageError(`LENDER is ${name}. It must be the name of a node, such as alice-home.`);
      }
      const proxyUrl = proxyOf(options.proxyUrl);
      const used = await useLender(session, name, {
        ...options,
        proxyUrl,
        chooseRealm: (access) => chosenRealm(session, name, options.realm, access),
      });
      if (session.data(used)) return;
      const { context, lender: realm, namespace, ends, current } = used;
      session.say(
        `Context ${context} is ${current ? "the current one" : "written"}: namespace ${namespace} of ${realm}, ${
          shownEnd(ends, momentOf(session.io))
        }.`,
      );
      session.say(`Next: kubectl ${current ? "" : `--context ${context} `}get pods`);
    }));

function portFrom(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw usageError(`--port is ${text}. It must be between 1 and 65535.`);
}

/** Returns the realm to act for: the one of the flag, the only one or the only one with access, or the answer to a question. */
async function chosenRealm(
  session: Session,
  lender: string,
  wanted: string | undefined,
  { realms }: AccessAnswer,
): Promise<RealmAccess> {
  const names = realms.map(({ realm }) => realm);
  if (names.length === 0) throw no(`${lender} lends nothing to this node at present. Ask the lender for a grant.`);
  const open = realms.filter(({ access }) => access);
  const [only, another] = open.length > 0 ? open : realms;
  const name = wanted ?? (another === undefined ? only!.realm : await askRealm(session, lender, realms));
  const found = realms.find(({ realm }) => realm === name);
  if (found === undefined) throw no(`--realm is ${name}, but ${lender} knows this node as ${names.join(" and ")}.`);
  if (!found.access) {
    throw no(found.message ?? `No grant of ${lender} to ${name} is in force. Ask the lender for one, or to extend it.`);
  }
  return found;
}

async function askRealm(session: Session, lender: string, realms: readonly RealmAccess[]): Promise<string> {
  const names = realms.map(({ realm }) => realm).join(" and ");
  if (!session.io.interactive) {
    throw usageError(`--realm is not set, and ${lender} knows this node as ${names}. Use --realm.`);
  }
  using dialog = await openDialog(session);
  try {
    return await dialog.choose({
      message: `${lender} knows this node as several realms. Act for which?`,
      options: realms.map(({ realm, access }) => ({
        value: realm,
        label: realm,
        ...(access ? {} : { hint: "no grant in force" }),
      })),
    });
  } catch (error) {
    if (error instanceof Cancelled) throw no("Nothing was written.");
    throw error;
  }
}
