import type { Command } from "commander";
import { readSources } from "./lists/list_sources.ts";
import { listVerb, showList } from "./lists/show_list.ts";
import { superEntityList } from "./lists/super_entity_list.ts";
import type { CommandAction } from "./session.ts";

export const superEntitiesCommand = (run: CommandAction): Command =>
  listVerb("list", "List SuperEntities: which members have approved, and what is pooled.", [
    "keystone superentity list",
    "keystone superentity list three-homes",
    "keystone superentity list -o json | jq '.items[] | {name, phase, pooled}'",
  ], "SuperEntities").action(run(async (session, options, names) => {
    using rest = await session.connect();
    const list = superEntityList(session);
    await showList(session, rest, list, await readSources(rest, list.sources), {
      names: names as string[],
      watch: options.watch === true,
    });
  }));
