import { type Command, Option } from "commander";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { KeystoneV1alpha1Api, type Realm } from "../api/client/keystone.io@v1alpha1.ts";
import {
  defaultSettings,
  type RealmSpec,
  type RealmSubject,
  type Settings,
  trustedNodeAnnotation,
  type TrustLevel,
  trustLevels,
} from "../api/mod.ts";
import { canonicalName } from "../core/realm/identity.ts";
import { fewOf } from "../core/plain_text.ts";
import type { TailnetPeer } from "../tailnet/tailnet_state.ts";
import { commandLines, connectionWords } from "./command_words.ts";
import { Cancelled, type Dialog } from "./dialog/dialog.ts";
import { openDialog } from "./dialog/open_dialog.ts";
import { Exit, exitCodes, no, usageError } from "./exit.ts";
import { sayIfInterrupted } from "./interruption.ts";
import { isReplica, type OperatorTailnet, operatorTailnet } from "./operator_tailnet.ts";
import { draftInWords, realmAddWords } from "./realm_add/draft_words.ts";
import {
  draftedRealm,
  identityConflict,
  identityProblem,
  nameConflict,
  nameProblem,
  proposedName,
  type RealmDraft,
  subjectFrom,
  subjectsProblem,
  type TakenNames,
} from "./realm_add/realm_draft.ts";
import { askName, askNode, askSubjects, askTrust, likelyFirst } from "./realm_add/realm_questions.ts";
import {
  chosenNode,
  connectionTypeOf,
  nodesFromFile,
  nodesFromSocket,
  type TailnetNodes,
  usualSocket,
} from "./realm_add/tailnet_nodes.ts";
import { type CommandAction, type Session, verb, yamlOf } from "./session.ts";

interface RealmAddOptions {
  identity?: string;
  node?: string;
  trust?: TrustLevel;
  subject?: RealmSubject[];
  connectionType?: RealmSpec["connectionType"];
  filename?: string;
  tsSocket?: string;
  yes?: boolean;
  dryRun?: "client" | "server";
}

export const realmAddCommand = (run: CommandAction): Command =>
  verb(
    "add",
    "Add a neighbor from the nodes of the tailnet. On a terminal it asks for what is missing. Requires the verb trust " +
      "on Realms.",
    [
      "keystone realm add",
      "tailscale status --json > nodes.json && keystone realm add -f nodes.json",
      "keystone realm add bob-home --identity bob-home.tailnet-name.ts.net --trust partner",
      "keystone realm add lab --identity lab.tailnet-name.ts.net --trust internal --subject Group:lab-admins --yes",
      "keystone realm add bob-home --identity bob-home.tailnet-name.ts.net --dry-run=client -o yaml",
    ],
  )
    .argument("[name]", "name of the realm (default: the first part of the node's name)")
    .option(
      "--identity <name>",
      "full MagicDNS name of the realm's node; the first part is enough if the tailnet is read",
    )
    .option("--node <id>", "StableID of the node to trust (default: that of the node, if the tailnet is read)")
    .addOption(
      new Option("--trust <level>", "limit on what grants may contain (default: public)").choices(trustLevels),
    )
    .option(
      "--subject <User:NAME>",
      "user, or Group:NAME, that acts for the realm; repeatable",
      (text: string, before?: RealmSubject[]) => [...before ?? [], subjectFrom(text)],
    )
    .addOption(
      new Option("--connection-type <kind>", "kind of the control server (default: that of the tailnet)")
        .choices(["tailscale", "headscale"]),
    )
    .option("-f, --filename <path>", "output of tailscale status --json; - for standard input")
    .option("--ts-socket <path>", "socket of the tailscaled (default: TS_SOCKET)")
    .option("--yes", "no confirmation")
    .addOption(
      new Option(
        "--dry-run <where>",
        "create nothing: client prints the realm, server has the API server validate it",
      ).choices(["client", "server"]),
    )
    .action(run((session, options, name) => add(session, options as RealmAddOptions, name as string | undefined)));

