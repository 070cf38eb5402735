import type { Command } from "commander";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { confirm } from "./confirmation.ts";
import { no, usageError } from "./exit.ts";
import { followGrant, timeoutFrom, type WaitFlags } from "./follow/follow_grant.ts";
import { endPart, overOf, overText } from "./grant_over.ts";
import { type CommandAction, type Session, verb } from "./session.ts";

interface RevokeOptions extends WaitFlags {
  reason?: string;
  now?: boolean;
  yes?: boolean;
}

export const revokeCommand = (run: CommandAction): Command =>
  verb("revoke", "Revoke a grant: notice, end, drain. A revocation can't be undone.", [
    'keystone grant revoke alice-to-bob --reason "the disk is full"',
    "keystone grant revoke alice-to-bob --watch",
    "keystone grant revoke alice-to-bob --now --yes",
  ])
    .argument("<grant>", "name of the grant")
    .option("--reason <text>", "reason, which the grantee can read")
    .option("--now", "no notice, or no rest of a notice: the grant ends at once; pods still have their time to stop")
    .option("--wait", "wait until the grant has ended and its pods are gone")
    .option("--watch", "the same, and show each pod that is evicted or that waits")
    .option("--timeout <time>", "longest time to wait, such as 90s or 10m (default: none)", timeoutFrom)
    .option("--yes", "no confirmation")
    .action(run(async (session, options: RevokeOptions, name) => {
      if (options.timeout !== undefined && !options.wait && !options.watch) {
        throw usageError("--timeout is set, but neither --wait nor --watch. Add one of them.");
      }
      using rest = await session.connect();
      const grant = await new KeystoneV1alpha1Api(rest).grants.get(String(name));
      const change = changeOf(grant, options);
      if (change === undefined) return await finish(session, rest, grant, overText(grant), options);
      const over = overOf(grant);
      await confirm(session, options.yes, {
        question: over === undefined
          ? `Revoke grant ${name} to ${grant.spec.granteeRealm}${
            options.now ? " and end it at once" : ""
          }? This can't be undone.`
          : options.now
          ? `${overText(grant)} End it at once? This can't be undone.`
          : `${overText(grant)} Add the reason? It can't be changed later.`,
        declined: over === undefined ? "Nothing was revoked." : "Nothing was changed.",
        effect: "A revocation can't be undone",
      });
      const revoked = await new KeystoneV1alpha1Api(rest).grants.patch(
        String(name),
        { spec: { revocation: change } },
        { type: "merge" },
      );
      await finish(session, rest, revoked, said(revoked, change), options);
    }));

/** Returns the fields to write; undefined: nothing has to be written. */
function changeOf(grant: Grant, { reason, now }: RevokeOptions): Grant["spec"]["revocation"] {
  const before = grant.spec.revocation;
  const over = overOf(grant);
  const isNewReason = reason !== undefined && reason !== before?.reason;
  if (isNewReason && before?.reason) {
    throw no(`${overText(grant)} The first reason stays, because the guests have read it: leave out --reason.`);
  }
  if (over === "ended") {
    if (isNewReason) throw no(`${overText(grant)} A reason can't be added any more: leave out --reason.`);
    return undefined;
  }
  const isNewEnd = now === true && !before?.immediate;
  if (over !== undefined && !isNewReason && !isNewEnd) return undefined;
  return { ...(isNewReason ? { reason } : {}), ...(now ? { immediate: true } : {}) };
}

/** Returns the sentence about the written grant, from what came back. */
function said(revoked: Grant, change: NonNullable<Grant["spec"]["revocation"]>): string {
  const { metadata, spec } = revoked;
  const name = `Grant ${metadata!.name}`;
  if (spec.revocation === undefined) {
    throw no(`${name} is not revoked: the API server stored it without the revocation. A webhook may have removed it.`);
  }
  const notes: string[] = [];
  if (change.reason !== undefined && spec.revocation.reason !== change.reason) {
    notes.push(`The stored reason is ${JSON.stringify(spec.revocation.reason ?? "")}, because a webhook changed it.`);
  }
  if (change.immediate && !spec.revocation.immediate) {
    throw no(
      `${name} is revoked, but not at once: ${
        endPart(revoked)
      }. The API server dropped spec.revocation.immediate: the ` +
        "custom resource is older than this command. Run kubectl apply -f crds/ and upgrade the operator.",
    );
  }
  return [`${name} is revoked; ${endPart(revoked)}.`, ...notes].join(" ");
}

/** Prints the sentence, or waits until the grant has ended. */
async function finish(
  session: Session,
  rest: RestClient,
  grant: Grant,
  text: string,
  options: RevokeOptions,
): Promise<void> {
  const { name } = grant.metadata!;
  if (!options.wait && !options.watch) {
    if (session.data(grant)) return;
    const next = overOf(grant) === "ended" ? "" : ` Watch it: keystone grant revoke ${name} --watch`;
    return session.say(`${text}${next}`);
  }
  session.note(text);
  const last = await followGrant(session, rest, grant, options, {
    until: "ended",
    goesOn: `The grant ends anyway. Wait again: keystone grant revoke ${name} --wait`,
  });
  session.data(last ?? grant);
}
