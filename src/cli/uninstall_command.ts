import * as prompts from "@clack/prompts";
import type { Command } from "commander";
import { systemClock } from "../../lib/clock/mod.ts";
import { leaseIdentity } from "../../lib/kubernetes/mod.ts";
import { uninstall, uninstaller } from "../controllers/uninstall.ts";
import { no, usageError } from "./exit.ts";
import { type CommandAction, verb } from "./session.ts";

export const uninstallCommand = (run: CommandAction): Command =>
  verb(
    "uninstall",
    "Take Keystone's hands off the cluster: guests are locked out, nothing that they stored is deleted.",
    [
      "keystone uninstall",
      "keystone uninstall --yes",
    ],
  )
    .option("--yes", "don't ask")
    .action(run(async (session, { yes }) => {
      if (!yes) {
        if (!session.io.interactive) throw usageError("It locks all guests out. Write --yes if that is meant.");
        const sure = await prompts.confirm({ message: "Lock all guests out, and take Keystone's finalizers away?" });
        if (prompts.isCancel(sure) || !sure) throw no("Nothing was done.");
      }
      using rest = await session.connect();
      const done: string[] = [];
      await uninstall({
        rest,
        clock: systemClock,
        identity: `${uninstaller}${leaseIdentity(Deno.hostname())}`,
        say: (sentence) => {
          done.push(sentence);
          if (session.flags.output === "text" || session.flags.output === "wide") session.say(sentence);
        },
        signal: new AbortController().signal,
      });
      session.data({ done });
    }));
