import type { Command } from "commander";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { trustedNodeAnnotation } from "../api/mod.ts";
import { confirm } from "./confirmation.ts";
import { no } from "./exit.ts";
import { type CommandAction, verb } from "./session.ts";

export const trustCommand = (run: CommandAction): Command =>
  verb(
    "trust",
    "Trust another node for a realm: the next node with the realm's name, or the one you name. Requires the verb " +
      "trust on the Realm.",
    [
      "keystone realm trust bob-home",
      "keystone realm trust bob-home --node nPMFVPcgQd11CNTRL",
      "keystone realm trust bob-home --yes",
    ],
  )
    .argument("<realm>", "name of the realm")
    .option("--node <id>", "StableID of the node to trust (default: the next node with the realm's name)")
    .option("--yes", "no confirmation")
    .action(run(async (session, { node, yes }, name) => {
      if (node !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(String(node))) {
        throw no(`--node is ${node}. It must be a StableID; tailscale status --json shows it as ID.`);
      }
      using rest = await session.connect();
      const api = new KeystoneV1alpha1Api(rest).realms;
      const { metadata } = await api.get(String(name));
      const before = metadata.annotations?.[trustedNodeAnnotation];
      if (before !== undefined && before !== node) {
        await confirm(session, yes, {
          question: `Trust ${node ?? `the next node with the name of ${name}`} instead of ${before}? That node ` +
            `gets the access of ${name}.`,
          declined: "Nothing was changed.",
          effect: `Another node gets the access of ${name} instead of ${before}`,
        });
      }
      const realm = await api.patch(
        String(name),
        { metadata: { annotations: { [trustedNodeAnnotation]: node ?? null } } },
        { type: "merge" },
      );
      const pinned = realm.metadata.annotations?.[trustedNodeAnnotation];
      // Without a pin, the operator may already have recorded the next node.
      if (node === undefined ? pinned !== undefined && pinned === before : pinned !== node) {
        throw no(
          `Realm ${name} trusts ${pinned ?? "no node"}, not ${node ?? "the next node"}: a webhook or another client ` +
            "changed it back.",
        );
      }
      if (session.data(realm)) return;
      session.say(
        node === undefined
          ? pinned === undefined
            ? `Realm ${name} no longer trusts ${
              before ?? "any node"
            }; the operator will trust the next node with its name.`
            : `Realm ${name} trusts ${pinned}${before ? `, and no longer ${before}` : ""}.`
          : `Realm ${name} trusts ${node}${before && before !== node ? `, and no longer ${before}` : ""}.`,
      );
    }));
