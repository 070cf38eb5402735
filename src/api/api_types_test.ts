/** Compares the generated types of the custom resources with the schemas here, by `deno check`. */
import assert from "node:assert/strict";
import type { z } from "zod";
import type * as generated from "./client/keystone.io@v1alpha1.ts";
import { crdFrom } from "./definition.ts";
import type { CelRule } from "./meta.ts";
import {
  definitions,
  type GrantSpec,
  grantSpec,
  type GrantStatus,
  grantStatus,
  type RealmSpec,
  realmSpec,
  type RealmStatus,
  realmStatus,
  type SuperEntitySpec,
  superEntitySpec,
  type SuperEntityStatus,
  superEntityStatus,
} from "./mod.ts";

// Assignability alone, even in both directions, doesn't show that one of the two lacks an optional field, so the keys
// at every depth are compared as well.
type Keys<T> = T extends readonly (infer E)[] ? Keys<E>[]
  : T extends object
    ? string extends keyof T ? Record<string, Keys<T[string & keyof T]>> : { [K in keyof T]-?: Keys<T[K]> }
  : "value";
/** Removes the undefined that zod permits for a field with a default; JSON has none. */
type Plain<T> = T extends readonly (infer E)[] ? Plain<E>[]
  : T extends object ? { [K in keyof T]: Plain<undefined extends T[K] ? Exclude<T[K], undefined> : T[K]> }
  : T;
type Extends<A, B> = [A] extends [B] ? true : false;
type Same<A, B> = [Extends<A, B>, Extends<B, A>, Extends<Keys<A>, Keys<B>>, Extends<Keys<B>, Keys<A>>];
const same: [true, true, true, true] = [true, true, true, true];

// Input of the API server: a field with a default may be left out.
same satisfies Same<generated.GrantSpec, Plain<z.input<typeof grantSpec>>>;
same satisfies Same<generated.GrantStatus, Plain<z.input<typeof grantStatus>>>;
same satisfies Same<generated.RealmSpec, Plain<z.input<typeof realmSpec>>>;
same satisfies Same<generated.RealmStatus, Plain<z.input<typeof realmStatus>>>;
same satisfies Same<generated.SuperEntitySpec, Plain<z.input<typeof superEntitySpec>>>;
same satisfies Same<generated.SuperEntityStatus, Plain<z.input<typeof superEntityStatus>>>;

// Objects stored by the API server have the defaults filled in, like parsed ones, and can be sent again unchanged.
true satisfies Extends<GrantSpec, generated.GrantSpec>;
true satisfies Extends<GrantStatus, generated.GrantStatus>;
true satisfies Extends<RealmSpec, generated.RealmSpec>;
true satisfies Extends<RealmStatus, generated.RealmStatus>;
true satisfies Extends<SuperEntitySpec, generated.SuperEntitySpec>;
true satisfies Extends<SuperEntityStatus, generated.SuperEntityStatus>;

Deno.test("a status of the generated type parses", () => {
  const grant: generated.GrantStatus = { phase: "Active", hard: { "requests.cpu": "2" } };
  const realm: generated.RealmStatus = { connectionState: "Connected", local: true };
  assert.deepEqual(grantStatus.parse(grant), grant);
  assert.deepEqual(realmStatus.parse(realm), realm);
});

Deno.test("a spec of the generated type parses, and the result is of the generated type", () => {
  const sent: generated.GrantSpec = {
    grantorRealm: "alice",
    granteeRealm: "bob",
    hard: { cpu: 2 },
    networkPolicy: {},
    validity: null,
  };
  const parsed: generated.GrantSpec = grantSpec.parse(sent);
  assert.deepEqual(parsed.networkPolicy, { egressAllowed: false, allowedDestinations: [] });
  const realm: generated.RealmSpec = realmSpec.parse({ identity: "bob.example.ts.net" } satisfies generated.RealmSpec);
  assert.equal(realm.identity, "bob.example.ts.net");
});

Deno.test("a rule that quotes a user's value has a fixed message too: the API server drops a message of two lines", () => {
  const rules: CelRule[] = [];
  JSON.stringify(definitions.map(crdFrom), (key, value) => {
    if (key === "x-kubernetes-validations") rules.push(...value);
    return value;
  });
  const quoting = rules.filter(({ messageExpression }) =>
    /\+ (old)?[sS]elf\.(grant|spec\.subjects)|^self \+|self\.quorum/.test(messageExpression ?? "")
  );
  assert.ok(quoting.length >= 8, `${quoting.length} rules`);
  assert.deepEqual(quoting.filter(({ message }) => message === undefined), []);
});

Deno.test("a SuperEntity of the generated types parses", () => {
  const spec: generated.SuperEntitySpec = superEntitySpec.parse(
    { members: [{ realm: "bob-home" }] } satisfies generated.SuperEntitySpec,
  );
  assert.equal(spec.graceSeconds, 600);
  const status: generated.SuperEntityStatus = { phase: "Active", approved: 1, pooled: { "requests.cpu": "2" } };
  assert.deepEqual(superEntityStatus.parse(status), status);
});
