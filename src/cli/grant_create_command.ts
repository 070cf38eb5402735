import * as prompts from "@clack/prompts";
import { Command, Option } from "commander";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import type { GrantSpec } from "../api/mod.ts";
import { grantWarnings, type TermsWorld } from "../core/admission/terms.ts";
import { noteChangedTerms, waitForCreated } from "./created_grant.ts";
import { no, usageError } from "./exit.ts";
import { timeoutFrom } from "./follow/follow_grant.ts";
import { endFrom, instantFrom } from "./time_flags.ts";
import { Observed } from "./observed.ts";
import { type CommandAction, type Session, verb } from "./session.ts";

const collect = (value: string, before: string[] = []): string[] => [...before, ...value.split(",")];

interface CreateOptions {
  to?: string;
  from?: string;
  hard?: string[];
  until?: string;
  for?: string;
  start?: string;
  allow?: string[];
  within?: string[];
  except?: string[];
  notice?: string;
  drain?: string;
  volumes?: "Retain" | "Delete";
  dryRun?: "client" | "server";
  wait?: boolean;
  timeout?: number;
}

export const grantCommand = (run: CommandAction): Command =>
  new Command("grant").description("Create grants.").addCommand(
    verb("create", "Lend part of this cluster to a realm. On a terminal it asks for what is missing.", [
      "keystone grant create",
      "keystone grant create alice-to-bob --to bob-home --hard cpu=2,memory=4Gi --for 30d",
      "keystone grant create gpu --to bob-home --hard requests.nvidia.com/gpu=1 --until 2030-01-01 --allow 203.0.113.0/24:443",
      "keystone grant create web --to bob-home --hard cpu=2,memory=4Gi --allow internet:443,nas.alice.lan:445 --within 192.168.1.0/24",
      "keystone grant create trial --to bob-home --hard cpu=1,memory=1Gi --dry-run=client -o yaml",
    ])
      .argument("[name]", "name of the grant")
      .option("--to <realm>", "realm that receives (grantee)")
      .option("--from <realm>", "realm that lends (grantor; default: KEYSTONE_REALM, else the realm of this cluster)")
      .option("--hard <key=quantity>", "granted amount by quota key; repeatable, or separated by commas", collect)
      .option("--until <instant>", "end time (RFC 3339 or date)")
      .option("--for <span>", "time from now to the end, such as 30d")
      .option("--start <instant>", "start time (RFC 3339 or date)")
      .option("--allow <destination>", "destination to open; repeatable, or separated by commas", collect)
      .option("--within <range>", "private range in which DNS names may open addresses", collect)
      .option("--except <range>", "range that stays closed", collect)
      .option("--notice <seconds>", "notice before the end, during which nothing may grow")
      .option("--drain <seconds>", "time for pods to stop after the end")
      .addOption(
        new Option("--volumes <policy>", "what happens to volumes after the end").choices(["Retain", "Delete"]),
      )
      .addOption(
        new Option(
          "--dry-run <where>",
          "create nothing: client prints the grant, server has the API server validate it",
        )
          .choices(["client", "server"]),
      )
      .option("--wait", "wait until the grant is enforced")
      .option("--timeout <time>", "longest time to wait, such as 90s or 10m", timeoutFrom, 60_000)
      .action(run((session, options, name) => create(session, options, name as string | undefined))),
  );

async function create(session: Session, given: CreateOptions, givenName: string | undefined): Promise<void> {
  let name = givenName;
  let options = given;
  const missing = name === undefined || options.to === undefined || options.hard === undefined;
  if (missing && session.io.interactive) ({ name, options } = await ask(session, name, options));
  if (name === undefined) {
    throw usageError("The name is missing. Use keystone grant create NAME --to REALM --hard cpu=2.");
  }
  if (options.to === undefined) throw usageError("--to is not set. Use --to REALM.");
  if (options.hard === undefined) {
    throw usageError("--hard is not set. Use --hard KEY=QUANTITY, such as --hard cpu=2,memory=4Gi.");
  }
  const clientOnly = options.dryRun === "client";
  const hard = quotaFlags(options.hard);
  const terms = (from: string) => grantOf(name!, from, { ...options, to: options.to! }, hard, session.io.now());
  if (clientOnly) {
    const from = options.from ?? session.io.env("KEYSTONE_REALM");
    if (from) return printed(session, terms(from), "would be created (client dry run)");
  }
  using rest = await session.connect();
  const seen = await (await new Observed(rest).terms()).collectives();
  const grant = terms(options.from ?? grantorRealm(session, seen));
  for (const warning of await warningsOf(session, seen, grant)) {
    session.note(`${session.colours.yellow("Warning:")} ${warning}`);
  }
  if (clientOnly) return printed(session, grant, "would be created (client dry run)");
  const created = await createGrant(rest, grant, options.dryRun === "server");
  noteChangedTerms(session, grant, created);
  if (options.wait && !options.dryRun) {
    session.note(`Grant ${name} created.`);
    return await waitForCreated(session, rest, created, options);
  }
  printed(session, created, options.dryRun ? "would be created (server dry run)" : "created");
}

function printed(session: Session, grant: Grant, what: string): void {
  if (session.data(grant)) return;
  session.say(`Grant ${grant.metadata!.name} ${what}.`);
  if (what === "created") session.say(`Watch it: keystone explain grant ${grant.metadata!.name}`);
}

async function createGrant(rest: RestClient, grant: Grant, dryRun: boolean): Promise<Grant> {
  if (!dryRun) return await new KeystoneV1alpha1Api(rest).grants.create(grant);
  return await rest.performRequest({
    method: "POST",
    path: "/apis/keystone.io/v1alpha1/grants",
    querystring: new URLSearchParams({ dryRun: "All" }),
    bodyJson: grant,
  }) as unknown as Grant;
}

