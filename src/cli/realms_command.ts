import type { Command } from "commander";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { grantSummaryOf, quotaOfRealm, relative, share, total } from "./grant_summary.ts";
import { Observed } from "./observed.ts";
import { type CommandAction, verb } from "./session.ts";
import { conditionOf } from "../core/conditions.ts";
import { trustOf } from "../core/grant/lifecycle.ts";

export const realmsCommand = (run: CommandAction): Command =>
  verb("list", "List realms: their state on the tailnet, what they are granted and what they use.", [
    "keystone realm list",
    "keystone realm list -o wide",
    "keystone realm list -o json",
  ]).action(run(async (session) => {
    using rest = await session.connect();
    const [{ stores }, raw] = await Promise.all([
      new Observed(rest).terms().then((seen) => seen.quotas()),
      new KeystoneV1alpha1Api(rest).realms.all(),
    ]);
    const objects = new Map(raw.map((object) => [object.metadata!.name!, object]));
    const items = stores.realms.list().map(({ name, spec, status }) => {
      const lent = stores.grants.index("grantee", name).map(grantSummaryOf);
      const used = quotaOfRealm(stores, name)?.used ?? {};
      const ready = conditionOf(status, "Ready");
      return {
        ...objects.get(name),
        name,
        identity: spec.identity,
        trust: trustOf({ spec }),
        state: status.connectionState ?? "Unknown",
        ...(status.lastSeen ? { lastSeen: status.lastSeen } : {}),
        grants: lent.filter(({ phase }) => phase === "Active").length,
        granted: Object.fromEntries(
          ["requests.cpu", "requests.memory", "requests.storage"].flatMap((key) => {
            const sum = total(lent, key);
            return sum === undefined ? [] : [[key, sum]];
          }),
        ) as Record<string, string>,
        used,
        message: ready?.message ?? "",
      };
    }).sort((a, b) => a.name < b.name ? -1 : 1);
    if (session.data({ items })) return;
    if (items.length === 0) {
      return session.say("There are no realms. Create one: keystone realm add (requires the verb trust on realms)");
    }
    const now = session.io.now();
    const { green, yellow, red } = session.colours;
    const colour = (state: string) => (state === "Connected" ? green : state === "Error" ? red : yellow)(state);
    session.table(items, [
      { name: "REALM", value: ({ name }) => name },
      { name: "IDENTITY", value: ({ identity }) => identity },
      { name: "TRUST", value: ({ trust }) => trust },
      { name: "STATE", value: ({ state }) => colour(state) },
      { name: "SEEN", value: ({ lastSeen }) => lastSeen ? relative(lastSeen, now) : "never" },
      { name: "GRANTS", value: ({ grants }) => String(grants) },
      { name: "CPU", value: ({ used, granted }) => share(used["requests.cpu"], granted["requests.cpu"]) },
      { name: "MEMORY", value: ({ used, granted }) => share(used["requests.memory"], granted["requests.memory"]) },
      {
        name: "STORAGE",
        wide: true,
        value: ({ used, granted }) => share(used["requests.storage"], granted["requests.storage"]),
      },
      { name: "MESSAGE", wide: true, value: ({ message }) => message },
    ]);
  }));
