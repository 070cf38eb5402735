import type { Command } from "commander";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { rfc3339 } from "../core/instants.ts";
import { no, usageError } from "./exit.ts";
import { endFrom, momentOf, spanFrom } from "./time_flags.ts";
import { shownInstant } from "./shown_instant.ts";
import { type CommandAction, verb } from "./session.ts";

export const extendCommand = (run: CommandAction): Command =>
  verb("extend", "Extend a grant. If it is on notice, this also lifts the freeze.", [
    "keystone grant extend alice-to-bob --until 'next friday'",
    "keystone grant extend alice-to-bob --by 30d",
    "keystone grant extend alice-to-bob --no-end",
  ])
    .argument("<grant>", "name of the grant")
    .option("--until <instant>", "new end: a day, a time or a span, such as friday, 2030-06-01 18:00 or 2w")
    .option("--for <span>", "time from now, or from a start in the future, to the new end: 30d, 2w")
    .option("--by <span>", "time to add to the present end, such as 30d")
    .option("--no-end", "no end: the grant lasts until it is revoked")
    .action(run(async (session, options, name) => {
      const { until, by, end } = options as { until?: string; for?: string; by?: string; end?: boolean };
      const ways = [until, options.for, by, end === false ? "" : undefined].filter((each) => each !== undefined);
      if (ways.length !== 1) throw usageError("Use exactly one of --until, --for, --by and --no-end.");
      using rest = await session.connect();
      const api = new KeystoneV1alpha1Api(rest).grants;
      const grant = await api.get(name as string);
      const present = grant.spec.validity?.validUntil ?? undefined;
      if (by !== undefined && present === undefined) throw no(`Grant ${name} has no end, so --by can't extend it.`);
      const moment = momentOf(session.io);
      const start = grant.spec.validity?.validFrom;
      const given = endFrom(options, moment, start ? Math.max(Date.parse(start), moment.now) : moment.now);
      const validUntil = end === false
        ? null
        : rfc3339(by !== undefined ? Date.parse(present!) + spanFrom("--by", by) : given!.at);
      if (validUntil !== null && present !== undefined && Date.parse(validUntil) < Date.parse(present)) {
        throw no(`Grant ${name} already lasts until ${present}. To end it earlier: keystone grant revoke ${name}`);
      }
      // In a merge patch null removes the field.
      const extended = await api.patch(name as string, { spec: { validity: { validUntil } } }, { type: "merge" });
      if (session.data(extended)) return;
      const shown = validUntil === null ? "it is revoked" : shownInstant(Date.parse(validUntil), moment.zone);
      session.say(`Grant ${name} lasts until ${shown}.`);
      if (given?.note) session.note(`Note: ${given.note}`);
    }));