const nothing = "Nothing was created.";

async function add(session: Session, options: RealmAddOptions, givenName: string | undefined): Promise<void> {
  if (options.node !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(options.node)) {
    throw usageError(`--node is ${options.node}. It must be a StableID; tailscale status --json shows it as ID.`);
  }
  sayIfInterrupted(nothing);
  const isClientRun = options.dryRun === "client";
  using rest = isClientRun ? undefined : await session.connect();
  if (rest) await refuseWithoutRight(rest, givenName);
  const taken = rest ? await takenNames(rest) : { names: new Set<string>(), identities: new Map<string, string>() };
  // A list that is typed or pasted takes the terminal's input to its end.
  const canAsk = session.io.interactive && options.filename !== "-";
  const isIncomplete = givenName === undefined || options.identity === undefined || options.trust === undefined;
  const asks = canAsk && isIncomplete;
  const own = rest && await operatorTailnet(rest);
  const given = await givenParts(session, options, givenName, { taken, own }, asks);
  const confirms = canAsk && !options.yes && !isClientRun;
  // A wrong file fails before the first question.
  const settings = asks || confirms ? await session.settings() : defaultSettings;
  using dialog = asks || confirms ? await openDialog(session) : undefined;
  try {
    const draft = await draftOf(session, given, { taken, own, settings }, asks ? dialog : undefined);
    const realm = draftedRealm(draft);
    if (dialog) sayDraft(session, draft, settings);
    if (dialog && confirms) {
      const message = options.dryRun ? "Have the API server validate this realm?" : "Create this realm?";
      if (!await dialog.confirm({ message, preset: true })) throw no(nothing);
    }
    if (!rest) printManifest(session, realm);
    else {
      const isDryRun = options.dryRun === "server";
      if (!isDryRun) sayIfInterrupted("The realm may have been created. See: keystone realm list");
      const created = await createRealm(rest, realm, isDryRun);
      printed(session, created, isDryRun ? "would be created (server dry run)" : "created");
    }
    if (asks) sayAgain(session, draft);
  } catch (error) {
    if (error instanceof Cancelled) throw no(nothing);
    throw error;
  } finally {
    sayIfInterrupted(undefined);
  }
}

/** Facts that are read before the first question. */
interface Known {
  taken: TakenNames;
  own: OperatorTailnet | undefined;
  settings: Settings;
}

/** Parts of a realm that flags and the tailnet give. */
interface GivenParts {
  options: RealmAddOptions;
  name: string | undefined;
  tailnet: TailnetNodes | undefined;
  /** The node that `--identity` means, if the tailnet has it. */
  node: TailnetPeer | undefined;
}

/** Reads and checks what the flags give. */
async function givenParts(
  session: Session,
  options: RealmAddOptions,
  name: string | undefined,
  { taken, own }: Pick<Known, "taken" | "own">,
  asks: boolean,
): Promise<GivenParts> {
  const { subject: givenSubjects } = options;
  if (name !== undefined) usable(`The name ${name}`, nameProblem(name), nameConflict(name, taken));
  if (givenSubjects) usable("--subject", subjectsProblem(givenSubjects, name));
  const tailnet = await session.during(
    () => "reading the nodes of the tailnet",
    () => tailnetOf(session, options, asks),
  );
  if (options.identity === undefined) {
    if (!asks) throw usageError(identityMissing(tailnet, taken, own));
    return { options, name, tailnet, node: undefined };
  }
  const node = tailnet && chosenNode(tailnet, options.identity, options.node);
  const identity = node?.dnsName ?? options.identity;
  usable(`--identity ${options.identity}`, identityProblem(identity), identityConflict(identity, taken));
  if (tailnet && !node) {
    session.warn(
      `no node of the tailnet has the name ${options.identity} yet. The first node that gets it will be trusted.`,
    );
  }
  return { options, name, tailnet, node };
}

