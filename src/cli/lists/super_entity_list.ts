/** The list of SuperEntities. */
import { superEntities, type SuperEntity } from "../../api/client/keystone.io@v1alpha1.ts";
import { conditionOf } from "../../core/conditions.ts";
import type { Session } from "../session.ts";
import type { TableColumn } from "../table_layout.ts";
import { commandLine, type DetailBlock, field, fieldTable } from "./detail_block.ts";
import type { ListSource } from "./list_sources.ts";
import { type ListView, withObject } from "./show_list.ts";

/** A SuperEntity in the list. */
export interface ListedSuperEntity {
  name: string;
  phase: string;
  approved: number;
  needed: number;
  pooled: Readonly<Record<string, string>>;
  members: readonly { realm: string; approved: boolean; state: string }[];
  message: string;
  object: SuperEntity;
}

export function superEntityList(session: Session) {
  const sources = { superEntities: { resource: superEntities } as ListSource<SuperEntity> };
  return {
    kind: "SuperEntity",
    resource: "superentity.keystone.io",
    sources,
    items: ({ superEntities: objects = [] }) => objects.map(listed).sort((a, b) => a.name < b.name ? -1 : 1),
    data: ({ object, ...entity }) => withObject(object, entity),
    columns: () => superEntityColumns(session),
    block: (entity) => Promise.resolve(superEntityBlock(entity)),
    deleted: (entity) => ({ ...entity, phase: "Deleted" }),
    empty: () => ["There are no SuperEntities. To create one, see docs/superentity.md."],
  } satisfies ListView<typeof sources, ListedSuperEntity>;
}

function listed(object: SuperEntity): ListedSuperEntity {
  const { metadata, spec, status } = object;
  const states = new Map((status?.members ?? []).map((member) => [member.realm, member]));
  return {
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
    object,
  };
}

/** Returns the columns. On a narrow terminal MEMBERS has several lines; then POOLED goes first. */
function superEntityColumns({ colours: { green, yellow } }: Session): TableColumn<ListedSuperEntity>[] {
  return [
    { name: "SUPERENTITY", value: ({ name }) => name },
    { name: "PHASE", value: ({ phase }) => (phase === "Active" ? green : yellow)(phase) },
    { name: "APPROVED", value: ({ approved, needed }) => `${approved} of ${needed}` },
    {
      name: "MEMBERS",
      rank: 1,
      wraps: true,
      value: ({ members }) => members.map(({ realm, approved }) => `${realm}${approved ? " ✓" : ""}`).join(", "),
    },
    {
      name: "POOLED",
      rank: 2,
      value: ({ pooled }) =>
        ["requests.cpu", "requests.memory", "requests.storage"].flatMap((key) => pooled[key] ? [pooled[key]] : [])
          .join(" / ") || "-",
    },
  ];
}

function superEntityBlock({ name, phase, approved, needed, pooled, members, message, object }: ListedSuperEntity) {
  const { spec, status } = object;
  const contributions = new Map(spec.members.map(({ realm, contribution }) => [realm, contribution ?? {}]));
  const amounts = (list: Readonly<Record<string, unknown>>) =>
    Object.entries(list).map(([key, value]) => `${value} ${key}`).join(", ") || "nothing";
  const missing = members.filter((member) => !member.approved);
  return {
    title: `SuperEntity ${name}`,
    fields: [
      field("State", `${phase}. ${message}`.trim()),
      field("Purpose", spec.purpose),
      field("Approved", `by ${approved} of ${needed}`),
      field(
        "Members",
        fieldTable(members, [
          { name: "realm", value: ({ realm }) => realm },
          { name: "approved", value: ({ approved }) => approved ? "approved" : "not approved" },
          { name: "state", value: ({ state }) => state },
          { name: "gives", wraps: true, value: ({ realm }) => `gives ${amounts(contributions.get(realm) ?? {})}` },
        ]),
      ),
      field("Pooled", Object.keys(pooled).length > 0 ? amounts(pooled) : undefined),
      field("Terms", status?.digest),
      field(
        "To do",
        ...(approved < needed
          ? missing.map(({ realm }) =>
            commandLine(
              `As ${realm}, read and approve the terms`,
              `keystone superentity approve ${name} --realm ${realm}`,
            )
          )
          : []),
      ),
    ],
  } satisfies DetailBlock;
}
