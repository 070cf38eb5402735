/** Explains a grant: from its status for an administrator, else from the guests' ConfigMap. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { conditionOf } from "../../core/conditions.ts";
import { noticeMessage } from "../../core/grant/end_text.ts";
import { trustOf } from "../../core/grant/lifecycle.ts";
import { guestNamespace, realmOfNamespace } from "../../core/names.ts";
import { eventTime } from "../../core/report/event_report.ts";
import { type Explanation, explanationOf, type ReportFinding } from "../../core/report/finding.ts";
import { grantReport, type GrantView, isUninstalled } from "../../core/report/grant_report.ts";
import { relative } from "../../core/report/relative_time.ts";
import { sidedResourceOf } from "../../core/report/tighter_use.ts";
import { sentence } from "../../core/plain_text.ts";
import type { GuideGrant, ReportedEvent } from "../../core/report/reported_objects.ts";
import type { GrantFacts } from "../../core/facts.ts";
import { no } from "../exit.ts";
import { enforcedMessage, grantSummaryOf, isForbidden } from "../grant_summary.ts";
import { guestNamespaceOf } from "../guest_namespace.ts";
import { didYouMean } from "../lists/nearest_name.ts";
import { Observed } from "../observed.ts";
import { grantEvents, guideGrants, neededBy, readReportWorld } from "./report_world.ts";

export async function explainGrant(
  rest: RestClient,
  options: Record<string, unknown>,
  name: string,
  now: number,
): Promise<Explanation> {
  let observed: Observed;
  try {
    observed = await new Observed(rest).terms();
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return await explainToGuest(rest, guestNamespaceOf(options, rest), name, now, error);
  }
  const { stores } = observed;
  const grant = stores.grants.get(name);
  if (!grant) {
    const near = didYouMean(name, stores.grants.list().map((each) => each.name));
    throw no(`Grant ${name} does not exist.${near} List them: keystone grant list`);
  }
  const namespace = guestNamespace(grant.spec.granteeRealm);
  const world = await readReportWorld(rest, namespace, neededBy.Grant, now);
  const report = grantReport(viewOf(grant, partnerOf(grant, observed)), world);
  const events = await grantEvents(rest, grant.uid, now);
  const news = events.filter(({ message }) => !report.chain.some((finding) => message.includes(finding.message)));
  return explanationOf("Grant", name, { ...report, chain: [...report.chain, ...news] });
}

function viewOf(grant: GrantFacts, partner: ReportFinding): GrantView {
  const { granted, used, ends, phase, state, message } = grantSummaryOf(grant);
  const { status } = grant;
  const draining = conditionOf(status, "Draining");
  const isNoticed = draining?.status === "True" && phase === "Active" && draining.reason !== "Reduced";
  return {
    name: grant.name,
    phase,
    state,
    message,
    grantee: grant.spec.granteeRealm,
    ...(ends ? { ends } : {}),
    ...(isNoticed ? { notice: draining.message } : {}),
    // Requests and limits belong together: whichever is used up first limits the guests.
    granted: sidesTogether({ ...granted, ...withBothSides(granted, status.hard ?? {}) }),
    used,
    reductions: status.reductions ?? [],
    conditions: status.conditions ?? [],
    destinations: status.resolvedDestinations ?? [],
    partner,
  };
}

/** Returns the requests and limits of all resources of which the terms name one. */
function withBothSides(
  named: Readonly<Record<string, string>>,
  inForce: Readonly<Record<string, string>>,
): Record<string, string> {
  const resources = new Set(Object.keys(named).map(sidedResourceOf));
  return Object.fromEntries(
    Object.entries(inForce).filter(([key]) => {
      const resource = sidedResourceOf(key);
      return resource !== undefined && resources.has(resource);
    }),
  );
}

/** Returns the amounts with the requests and limits of a resource one after the other. */
function sidesTogether(amounts: Readonly<Record<string, string>>): Record<string, string> {
  const sorted = Object.entries(amounts).map(([key, amount]) => ({
    key,
    amount,
    resource: key.replace(/^limits/, "requests"),
  }));
  sorted.sort((a, b) => a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : a.key > b.key ? -1 : 1);
  return Object.fromEntries(sorted.map(({ key, amount }) => [key, amount]));
}

