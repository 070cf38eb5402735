import assert from "node:assert/strict";
import { accountFor, grant, realm, superEntity } from "../../tests/fixtures/made_facts.ts";
import { memberSubjects } from "../core/superentity/consent.ts";
import { digestOf } from "../core/superentity/digest.ts";
import { lossesOfEntity, lossesOfGrant, lossOfAccounts, lossOfCounts } from "./roll_back_command.ts";

const opening = (allowedDestinations: string[], more: object = {}) => ({
  spec: { networkPolicy: { egressAllowed: true, allowedDestinations, ...more } },
});
const texts = (losses: readonly { message: string }[]): string[] => losses.map(({ message }) => message);

Deno.test("roll-back: a grant would open or close destinations: each is reported", () => {
  assert.deepEqual(lossesOfGrant(grant(opening(["203.0.113.0/24"]))), []);
  const [except] = lossesOfGrant(grant(opening(["203.0.113.0/24"], { except: ["203.0.113.7"] })));
  assert.match(except!.message, /Grant alice-to-bob loses spec\.networkPolicy\.except \(203\.0\.113\.7\)/);
  assert.match(except!.remedy, /^Before: /);
  const narrowed = { destination: "0.0.0.0/0", narrowed: "0.0.0.0/0 opens no private range." };
  const closed = { destination: "10.0.0.0/7", error: "10.0.0.0/7 stays closed (DestinationPrivate)" };
  const open = { destination: "203.0.113.0/24", addresses: ["203.0.113.0/24"] };
  const [wide, ...more] = lossesOfGrant(
    grant({ ...opening(["0.0.0.0/0"]), status: { resolvedDestinations: [narrowed, closed, open] } }),
  );
  assert.match(wide!.message, /opens the private ranges in 0\.0\.0\.0\/0, 10\.0\.0\.0\/7 again/);
  assert.deepEqual(more, []);
  assert.match(
    texts(lossesOfGrant(grant(opening(["nas.alice.lan"])))).join(),
    /private addresses that nas\.alice\.lan may resolve to/,
  );
  const within = lossesOfGrant(grant(opening(["nas.alice.lan:445"], { within: ["192.168.1.0/24"] })));
  assert.match(texts(within).join(), /nas\.alice\.lan:445 may resolve to, not only those within/);
  assert.match(texts(lossesOfGrant(grant(opening(["internet:443"])))).join(), /opens nothing for internet:443/);
});

Deno.test("roll-back: a grant has ended, or opens nothing: nothing is reported", () => {
  const over = { ...opening(["internet"], { except: ["203.0.113.7"] }), status: { phase: "Expired" as const } };
  assert.deepEqual(lossesOfGrant(grant(over)), []);
  const spec = { networkPolicy: { egressAllowed: false, allowedDestinations: ["internet"] } };
  assert.deepEqual(lossesOfGrant(grant({ spec })), []);
});

Deno.test("roll-back: approvals are of a digest with subjects: they are reported as lost", () => {
  const bob = realm({ spec: { subjects: [{ kind: "User", name: "bob" }] } });
  const entity = superEntity();
  const subjects = memberSubjects(entity, (name) => name === "bob-home" ? bob : realm({ name }));
  const digest = digestOf(entity.name, entity.spec, subjects);
  const approvals = entity.spec.members.map(({ realm }) => ({ realm, digest }));
  const [loss] = lossesOfEntity({ ...entity, subjects, spec: { ...entity.spec, approvals } });
  assert.match(loss!.message, /SuperEntity coop has 0 of 2 approvals/);
  assert.deepEqual(lossesOfEntity(entity), [], "approvals of a digest without subjects count in both versions");
  assert.deepEqual(lossesOfEntity({ ...entity, spec: { ...entity.spec, approvals: [] } }), [], "it had no approvals");
});

Deno.test("roll-back: use is above a count that stays: the namespace is reported", () => {
  const namespace = "guest-bob-home";
  const used = { "count/pods": "150", "count/jobs.batch": "3", pods: "150" };
  assert.match(
    texts(lossOfCounts({ namespace, used }, 100)).join(),
    /guest-bob-home may have at most 100 of pods, incl/,
  );
  assert.deepEqual(lossOfCounts({ namespace, used }, 200), []);
});

Deno.test("roll-back: an account's name has a digest: its kubeconfigs are reported, older ones are not", () => {
  const account = { name: accountFor(realm()).name, realm: "bob-home" };
  assert.deepEqual(lossOfAccounts([{ name: "realm-bob-home", realm: "bob-home" }]), []);
  assert.deepEqual(texts(lossOfAccounts([account, { ...account, name: "realm-bob-home-0123456789abcdef" }])), [
    "The kubeconfigs that this version issued to bob-home stop working, and so does its access over the tailnet.",
  ]);
});
