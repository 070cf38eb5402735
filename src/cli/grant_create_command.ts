import { Command, Option } from "commander";
import { dump } from "js-yaml";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { grantWarnings, type TermsWorld } from "../core/admission/terms.ts";
import { commandLines } from "./command_words.ts";
import { noteChangedTerms, waitForCreated } from "./created_grant.ts";
import { Cancelled } from "./dialog/dialog.ts";
import { openDialog } from "./dialog/open_dialog.ts";
import { no, usageError } from "./exit.ts";
import { timeoutFrom } from "./follow/follow_grant.ts";
import { amountsFrom, type OfferedGpus } from "./grant_create/amount_flags.ts";
import { type CreateOptions, grantFrom } from "./grant_create/create_options.ts";
import { gpusIn, granteesIn, offeredResources } from "./grant_create/form_facts.ts";
import { type AskedGrant, askForGrant } from "./grant_create/grant_form.ts";
import { sameCommand } from "./grant_create/same_command.ts";
import { termsInWords } from "./grant_create/terms_in_words.ts";
import { sayIfInterrupted } from "./interruption.ts";
import { Observed } from "./observed.ts";
import { operatorTailnet, waysIn } from "./operator_tailnet.ts";
import { grantorOf, noteSource, type OwnRealms, ownRealms } from "./own_realm.ts";
import { type CommandAction, type Session, verb } from "./session.ts";
import { momentOf, periodFrom, periodInWords } from "./time_flags.ts";
import { wrapped } from "./wrapped_text.ts";
import type { Moment } from "./written_instant.ts";

const collect = (value: string, before: string[] = []): string[] => [...before, ...value.split(",")];

/** An option that may be set once: of two values one would be dropped without a word. */
const once = (flags: string, help: string): Option =>
  new Option(flags, help).argParser((value: string, before: string | undefined) => {
    if (before !== undefined) throw usageError(`${flags.split(" ")[0]} is set twice: ${before} and ${value}.`);
    return value;
  });

export const grantCommand = (run: CommandAction): Command =>
  new Command("grant").description("Create grants.").addCommand(
    verb("create", "Lend part of this cluster to a realm. On a terminal it asks for what is missing.", [
      "keystone grant create",
      "keystone grant create alice-to-bob --to bob-home --cpu 2 --memory 4Gi --until 'next friday' --allow internet",
      "keystone grant create gpu --to bob-home --gpu 1 --until 2030-01-01 --allow 203.0.113.0/24:443",
      "keystone grant create night --to bob-home --cpu 8 --memory 16Gi --start 'friday 22:00' --for 8h",
      "keystone grant create web --to bob-home --hard cpu=2,memory=4Gi --allow internet:443,nas.alice.lan:445 --within 192.168.1.0/24",
      "keystone grant create trial --to bob-home --cpu 1 --memory 1Gi --for 5d --dry-run=client",
    ])
      .argument("[name]", "name of the grant")
      .option("--to <realm>", "realm that receives (grantee)")
      .option("--from <realm>", "realm that lends (grantor; default: KEYSTONE_REALM, else the realm of this cluster)")
      .addOption(once("--cpu <cores>", "CPU cores, such as 2 or 500m, for the pods' requests and for their limits"))
      .addOption(once("--memory <amount>", "memory, such as 4Gi, for the pods' requests and for their limits"))
      .addOption(once("--storage <amount>", "storage for volumes, such as 100Gi"))
      .addOption(
        once("--gpu <number>", "GPUs of the kind that the nodes offer, else nvidia.com/gpu; or amd=1, vendor/name=1"),
      )
      .addOption(once("--pods <number>", "pods that have not finished (default: by trust level)"))
      .option("--hard <key=quantity>", "granted amount by quota key; repeatable, or separated by commas", collect)
      .option("--until <instant>", "end: a day, a time or a span, such as friday, 'friday 18:00', 2030-01-01 or 2w")
      .option("--for <span>", "time from the start to the end, such as 30d, 2w or 12h")
      .option("--start <instant>", "start, as --until (default: now)")
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
      .addOption(
        new Option("--timeout <time>", "longest time to wait, such as 90s or 10m").argParser(timeoutFrom).default(
          60_000,
          "1m",
        ),
      )
      .action(run((session, options, name) => create(session, options, name as string | undefined))),
  );

