import type { Command } from "commander";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import { no } from "./exit.ts";
import { Observed } from "./observed.ts";
import { type GrantSummary, grantSummaryOf, isForbidden, lendingsOfGuest, relative, share } from "./grant_summary.ts";
import { type CommandAction, verb } from "./session.ts";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";

export const grantsCommand = (run: CommandAction): Command =>
  verb("grants", "List grants: what is granted, used and free, and when each ends.", [
    "keystone grants",
    "keystone grants --realm bob-home -o wide",
    "keystone grants alice-to-bob",
    "keystone grants -o json | jq '.items[] | select(.phase == \"Active\") | .name'",
  ])
    .argument("[names...]", "only grants of these names")
    .option("--realm <name>", "only grants to this realm")
    .option("--phase <phase>", "only grants in this phase: Pending, Active, Ending, Revoked or Expired")
    .action(run(async (session, { realm, phase }, names) => {
      const wanted = names as string[];
      using rest = await session.connect();
      let summaries: GrantSummary[];
      let objects = new Map<string, object>();
      try {
        const [seen, raw] = await Promise.all([new Observed(rest).terms(), new KeystoneV1alpha1Api(rest).grants.all()]);
        summaries = seen.stores.grants.list().map(grantSummaryOf);
        objects = new Map(raw.map((object) => [object.metadata!.name!, object]));
      } catch (error) {
        const namespace = realm === undefined ? rest.defaultNamespace ?? "" : guestNamespace(String(realm));
        // A guest sees the grants to their own realm.
        if (!isForbidden(error) || realmOfNamespace(namespace) === undefined) throw error;
        summaries = await lendingsOfGuest(rest, namespace);
      }
      const missing = wanted.filter((name) => !summaries.some((each) => each.name === name));
      const items = summaries
        .filter((each) => wanted.length === 0 || wanted.includes(each.name))
        .filter((each) =>
          (realm === undefined || each.grantee === realm) && (!phase || each.phase === phase || each.state === phase)
        )
        .sort((a, b) => a.grantee < b.grantee ? -1 : a.grantee > b.grantee ? 1 : a.name < b.name ? -1 : 1);
      const answered = () => {
        for (const name of missing) session.note(`Grant ${name} does not exist, or is not in force for you.`);
        if (missing.length > 0) throw no();
      };
      if (session.data({ items: items.map((item) => ({ ...objects.get(item.name), ...item })) })) return answered();
      if (items.length === 0) {
        answered();
        return session.say("There are no grants. Create one: keystone grant create NAME --to REALM --hard cpu=2");
      }
      const now = session.io.now();
      const colour = (phase: string) =>
        phase === "Active"
          ? session.colours.green(phase)
          : phase === "Pending" || phase === "Ending"
          ? session.colours.yellow(phase)
          : session.colours.dim(phase);
      session.table(items, [
        { name: "GRANT", value: ({ name }) => name },
        { name: "FROM", value: ({ grantor }) => grantor || "-" },
        { name: "TO", value: ({ grantee }) => grantee },
        { name: "PHASE", value: ({ state }) => colour(state) },
        { name: "CPU", value: ({ granted, used }) => share(used["requests.cpu"], granted["requests.cpu"]) },
        { name: "MEMORY", value: ({ granted, used }) => share(used["requests.memory"], granted["requests.memory"]) },
        { name: "ENDS", value: ({ ends }) => relative(ends, now) },
        {
          name: "FREE",
          wide: true,
          value: ({ free }) => Object.entries(free).map(([key, value]) => `${key}=${value}`).join(" "),
        },
        { name: "MESSAGE", wide: true, value: ({ message }) => message },
      ]);
      answered();
    }));
