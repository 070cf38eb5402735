import { type Command, Option } from "commander";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { rfc3339 } from "../core/instants.ts";
import { no, usageError } from "./exit.ts";
import { followGrant, timeoutFrom, type WaitFlags } from "./follow/follow_grant.ts";
import { lendAgain, overOf, overText } from "./grant_over.ts";
import { endFrom, momentOf, spanFrom } from "./time_flags.ts";
import { shownInstant } from "./shown_instant.ts";
import { type CommandAction, verb } from "./session.ts";

export const extendCommand = (run: CommandAction): Command =>
  verb("extend", "Extend a grant. If it is on notice, this also lifts the freeze.", [
    "keystone grant extend alice-to-bob --until 'next friday'",
    "keystone grant extend alice-to-bob --by 30d",
    "keystone grant extend alice-to-bob --no-end --wait",
  ])
    .argument("<grant>", "name of the grant")
    .option("--until <instant>", "new end: a day, a time or a span, such as friday, 2030-06-01 18:00 or 2w")
    .option("--for <span>", "time from now, or from a start in the future, to the new end: 30d, 2w")
    .option("--by <span>", "time to add to the present end, such as 30d")
    .option("--no-end", "no end: the grant lasts until it is revoked")
    .option("--wait", "wait until the operator enforces the new end")
    .addOption(
      new Option("--timeout <time>", "longest time to wait, such as 90s or 10m").argParser(timeoutFrom).default(
        60_000,
        "1m",
      ),
    )
    .action(run(async (session, options, name) => {
      const { until, by, end } = options as { until?: string; for?: string; by?: string; end?: boolean };
      const ways = [until, options.for, by, end === false ? "" : undefined].filter((each) => each !== undefined);
      if (ways.length !== 1) throw usageError("Use exactly one of --until, --for, --by and --no-end.");
      using rest = await session.connect();
      const api = new KeystoneV1alpha1Api(rest).grants;
      const grant = await api.get(name as string);
      refuseOver(grant);
      const present = grant.spec.validity?.validUntil ?? undefined;
      if (by !== undefined && present === undefined) throw no(`Grant ${name} has no end, so --by can't extend it.`);
      const moment = momentOf(session.io);
      const lasts = (until: string | undefined) =>
        until === undefined ? "until it is revoked" : `until ${shownInstant(Date.parse(until), moment.zone)}`;
      const start = grant.spec.validity?.validFrom;
      const given = endFrom(options, moment, start ? Math.max(Date.parse(start), moment.now) : moment.now);
      const validUntil = end === false
        ? null
        : rfc3339(by !== undefined ? Date.parse(present!) + spanFrom("--by", by) : given!.at);
      if (validUntil !== null && present !== undefined && Date.parse(validUntil) < Date.parse(present)) {
        throw no(`Grant ${name} already lasts until ${present}. To end it earlier: keystone grant revoke ${name}`);
      }
      // In a merge patch null removes the field.
      const extended = await api.patch(
        name as string,
        { spec: { validity: { validUntil } } },
        { type: "merge" },
      );
      // It may have been revoked or deleted in the meantime.
      refuseOver(extended);
      const stored = extended.spec.validity?.validUntil ?? undefined;
      const isStored = stored === undefined ? validUntil === null : Date.parse(stored) === Date.parse(validUntil ?? "");
      if (!isStored) {
        throw no(
          `Grant ${name} lasts ${lasts(stored)}, not ${lasts(validUntil ?? undefined)}: a webhook or another ` +
            "client changed it. See: kubectl get grant " + `${name} -o yaml --show-managed-fields`,
        );
      }
      if (given?.note) session.note(`Note: ${given.note}`);
      const renew = `Kubeconfigs keep their old end. Renew them: keystone realm kubeconfig ${grant.spec.granteeRealm}`;
      if (!options.wait) {
        if (session.data(extended)) return;
        session.say(`Grant ${name} lasts ${lasts(stored)}.`);
        return session.note(renew);
      }
      const last = await followGrant(session, rest, extended, options as WaitFlags, {
        until: "enforced",
        goesOn: `The new end is stored. See: keystone explain grant ${name}`,
      });
      if (session.data(last)) return;
      session.say(`Grant ${name} lasts ${lasts(last?.status?.effectiveUntil)}.`);
      session.note(renew);
    }));

/** Refuses a grant that has ended or whose end is decided, because a later date changes nothing. */
function refuseOver(grant: Grant): void {
  if (overOf(grant) === undefined) return;
  throw no(`${overText(grant)} It can't be extended. To lend again: ${lendAgain(grant)}`);
}