/** Returns the message for a command without an identity and without questions: the nodes that it can be. */
function identityMissing(tailnet: TailnetNodes | undefined, taken: TakenNames, own: OperatorTailnet | undefined) {
  const open = likelyFirst(tailnet?.nodes ?? [], taken, own).filter(({ dnsName }) =>
    !taken.identities.has(dnsName) && identityProblem(dnsName) === undefined && !(own && isReplica(dnsName, own))
  );
  const nodes = open.map(({ dnsName, online, self }) =>
    `${dnsName} (${self ? "this machine" : online ? "online" : "offline"})`
  );
  return "--identity is not set. Use --identity NODE.TAILNET, the node's full MagicDNS name. " + (
    tailnet === undefined
      ? "To see the names, set TS_SOCKET or --ts-socket, or use -f with the output of tailscale status --json."
      : nodes.length === 0
      ? "The tailnet has no node that is no realm yet."
      : `The tailnet has ${fewOf(nodes, 20)}.`
  );
}

/** Ends the command if a part can't be used. */
function usable(what: string, problem: string | undefined, conflict?: string): void {
  if (problem !== undefined) throw usageError(`${what} ${problem}.`);
  if (conflict !== undefined) throw no(`${what} ${conflict}.`);
}

/** Completes what is given with answers; without a dialog, with defaults. */
async function draftOf(
  session: Session,
  { options, name: givenName, tailnet, node: named }: GivenParts,
  { taken, own, settings }: Known,
  dialog: Dialog | undefined,
): Promise<RealmDraft> {
  const node = named ??
    (options.identity === undefined && dialog
      ? await askNode(dialog, tailnet?.nodes ?? [], taken, own, (text) => session.say(text))
      : undefined);
  const identity = canonicalName(node?.dnsName ?? options.identity!);
  const name = givenName ?? (dialog ? await askName(dialog, identity, taken) : proposedName(identity, taken));
  if (name === undefined) {
    throw usageError(`The name is missing, and ${identity.split(".")[0]} can't be one. Use keystone realm add NAME.`);
  }
  const trust = options.trust ??
    (dialog ? await askTrust(dialog, settings, node?.self ? "internal" : "public") : "public");
  const isServed = own?.isServed ?? false;
  const subjects = options.subject ?? (dialog ? await askSubjects(dialog, name, isServed) : []);
  if (options.subject) usable("--subject", subjectsProblem(options.subject, name));
  const trusted = options.node ?? node?.stableID;
  return {
    name,
    identity,
    trust,
    subjects,
    isServed,
    connectionType: options.connectionType ?? tailnet?.connectionType ?? own?.connectionType ??
      connectionTypeOf(identity),
    ...(trusted === undefined ? {} : { node: trusted }),
  };
}

/** Prints the realm before it is created. */
function sayDraft(session: Session, draft: RealmDraft, settings: Settings): void {
  session.say("");
  for (const [heading, text] of draftInWords(draft, settings)) {
    session.say(`  ${`${heading}:`.padEnd(9)}${text}`, 9);
  }
  session.say("");
}

/** Prints the command line that does the same as the answers did. */
function sayAgain(session: Session, draft: RealmDraft): void {
  if (session.flags.output === "json" || session.flags.output === "yaml") return;
  const words = [...realmAddWords(draft), ...connectionWords(session.flags)];
  session.raw(["The same without questions:", ...commandLines(words, session.io.width)].join("\n"));
}

/** Reads the tailnet from the source that is given. Without one it is needed only for questions. */
async function tailnetOf(
  session: Session,
  { filename, tsSocket, identity }: RealmAddOptions,
  asks: boolean,
): Promise<TailnetNodes | undefined> {
  if (filename !== undefined && tsSocket !== undefined) {
    throw usageError("-f and --ts-socket are both set. Use one of them.");
  }
  if (filename !== undefined) return await nodesFromFile(session.io, filename);
  const socket = tsSocket ?? (session.io.env("TS_SOCKET") || undefined);
  if (tsSocket === undefined && identity !== undefined) {
    // A full name is enough; the tailnet adds the node's ID.
    if (socket === undefined) return undefined;
    return await nodesFromSocket(socket).catch((error) => {
      session.warn(`the tailnet can't be read: ${(error as Error).message}`);
      return undefined;
    });
  }
  if (socket !== undefined) return await nodesFromSocket(socket);
  return await nodesFromSocket(usualSocket).catch(() => {
    if (asks) {
      session.note(
        "There is no tailscaled here to list the nodes. Enter the node's name, or save the list where there is one, and use " +
          "-f nodes.json:\n  tailscale status --json > nodes.json",
      );
    }
    return undefined;
  });
}