async function create(session: Session, given: CreateOptions, givenName: string | undefined): Promise<void> {
  // A wrong flag fails before the first question, and before the first request.
  grantFrom({ name: "", from: "", to: "" }, given, { hard: {} }, momentOf(session.io));
  await amountsFrom(given, () => Promise.resolve(undefined));
  if (lacks(given, givenName) && session.io.interactive) return await createByForm(session, given, givenName);
  const { to, dryRun } = given;
  if (givenName === undefined) {
    throw usageError("The name is missing. Use keystone grant create NAME --to REALM --cpu 2 --memory 4Gi.");
  }
  if (to === undefined) throw usageError("--to is not set. Use --to REALM.");
  if (!hasAmounts(given)) {
    throw usageError(
      "No amounts are set. Use --cpu 2 --memory 4Gi, or --hard KEY=QUANTITY such as --hard cpu=2,memory=4Gi.",
    );
  }
  const grantFor = async (from: string, gpus: () => Promise<OfferedGpus>) => {
    const { hard, notes } = await amountsFrom(given, gpus);
    const moment = momentOf(session.io);
    for (const note of [...notes, ...periodFrom(given, moment).notes]) session.note(`Note: ${note}`);
    return grantFrom({ name: givenName, from, to }, given, { hard }, moment);
  };
  if (dryRun === "client") {
    const from = given.from ?? session.io.env("KEYSTONE_REALM");
    if (from) return printManifest(session, await grantFor(from, () => Promise.resolve(undefined)));
  }
  using rest = await session.connect();
  const seen = await new Observed(rest).terms();
  const own = await ownRealms(session, rest, seen);
  const grant = await grantFor(
    given.from ?? grantorOf(session, own),
    async () => gpusIn(await offeredResources(rest)),
  );
  const warnings = await warningsOf(session, seen, own, grant);
  for (const warning of warnings) session.warn(warning);
  if (dryRun === "client") return printManifest(session, grant);
  await createdAs(session, rest, grant, given, warnings);
}

const hasAmounts = ({ hard, cpu, memory, gpu, storage, pods }: CreateOptions): boolean =>
  [hard, cpu, memory, gpu, storage, pods].some((each) => each !== undefined);

/** Reports whether the options are incomplete; one of cpu and memory is of no use without the other. */
const lacks = (options: CreateOptions, name: string | undefined): boolean =>
  name === undefined || options.to === undefined || !hasAmounts(options) ||
  (options.hard === undefined && (options.cpu === undefined) !== (options.memory === undefined));

async function createByForm(session: Session, given: CreateOptions, givenName: string | undefined): Promise<void> {
  const nothing = "Nothing was created.";
  sayIfInterrupted(nothing);
  using rest = await session.connect();
  const [seen, offered, settings] = await Promise.all([
    new Observed(rest).terms(),
    offeredResources(rest),
    session.settings(),
  ]);
  const own = await ownRealms(session, rest, seen);
  const { stores } = seen;
  const grantees = granteesIn(stores, settings);
  if (given.to === undefined && grantees.length === 0) {
    throw no(
      "There are no other realms to lend to. Create one: keystone realm add (requires the verb trust on realms). Or " +
        "name a future one with --to.",
    );
  }
  const gpus = gpusIn(offered);
  const say = (text: string) => session.say(wrapped(text, session.io.width));
  using dialog = await openDialog(session);
  try {
    const answers = await askForGrant(
      dialog,
      {
        grantees,
        grants: new Set(stores.grants.list().map(({ name }) => name)),
        parties: new Set([...stores.realms.list(), ...stores.superEntities.list()].map(({ name }) => name)),
        grantor: own.grantor?.name,
        offered,
        gpus,
        moment: () => momentOf(session.io),
        say,
      },
      given,
      givenName,
    );
    const { hard, notes } = await amountsFrom(answers.options, () => Promise.resolve(gpus));
    const moment = momentOf(session.io);
    const { name, options } = answers;
    const grant = grantFrom({ name, ...options }, options, { hard }, moment);
    const trust = grantees.find((each) => each.name === options.to);
    say("");
    for (const [heading, text] of termsInWords(name, grant.spec as never, trust, moment)) {
      session.say(wrapped(`  ${`${heading}:`.padEnd(9)}${text}`, session.io.width, 9));
    }
    for (const note of [...notes, ...periodFrom(given, moment).notes]) say(`Note: ${note}`);
    if (given.from === undefined && own.grantor) noteSource(session, own.grantor);
    const warnings = await warningsOf(session, seen, own, grant);
    for (const warning of warnings) {
      say(`${session.colours.yellow("Warning:")} ${warning}`);
    }
    say("");
    if (options.dryRun !== "client") {
      const isServer = options.dryRun === "server";
      if (!isServer && !await dialog.confirm({ message: "Create this grant?", preset: true })) throw no(nothing);
      sayIfInterrupted("The grant may have been created. See: keystone grant list");
      await createdAs(session, rest, grant, options, warnings);
    } else printManifest(session, grant);
    const { name: known, source } = own.grantor ?? {};
    const isFromKnown = given.from === undefined && known === options.from && source === undefined;
    sameWithout(session, answers, isFromKnown, moment);
  } catch (error) {
    if (error instanceof Cancelled) throw no(nothing);
    throw error;
  } finally {
    sayIfInterrupted(undefined);
  }
}

