/** The list of grants, for administrators and for guests. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { configMaps, type ResourceQuota, resourceQuotas } from "../../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, grants } from "../../api/client/keystone.io@v1alpha1.ts";
import { conditionOf } from "../../core/conditions.ts";
import { guideName } from "../../core/guest/objects/guide.ts";
import { quotaName } from "../../core/guest/objects/quota.ts";
import { guestNamespace } from "../../core/names.ts";
import { problemConditions } from "../../core/report/grant_report.ts";
import { type GrantAmounts, grantAmounts, isOver } from "../../core/report/grant_amounts.ts";
import {
  grantObjectsOf,
  type GrantSummary,
  grantSummaryOf,
  guestGrants,
  relative,
  useText,
  useWithBar,
} from "../grant_summary.ts";
import { type OperatorTailnet, operatorTailnet, waysIn } from "../operator_tailnet.ts";
import type { Session } from "../session.ts";
import { shownInstant } from "../shown_instant.ts";
import type { TableColumn } from "../table_layout.ts";
import { amountLines } from "./amount_lines.ts";
import { commandLine, type DetailBlock, type DetailField, type DetailLine, field } from "./detail_block.ts";
import type { ListSource } from "./list_sources.ts";
import { roomLines } from "./namespace_room.ts";
import { type ListView, withObject } from "./show_list.ts";

/** A grant in the list. */
export interface ListedGrant extends GrantSummary {
  amounts: GrantAmounts;
  /** Absent for guests, who may not read it. */
  object?: Grant;
  /** Open destinations, as the guide says. */
  egress?: readonly string[];
  notice?: string;
}

const quotasOf = (namespace?: string): ListSource<ResourceQuota> => ({
  resource: resourceQuotas,
  ...(namespace === undefined ? {} : { namespace }),
  selector: { fieldSelector: `metadata.name=${quotaName}` },
  optional: true,
});

/** Returns the list as administrators see it: from the Grants. */
export function grantList(session: Session, rest: RestClient) {
  const sources = { grants: { resource: grants } as ListSource<Grant>, quotas: quotasOf() };
  return {
    ...shared(session, rest),
    sources,
    items({ grants: objects = [], quotas }) {
      const used = new Map(quotas?.map(({ metadata, status }) => [metadata!.namespace!, status?.used]));
      const facts = grantObjectsOf(objects);
      const amounts = grantAmounts(facts, (realm) => used.get(guestNamespace(realm)) as Record<string, string>);
      return facts.map((grant, index): ListedGrant => ({
        ...grantSummaryOf(grant, amounts.get(grant.name)),
        amounts: amounts.get(grant.name)!,
        object: objects[index]!,
      })).sort(byGrantee);
    },
    empty: () => [
      "There are no grants. Create one:",
      "  keystone grant create NAME --to REALM --cpu 2 --memory 4Gi --until friday",
    ],
  } satisfies ListView<typeof sources, ListedGrant>;
}

/** Returns the list as guests see it: from the ConfigMap `keystone` of their namespace. */
export function guestGrantList(session: Session, rest: RestClient, namespace: string) {
  const sources = {
    guides: { resource: configMaps, namespace, selector: { fieldSelector: `metadata.name=${guideName}` } },
    quotas: quotasOf(namespace),
  };
  return {
    ...shared(session, rest, true),
    sources,
    items: ({ guides = [], quotas = [] }) =>
      guestGrants(namespace, guides[0], quotas).map(({ summary, amounts, entry }): ListedGrant => ({
        ...summary,
        amounts,
        egress: entry.egress ?? [],
        ...(entry.notice ? { notice: entry.notice.message ?? summary.message } : {}),
      })).sort(byGrantee),
    empty: () => [`No grant is in force in ${namespace}. Ask your lender for one.`],
    unknown: "does not exist, or is not in force for you",
  } satisfies ListView<typeof sources, ListedGrant>;
}

const byGrantee = (a: GrantSummary, b: GrantSummary): number =>
  a.grantee < b.grantee ? -1 : a.grantee > b.grantee ? 1 : a.name < b.name ? -1 : 1;

const shared = (session: Session, rest: RestClient, isGuest = false) => ({
  kind: "Grant",
  resource: "grant.keystone.io",
  data: ({ amounts: _, object, egress: __, notice: ___, ...summary }: ListedGrant) => withObject(object, summary),
  columns: (now: number) => grantColumns(session, now, isGuest),
  block: (grant: ListedGrant, now: number) => grantBlock(session, rest, grant, now),
  deleted: (grant: ListedGrant): ListedGrant => ({ ...grant, phase: "Deleted", state: "Deleted", use: {} }),
});

/**
 * Returns the columns. On a narrow terminal they go in this order: FROM, which is mostly the same; then MEMORY, TO and CPU.
 */
function grantColumns({ colours }: Session, now: number, isGuest: boolean): TableColumn<ListedGrant>[] {
  const colour = (phase: string) =>
    phase === "Active"
      ? colours.green(phase)
      : phase === "Pending" || phase === "Ending"
      ? colours.yellow(phase)
      : colours.dim(phase);
  return [
    { name: "GRANT", value: ({ name }) => name },
    ...(isGuest ? [] : [{ name: "FROM", rank: 4, value: ({ grantor }: ListedGrant) => grantor }]),
    { name: "TO", rank: 2, value: ({ grantee }) => grantee },
    { name: "PHASE", value: ({ state }) => colour(state) },
    { name: "CPU", rank: 1, value: ({ use }) => useWithBar(use.cpu), short: ({ use }) => useText(use.cpu) },
    { name: "MEMORY", rank: 3, value: ({ use }) => useWithBar(use.memory), short: ({ use }) => useText(use.memory) },
    { name: "ENDS", value: ({ ends }) => relative(ends, now) },
  ];
}

