import assert from "node:assert/strict";
import fc from "fast-check";
import {
  address,
  addressText,
  bitsOf,
  type Block,
  block,
  blockAt,
  edges,
  isIn,
  isMapped,
  type TestAddress,
} from "../../../tests/fixtures/test_addresses.ts";
import {
  everyForm,
  groundWith,
  isAnswerOpen,
  isExcepted,
  isInternet,
  isOpenedBy,
} from "../../../tests/fixtures/special_blocks.ts";
import type { NetworkPolicyEgressRule } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { defaultSettings, parseSettings } from "../../api/mod.ts";
import { cidr, parseRange } from "../address.ts";
import { type DestinationWorld, resolveDestinations } from "./destinations.ts";
import { metadataServices, positionOf, specialRangesOf } from "./special_ranges.ts";

const own = ["10.42.0.0/16", "10.96.0.0/16", "192.168.77.5", "203.0.113.200", "fd42::/56", "2001:db8:77::5"];
const oracle = groundWith(own.map(block));
const nobody = { ranges: [], proxies: [], closed: { reason: "GranteeUnknown", message: "No.", wrong: true } };

const worldOf = (more: Partial<DestinationWorld> = {}): DestinationWorld => ({
  specialRanges: specialRangesOf(own.map((text) => parseRange(text)!), defaultSettings.clusterRanges),
  realmPeersOf: () => nobody,
  addressesOfName: () => ({ error: "no such name" }),
  mayNameProtected: false,
  ...more,
});

/** Reports whether rules open an address by the specification of NetworkPolicy, computed on numbers. */
const opens = (egress: readonly NetworkPolicyEgressRule[], at: TestAddress): boolean =>
  egress.some(({ to }) =>
    to!.some(({ ipBlock }) =>
      isIn(at, block(ipBlock!.cidr)) && !(ipBlock!.except ?? []).some((hole) => isIn(at, block(hole)))
    )
  );

const special = [...oracle.protectedBlocks, ...oracle.privateBlocks].flatMap((each) => everyForm(each, oracle.nat64));
const places = [...special, ...["8.8.8.8", "203.0.113.0/24", "2606:4700::/32", "64:ff9b::808:808"].map(block)];

/** Addresses at the edges of all relevant ranges and inside them. */
const someAddress = fc.tuple(fc.constantFrom(...places), fc.nat(4), fc.nat()).map(([place, edge, at]): TestAddress => {
  const near = edges(place);
  const inner = { family: place.family, value: place.first + BigInt(at) % (place.last - place.first + 1n) };
  return near[edge] ?? (isMapped(inner) ? near[0]! : inner);
});
const someBlock = fc.tuple(someAddress, fc.nat(128)).map(([at, cut]): Block =>
  blockAt(at, cut % 3 === 0 ? bitsOf(at.family) : cut % (bitsOf(at.family) + 1))
).filter(({ family, first }) => !isMapped({ family, value: first }));
const textOf = ({ family, first, last }: Block): string =>
  `${addressText({ family, value: first })}/${bitsOf(family) - (last - first + 1n).toString(2).length + 1}`;

/** Numbers of addresses checked in one run of a property. */
const looks = { minLength: 8, maxLength: 24 };

