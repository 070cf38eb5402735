/** The questions of `keystone grant create`: each answer is checked before the next question. */
import { maxNameLength } from "../../api/mod.ts";
import { parseRange } from "../../core/address.ts";
import { rfc3339 } from "../../core/instants.ts";
import { parseDestination } from "../../core/network/destination.ts";
import { minQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Dialog } from "../dialog/dialog.ts";
import { shownInstant } from "../shown_instant.ts";
import { instantFrom, readEnd } from "../time_flags.ts";
import type { Moment } from "../written_instant.ts";
import { type OfferedGpus, readGpus } from "./amount_flags.ts";
import type { CreateOptions } from "./create_options.ts";
import type { Grantee } from "./form_facts.ts";
import { readBytes, readCores, type WrittenAmount } from "./written_amount.ts";

/** Facts that questions offer and check. */
export interface FormFacts {
  grantees: readonly Grantee[];
  /** Names of existing grants. */
  grants: ReadonlySet<string>;
  /** Names of all Realms and SuperEntities. */
  parties: ReadonlySet<string>;
  /** The realm that lends, if it is known. */
  grantor: string | undefined;
  /** Amounts of all nodes together, by resource; undefined: not read. */
  offered: ReadonlyMap<string, Quantity> | undefined;
  gpus: OfferedGpus;
  moment: () => Moment;
  /** Prints a line between questions. */
  say: (text: string) => void;
}

/** A complete set of options. */
export interface AskedGrant {
  name: string;
  options: CreateOptions & { to: string; from: string };
}

const none = "none";

/** Asks for everything that the options don't set. */
export async function askForGrant(
  dialog: Dialog,
  facts: FormFacts,
  given: CreateOptions,
  givenName: string | undefined,
): Promise<AskedGrant> {
  const from = given.from ?? facts.grantor ?? await dialog.text({
    message: "Which realm is this cluster? The flag --from or the variable KEYSTONE_REALM can set it",
    check: nameProblem,
  });
  const to = given.to ?? await dialog.choose({
    message: "To whom?",
    options: facts.grantees.filter(({ name }) => name !== from)
      .map(({ name, hint }) => ({ value: name, label: name, hint })),
  });
  const grantee = facts.grantees.find(({ name }) => name === to);
  const amounts = await askForAmounts(dialog, facts, given);
  const end = await askForEnd(dialog, facts, given, grantee);
  const network = await askForNetwork(dialog, facts, given, to, grantee);
  const name = givenName ?? await askForName(dialog, facts, to);
  return { name, options: { ...given, ...amounts, ...end, ...network, from, to } };
}

const isLabel = (name: string): boolean => name.length <= maxNameLength && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name);

const nameProblem = (name: string): string | undefined =>
  isLabel(name) ? undefined : `Use lowercase letters, digits and dashes, at most ${maxNameLength} characters.`;

async function askForName(dialog: Dialog, { grants }: FormFacts, to: string): Promise<string> {
  const base = `to-${to}`.slice(0, maxNameLength - 4).replace(/-+$/, "");
  let preset = base;
  for (let number = 2; grants.has(preset); number++) preset = `${base}-${number}`;
  return await dialog.text({
    message: "Name of the grant?",
    preset,
    check: (name) =>
      nameProblem(name) ?? (grants.has(name) ? `Grant ${name} exists already. Use another name.` : undefined),
  });
}

