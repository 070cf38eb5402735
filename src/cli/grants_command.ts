import type { Command } from "commander";
import { type GrantState, grantStates } from "../api/mod.ts";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import { usageError } from "./exit.ts";
import { isForbidden } from "./grant_summary.ts";
import { grantList, guestGrantList, type ListedGrant } from "./lists/grant_list.ts";
import { readSources } from "./lists/list_sources.ts";
import { didYouMean } from "./lists/nearest_name.ts";
import { listVerb, showList } from "./lists/show_list.ts";
import type { CommandAction } from "./session.ts";

export const grantsCommand = (run: CommandAction): Command =>
  listVerb("list", "List grants: what is granted, used and free, and when each ends.", [
    "keystone grant list",
    "keystone grant list --realm bob-home -o wide",
    "keystone grant list alice-to-bob",
    "keystone grant list --watch",
    "keystone grant list -o json | jq '.items[] | select(.phase == \"Active\") | .name'",
  ], "grants")
    .option("--realm <name>", "only grants to this realm")
    .option(
      "--phase <phase>",
      `only grants in this phase: ${grantStates.slice(0, -1).join(", ")} or ${grantStates.at(-1)}`,
    )
    .action(run(async (session, options, names) => {
      const realm = options.realm === undefined ? undefined : String(options.realm);
      const phase = options.phase === undefined ? undefined : phaseOf(String(options.phase));
      const selection = {
        names: names as string[],
        matches: (grant: ListedGrant) =>
          (realm === undefined || grant.grantee === realm) &&
          (phase === undefined || grant.phase === phase || grant.state === phase),
        watch: options.watch === true,
      };
      using rest = await session.connect();
      const list = grantList(session, rest);
      const objects = await readSources(rest, list.sources).catch((error) => {
        // A guest sees the grants to their own realm.
        if (!isForbidden(error)) throw error;
        return error as Error;
      });
      if (!(objects instanceof Error)) {
        const empty = () => emptyBecause(list.items(objects), { realm, phase }) ?? list.empty();
        return await showList(session, rest, { ...list, empty }, objects, selection);
      }
      const namespace = realm === undefined ? rest.defaultNamespace ?? "" : guestNamespace(realm);
      if (realmOfNamespace(namespace) === undefined) throw objects;
      const ofGuest = guestGrantList(session, rest, namespace);
      await showList(session, rest, ofGuest, await readSources(rest, ofGuest.sources), selection);
    }));

/** Reads a phase in any case. */
function phaseOf(text: string): GrantState {
  const found = grantStates.find((phase) => phase.toLowerCase() === text.toLowerCase());
  if (found) return found;
  throw usageError(`--phase is ${text}. It must be one of ${grantStates.join(", ")}.${didYouMean(text, grantStates)}`);
}

/** Returns the reason for which flags leave nothing of a list. */
function emptyBecause(
  all: readonly ListedGrant[],
  { realm, phase }: { realm: string | undefined; phase: GrantState | undefined },
): string[] | undefined {
  if (all.length === 0 || (realm === undefined && phase === undefined)) return undefined;
  const others = realm === undefined ? "" : didYouMean(realm, new Set(all.map(({ grantee }) => grantee)));
  return [
    `There are no grants${realm === undefined ? "" : ` to ${realm}`}${
      phase === undefined ? "" : ` in phase ${phase}`
    }, ` +
    `but ${all.length} ${all.length === 1 ? "other" : "others"}: keystone grant list.${others}`,
  ];
}
