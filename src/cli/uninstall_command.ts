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
    "Prepare the cluster for removing Keystone: lock guests out and remove Keystone's finalizers. Guests' data stays.",
    [
      "keystone uninstall",
      "keystone uninstall --yes",
    ],
  )
    .option("--yes", "no confirmation")
    .action(run(async (session, { yes }) => {
      if (!yes) {
        if (!session.io.interactive) {
          throw usageError("--yes is not set. This locks out all guests; use --yes to confirm.");
        }
        const sure = await prompts.confirm({ message: "Lock out all guests and remove Keystone's finalizers?" });
        if (prompts.isCancel(sure) || !sure) throw no("Nothing was changed.");
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