/** Refuses before any question if the user may not create Realms, or not trust with them. */
async function refuseWithoutRight(rest: RestClient, name: string | undefined): Promise<void> {
  const missing = (await Promise.all(["create", "trust"].map(async (verb) => {
    const resourceAttributes = { group: "keystone.io", resource: "realms", verb, ...(name ? { name } : {}) };
    return await isAllowed(rest, resourceAttributes) ? [] : [verb];
  }))).flat();
  if (missing.length === 0) return;
  throw new Exit(
    exitCodes.forbidden,
    `realms.keystone.io is forbidden: you don't have the ${missing.length > 1 ? "verbs" : "verb"} ${
      missing.join(" and ")
    } on realms. Ask a cluster admin for it; docs/realms.md has the commands.`,
  );
}

/** Reports whether the API server allows a request. If it doesn't tell, it answers when the realm is created. */
async function isAllowed(rest: RestClient, resourceAttributes: Record<string, string>): Promise<boolean> {
  try {
    const { status } = await rest.performRequest({
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      bodyJson: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes },
      },
    }) as { status?: { allowed?: boolean } };
    return status?.allowed === true;
  } catch (error) {
    if (isApiError(error, 403) || isApiError(error, 404)) return true;
    throw error;
  }
}

/** Returns the names in use, as far as the user may read them. */
async function takenNames(rest: RestClient): Promise<TakenNames> {
  const api = new KeystoneV1alpha1Api(rest);
  const readable = async <T>(list: () => Promise<T[]>): Promise<T[]> => {
    try {
      return await list();
    } catch (error) {
      if (isApiError(error, 403)) return [];
      throw error;
    }
  };
  const [realms, entities] = await Promise.all([
    readable(() => api.realms.all()),
    readable(() => api.superEntities.all()),
  ]);
  return {
    names: new Set([...realms, ...entities].map(({ metadata }) => metadata!.name!)),
    identities: new Map(realms.map(({ metadata, spec }) => [canonicalName(spec.identity), metadata!.name!])),
  };
}

async function createRealm(rest: RestClient, realm: Realm, dryRun: boolean): Promise<Realm> {
  if (!dryRun) return await new KeystoneV1alpha1Api(rest).realms.create(realm);
  return await rest.performRequest({
    method: "POST",
    path: "/apis/keystone.io/v1alpha1/realms",
    querystring: new URLSearchParams({ dryRun: "All" }),
    bodyJson: realm as never,
  }) as unknown as Realm;
}

/** Prints a Realm that was not sent, as YAML unless -o asks for JSON, so that it can be piped to a file. */
function printManifest(session: Session, realm: Realm): void {
  if (session.data(realm)) return;
  session.note(`Realm ${realm.metadata!.name} would be created (client dry run).`);
  session.raw(yamlOf(realm));
}

/** Prints the realm, as the API server returned it. */
function printed(session: Session, realm: Realm, what: string): void {
  const { metadata, spec } = realm;
  const node = metadata!.annotations?.[trustedNodeAnnotation];
  if (session.data(realm)) return;
  session.say(
    `Realm ${metadata!.name} ${what}: ${spec.identity}, trust level ${spec.trustLevel}, ` +
      `${node === undefined ? "the first node with this name will be trusted" : `trusted node ${node}`}.`,
  );
  if (what === "created") {
    session.say(`Watch it: keystone realm list. Lend to it: keystone grant create --to ${metadata!.name}`);
  }
}
