import type { Command } from "commander";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { type CommandAction, verb } from "./session.ts";
import { conditionOf } from "../core/conditions.ts";

export const superEntitiesCommand = (run: CommandAction): Command =>
  verb("list", "List SuperEntities: which members have approved, and what is pooled.", [
    "keystone superentity list",
    "keystone superentity list -o json | jq '.items[] | {name, phase, pooled}'",
  ]).action(run(async (session) => {
    using rest = await session.connect();
    const items = (await new KeystoneV1alpha1Api(rest).superEntities.all()).map((object) => {
      const { metadata, spec, status } = object;
      const states = new Map((status?.members ?? []).map((member) => [member.realm, member]));
      return {
        ...object,
        name: metadata!.name!,
        phase: status?.phase ?? "Pending",
        approved: status?.approved ?? 0,
        needed: status?.needed ?? spec.quorum ?? spec.members.length,
        pooled: status?.pooled ?? {},
        members: spec.members.map(({ realm }) => ({
          realm,
          approved: states.get(realm)?.approved ?? false,
          state: String(states.get(realm)?.state ?? "Unknown"),
        })),
        message: conditionOf(status, "Ready")?.message ?? "",
      };
    }).sort((a, b) => a.name < b.name ? -1 : 1);
    if (session.data({ items })) return;
    if (items.length === 0) return session.say("There are no SuperEntities. To create one, see docs/superentity.md.");
    const { green, yellow } = session.colours;
    session.table(items, [
      { name: "SUPERENTITY", value: ({ name }) => name },
      { name: "PHASE", value: ({ phase }) => (phase === "Active" ? green : yellow)(phase) },
      { name: "APPROVED", value: ({ approved, needed }) => `${approved} of ${needed}` },
      {
        name: "MEMBERS",
        value: ({ members }) => members.map(({ realm, approved }) => `${realm}${approved ? " ✓" : ""}`).join(", "),
      },
      {
        name: "POOLED",
        value: ({ pooled }) =>
          ["requests.cpu", "requests.memory", "requests.storage"].flatMap((key) => pooled[key] ? [pooled[key]] : [])
            .join(" / ") || "-",
      },
      { name: "MESSAGE", wide: true, value: ({ message }) => message },
    ]);
  }));
