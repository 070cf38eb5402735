import type { Command } from "commander";
import { isDeepStrictEqual } from "node:util";
import { dump } from "js-yaml";
import { grantSpec } from "../api/mod.ts";
import { observeGuest } from "../controllers/guest_loop.ts";
import { Pools } from "../controllers/pools.ts";
import type { Effect, ObjectRef, WrittenObject } from "../core/effects.ts";
import type { GrantFacts, LocalRealm } from "../core/facts.ts";
import { dryRun } from "../core/guest/dry_run.ts";
import { destinationsOf } from "../core/guest/objects/grant_policy.ts";
import { rowCollection, rowOf } from "../core/guest/objects/table.ts";
import { planGuest } from "../core/guest/plan_guest.ts";
import { givenBy } from "../core/guest/writes.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import { parseDestination } from "../core/network/destination.ts";
import { lifecycleOf } from "../core/grant/lifecycle.ts";
import { guestNamespace } from "../core/names.ts";
import { no, usageError } from "./exit.ts";
import { type Manifest, manifestsIn, withFilenames } from "./manifests.ts";
import { changedLines } from "./line_diff.ts";
import { Observed } from "./observed.ts";
import { grantorOf, ownRealms } from "./own_realm.ts";
import { type CommandAction, type Session, verb } from "./session.ts";
import { type StoredGrant, storedGrant } from "./stored_grants.ts";

interface Named {
  kind: string;
  namespace?: string;
  name: string;
}

interface Update extends Named {
  before: unknown;
  after: unknown;
}

export const planCommand = (run: CommandAction): Command =>
  withFilenames(
    verb("plan", "Show as a diff what the operator would write if a grant were applied. Changes nothing.", [
      "keystone plan -f grant.yaml",
      "keystone plan -f internal.yaml -f partners/",
      "keystone plan -f grant.yaml -o json | jq '.create[].kind'",
      "keystone grant create trial --to bob-home --hard cpu=1,memory=1Gi --dry-run=client -o yaml | keystone plan -f -",
    ]),
    "grants",
  )
    .action(run(async (session, options) => {
      const paths = options.filename as string[];
      const manifests = await manifestsIn(session.io, paths, { recursive: options.recursive === true });
      const grants = manifests.filter(isGrant);
      if (grants.length === 0) {
        throw usageError(`-f ${paths.join(" -f ")} has no Grant. Pass a file with at least one.`);
      }
      const ignored = manifests.filter((manifest) => !isGrant(manifest));
      if (ignored.length > 0) {
        const names = ignored.map(({ kind, metadata }) => `${kind} ${metadata?.name ?? ""}`.trim());
        session.note(`Not part of the plan, which is of Grants: ${names.join(", ")}.`);
      }
      using rest = await session.connect();
      const seen = await new Observed(rest).terms();
      const now = session.io.now();
      const stored = await Promise.all(lastOfEach(grants).map((manifest) => storedGrant(rest, manifest)));
      for (const { name, unchecked } of stored) {
        if (unchecked === undefined) continue;
        session.warn(
          `Grant ${name} was not checked by the API server: ${unchecked}.`,
        );
      }
      const applied = stored.map((grant) => factsOf(grant, seen, now));
      const grantees = [...new Set(applied.map(({ spec }) => spec.granteeRealm))];
      await Promise.all(grantees.map((grantee) => seen.guest(guestNamespace(grantee))));
      const settings = await session.settings();
      const cluster = await seen.cluster(settings);
      const names = await resolved(applied);
      const local: LocalRealm = { kind: "known", name: grantorOf(session, await ownRealms(session, rest, seen)) };
      const create: WrittenObject[] = [];
      const update: Update[] = [];
      const remove: Named[] = [];
      for (const grantee of grantees) {
        const world = observeGuest({
          stores: seen.stores,
          settings,
          cluster: { facts: cluster },
          names: { get: (name) => names.get(name) },
          pods: { get: () => undefined, errorOf: () => undefined },
          local: () => local,
          pools: new Pools(),
          skewMs: () => 0,
          clock: { now: () => now },
        }, grantee);
        const mine = applied.filter(({ spec }) => spec.granteeRealm === grantee);
        const others = world.grants.filter(({ name }) => !mine.some((grant) => grant.name === name));
        for (const grant of mine) waits(session, grant, { ...world, local });
        closes(session, mine, { ...world, grants: [...others, ...mine] });
        const { writes } = dryRun({ ...world, grants: [...others, ...mine] });
        sort(world, writes, { create, update, remove });
      }
      if (session.data({ create, update, delete: remove })) return;
      print(session, create, update, remove);
    }));

/** Prints why a grant would not be in force. */
function waits(session: Session, grant: GrantFacts, world: GuestWorld): void {
  const lifecycle = lifecycleOf({ ...world, grant });
  if (lifecycle.is === "active") return;
  const why = "message" in lifecycle ? lifecycle.message : "It is being deleted.";
  session.warn(`Grant ${grant.name} would not be in force: ${why}`);
}

/** Prints the destinations that would open nothing, or only a part. */
function closes(session: Session, grants: readonly GrantFacts[], world: GuestWorld): void {
  for (const entitlement of planGuest(world).sums.entitlements) {
    if (!grants.includes(entitlement.grant)) continue;
    for (const { error, narrowed } of destinationsOf(world, entitlement).resolved) {
      const message = error ?? narrowed;
      if (message) session.warn(`Grant ${entitlement.grant.name}: ${message}`);
    }
  }
}