async function grantBlock(session: Session, rest: RestClient, grant: ListedGrant, now: number): Promise<DetailBlock> {
  const { name, grantor, grantee, phase, state, message, namespace, amounts, granted, object } = grant;
  const zone = Temporal.Now.timeZoneId();
  const at = (instant: string) => {
    const epoch = Date.parse(instant);
    return Number.isFinite(epoch) ? shownInstant(epoch, zone) : instant;
  };
  const inForce = phase === "Active";
  const from = grant.from ?? object?.metadata?.creationTimestamp;
  return {
    title: `Grant ${name}`,
    fields: [
      field("State", message.startsWith(`${state} `) ? message : `${state}. ${message}`),
      field("Lent by", grantor),
      field("Lent to", `${grantee}, in namespace ${namespace}`),
      field("Begins", from === undefined ? undefined : `${at(from)}, ${relative(from, now)}`),
      field(
        "Ends",
        grant.ends === undefined ? "when it is revoked" : `${at(grant.ends)}, ${relative(grant.ends, now)}`,
      ),
      ...notices(grant, at),
      isOver(phase)
        ? field("Use", "Nothing of it is in force.")
        : field("Use", ...amountLines(amounts, Object.keys(object ? granted : sided(granted)))),
      field("Room", ...(inForce ? await roomLines(rest, namespace) : [])),
      field("Network", ...(isOver(phase) ? [] : networkLines(grant))),
      field("Problems", ...problems(grant)),
      field("To do", ...advice(grant, session.io.now(), inForce && object ? await operatorTailnet(rest) : undefined)),
    ],
  };
}

/** Returns the keys of a guide, which names all, that a lender usually names. */
const sided = (granted: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(granted).filter(([key]) => /^(requests|limits)\.(cpu|memory)$/.test(key)));

function notices({ object, notice, reductions }: ListedGrant, at: (instant: string) => string): DetailField[] {
  const draining = conditionOf(object?.status, "Draining");
  const isNoticed = draining?.status === "True" && draining.reason !== "Reduced";
  const cuts = object?.status?.reductions ?? reductions ?? [];
  return [
    field("Notice", notice ?? (isNoticed ? draining.message : undefined)),
    field(
      "Reduced",
      ...cuts.map(({ until, hard = {} }) =>
        `${until ? `Until ${at(until)}` : "For now"} it still gives ${
          Object.entries(hard).map(([key, value]) => `${value} ${key}`).join(", ") || "its removed destinations"
        }; then only what its terms say.`
      ),
    ),
  ];
}

const isInternet = (destination: string): boolean => /^(internet|0\.0\.0\.0\/0|::\/0)(:|$)/.test(destination);
const publicOnly = "all public addresses. Private ranges, such as your LAN, stay closed unless they are named.";

function networkLines({ object, egress }: ListedGrant): string[] {
  if (object === undefined) {
    return egress?.length ? [`Open: ${egress.join(", ")}.`] : ["No destination is open."];
  }
  const { egressAllowed, allowedDestinations = [], except = [] } = object.spec.networkPolicy ?? {};
  if (allowedDestinations.length === 0) return ["No destination is open."];
  if (!egressAllowed) {
    return [
      `No destination is open: spec.networkPolicy.egressAllowed is false, so ${
        allowedDestinations.join(", ")
      } is closed.`,
    ];
  }
  const resolved = new Map((object.status?.resolvedDestinations ?? []).map((each) => [each.destination, each]));
  return [
    ...allowedDestinations.map((destination) => {
      const { error, narrowed, addresses = [] } = resolved.get(destination) ?? {};
      const opens =
        addresses.length > 0 && !addresses.includes(destination.replace(/:.*/, "")) && addresses.length <= 4 &&
          !isInternet(destination)
          ? ` (${addresses.join(", ")})`
          : "";
      const said = error ?? narrowed ?? (isInternet(destination) ? publicOnly : undefined);
      return `${destination}${opens}${said === undefined ? "" : `: ${said}`}`;
    }),
    ...(except.length > 0 ? [`except ${except.join(", ")}`] : []),
  ];
}

function problems({ object, message }: ListedGrant): string[] {
  if (!object || isOver(object.status?.phase ?? "")) return [];
  return problemConditions(object.status?.conditions ?? []).filter((each) => each.message !== message)
    .map(({ type, message }) => `${type}: ${message}`);
}

function advice(
  { name, phase, grantee, object, ends }: ListedGrant,
  now: number,
  tailnet: OperatorTailnet | undefined,
): DetailLine[] {
  if (!object) {
    return [
      commandLine("Check objects before you apply them", "keystone would-fit -f FILE"),
    ];
  }
  if (isOver(phase)) return [commandLine("Remove it from the list", `kubectl delete grant ${name}`)];
  if (phase !== "Active") return [commandLine("See why", `keystone explain grant ${name}`)];
  // Its end is decided: it can't be extended, and access would not last.
  if (object.spec.revocation || object.metadata?.deletionTimestamp) {
    return [
      commandLine("Follow it", `keystone explain grant ${name}`),
      ...(object.spec.revocation?.immediate ? [] : [
        commandLine("End it at once", `keystone grant revoke ${name} --now`),
      ]),
    ];
  }
  const isSoon = ends !== undefined && Date.parse(ends) - now < 7 * 86_400_000;
  return [
    ...(ends === undefined ? [] : [
      commandLine(`${isSoon ? "It ends soon. " : ""}Extend it`, `keystone grant extend ${name} --by 30d`),
    ]),
    ...waysIn(grantee, tailnet).map(({ text, command }) => commandLine(text, command)),
    commandLine("End it", `keystone grant revoke ${name}`),
  ];
}
