import type { Command } from "commander";
import { systemNamespace } from "../core/names.ts";
import { version } from "../version.ts";
import { exitOf } from "./exit.ts";
import { operatorWorkload } from "./operator_workload.ts";
import { type CommandAction, type Session, verb } from "./session.ts";
import { versionNote } from "./version_hint.ts";

export const versionCommand = (run: CommandAction): Command =>
  verb("version", "Print the versions of this command and of the operator in the cluster.", [
    "keystone version",
    "keystone version --client",
    "keystone version -o json",
  ])
    .option("--client", "only the version of this command, without a cluster")
    .action(run(async (session, { client }) => {
      const operator = client === true ? {} : await operatorVersion(session);
      if (session.data({ command: version, operator: operator.version ?? null })) return;
      session.raw(`keystone ${version}`);
      if (client === true) return;
      session.say(`operator ${operator.version ?? `unknown: ${operator.reason}`}`);
      const note = operator.version === undefined ? undefined : versionNote(operator.version);
      if (note) session.note(note);
    }));

/** Returns the operator's version, or the reason for which it is not known: that is no failure of this command. */
async function operatorVersion(session: Session): Promise<{ version?: string; reason?: string }> {
  try {
    using rest = session.client(await session.clusterConfig());
    const found = await operatorWorkload(rest);
    if (found === undefined) return { reason: `no operator is installed in ${systemNamespace}` };
    return found.version === undefined
      ? { reason: `the image ${found.container.image ?? ""} has no version as its tag` }
      : { version: found.version };
  } catch (error) {
    return { reason: exitOf(error).message };
  }
}
