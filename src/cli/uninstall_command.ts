import type { Command } from "commander";
import { systemClock } from "../../lib/clock/mod.ts";
import { leaseIdentity } from "../../lib/kubernetes/mod.ts";
import { uninstall, uninstaller } from "../controllers/uninstall.ts";
import { confirm } from "./confirmation.ts";
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
      await confirm(session, yes, {
        question: "Lock out all guests and remove Keystone's finalizers?",
        declined: "Nothing was changed.",
        effect: "This locks out all guests",
      });
      using rest = await session.connect();
      const done: string[] = [];
      let doing = "taking the Lease";
      await session.during(() => doing, () =>
        uninstall({
          rest,
          clock: systemClock,
          identity: `${uninstaller}${leaseIdentity(Deno.hostname())}`,
          doing: (text) => doing = text,
          say: (sentence) => {
            done.push(sentence);
            if (session.flags.output === "text" || session.flags.output === "wide") session.say(sentence);
          },
          signal: new AbortController().signal,
        }));
      session.data({ done });
    }));