async function askForAmounts(dialog: Dialog, facts: FormFacts, given: CreateOptions): Promise<CreateOptions> {
  // Quota keys may name any resource, so nothing is known to be missing.
  if (given.hard !== undefined) return {};
  const { offered, gpus } = facts;
  const out: CreateOptions = {};
  const isOther = [given.cpu, given.memory, given.gpu, given.storage, given.pods].some((each) => each !== undefined);
  const amount = async (
    name: "cpu" | "memory" | "storage",
    message: string,
    preset: string,
    read: (text: string) => WrittenAmount,
  ) => {
    if (given[name] !== undefined) return;
    const isOptional = name === "storage" || isOther;
    const answer = await dialog.text({
      message,
      preset,
      check: (text) => {
        if (text === none) {
          return isOptional ? undefined : `Pods need ${name}. Lend at least a little.`;
        }
        const amount = read(text);
        return "problem" in amount ? amount.problem : undefined;
      },
    });
    if (answer === none) return;
    const written = read(answer);
    if ("note" in written) facts.say(`Note: ${written.note}`);
    const all = offered?.get(name);
    if (all !== undefined && parseQuantity(answer).compare(all) > 0) {
      facts.say(`Note: that is more than all nodes have (${readable(all, name)}); pods beyond it wait.`);
    }
    out[name] = answer;
  };
  await amount("cpu", `How many CPU cores?${ofAll(offered, "cpu")}`, presetOf(offered, "cpu", "2"), readCores);
  await amount("memory", `How much memory?${ofAll(offered, "memory")}`, presetOf(offered, "memory", "4Gi"), readBytes);
  await amount("storage", "How much storage for volumes? Such as 100Gi, or none", none, readBytes);
  if (given.gpu === undefined && gpus !== undefined && gpus.size > 0) {
    const kinds = [...gpus].map(([resource, count]) => `${resource}: ${count}`).join(", ");
    const answer = await dialog.text({
      message: `How many GPUs? The nodes have ${kinds}. Such as ${
        gpus.size > 1 ? `${[...gpus.keys()][0]}=1` : "1"
      }, or none`,
      preset: none,
      check: (text) => {
        const read = text === none ? undefined : readGpus(text, gpus);
        return read && "problem" in read ? read.problem : undefined;
      },
    });
    const read = answer === none ? undefined : readGpus(answer, gpus);
    if (read && "resource" in read) out.gpu = `${read.resource}=${read.quantity}`;
  }
  return out;
}

const ofAll = (offered: FormFacts["offered"], resource: string): string => {
  const all = offered?.get(resource);
  return all === undefined ? "" : ` The nodes have ${readable(all, resource)} in total`;
};

const gi = 2n ** 30n * 1_000_000_000n;

/** Returns an amount in whole Gi, because nodes report odd numbers of Ki. */
const readable = (amount: Quantity, resource: string): string =>
  resource === "memory" && amount.nanos >= gi ? `${amount.nanos / gi}Gi` : amount.toString();

/** Returns the usual amount, or half of what all nodes have if that is less. */
function presetOf(offered: FormFacts["offered"], resource: string, usual: string): string {
  const all = offered?.get(resource);
  if (all === undefined || all.sign() <= 0) return usual;
  const step = parseQuantity(resource === "cpu" ? "100m" : "64Mi");
  const steps = all.nanos / 2n / step.nanos;
  if (steps === 0n) return usual;
  const half = parseQuantity(resource === "cpu" ? `${steps * 100n}m` : `${steps * 64n}Mi`);
  return minQuantity(parseQuantity(usual), half).toString();
}

async function askForEnd(
  dialog: Dialog,
  { moment, say }: FormFacts,
  given: CreateOptions,
  grantee: Grantee | undefined,
): Promise<Pick<CreateOptions, "for" | "until">> {
  if (given.until !== undefined || given.for !== undefined) return {};
  const maxDays = grantee?.rules.maxValidityDays ?? null;
  const read = (text: string) => {
    const now = moment();
    const start = given.start === undefined ? now.now : instantFrom("--start", given.start, now).at;
    const end = readEnd(text, now, start);
    // A few minutes pass until the grant is created, so a span is compared by itself.
    const isLong = maxDays !== null && "at" in end && end.at - Math.max(start, now.now) > maxDays * 86_400_000;
    return isLong ? { problem: `Trust level ${grantee!.level} allows at most ${maxDays} days.` } : end;
  };
  const answer = await dialog.text({
    message: "Until when? A day, a time or a span: friday, 2026-12-24 18:00, 2w" +
      (maxDays === null ? ", or never" : ` (at most ${maxDays}d)`),
    preset: `${Math.min(30, maxDays ?? 30)}d`,
    check: (text) => {
      if (text === "never") {
        return maxDays === null ? undefined : `Trust level ${grantee!.level} requires an end within ${maxDays} days.`;
      }
      const end = read(text);
      return "problem" in end ? end.problem : undefined;
    },
  });
  const end = answer === "never" ? undefined : read(answer);
  if (end === undefined || "problem" in end) return {};
  say(`Until ${shownInstant(end.at, moment().zone)}.${end.note ? ` Note: ${end.note}` : ""}`);
  return end.form === "span" ? { for: answer } : { until: rfc3339(end.at) };
}