/** Returns the warnings that the operator's webhook would give. */
async function warningsOf(session: Session, { stores }: Observed, { metadata, spec }: Grant): Promise<string[]> {
  const world: TermsWorld = {
    settings: await session.settings(),
    cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
    local: { kind: "any" },
    realmNamed: (name) => stores.realms.get(name),
    isCollective: (name) => stores.superEntities.get(name) !== undefined,
    realms: () => stores.realms.list(),
    grantsTo: (realm) => stores.grants.index("grantee", realm),
    now: session.io.now(),
  };
  return grantWarnings(metadata!.name!, spec, world);
}

/** Returns this cluster's realm: from KEYSTONE_REALM, else from the Realms' statuses, else from the grants. */
export function grantorRealm({ io }: Session, { stores }: Observed): string {
  const named = io.env("KEYSTONE_REALM");
  if (named) return named;
  const local = stores.realms.list().filter(({ status }) => status.local);
  if (local.length === 1) return local[0]!.name;
  const grantors = new Set(stores.grants.list().map(({ spec }) => spec.grantorRealm));
  if (grantors.size === 1) return [...grantors][0]!;
  throw usageError(
    "--from is not set, and this cluster's realm is not known. Use --from REALM, or set KEYSTONE_REALM.",
  );
}

function quotaFlags(list: readonly string[]): Record<string, string> {
  const hard: Record<string, string> = {};
  for (const entry of list) {
    const at = entry.indexOf("=");
    const [key, quantity] = [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    if (at < 1) throw usageError(`--hard is ${entry}. It must be KEY=QUANTITY, such as cpu=2.`);
    try {
      if (parseQuantity(quantity).sign() < 0) throw new RangeError();
    } catch {
      throw usageError(`--hard ${key} is ${quantity}. It must be a quantity, such as 500m, 2 or 4Gi.`);
    }
    if (hard[key] !== undefined) throw usageError(`--hard has ${key} twice.`);
    hard[key] = quantity;
  }
  return hard;
}

function grantOf(
  name: string,
  from: string,
  options: CreateOptions & { to: string },
  hard: Record<string, string>,
  now: number,
): Grant {
  const until = endFrom(options, now);
  const start = options.start === undefined ? undefined : instantFrom("--start", options.start);
  const seconds = (flag: string, text: string): number => {
    if (!/^\d{1,6}$/.test(text)) throw usageError(`${flag} is ${text}. It must be a number of seconds, such as 300.`);
    return Number(text);
  };
  const termination = {
    ...(options.notice === undefined ? {} : { noticeSeconds: seconds("--notice", options.notice) }),
    ...(options.drain === undefined ? {} : { drainSeconds: seconds("--drain", options.drain) }),
    ...(options.volumes === undefined ? {} : { volumes: options.volumes }),
  };
  return {
    apiVersion: "keystone.io/v1alpha1",
    kind: "Grant",
    metadata: { name },
    spec: {
      grantorRealm: from,
      granteeRealm: options.to,
      hard,
      ...networkPolicyOf(options),
      ...(start || until
        ? { validity: { ...(start ? { validFrom: start } : {}), ...(until ? { validUntil: until } : {}) } }
        : {}),
      ...(Object.keys(termination).length > 0 ? { termination } : {}),
    },
  } as Grant;
}

function networkPolicyOf({ allow, within, except }: CreateOptions): Pick<GrantSpec, "networkPolicy"> {
  if (!allow && (within || except)) {
    throw usageError(
      "--within and --except need --allow. Add the destinations to open, such as --allow internet.",
    );
  }
  return allow
    ? {
      networkPolicy: {
        egressAllowed: true,
        allowedDestinations: allow,
        ...(within ? { within } : {}),
        ...(except ? { except } : {}),
      },
    }
    : {};
}

/** Prompts for what is missing, one question at a time. */
async function ask(
  session: Session,
  name: string | undefined,
  options: CreateOptions,
): Promise<{ name: string; options: CreateOptions }> {
  using rest = await session.connect();
  const { stores } = await new Observed(rest).terms();
  const answered = (answer: string | symbol): string => {
    if (typeof answer === "symbol") throw no("Nothing was created.");
    return answer;
  };
  const text = async (message: string, placeholder: string, validate?: (value: string) => string | undefined) =>
    answered(
      await prompts.text({ message, placeholder, ...(validate ? { validate: (value) => validate(value ?? "") } : {}) }),
    );
  const needed = (value: string) => value.trim() === "" ? "A value is required." : undefined;
  const known = stores.realms.list().filter(({ status }) => !status.local).map((realm) => realm.name).sort();
  const to = options.to ??
    (known.length > 0
      ? answered(
        await prompts.select({
          message: "To which realm?",
          options: known.map((value) => ({ value, label: value })),
        }),
      )
      : await text("To which realm?", "bob-home", needed));
  const hard = options.hard ??
    (await text("How much? KEY=QUANTITY, separated by commas", "cpu=2,memory=4Gi", needed)).split(",");
  const until = options.until ?? options.for ??
    (await text("For how long? Leave empty to lend until you revoke it", "30d")).trim();
  const span = /^\d+[mhdw]$/.test(until);
  return {
    name: name ?? await text("Name of the grant?", `to-${to}`, needed),
    options: {
      ...options,
      to,
      hard,
      ...(until === "" || options.until || options.for ? {} : span ? { for: until } : { until }),
    },
  };
}
