import * as prompts from "@clack/prompts";
import { Command, Option } from "commander";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import type { GrantSpec } from "../api/mod.ts";
import { grantWarnings, type TermsWorld } from "../core/admission/terms.ts";
import { no, usageError } from "./exit.ts";
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
}

export const grantCommand = (run: CommandAction): Command =>
  new Command("grant").description("Make grants.").addCommand(
    verb("create", "Lend a part of this cluster to a realm. On a terminal it asks for what is missing.", [
      "keystone grant create",
      "keystone grant create alice-to-bob --to bob-home --hard cpu=2,memory=4Gi --for 30d",
      "keystone grant create gpu --to bob-home --hard requests.nvidia.com/gpu=1 --until 2030-01-01 --allow 203.0.113.0/24:443",
      "keystone grant create web --to bob-home --hard cpu=2,memory=4Gi --allow internet:443,nas.alice.lan:445 --within 192.168.1.0/24",
      "keystone grant create trial --to bob-home --hard cpu=1,memory=1Gi --dry-run=client -o yaml",
    ])
      .argument("[name]", "name of the grant")
      .option("--to <realm>", "the realm that receives")
      .option("--from <realm>", "the realm that gives (default: KEYSTONE_REALM, else the realm that this cluster is)")
      .option("--hard <key=quantity>", "what is granted; again, or with commas, for more", collect)
      .option("--until <instant>", "until then")
      .option("--for <span>", "for so long, such as 30d")
      .option("--start <instant>", "from then on")
      .option("--allow <destination>", "open a destination; again, or with commas, for more", collect)
      .option("--within <range>", "private range in which DNS names are opened too", collect)
      .option("--except <range>", "range that stays closed", collect)
      .option("--notice <seconds>", "how long before its end nothing may grow")
      .option("--drain <seconds>", "how long pods get to end")
      .addOption(new Option("--volumes <policy>", "what becomes of volumes").choices(["Retain", "Delete"]))
      .addOption(new Option("--dry-run <where>", "change nothing: print it, or have the server judge it")
        .choices(["client", "server"]))
      .action(run((session, options, name) => create(session, options, name as string | undefined))),
  );

async function create(session: Session, given: CreateOptions, givenName: string | undefined): Promise<void> {
  let name = givenName;
  let options = given;
  const missing = name === undefined || options.to === undefined || options.hard === undefined;
  if (missing && session.io.interactive) ({ name, options } = await ask(session, name, options));
  if (name === undefined) {
    throw usageError("The grant needs a name: keystone grant create NAME --to REALM --hard cpu=2.");
  }
  if (options.to === undefined) throw usageError("To whom? Write --to REALM.");
  if (options.hard === undefined) throw usageError("What? Write --hard KEY=QUANTITY, such as --hard cpu=2,memory=4Gi.");
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

/** The operator's own warnings; the webhook's would be the same. */
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

/** The realm that this cluster is, as far as it can be told. */
export function grantorRealm({ io }: Session, { stores }: Observed): string {
  const told = io.env("KEYSTONE_REALM");
  if (told) return told;
  const local = stores.realms.list().filter(({ status }) => status.local);
  if (local.length === 1) return local[0]!.name;
  const grantors = new Set(stores.grants.list().map(({ spec }) => spec.grantorRealm));
  if (grantors.size === 1) return [...grantors][0]!;
  throw usageError("Which realm gives? Write --from REALM, or set KEYSTONE_REALM.");
}

function quotaFlags(list: readonly string[]): Record<string, string> {
  const hard: Record<string, string> = {};
  for (const entry of list) {
    const at = entry.indexOf("=");
    const [key, quantity] = [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    if (at < 1) throw usageError(`--hard is ${entry}; write KEY=QUANTITY, such as cpu=2.`);
    try {
      if (parseQuantity(quantity).sign() < 0) throw new RangeError();
    } catch {
      throw usageError(`--hard ${key} is ${quantity}, which is not a quantity; write for example 500m, 2, 4Gi.`);
    }
    if (hard[key] !== undefined) throw usageError(`--hard names ${key} twice.`);
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
    if (!/^\d{1,6}$/.test(text)) throw usageError(`${flag} is ${text}; write seconds, such as 300.`);
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
      "--within and --except say more of --allow; write which destinations are open, such as --allow internet.",
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

/** Asks for what is missing, one question at a time. */
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
  const needed = (value: string) => value.trim() === "" ? "Write something." : undefined;
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
    (await text("What? KEY=QUANTITY, with commas between", "cpu=2,memory=4Gi", needed)).split(",");
  const until = options.until ?? options.for ??
    (await text("For how long? Empty: until revoked", "30d")).trim();
  const span = /^\d+[mhdw]$/.test(until);
  return {
    name: name ?? await text("Under which name?", `to-${to}`, needed),
    options: {
      ...options,
      to,
      hard,
      ...(until === "" || options.until || options.for ? {} : span ? { for: until } : { until }),
    },
  };
}
