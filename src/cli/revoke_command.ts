import type { Command } from "commander";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { confirm } from "./confirmation.ts";
import { type CommandAction, verb } from "./session.ts";

export const revokeCommand = (run: CommandAction): Command =>
  verb("revoke", "Revoke a grant: notice, end, drain. A revocation can't be undone.", [
    'keystone grant revoke alice-to-bob --reason "the disk is full"',
    "keystone grant revoke alice-to-bob --yes",
  ])
    .argument("<grant>", "name of the grant")
    .option("--reason <text>", "reason, which the grantee can read")
    .option("--yes", "no confirmation")
    .action(run(async (session, { reason, yes }, name) => {
      using rest = await session.connect();
      const api = new KeystoneV1alpha1Api(rest).grants;
      const { spec, status } = await api.get(name as string);
      if (spec.revocation !== undefined) {
        if (session.data(await api.get(name as string))) return;
        return session.say(`Grant ${name} is already revoked${status?.message ? `: ${status.message}` : "."}`);
      }
      await confirm(session, yes, {
        question: `Revoke grant ${name} to ${spec.granteeRealm}? This can't be undone.`,
        declined: "Nothing was revoked.",
        effect: "A revocation can't be undone",
      });
      const revoked = await api.patch(
        name as string,
        { spec: { revocation: reason === undefined ? {} : { reason } } },
        { type: "merge" },
      );
      if (session.data(revoked)) return;
      const notice = spec.termination?.noticeSeconds ?? 300;
      session.say(
        `Grant ${name} is revoked; ${
          notice === 0 ? "it ends at once" : `it ends after at most ${notice} s of notice`
        }. Watch it: keystone explain grant ${name}`,
      );
    }));
