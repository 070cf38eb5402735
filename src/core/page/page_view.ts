/** The page as data: the part of the cluster's lending that one caller may see. */
import type { GrantFacts, RealmFacts, SuperEntityFacts } from "../facts.ts";
import { conditionOf } from "../conditions.ts";
import { noticeMessage, reasonOf } from "../grant/end_text.ts";
import { trustOf } from "../grant/lifecycle.ts";
import { rfc3339 } from "../instants.ts";
import { guestNamespace } from "../names.ts";
import { countText } from "../plain_text.ts";
import { type AmountRow, amountRows } from "../report/amount_rows.ts";
import { endOfGrant, grantAmounts, isOver, readableGrant } from "../report/grant_amounts.ts";
import { problemConditions } from "../report/grant_report.ts";
import { byState, type Tone, toneOfGrant, toneOfRealm } from "./tone.ts";

/** A person in front of the page. */
export interface PageCaller {
  /** MagicDNS name of the node, or its StableID if it is shared in. */
  node: string;
  login: string;
  /** Realms for which the node acts. */
  realms: readonly string[];
  /** True for the lender's own people. */
  isViewer: boolean;
  /** Sentences for somebody who may see nothing: the reason, and what would change it. */
  refusal: string;
}

/** The observed cluster. */
export interface PageWorld {
  /** Name of this cluster's realm, if it is known. */
  lender?: string;
  realms: readonly RealmFacts[];
  superEntities: readonly SuperEntityFacts[];
  grants: readonly GrantFacts[];
  /** Use of a guest namespace; undefined: unknown. */
  used: (namespace: string) => Readonly<Record<string, string>> | undefined;
  /** Epoch milliseconds. */
  now: number;
}

/** A period with the part of it that is over. */
export interface Span {
  begins?: string;
  ends?: string;
  /** From 0 to 1; absent without an end. */
  over?: number;
}

/** One grant on the page. */
export interface GrantCard {
  name: string;
  lender: string;
  grantee: string;
  state: string;
  tone: Tone;
  message: string;
  span: Span;
  notice?: string;
  cuts: readonly string[];
  amounts: readonly AmountRow[];
  /** Granted amounts without use, in words. */
  others: readonly string[];
  network: readonly string[];
  problems: readonly string[];
}

/** One grant in a line. */
export type GrantLine = Pick<GrantCard, "name" | "state" | "tone" | "span">;

/** One realm or SuperEntity on the page, with its grants. */
export interface RealmCard {
  name: string;
  state: string;
  tone: Tone;
  message: string;
  /** RFC 3339. */
  seen?: string;
  /** Names and values that only the lender sees. */
  facts: readonly (readonly [name: string, value: string])[];
  grants: readonly GrantCard[];
  /** Grants in one line each, where there are too many for more. */
  lines: readonly GrantLine[];
  /** Number of grants that are not on this page. */
  omitted: number;
}

/** The page for one caller. */
export interface PageView {
  kind: "lender" | "guest" | "stranger";
  lender: string;
  node: string;
  login: string;
  now: string;
  /** The whole in one sentence. */
  summary: string;
  realms: readonly RealmCard[];
  /** Commands to type, each with its purpose. */
  todo: readonly (readonly [purpose: string, command: string])[];
  /** Name of the only realm that is shown. */
  only?: string;
}

/** Grants that the overview shows with their amounts; if there are more, it has a line for each of so many. */
const mostOnOverview = 12;
const mostLines = 60;
/** Grants on the page of one realm. */
const mostOfRealm = 50;

/** Returns the page of this caller. `only` is the realm to show, if not all. */
export function pageView(caller: PageCaller, world: PageWorld, only?: string): PageView {
  const { node, login } = caller;
  const shared = { lender: world.lender ?? "this cluster", node, login, now: rfc3339(world.now) };
  if (caller.isViewer) return { ...shared, ...lenderPage(world, only) };
  if (caller.realms.length > 0) return { ...shared, ...guestPage(caller, world, only) };
  return { ...shared, kind: "stranger", summary: caller.refusal, realms: [], todo: [] };
}

type Part = Omit<PageView, "lender" | "node" | "login" | "now">;

