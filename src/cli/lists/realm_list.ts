/** The list of realms. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { type ResourceQuota, resourceQuotas } from "../../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, grants, type Realm, realms } from "../../api/client/keystone.io@v1alpha1.ts";
import { trustedNodeAnnotation } from "../../api/mod.ts";
import { conditionOf } from "../../core/conditions.ts";
import { trustOf } from "../../core/grant/lifecycle.ts";
import { quotaName } from "../../core/guest/objects/quota.ts";
import { guestNamespace } from "../../core/names.ts";
import type { TighterUse } from "../../core/report/tighter_use.ts";
import { type GrantAmounts, grantAmounts, sumOfAmounts, usesOf } from "../../core/report/grant_amounts.ts";
import { grantObjectsOf, grantSummaryOf, relative, useText, useWithBar } from "../grant_summary.ts";
import { operatorTailnet, waysIn } from "../operator_tailnet.ts";
import type { Session } from "../session.ts";
import type { TableColumn } from "../table_layout.ts";
import { amountLines } from "./amount_lines.ts";
import { commandLine, type DetailBlock, field } from "./detail_block.ts";
import type { ListSource } from "./list_sources.ts";
import { roomLines } from "./namespace_room.ts";
import { type ListView, withObject } from "./show_list.ts";

/** A realm in the list. */
export interface ListedRealm {
  name: string;
  identity: string;
  trust: string;
  state: string;
  lastSeen?: string;
  /** Number of grants in force. */
  grants: number;
  /** Sums over the grants in force, of the keys in their terms. */
  granted: Record<string, string>;
  /** Use of the guest namespace. */
  used: Readonly<Record<string, string>>;
  /** Use of cpu, memory and the like, by requests or by limits, whichever is used up first. */
  use: Record<string, TighterUse>;
  message: string;
  /** Sums over the grants in force, with defaults, and the use of the guest namespace. */
  amounts: GrantAmounts;
  lent: readonly { name: string; phase: string; ends?: string }[];
  object: Realm;
}

const sumKeys = ["requests.cpu", "requests.memory", "requests.storage"];

export function realmList(session: Session, rest: RestClient) {
  const sources = {
    realms: { resource: realms } as ListSource<Realm>,
    grants: { resource: grants } as ListSource<Grant>,
    quotas: {
      resource: resourceQuotas,
      selector: { fieldSelector: `metadata.name=${quotaName}` },
      optional: true,
    } as ListSource<ResourceQuota>,
  };
  return {
    kind: "Realm",
    resource: "realm.keystone.io",
    sources,
    items({ realms: objects = [], grants: given = [], quotas = [] }) {
      const inUse = new Map(
        quotas.map(({ metadata, status }) => [metadata!.namespace!, (status?.used ?? {}) as Record<string, string>]),
      );
      const facts = grantObjectsOf(given);
      const byRealm = Map.groupBy(facts, ({ spec }) => spec.granteeRealm);
      const inForce = grantAmounts(facts, () => undefined);
      return objects.map((object): ListedRealm => {
        const { metadata, spec, status } = object;
        const name = metadata!.name!;
        const lent = (byRealm.get(name) ?? []).map((grant) => grantSummaryOf(grant));
        const active = lent.filter(({ phase }) => phase === "Active");
        const sums = sumOfAmounts(active.map(({ granted }) => granted));
        const amounts = {
          granted: sumOfAmounts(active.map((grant) => inForce.get(grant.name)!.granted)),
          used: inUse.get(guestNamespace(name)) ?? {},
        };
        return {
          name,
          identity: spec.identity,
          trust: trustOf({ spec }),
          state: status?.connectionState ?? "Unknown",
          ...(status?.lastSeen ? { lastSeen: status.lastSeen } : {}),
          grants: active.length,
          granted: Object.fromEntries(sumKeys.flatMap((key) => sums[key] === undefined ? [] : [[key, sums[key]]])),
          used: amounts.used,
          use: usesOf(amounts),
          message: conditionOf(status, "Ready")?.message ?? "",
          amounts,
          lent: lent.map(({ name, phase, ends }) => ({ name, phase, ...(ends === undefined ? {} : { ends }) })),
          object,
        };
      }).sort((a, b) => a.name < b.name ? -1 : 1);
    },
    data: ({ object, amounts: _, lent: __, ...realm }) => withObject(object, realm),
    columns: (now) => realmColumns(session, now),
    block: (realm, now) => realmBlock(rest, realm, now),
    deleted: (realm) => ({ ...realm, state: "Deleted", use: {} }),
    empty: () => [
      "There are no realms. Create one (requires the verb trust on realms):",
      "  keystone realm add",
    ],
  } satisfies ListView<typeof sources, ListedRealm>;
}

