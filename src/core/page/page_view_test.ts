import assert from "node:assert/strict";
import fc from "fast-check";
import { grant, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { pageCallers, pageScene } from "../../../tests/fixtures/page_scene.ts";
import { pageView, type PageWorld, spanOf } from "./page_view.ts";

const { lender, guest, stranger } = pageCallers;

Deno.test("page: the lender sees all realms, SuperEntities and grants, those that need attention first", () => {
  const view = pageView(lender, pageScene());
  assert.equal(view.summary, "2 grants in force, 2 waiting, 2 realms.");
  assert.deepEqual(view.realms.map(({ name, grants }) => [name, grants.map(({ name }) => name)]), [
    ["bob-home", ["gpu-weekend", "build-power", "last-month"]],
    ["carol-office", ["carol-archive"]],
    ["coop", ["coop-share"]],
  ]);
  const [, power] = view.realms[0]!.grants;
  assert.deepEqual(power!.amounts[0], { key: "requests.cpu", used: "3800m", granted: "4", left: "200m left" });
  assert.deepEqual(power!.network, ["internet", "except 192.168.0.0/16"]);
  assert.match(view.realms[2]!.grants[0]!.problems[0]!, /CapacityAvailable: The nodes have 1 CPU less/);
});

Deno.test("page: a grant to a realm that is not there is shown all the same", () => {
  const world = { ...pageScene(), realms: [] };
  assert.deepEqual(pageView(lender, world).realms.map(({ name, state }) => [name, state]), [
    ["bob-home", "Missing"],
    ["carol-office", "Missing"],
    ["coop", "Ready"],
  ]);
});

Deno.test("page: a guest sees the own realm and its grants, the reason of a notice, and commands", () => {
  const view = pageView(guest, pageScene());
  assert.equal(view.kind, "guest");
  assert.deepEqual(view.realms.map(({ name, facts, message }) => [name, facts, message]), [["bob-home", [], ""]]);
  const [ending] = view.realms[0]!.grants;
  assert.match(ending!.notice!, /^Ends at 2026-06-01T13:00:00Z: it was revoked, with the reason "the card is needed/);
  assert.deepEqual(view.todo[0], ["Point kubectl at this cluster", "keystone use alice-home"]);
});

Deno.test("page: a member of a SuperEntity sees it and the grants to it, beside the own realm", () => {
  const view = pageView({ ...guest, realms: ["bob-home", "coop"] }, pageScene());
  assert.deepEqual(view.realms.map(({ name, state, facts, message }) => [name, state, facts, message])[1], [
    "coop",
    "Ready",
    [],
    "",
  ]);
  assert.deepEqual(view.realms[1]!.grants.map(({ name }) => name), ["coop-share"]);
});

Deno.test("page: a stranger sees the reason, and nothing else", () => {
  const { kind, summary, realms, todo } = pageView(stranger, pageScene());
  assert.deepEqual([kind, summary, realms, todo], ["stranger", stranger.refusal, [], []]);
});

Deno.test("page: one realm: only for those who may see it", () => {
  assert.deepEqual(pageView(lender, pageScene(), "carol-office").realms.map(({ name }) => name), ["carol-office"]);
  assert.deepEqual(pageView(guest, pageScene(), "carol-office").realms, []);
});

Deno.test("page: many grants: a line for each of sixty on the overview, fifty with amounts on the page of the realm", () => {
  const grants = Array.from({ length: 300 }, (_, index) => grant({ name: `g${index}` }));
  const world = { ...pageScene(), grants };
  const [card] = pageView(lender, world).realms;
  assert.deepEqual([card!.grants.length, card!.lines.length, card!.omitted], [0, 60, 240]);
  const [whole] = pageView(lender, world, "bob-home").realms;
  assert.deepEqual([whole!.grants.length, whole!.lines.length, whole!.omitted], [50, 0, 250]);
});

Deno.test("page: a grant whose amounts can't be read is shown with the reason, and costs the others nothing", () => {
  const world = {
    ...pageScene(),
    grants: [...pageScene().grants, grant({ name: "odd", spec: { hard: { cpu: "1e1002x" } } })],
  };
  const cards = pageView(lender, world).realms[0]!.grants;
  assert.match(cards.find(({ name }) => name === "odd")!.message, /amounts can't be read/);
  assert.equal(cards.length, 4);
});

Deno.test("page: whatever others are named, and whatever their objects say, a guest gets none of it", () => {
  const text = fc.stringMatching(/^q[a-z0-9]{8,20}$/);
  const others = fc.record({ realm: text, identity: text, grant: text, message: text, address: text, reason: text });
  fc.assert(fc.property(fc.array(others, { minLength: 1, maxLength: 4 }), (all) => {
    const scene = pageScene();
    const world: PageWorld = {
      ...scene,
      realms: [
        ...scene.realms,
        ...all.map((each) =>
          realm({
            name: each.realm,
            spec: { identity: each.identity },
            status: { node: { stableID: each.address, addresses: [each.address] } },
          })
        ),
      ],
      grants: [
        // Messages of the guest's own grants may have names of others.
        ...scene.grants.map((own, index) => ({
          ...own,
          status: {
            ...own.status,
            message: all[index % all.length]!.message,
            conditions: [{
              type: "CapacityAvailable",
              status: "False" as const,
              reason: "Short",
              message: all[index % all.length]!.message,
              lastTransitionTime: "",
            }],
          },
        })),
        ...all.map((each) =>
          grant({
            name: each.grant,
            spec: { granteeRealm: each.realm, revocation: { reason: each.reason } },
            status: { phase: "Active", message: each.message },
          })
        ),
      ],
    };
    const told = JSON.stringify(pageView(guest, world)) + JSON.stringify(pageView(stranger, world));
    for (const value of all.flatMap((each) => Object.values(each))) assert.ok(!told.includes(value), value);
  }));
});

Deno.test("page: a period: the part that is over, and none without an end", () => {
  assert.equal(spanOf("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", now).over, 0.5);
  assert.equal(spanOf("2026-06-01T00:00:00Z", "2026-05-01T00:00:00Z", now).over, 1);
  assert.deepEqual(spanOf("2026-06-01T00:00:00Z", undefined, now), { begins: "2026-06-01T00:00:00Z" });
  assert.equal(spanOf("odd", "2026-06-02T00:00:00Z", now).over, 1);
});
