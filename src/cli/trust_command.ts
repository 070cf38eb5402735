import type { Command } from "commander";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { trustedNodeAnnotation } from "../api/mod.ts";
import { no } from "./exit.ts";
import { type CommandAction, verb } from "./session.ts";

export const trustCommand = (run: CommandAction): Command =>
  verb(
    "trust",
    "Trust another node under a realm's name: the one that answers to it next, or the one you name. Takes the " +
      "verb trust on the Realm.",
    [
      "keystone trust bob-home",
      "keystone trust bob-home --node nPMFVPcgQd11CNTRL",
    ],
  )
    .argument("<realm>", "the realm")
    .option("--node <id>", "StableID of the node to trust (default: the one that answers next)")
    .action(run(async (session, { node }, name) => {
      if (node !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(String(node))) {
        throw no(`--node is ${node}, which is no StableID; tailscale status --json shows it as ID.`);
      }
      using rest = await session.connect();
      const api = new KeystoneV1alpha1Api(rest).realms;
      const { metadata } = await api.get(String(name));
      const before = metadata.annotations?.[trustedNodeAnnotation];
      const realm = await api.patch(
        String(name),
        { metadata: { annotations: { [trustedNodeAnnotation]: node ?? null } } },
        { type: "merge" },
      );
      if (session.data(realm)) return;
      session.say(
        node === undefined
          ? `Realm ${name} no longer trusts ${before ?? "any node"}; the operator pins the node that answers next.`
          : `Realm ${name} trusts ${node}${before && before !== node ? `, and no longer ${before}` : ""}.`,
      );
    }));
