import assert from "node:assert/strict";
import fc from "fast-check";
import { parseQuantity, type Quantity, sumQuantities } from "../../../lib/quantity/mod.ts";
import type { PodFacts } from "../facts.ts";
import { neverGranted, podsInExcess, running, usersOf, victims } from "./drain.ts";

const amounts = (texts: Record<string, string>): Map<string, Quantity> =>
  new Map(Object.entries(texts).map(([key, text]) => [key, parseQuantity(text)]));

const pod = (name: string, usage: Record<string, string>, facts: Partial<PodFacts> = {}): PodFacts => ({
  namespace: "guest-bob-home",
  name,
  uid: `uid-${name}`,
  createdAt: 0,
  priority: 0,
  usage: amounts({ pods: "1", ...usage }),
  finished: false,
  terminating: false,
  graceSeconds: 30,
  finalizers: [],
  ...facts,
});
const odd = (name: string): PodFacts => ({ ...pod(name, {}), usage: new Map(), unreadable: true });
const names = (pods: readonly PodFacts[]) => pods.map(({ name }) => name);
const gpu = "requests.example.com/gpu";

Deno.test("drain: a pod can't be read: evicted first", () => {
  const pods = [
    pod("low", { "requests.cpu": "1" }, { priority: -5 }),
    odd("odd"),
    pod("high", { "requests.cpu": "1" }),
  ];
  assert.deepEqual(names(victims(pods, amounts({ "requests.cpu": "1" }))), ["odd", "low"]);
  assert.deepEqual(names(victims(pods, amounts({ "requests.cpu": "9" }))), ["odd"]);
});

Deno.test("drain: a pod that exceeds the quota alone: evicted before pods that could stay", () => {
  const pods = [
    pod("low", { "requests.cpu": "1" }, { priority: -5 }),
    pod("huge", { "requests.cpu": "1e1002" }, { priority: 5 }),
    pod("huger", { "requests.cpu": "1e2000" }, { priority: 6 }),
  ];
  assert.deepEqual(names(victims(pods, amounts({ "requests.cpu": "1" }))), ["huge", "huger"]);
});

Deno.test("drain: keys missing in the quota: devices and huge pages are limited to zero, others unlimited", () => {
  const hard = amounts({ "requests.cpu": "4", pods: "10", [gpu]: "1" });
  const pods = [
    pod("foo", { "requests.example.com/foo": "1e1002" }),
    pod("pages", { "requests.hugepages-2Mi": "2Mi", "limits.hugepages-2Mi": "2Mi" }),
    pod("granted", { [gpu]: "1" }),
    pod("memory", { "requests.memory": "1Ti", "limits.cpu": "100" }),
  ];
  assert.deepEqual(names(victims(pods, hard)), ["foo", "pages"]);
});

Deno.test("drain: usage of a device that no grant includes is found in the quota's usage", () => {
  const hard = amounts({
    [gpu]: "0",
    "requests.example.com/foo": "2",
    "requests.cpu": "0",
    "requests.hugepages-2Mi": "0",
  });
  const used = { [gpu]: "1", "requests.example.com/foo": "2", "requests.cpu": "7", "requests.hugepages-2Mi": "0" };
  const granted = amounts({ "requests.example.com/foo": "2" });
  assert.deepEqual(neverGranted(hard, granted, used), [gpu]);
  assert.deepEqual(neverGranted(hard, amounts({ [gpu]: "1" }), used), ["requests.example.com/foo"]);
  const pods = [pod("gpu", { [gpu]: "1" }), pod("foo", { "requests.example.com/foo": "2" }), odd("odd")];
  assert.deepEqual(names(usersOf([gpu], pods)), ["gpu", "odd"]);
  const going = [
    pod("soon", { [gpu]: "1" }, { terminating: true }),
    pod("in-a-year", { [gpu]: "1" }, { terminating: true, graceSeconds: 31_536_000 }),
    pod("done", { [gpu]: "1" }, { terminating: true, graceSeconds: 31_536_000, finished: true }),
  ];
  assert.deepEqual(names(usersOf([gpu], going)), ["in-a-year"]);
});

Deno.test("drain: usage is read by own keys only, and huge usage is in excess", () => {
  assert.equal(podsInExcess(amounts({ pods: "1" }), { pods: "1e1002" }), true);
  assert.equal(podsInExcess(amounts({ pods: "1", "requests.cpu": "0" }), { pods: "1" }), false);
});

Deno.test("drain: any set of pods: the remaining ones fit, and none is evicted out of order", () => {
  const keys = ["requests.cpu", "requests.memory", gpu, "requests.hugepages-2Mi"];
  const amount = fc.constantFrom("0", "1", "500m", "3", "1e3", "1e64", "1e1002");
  const anyPod = fc.record({
    usage: fc.dictionary(fc.constantFrom(...keys), amount),
    priority: fc.integer({ min: -2, max: 2 }),
    createdAt: fc.nat(5),
    unreadable: fc.boolean(),
    finished: fc.boolean(),
    terminating: fc.boolean(),
  });
  fc.assert(fc.property(
    fc.array(anyPod, { maxLength: 12 }),
    fc.dictionary(fc.constantFrom("pods", ...keys), fc.constantFrom("0", "1", "4", "1e3")),
    (shapes, texts) => {
      const pods = shapes.map(({ usage, unreadable, ...facts }, index) =>
        unreadable ? { ...odd(`p${index}`), ...facts } : pod(`p${index}`, usage, facts)
      );
      const hard = amounts(texts);
      const chosen = new Set(victims(pods, hard));
      const left = running(pods).filter((each) => !chosen.has(each));
      assert.ok(left.every(({ unreadable }) => !unreadable));
      for (const key of new Set([...hard.keys(), gpu, "requests.hugepages-2Mi"])) {
        const sum = sumQuantities(left.map(({ usage }) => usage.get(key) ?? parseQuantity("0")));
        assert.ok(sum.compare(hard.get(key) ?? parseQuantity("0")) <= 0, `${key}: ${sum}`);
      }
      assert.ok([...chosen].every(({ finished, terminating }) => !finished && !terminating));
    },
  ));
});