function lenderPage(world: PageWorld, only: string | undefined): Part {
  const grants = only === undefined && world.grants.length > mostOnOverview ? world.grants : readable(world.grants);
  const byGrantee = Map.groupBy(grants, ({ spec }) => spec.granteeRealm);
  const known = new Set([...world.realms, ...world.superEntities].map(({ name }) => name));
  const missing = [...byGrantee.keys()].filter((name) => !known.has(name));
  const isBrief = only === undefined && grants.length > mostOnOverview;
  const cardsOf = (name: string) => {
    const all = byGrantee.get(name) ?? [];
    if (isBrief) return grantLines(all, world.now, Math.max(1, Math.floor(mostLines / byGrantee.size)));
    return only === undefined || name === only ? grantCards(all, world, lenderCard) : nothing;
  };
  const cards: RealmCard[] = [
    ...world.realms.map((realm) => ({ ...realmCard(realm, true), ...cardsOf(realm.name) })),
    ...world.superEntities.map((entity) => ({ ...entityCard(entity), ...cardsOf(entity.name) })),
    ...missing.map((name) => ({ ...missingCard(name), ...cardsOf(name) })),
  ].filter(({ name }) => only === undefined || name === only).sort(byName);
  const active = grants.filter(({ status }) => status.phase === "Active");
  const waiting = grants.filter(({ status }) => !isOver(status.phase ?? "") && status.phase !== "Active");
  return {
    kind: "lender",
    summary: [
      `${countText(active.length, "grant")} in force`,
      ...(waiting.length > 0 ? [`${waiting.length} waiting`] : []),
      `${countText(world.realms.length, "realm")}`,
    ].join(", ") + ".",
    realms: cards,
    todo: cards.length === 0 && only === undefined
      ? [["Add the first realm", "keystone realm add"]]
      : [["Lend something", "keystone grant create"], ["See everything that is wrong", "keystone doctor"]],
    ...(only === undefined ? {} : { only }),
  };
}

/** A guest sees the realms for which the node acts, and of their grants what `keystone grant list` shows in the guest's namespace. */
function guestPage({ realms }: PageCaller, world: PageWorld, only: string | undefined): Part {
  const own = new Set(realms);
  const grants = readable(world.grants.filter(({ spec }) => own.has(spec.granteeRealm)));
  const byGrantee = Map.groupBy(grants, ({ spec }) => spec.granteeRealm);
  const cards = realms.filter((name) => only === undefined || name === only).map((name): RealmCard => {
    const realm = world.realms.find((each) => each.name === name);
    const entity = world.superEntities.find((each) => each.name === name);
    const card = entity
      ? { ...entityCard(entity), message: "", facts: [] }
      : realm
      ? realmCard(realm, false)
      : missingCard(name);
    return { ...card, ...grantCards(byGrantee.get(name) ?? [], world, guestCard) };
  });
  const active = grants.filter(({ status }) => status.phase === "Active").length;
  return {
    kind: "guest",
    summary: active > 0
      ? `${countText(active, "grant")} in force for ${realms.join(", ")}.`
      : "No grant is in force for you. Ask your lender for one.",
    realms: cards,
    todo: active === 0 ? [] : [
      ["Point kubectl at this cluster", `keystone use ${world.lender ?? "LENDER"}`],
      ["See what is left", "keystone grant list"],
      ["Check objects before you apply them", "keystone would-fit -f FILE"],
    ],
    ...(only === undefined ? {} : { only }),
  };
}

const readable = (grants: readonly GrantFacts[]): GrantFacts[] => grants.map(readableGrant);

type MakeCard = (grant: GrantFacts, amounts: Pick<GrantCard, "amounts" | "others">, now: number) => GrantCard;

type Grants = Pick<RealmCard, "grants" | "lines" | "omitted">;

const nothing: Grants = { grants: [], lines: [], omitted: 0 };

const inOrder = (grants: readonly GrantFacts[]): GrantFacts[] =>
  grants.toSorted((a, b) => byState(a, b) || byName(a, b));

function grantLines(grants: readonly GrantFacts[], now: number, most: number): Grants {
  const lines = inOrder(grants).slice(0, most).map((grant): GrantLine => {
    const { name, state, tone, span } = sharedCard(grant, now);
    return { name, state, tone, span };
  });
  return { grants: [], lines, omitted: grants.length - lines.length };
}

function grantCards(grants: readonly GrantFacts[], world: PageWorld, make: MakeCard): Grants {
  const sums = grantAmounts(grants, (realm) => world.used(guestNamespace(realm)));
  const cards = inOrder(grants).slice(0, mostOfRealm).map((grant) => {
    const amounts = sums.get(grant.name)!;
    if (isOver(grant.status.phase ?? "")) return make(grant, { amounts: [], others: [] }, world.now);
    const { rows, also } = amountRows(amounts, Object.keys(grant.spec.hard));
    return make(grant, { amounts: rows, others: also }, world.now);
  });
  return { grants: cards, lines: [], omitted: grants.length - cards.length };
}