function partnerOf({ spec }: GrantFacts, { stores }: Observed): ReportFinding {
  const name = spec.granteeRealm;
  const realm = stores.realms.get(name);
  if (realm) {
    const state = realm.status.connectionState ?? "Unknown";
    const ready = conditionOf(realm.status, "Ready");
    if (isUninstalled(realm.status.conditions ?? [])) {
      return { what: `Realm ${name}`, status: "warn", message: sentence(ready?.message ?? "") };
    }
    return {
      what: `Realm ${name}`,
      status: state === "Connected" ? "ok" : "warn",
      message: `${state}, trusted as ${trustOf(realm)}. ${ready?.message ?? ""}`.trim(),
    };
  }
  return stores.superEntities.get(name)
    ? { what: `SuperEntity ${name}`, status: "ok", message: "It is the grantee." }
    : { what: `Realm ${name}`, status: "fail", message: "The Realm does not exist. Create it." };
}

async function explainToGuest(
  rest: RestClient,
  namespace: string,
  name: string,
  now: number,
  forbidden: unknown,
): Promise<Explanation> {
  const grants = await guideGrants(rest, namespace);
  if (!grants) throw forbidden;
  const entry = grants.find((grant) => grant.name === name);
  if (!entry) {
    const last = await lastEvent(rest, namespace, name, now);
    if (last !== undefined) throw no(`No grant ${name} is in force in ${namespace}. ${last}`);
    const others = grants.map((grant) => grant.name);
    throw no(
      `No grant ${name} is in force in ${namespace}: it has ended, has not begun, or doesn't exist. ` +
        (others.length > 0 ? `In force: ${others.join(", ")}.` : "No grant is in force there. Ask your lender."),
    );
  }
  const world = await readReportWorld(rest, namespace, neededBy.Grant, now);
  const events = world.events.filter((event) => isAbout(event, name))
    .sort((a, b) => eventTime(a) < eventTime(b) ? 1 : -1).slice(0, 3);
  const report = grantReport(guestView(entry, namespace), {
    ...world,
    unread: [...world.unread, "the Grant itself and its Realm (only the ConfigMap keystone)"],
  });
  const told = events.filter(({ message = "" }) => !report.chain.some((finding) => message.includes(finding.message)))
    .map((event): ReportFinding => ({
      what: `event ${event.reason} ${relative(eventTime(event), now)}`,
      status: "warn",
      message: event.message ?? "",
    }));
  return explanationOf("Grant", name, { ...report, chain: [...report.chain, ...told] });
}

/** Returns the last event about a grant that is not in force any more, for guests. */
async function lastEvent(rest: RestClient, namespace: string, name: string, now: number): Promise<string | undefined> {
  const { events } = await readReportWorld(rest, namespace, [], now);
  const [last] = events.filter(({ reason = "", message = "" }) =>
    message.startsWith(`Grant ${name}: `) && ["Revoked", "Expired", "Deleted"].includes(reason)
  ).sort((a, b) => eventTime(a) < eventTime(b) ? 1 : -1);
  return last && `It ended ${relative(eventTime(last), now)}. ${last.message!.slice(`Grant ${name}: `.length)}`;
}

const isAbout = ({ type, message = "" }: ReportedEvent, name: string): boolean =>
  type === "Warning" && message.startsWith(`Grant ${name}:`);

const reasons = ["Expired", "Revoked", "Deleted", "TrustLowered", "PartyDeleted"] as const;

function guestView({ name, until, notice, hard, reductions }: GuideGrant, namespace: string): GrantView {
  const ends = notice?.ends ?? until;
  const why = reasons.find((reason) => reason === notice?.reason);
  const dated = notice?.ends ? { endsAt: Date.parse(notice.ends) } : {};
  // An older operator gives no message.
  const said = notice?.message ?? (why && noticeMessage({ why, because: notice?.because, ...dated }));
  return {
    name,
    phase: "Active",
    state: notice ? "Ending" : "Active",
    message: enforcedMessage(namespace, ends),
    grantee: realmOfNamespace(namespace) ?? "",
    ...(ends ? { ends } : {}),
    ...(said === undefined ? {} : { notice: said }),
    granted: hard,
    used: {},
    reductions: reductions ?? [],
    conditions: [],
    destinations: [],
  };
}