/**
 * Returns the columns. On a narrow terminal they go in this order: IDENTITY, which is long; then SEEN, MEMORY, GRANTS,
 * CPU and TRUST.
 */
function realmColumns({ colours: { green, yellow, red } }: Session, now: number): TableColumn<ListedRealm>[] {
  const colour = (state: string) => (state === "Connected" ? green : state === "Error" ? red : yellow)(state);
  return [
    { name: "REALM", value: ({ name }) => name },
    { name: "IDENTITY", rank: 6, value: ({ identity }) => identity },
    { name: "TRUST", rank: 1, value: ({ trust }) => trust },
    { name: "STATE", value: ({ state }) => colour(state) },
    { name: "SEEN", rank: 5, value: (realm) => seenText(realm, now) },
    { name: "GRANTS", rank: 3, value: ({ grants }) => String(grants) },
    { name: "CPU", rank: 2, value: ({ use }) => useWithBar(use.cpu), short: ({ use }) => useText(use.cpu) },
    { name: "MEMORY", rank: 4, value: ({ use }) => useWithBar(use.memory), short: ({ use }) => useText(use.memory) },
  ];
}

/** Returns the last time that the node was online. Its record is up to five minutes old while it is connected. */
const seenText = ({ state, lastSeen }: ListedRealm, now: number): string =>
  state === "Connected" ? "now" : lastSeen ? relative(lastSeen, now) : "never";

async function realmBlock(rest: RestClient, realm: ListedRealm, now: number): Promise<DetailBlock> {
  const { name, identity, trust, state, message, amounts, lent, granted, object } = realm;
  const node = object.status?.node;
  const pinned = object.metadata?.annotations?.[trustedNodeAnnotation];
  const inForce = realm.grants > 0;
  return {
    title: `Realm ${name}`,
    fields: [
      field("State", `${state}. ${message}`.trim()),
      field("Identity", identity),
      field("Trust", trust),
      field(
        "Node",
        node?.addresses?.join(", "),
        pinned === undefined ? "No node is trusted yet." : `Trusted: ${pinned}`,
      ),
      field("Seen", seenText(realm, now)),
      field("Grants", ...lent.map(({ name, phase, ends }) => `${name}: ${phase}, ends ${relative(ends, now)}`)),
      field("Use", ...(inForce ? amountLines(amounts, Object.keys(granted)) : [])),
      field("Room", ...(inForce ? await roomLines(rest, guestNamespace(name)) : [])),
      field(
        "To do",
        isReplaced(object) ? commandLine("Trust the present node", `keystone realm trust ${name}`) : undefined,
        lent.length === 0
          ? commandLine("Lend something", `keystone grant create NAME --to ${name} --cpu 2 --memory 4Gi --until friday`)
          : undefined,
        ...(inForce ? waysIn(name, await operatorTailnet(rest)) : []).map(({ text, command }) =>
          commandLine(text, command)
        ),
      ),
    ],
  };
}

const isReplaced = ({ status }: Realm): boolean => conditionOf(status, "Ready")?.reason === "NodeReplaced";