const isGrant = ({ apiVersion, kind }: Manifest): boolean => kind === "Grant" && apiVersion.startsWith("keystone.io/");

/** Returns the last manifest of each name: applied one after another, it stays. */
const lastOfEach = (grants: readonly Manifest[]): Manifest[] => [
  ...new Map(grants.map((grant) => [grant.metadata?.name ?? "", grant])).values(),
];

function factsOf({ name, spec, place }: StoredGrant, { stores }: Observed, now: number): GrantFacts {
  const parsed = grantSpec.safeParse(spec);
  if (!parsed.success) {
    const { path: field, message } = parsed.error.issues[0]!;
    throw no(`${place}, Grant ${name}: spec.${field.join(".")}: ${message}.`);
  }
  const present = stores.grants.get(name);
  return {
    name,
    uid: present?.uid ?? "",
    generation: present?.generation ?? 1,
    createdAt: present?.createdAt ?? now,
    otherFinalizers: [],
    resourceVersion: "",
    status: present?.status ?? {},
    ...(present?.deletingSince === undefined ? {} : { deletingSince: present.deletingSince }),
    // The operator adds its finalizer before it enforces anything.
    finalized: true,
    spec: parsed.data,
  };
}

async function resolved(grants: readonly GrantFacts[]): Promise<Map<string, { addresses: string[]; error?: string }>> {
  const names = new Set(
    grants.flatMap(({ spec }) => spec.networkPolicy?.allowedDestinations ?? []).flatMap((text) => {
      const destination = parseDestination(text);
      return "to" in destination && "dns" in destination.to ? [destination.to.dns] : [];
    }),
  );
  return new Map(
    await Promise.all([...names].map(async (name): Promise<[string, { addresses: string[]; error?: string }]> => {
      const asked = await Promise.allSettled([Deno.resolveDns(name, "A"), Deno.resolveDns(name, "AAAA")]);
      const addresses = asked.flatMap((each) => each.status === "fulfilled" ? each.value : []);
      return [
        name,
        addresses.length > 0 ? { addresses } : { addresses, error: `${name} does not resolve to an address here.` },
      ];
    })),
  );
}

const nameOf = ({ kind, metadata }: WrittenObject): Named => ({
  kind: kind!,
  ...(metadata!.namespace === undefined ? {} : { namespace: metadata!.namespace }),
  name: metadata!.name!,
});

const targetName = ({ kind, namespace, name }: ObjectRef): Named => ({
  kind,
  ...(namespace === undefined ? {} : { namespace }),
  name,
});

const keyOf = ({ kind, namespace = "", name }: Named): string => `${kind}/${namespace}/${name}`;

/** Sorts the objects by what happens to them, each once: from before its first write to after its last. */
function sort(
  world: GuestWorld,
  writes: readonly Effect[],
  into: { create: WrittenObject[]; update: Update[]; remove: Named[] },
): void {
  const after = new Map<string, WrittenObject | Named>();
  for (const write of writes) {
    const given = givenBy(write);
    if (given) after.set(keyOf(nameOf(given)), given);
    else if ("delete" in write) after.set(keyOf(targetName(write.delete)), targetName(write.delete));
    else if ("evict" in write) after.set(keyOf(targetName(write.evict)), targetName(write.evict));
  }
  for (const object of after.values()) {
    if (!("metadata" in object)) {
      into.remove.push(object as Named);
      continue;
    }
    const named = nameOf(object);
    const before = presentIn(world, named);
    if (before === undefined) into.create.push(object);
    else {
      const content = contentOf(object);
      if (!isDeepStrictEqual(before, content)) into.update.push({ ...named, before, after: content });
    }
  }
}

/** Returns the part of an object that the operator compares. */
const contentOf = (object: WrittenObject): unknown => {
  const [, row] = rowOf(object.kind!, object.metadata!.name!);
  return row.content(row.project(object));
};

function presentIn(world: GuestWorld, { kind, name }: Named): unknown {
  const [key, row] = rowOf(kind, name);
  const present = rowCollection(world[key]).find((facts) => facts.name === name);
  return present && row.content(present);
}

function print(
  session: Session,
  create: readonly WrittenObject[],
  update: readonly Update[],
  remove: readonly Named[],
) {
  const { green, red, yellow } = session.colours;
  const title = ({ kind, namespace, name }: Named) => `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
  const yaml = (value: unknown) => dump(value, { noRefs: true, lineWidth: 120 }).trimEnd().split("\n");
  for (const object of create) {
    session.say(green(`+ create ${title(nameOf(object))}`));
    session.raw(green(yaml(contentOf(object)).map((line) => `  + ${line}`).join("\n")));
  }
  for (const { before, after, ...named } of update) {
    session.say(yellow(`~ update ${title(named)}`));
    for (const { mark, line } of changedLines(yaml(before), yaml(after))) {
      session.raw((mark === "+" ? green : red)(`  ${mark} ${line}`));
    }
  }
  for (const named of remove) session.say(red(`- delete ${title(named)}`));
  const count = [create, update, remove].map(({ length }) => length);
  session.say(
    count.every((each) => each === 0)
      ? "Nothing would change."
      : `${count[0]} to create, ${count[1]} to update, ${count[2]} to delete.`,
  );
}