Deno.test("tiers: any destinations: exactly their addresses are open, in both families", () => {
  let [open, closed] = [0, 0];
  fc.assert(
    fc.property(
      fc.array(someBlock, { maxLength: 5 }),
      fc.boolean(),
      fc.array(someBlock, { maxLength: 3 }),
      fc.boolean(),
      fc.array(someAddress, looks),
      (blocks, internet, except, mayName, addresses) => {
        const { egress } = resolveDestinations(
          [...blocks.map(textOf), ...(internet ? ["internet"] : [])],
          worldOf({ mayNameProtected: mayName, except: except.map(textOf) }),
        );
        for (const { to } of egress) assert.ok(to!.length > 0, "an empty list of peers would allow everything");
        const near = [...blocks, ...except].flatMap(edges);
        for (const at of [...addresses, ...near]) {
          const isGranted = !isExcepted(at, except, oracle) && (
            blocks.some((each) => isOpenedBy(each, at, oracle, mayName)) || internet && isInternet(at, oracle)
          );
          assert.equal(
            opens(egress, at),
            isGranted,
            `${addressText(at)} of ${blocks.map(textOf)} less ${except.map(textOf)}`,
          );
          if (isGranted) open++;
          else closed++;
        }
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(open > 500 && closed > 500, `${open} open, ${closed} closed`);
});

Deno.test("tiers: a DNS name: exactly the public answers and those inside within are open", () => {
  let [open, closed] = [0, 0];
  fc.assert(
    fc.property(
      fc.array(someAddress, { minLength: 1, maxLength: 6 }),
      fc.array(someBlock, { maxLength: 3 }),
      fc.array(someBlock, { maxLength: 1 }),
      (answers, within, except) => {
        const { egress, resolved } = resolveDestinations(
          ["zone.example.com"],
          worldOf({
            // At any trust level.
            mayNameProtected: true,
            within: within.map(textOf),
            except: except.map(textOf),
            addressesOfName: () => answers.map(addressText),
          }),
        );
        const expected = answers.filter((at) => isAnswerOpen(at, within, oracle) && !isExcepted(at, except, oracle));
        for (const at of answers) {
          const isMeant = expected.includes(at);
          assert.equal(opens(egress, at), isMeant, addressText(at));
          if (isMeant) open++;
          else closed++;
        }
        assert.equal(resolved[0]!.error === undefined, expected.length > 0, "an error if it opens nothing");
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(open > 50 && closed > 200, `${open} open, ${closed} closed`);
});

Deno.test("tiers: an except lies strictly inside its block, and none inside another", () => {
  fc.assert(
    fc.property(fc.array(someBlock, { maxLength: 4 }), fc.array(someBlock, { maxLength: 4 }), (blocks, except) => {
      const { egress } = resolveDestinations(blocks.map(textOf), worldOf({ except: except.map(textOf) }));
      for (const { ipBlock } of egress.flatMap(({ to }) => to!)) {
        const [whole, holes] = [block(ipBlock!.cidr), (ipBlock!.except ?? []).map(block)];
        for (const hole of holes) {
          assert.ok(hole.family === whole.family && hole.first >= whole.first && hole.last <= whole.last);
          assert.ok(hole.last - hole.first < whole.last - whole.first);
          assert.equal(holes.filter((other) => other.first <= hole.first && hole.last <= other.last).length, 1);
        }
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("tiers: metadata services of clouds: open only if named themselves", () => {
  for (const service of metadataServices.map(cidr)) {
    const at = address(service.split("/")[0]!);
    for (const wide of ["0.0.0.0/0", "::/0", "internet", "169.254.0.0/16", "fc00::/7", "fd00::/8", "fe80::/10"]) {
      const { egress } = resolveDestinations([wide, "100.64.0.0/10"], worldOf({ mayNameProtected: true }));
      assert.ok(!opens(egress, at), `${service} by ${wide}`);
      for (const form of everyForm(block(service), oracle.nat64)) {
        const inner = { family: form.family, value: form.first };
        assert.ok(!opens(egress, inner), `${addressText(inner)} by ${wide}`);
      }
    }
    assert.deepEqual(resolveDestinations([service], worldOf()).egress, []);
    assert.ok(opens(resolveDestinations([service], worldOf({ mayNameProtected: true })).egress, at));
  }
});

/** IPv6 forms of 169.254.169.254 and 192.168.1.1. */
const disguises = [
  "64:ff9b::a9fe:a9fe",
  "64:ff9b::c0a8:101",
  "64:ff9b:1::a9fe:a9fe",
  "64:ff9b:1:abcd::c0a8:101",
  "2002:a9fe:a9fe::1",
  "2002:c0a8:101::1",
  "2001:0:4136:e378:8000:63bf:5601:5601",
  "::a9fe:a9fe",
  "::c0a8:101",
  "2001:db8::5efe:a9fe:a9fe",
  "2001:db8::200:5efe:c0a8:101",
  "fe80::5efe:c0a8:101",
];

for (const disguise of disguises) {
  Deno.test(`tiers: a DNS name that resolves to ${disguise} opens nothing`, () => {
    const { egress, resolved } = resolveDestinations(
      ["zone.example.com:443"],
      worldOf({ addressesOfName: () => [disguise], mayNameProtected: true }),
    );
    assert.deepEqual(egress, []);
    assert.match(resolved[0]!.error!, /\((DestinationPrivate|DestinationProtected)\)/);
  });
}

Deno.test("tiers: a configured NAT64 prefix: judged as IPv4; an unconfigured one: stays closed", () => {
  const text = "64:ff9b:1:64::/96";
  const { clusterRanges } = parseSettings({ clusterRanges: { nat64: [text] } });
  const specialRanges = specialRangesOf([], clusterRanges);
  const answers = [
    "64:ff9b:1:64::cb00:7107",
    "64:ff9b:1:64::c0a8:101",
    "64:ff9b:1:65::cb00:7107",
    "64:ff9b::cb00:7107",
  ];
  const { egress } = resolveDestinations(
    ["zone.example.com"],
    worldOf({ specialRanges, addressesOfName: () => answers }),
  );
  assert.deepEqual(egress, [{ to: [{ ipBlock: { cidr: "64:ff9b:1:64::cb00:7107/128" } }] }]);
  const all = resolveDestinations(["::/0"], worldOf({ specialRanges })).egress;
  assert.ok(opens(all, address("64:ff9b:1:64::cb00:7107")));
  assert.ok(!opens(all, address("64:ff9b:1:64::a9fe:a9fe")));
  assert.deepEqual(positionOf(parseRange("64:ff9b:1:64::cb00:7107")!, specialRanges).inside, []);
});

Deno.test("tiers: a destination opens less than it names: reported; internet: not reported", () => {
  const reported = (text: string, more: Partial<DestinationWorld> = {}) =>
    resolveDestinations([text], worldOf(more)).resolved[0]!.narrowed;
  assert.match(
    reported("0.0.0.0/0:443")!,
    /^0\.0\.0\.0\/0:443 opens no private addresses: 10\.0\.0\.0\/8, 172\.16\.0\.0\/12, /,
  );
  assert.match(
    reported("0.0.0.0/0")!,
    /add it as a separate destination; if only the internet is meant, write internet/,
  );
  assert.match(reported("::/0")!, /fc00::\/7/);
  assert.match(reported("192.0.0.0/8")!, /192\.168\.0\.0\/16/);
  for (const whole of ["internet", "192.168.0.0/16", "10.0.0.0/8", "203.0.113.0/24", "8.0.0.0/8"]) {
    assert.equal(reported(whole), undefined, whole);
  }
  assert.equal(
    reported("192.160.0.0/11", { except: ["192.168.0.0/16"] }),
    undefined,
    "excluded ranges are expected to stay closed",
  );
  const addressesOfName = () => ["203.0.113.7", "192.168.1.10"];
  assert.match(
    reported("nas.example.com", { addressesOfName })!,
    /nas\.example\.com \(192\.168\.1\.10\/32\) lies in 192\.168\.0\.0\/16, which is private .*spec\.networkPolicy\.within/,
  );
  assert.equal(reported("nas.example.com", { addressesOfName, within: ["192.168.1.0/24"] }), undefined);
});

Deno.test("tiers: an unreadable within or except: its destinations stay closed, realms don't", () => {
  const bob = { ranges: [parseRange("100.64.0.2")!], proxies: [] };
  const lists = {
    addressesOfName: () => ["203.0.113.7"],
    realmPeersOf: (name: string) => name === "bob" ? bob : nobody,
  };
  const list = ["203.0.113.0/24", "internet", "zone.example.com", "bob"];
  const errors = (more: Partial<DestinationWorld>) =>
    resolveDestinations(list, worldOf({ ...lists, ...more })).resolved.map(({ error }) => error !== undefined);
  assert.deepEqual(errors({}), [false, false, false, false]);
  assert.deepEqual(errors({ except: ["1::2::3"] }), [true, true, true, false]);
  assert.deepEqual(errors({ within: ["192.168.1.0/33"] }), [false, false, true, false]);
  const { resolved } = resolveDestinations(list, worldOf({ ...lists, except: ["192.0.2.1", "1::2::3"] }));
  assert.match(
    resolved[0]!.error!,
    /spec\.networkPolicy\.except\[1\] is 1::2::3; it must be a CIDR or an IP address/,
  );
});

Deno.test("tiers: a Realm is named internet: the keyword opens neither the Realm nor the internet", () => {
  const { egress, resolved } = resolveDestinations(
    ["internet:443"],
    worldOf({ realmPeersOf: () => ({ ranges: [parseRange("100.64.0.2")!], proxies: [] }) }),
  );
  assert.deepEqual(egress, []);
  assert.match(resolved[0]!.error!, /there is a Realm named internet/);
});
