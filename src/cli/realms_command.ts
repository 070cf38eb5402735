import type { Command } from "commander";
import { readSources } from "./lists/list_sources.ts";
import { realmList } from "./lists/realm_list.ts";
import { listVerb, showList } from "./lists/show_list.ts";
import type { CommandAction } from "./session.ts";

export const realmsCommand = (run: CommandAction): Command =>
  listVerb("list", "List realms: their state on the tailnet, what they are granted and what they use.", [
    "keystone realm list",
    "keystone realm list bob-home",
    "keystone realm list --watch",
    "keystone realm list -o json",
  ], "realms").action(run(async (session, options, names) => {
    using rest = await session.connect();
    const list = realmList(session, rest);
    await showList(session, rest, list, await readSources(rest, list.sources), {
      names: names as string[],
      watch: options.watch === true,
    });
  }));