async function askForNetwork(
  dialog: Dialog,
  facts: FormFacts,
  given: CreateOptions,
  to: string,
  grantee: Grantee | undefined,
): Promise<Pick<CreateOptions, "allow" | "within" | "except">> {
  if (given.allow !== undefined) return {};
  if (grantee?.rules.egress === "realm") {
    facts.say(`Network: trust level ${grantee.level} opens only the node of ${to}.`);
    return {};
  }
  const choice = await dialog.choose({
    message: "What may the guests reach, besides each other?",
    options: [
      { value: "nothing", label: `Nothing but the node of ${to}` },
      { value: "internet", label: "The internet, but not your LAN" },
      { value: "chosen", label: "Destinations that you name" },
    ],
  });
  if (choice === "nothing") return {};
  const allow = choice === "internet" ? await askForPorts(dialog) : await askForDestinations(dialog, facts);
  const isNamed = allow.some((text) => {
    const destination = parseDestination(text);
    return "to" in destination && "dns" in destination.to;
  });
  const within = isNamed
    ? await askForRanges(dialog, "Which ranges of your LAN may these names open? Such as 192.168.1.0/24, or none")
    : [];
  const except = await askForRanges(dialog, "Which ranges stay closed all the same? Such as 203.0.113.0/24, or none");
  return { allow, ...(within.length > 0 ? { within } : {}), ...(except.length > 0 ? { except } : {}) };
}

/** Returns the parts of a list with commas or blanks. */
const listed = (text: string): string[] => text.split(/[\s,]+/).filter((part) => part !== "");

async function askForPorts(dialog: Dialog): Promise<string[]> {
  const destinations = (text: string) => text === "all" ? ["internet"] : listed(text).map((port) => `internet:${port}`);
  return destinations(
    await dialog.text({
      message: "Which ports? Such as 443 or 80,443, or all",
      preset: "all",
      check: (text) => problemOfDestinations(destinations(text)),
    }),
  );
}

async function askForDestinations(dialog: Dialog, { parties }: FormFacts): Promise<string[]> {
  return listed(
    await dialog.text({
      message: "Which destinations, separated by commas? Such as internet:443, nas.alice.lan:445, 203.0.113.0/24",
      check: (text) => problemOfDestinations(listed(text), parties),
    }),
  );
}

function problemOfDestinations(texts: readonly string[], parties?: ReadonlySet<string>): string | undefined {
  if (texts.length === 0) return "Name at least one destination.";
  for (const text of texts) {
    const destination = parseDestination(text);
    if ("error" in destination) return destination.error;
    if (parties && "realm" in destination.to && !parties.has(destination.to.realm)) {
      return `${text}: there is no realm ${destination.to.realm}. Use an address, a CIDR, a realm or a DNS name with a dot.`;
    }
  }
  return undefined;
}

async function askForRanges(dialog: Dialog, message: string): Promise<string[]> {
  const ranges = (text: string) => text === none ? [] : listed(text);
  return ranges(
    await dialog.text({
      message,
      preset: none,
      check: (text) => {
        const wrong = ranges(text).find((range) => parseRange(range) === undefined);
        return wrong && `${wrong} is not a CIDR or an IP address, such as 192.168.1.0/24.`;
      },
    }),
  );
}