const lenderCard: MakeCard = (grant, amounts, now) => {
  const { status, spec } = grant;
  const draining = conditionOf(status, "Draining");
  const isNoticed = draining?.status === "True" && draining.reason !== "Reduced";
  const message = status.message ?? "The operator has not processed it yet.";
  const { egressAllowed, allowedDestinations = [], except = [] } = spec.networkPolicy ?? {};
  const resolved = new Map((status.resolvedDestinations ?? []).map((each) => [each.destination, each]));
  return {
    ...sharedCard(grant, now),
    ...amounts,
    message,
    ...(isNoticed ? { notice: draining.message } : {}),
    network: [
      ...(egressAllowed ? allowedDestinations : []).map((destination) => {
        const { error, narrowed } = resolved.get(destination) ?? {};
        return error ?? narrowed ? `${destination}: ${error ?? narrowed}` : destination;
      }),
      ...(except.length > 0 ? [`except ${except.join(", ")}`] : []),
    ],
    problems: isOver(status.phase ?? "")
      ? []
      : problemConditions(status.conditions ?? []).filter((each) => each.message !== message)
        .map((each) => `${each.type}: ${each.message}`),
  };
};

/** Texts for guests are made here of their terms: messages of the status are for the lender. */
const guestCard: MakeCard = (grant, amounts, now) => {
  const { status, spec } = grant;
  const phase = status.phase ?? "Pending";
  const ends = endOfGrant(grant);
  const draining = conditionOf(status, "Draining");
  const isNoticed = phase === "Active" && draining?.status === "True" && draining.reason !== "Reduced";
  const { egressAllowed, allowedDestinations = [], except = [] } = spec.networkPolicy ?? {};
  const because = reasonOf(spec);
  const endsAt = Date.parse(ends ?? "");
  return {
    ...sharedCard(grant, now),
    ...amounts,
    message: phase === "Active"
      ? `In force in namespace ${guestNamespace(spec.granteeRealm)}.`
      : isOver(phase)
      ? "It has ended."
      : "It is not in force yet. Ask your lender.",
    ...(isNoticed && spec.revocation
      ? { notice: noticeMessage({ why: "Revoked", ...(Number.isFinite(endsAt) ? { endsAt } : {}), because }) }
      : {}),
    network: phase === "Active"
      ? [...(egressAllowed ? allowedDestinations : []), ...(except.length > 0 ? [`except ${except.join(", ")}`] : [])]
      : [],
    problems: [],
  };
};

function sharedCard(
  grant: GrantFacts,
  now: number,
): Pick<GrantCard, "name" | "lender" | "grantee" | "state" | "tone" | "span" | "cuts"> {
  const { name, spec, status, createdAt } = grant;
  return {
    name,
    lender: spec.grantorRealm,
    grantee: spec.granteeRealm,
    state: status.state ?? status.phase ?? "Pending",
    tone: toneOfGrant(grant),
    span: spanOf(spec.validity?.validFrom ?? rfc3339(createdAt), endOfGrant(grant), now),
    cuts: (status.reductions ?? []).map(({ until, hard = {} }) =>
      `${until ? `Until ${until}` : "For now"} it still gives ${
        Object.entries(hard).map(([key, value]) => `${value} ${key}`).join(", ") || "its removed destinations"
      }; then only what its terms say.`
    ),
  };
}

/** Returns the period with the part that is over. */
export function spanOf(begins: string, ends: string | undefined, now: number): Span {
  if (ends === undefined) return { begins };
  const [from, to] = [Date.parse(begins), Date.parse(ends)];
  const over = to > from ? Math.min(1, Math.max(0, (now - from) / (to - from))) : 1;
  return { begins, ends, ...(Number.isFinite(over) ? { over } : {}) };
}

type Head = Omit<RealmCard, keyof Grants>;

function realmCard(realm: RealmFacts, isLender: boolean): Head {
  const { name, spec, status, trustedNode } = realm;
  const state = status.connectionState ?? "Unknown";
  return {
    name,
    state,
    tone: toneOfRealm(state),
    message: isLender ? conditionOf(status, "Ready")?.message ?? "" : "",
    ...(status.lastSeen ? { seen: status.lastSeen } : {}),
    facts: isLender
      ? [
        ["Identity", spec.identity],
        ["Trust", trustOf(realm)],
        ...(status.node?.addresses?.length ? [["Addresses", status.node.addresses.join(", ")] as const] : []),
        ["Trusted node", trustedNode ?? "none yet"],
        ...(status.local ? [["This cluster", "yes"] as const] : []),
      ]
      : [],
  };
}

function entityCard({ name, spec, status }: SuperEntityFacts): Head {
  const ready = conditionOf(status, "Ready");
  return {
    name,
    state: ready?.status === "True" ? "Ready" : ready?.reason ?? "Unknown",
    tone: ready?.status === "True" ? "good" : "waiting",
    message: ready?.message ?? "",
    facts: [["Members", spec.members.map(({ realm }) => realm).join(", ")]],
  };
}

const missingCard = (name: string): Head => ({
  name,
  state: "Missing",
  tone: "bad",
  message: `There is no Realm ${name}.`,
  facts: [],
});

const byName = (a: { name: string }, b: { name: string }): number => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
