import type { Command } from "commander";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { canonicalName } from "../core/realm/identity.ts";
import { Exit, exitCodes, usageError } from "./exit.ts";
import { Observed } from "./observed.ts";
import { type CommandAction, verb } from "./session.ts";

export const tailnetCommand = (run: CommandAction): Command =>
  verb("tailnet", "Compare the realms with the nodes of the tailnet: which node has which realm's name.", [
    "keystone tailnet",
    "keystone tailnet --ts-socket /var/run/tailscale/tailscaled.sock",
  ])
    .option("--ts-socket <path>", "socket of the tailscaled (default: TS_SOCKET)")
    .action(run(async (session, options) => {
      const socket = options.tsSocket ?? (session.io.env("TS_SOCKET") || undefined);
      if (socket === undefined) throw usageError("--ts-socket is not set. Use --ts-socket PATH, or set TS_SOCKET.");
      using client = new LocalClient({ socket: String(socket), timeoutMs: 5000 });
      using rest = await session.connect();
      const [status, { stores }] = await Promise.all([
        session.during(() => `reading the nodes of the tailnet from ${socket}`, () => client.status()).catch(
          (error) => {
            throw new Exit(exitCodes.unreachable, error instanceof Error ? error.message : String(error));
          },
        ),
        new Observed(rest).terms(),
      ]);
      const realmOf = new Map(stores.realms.list().map((realm) => [canonicalName(realm.spec.identity), realm]));
      const nodes = [...(status.Self ? [{ ...status.Self, self: true }] : []), ...Object.values(status.Peer ?? {})];
      const items = nodes.map((node) => {
        const name = canonicalName(node.DNSName ?? "");
        const realm = realmOf.get(name);
        realmOf.delete(name);
        const pinned = realm?.trustedNode;
        return {
          node: name,
          id: node.ID ?? "",
          realm: realm?.name ?? "",
          online: Boolean(node.Online) || "self" in node,
          trusted: realm === undefined
            ? ""
            : pinned === undefined
            ? "not yet"
            : pinned === node.ID
            ? "yes"
            : `no: ${pinned}`,
        };
      });
      items.push(
        ...[...realmOf].map(([name, realm]) => ({ node: name, id: "", realm: realm.name, online: false, trusted: "" })),
      );
      items.sort((a, b) => a.node < b.node ? -1 : 1);
      if (session.data({ items })) return;
      if (items.length === 0) return session.say("The tailnet has no nodes, and there are no realms.");
      const { green, yellow } = session.colours;
      session.table(items, [
        { name: "NODE", value: ({ node }) => node },
        { name: "ID", rank: 2, value: ({ id }) => id || "-" },
        { name: "REALM", rank: 1, value: ({ realm }) => realm || "-" },
        { name: "ONLINE", value: ({ online, id }) => online ? green("yes") : yellow(id ? "no" : "missing") },
        { name: "TRUSTED", value: ({ trusted }) => trusted || "-" },
      ]);
    }));