/** Prints the command line that does the same as the form did. */
function sameWithout(session: Session, { name, options }: AskedGrant, isFromKnown: boolean, moment: Moment): void {
  if (session.flags.output === "json" || session.flags.output === "yaml") return;
  const { from: _, ...others } = options;
  const words = sameCommand(name, isFromKnown ? others : options, periodFrom(options, moment), session.flags);
  session.say(["The same without questions:", ...commandLines(words, session.io.width)].join("\n"));
}

/** Prints the grant as it is stored, and what to do next: after warnings to look at it, else to give access. */
async function printed(
  session: Session,
  rest: RestClient,
  grant: Grant,
  { dryRun }: CreateOptions,
  warnings: readonly string[],
): Promise<void> {
  if (session.data(grant)) return;
  const [name, to] = [grant.metadata!.name, grant.spec.granteeRealm];
  session.say(`Grant ${name} ${dryRun ? "would be created (server dry run)" : "created"}.`);
  const lasts = lastsText(session, grant);
  session.say(session.io.terminal ? wrapped(lasts, session.io.width) : lasts);
  if (dryRun) return;
  if (warnings.length > 0) return session.say(`It was warned of. See its state: keystone explain grant ${name}`);
  session.say(`See it: keystone grant list ${name}`);
  for (const { text, command } of waysIn(to, await operatorTailnet(rest))) session.say(`${text}: ${command}`);
}

/** Returns the period of the grant in local time and in UTC. */
function lastsText({ io }: Session, { spec }: Grant): string {
  const { validFrom, validUntil } = spec.validity ?? {};
  const period = {
    ...(validFrom ? { start: Date.parse(validFrom) } : {}),
    ...(validUntil ? { end: Date.parse(validUntil) } : {}),
  };
  return `It lasts ${periodInWords(period, momentOf(io))}.`;
}

/** Prints a Grant that was not sent, as YAML unless -o asks for JSON, so that it can be piped to a file. */
function printManifest(session: Session, grant: Grant): void {
  if (session.data(grant)) return;
  session.note(`Grant ${grant.metadata!.name} would be created (client dry run). ${lastsText(session, grant)}`);
  session.say(dump(grant, { noRefs: true, lineWidth: 120 }).trimEnd());
}

/** Creates the grant, and reports what the API server has stored; with `--wait`, once it is enforced. */
async function createdAs(
  session: Session,
  rest: RestClient,
  grant: Grant,
  options: CreateOptions,
  warnings: readonly string[],
): Promise<void> {
  const created = await createGrant(rest, grant, options.dryRun === "server");
  noteChangedTerms(session, grant, created);
  if (!options.wait || options.dryRun) return await printed(session, rest, created, options, warnings);
  session.note(`Grant ${created.metadata!.name} created.`);
  await waitForCreated(session, rest, created, options);
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
async function warningsOf(
  session: Session,
  { stores }: Observed,
  { cluster }: OwnRealms,
  { metadata, spec }: Grant,
): Promise<string[]> {
  const world: TermsWorld = {
    settings: await session.settings(),
    cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
    local: cluster ? { kind: "known", name: cluster.name } : { kind: "any" },
    realmNamed: (name) => stores.realms.get(name),
    isCollective: (name) => stores.superEntities.get(name) !== undefined,
    realms: () => stores.realms.list(),
    grantsTo: (realm) => stores.grants.index("grantee", realm),
    now: session.io.now(),
  };
  return grantWarnings(metadata!.name!, spec, world);
}
