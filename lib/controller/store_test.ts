import assert from "node:assert/strict";
import { keyOf, Store, type StoreChange } from "./store.ts";

interface Thing {
  metadata?: {
    name?: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    deletionTimestamp?: string;
  };
  owners?: string[] | undefined;
}

interface Projection {
  version: string | undefined;
  owners: string[];
}

function thing(name: string, resourceVersion: string, more: Thing["metadata"] & { owners?: string[] } = {}): Thing {
  const { owners, ...metadata } = more;
  return { metadata: { name, uid: `uid-of-${name}`, resourceVersion, ...metadata }, owners };
}

function newStore() {
  const store = new Store({
    project: ({ metadata, owners = [] }: Thing): Projection => ({ version: metadata?.resourceVersion, owners }),
    indexes: { owner: (projection) => projection.owners },
  });
  const log: string[] = [];
  const replayed = new Map<string, Projection>();
  store.subscribe((change) => {
    log.push(describe(change));
    assert.equal(replayed.get(change.key), change.old);
    if (change.new === undefined) replayed.delete(change.key);
    else replayed.set(change.key, change.new);
  });
  /** Returns the changes since the last call. */
  const changes = () => log.splice(0);
  return { store, changes };
}

function describe({ key, old, new: now }: StoreChange<Projection>): string {
  return `${key}: ${old?.version ?? "none"} → ${now?.version ?? "none"}`;
}

/** Applies a list to the store. */
function list(store: Store<Projection, "owner", Thing>, resourceVersion: string, ...things: Thing[]) {
  const listing = store.listing();
  for (const thing of things) listing.add(thing);
  listing.commit(resourceVersion);
}

Deno.test("store: keys: namespace/name, or name for a cluster-scoped object", () => {
  assert.equal(keyOf({ metadata: { name: "a", namespace: "ns" } }), "ns/a");
  assert.equal(keyOf({ metadata: { name: "a" } }), "a");
  assert.equal(keyOf({ metadata: {} }), undefined);
  assert.equal(keyOf({}), undefined);
});

Deno.test("store: list: only the differences change the store", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "1"), thing("b", "2"), thing("c", "3"));
  assert.deepEqual(changes(), ["a: none → 1", "b: none → 2", "c: none → 3"]);
  list(store, "20", thing("b", "2"), thing("c", "15"), thing("d", "12"));
  assert.deepEqual(changes(), ["a: 1 → none", "c: 3 → 15", "d: none → 12"]);
  assert.deepEqual([store.size, store.resourceVersion], [3, "20"]);
});

Deno.test("store: listing before its commit: changes nothing", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "1"));
  changes();
  store.listing().add(thing("b", "11"));
  assert.deepEqual([store.size, store.resourceVersion, changes()], [1, "10", []]);
});

Deno.test("store: watch events: add, change and delete; a repeated one changes nothing", () => {
  const { store, changes } = newStore();
  list(store, "10");
  store.put(thing("a", "11"));
  store.put(thing("a", "11"));
  store.put(thing("a", "12"));
  store.remove(thing("a", "13"));
  store.remove(thing("a", "13"));
  assert.deepEqual(changes(), ["a: none → 11", "a: 11 → 12", "a: 12 → none"]);
  assert.equal(store.resourceVersion, "13");
});

Deno.test("store: bookmark: moves the version to resume from, never back", () => {
  const { store } = newStore();
  list(store, "10");
  store.advance("99");
  store.advance("100");
  store.advance("99");
  assert.equal(store.resourceVersion, "100");
});

Deno.test("store: own write: visible at once, its watch event changes nothing", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "1"));
  changes();
  store.observe(thing("a", "11"));
  store.observe(thing("new", "12"));
  assert.deepEqual(changes(), ["a: 1 → 11", "new: none → 12"]);
  store.put(thing("a", "11"));
  store.put(thing("new", "12"));
  assert.deepEqual(changes(), []);
  assert.equal(store.resourceVersion, "12");
});

Deno.test("store: own write: doesn't move the version to resume from, because others' earlier writes are still to come", () => {
  const { store } = newStore();
  list(store, "10");
  store.observe(thing("a", "15"));
  assert.equal(store.resourceVersion, "10");
});

Deno.test("store: response to an own write is older than the watch: ignored", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "9"));
  store.put(thing("a", "12"));
  changes();
  store.observe(thing("a", "11"));
  assert.deepEqual(changes(), []);
});

Deno.test("store: older watch events after an own write: don't undo it", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "9"));
  store.observe(thing("a", "12"));
  changes();
  store.put(thing("a", "11"));
  assert.deepEqual(changes(), []);
});

Deno.test("store: own write of an object that was deleted meanwhile: not restored", () => {
  const { store, changes } = newStore();
  list(store, "10");
  store.put(thing("a", "11"));
  store.remove(thing("a", "12"));
  changes();
  store.observe(thing("a", "11"));
  assert.deepEqual(changes(), []);
});

Deno.test("store: deletion of an object's predecessor: the new object stays", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "9"));
  store.observe(thing("a", "13", { uid: "second" }));
  changes();
  store.remove(thing("a", "12"));
  store.put(thing("a", "13", { uid: "second" }));
  assert.deepEqual(changes(), []);
});

Deno.test("store: list older than an own write: the write stays; a later list wins", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "9"));
  const listing = store.listing();
  listing.add(thing("a", "9"));
  store.observe(thing("a", "12"));
  store.observe(thing("b", "13"));
  changes();
  listing.commit("11");
  assert.deepEqual(changes(), []);
  list(store, "14", thing("a", "12"));
  assert.deepEqual(changes(), ["b: 13 → none"]);
});

Deno.test("store: own writes before the first list: kept if newer than it", () => {
  const { store, changes } = newStore();
  store.observe(thing("old", "5"));
  store.observe(thing("new", "15"));
  changes();
  list(store, "10");
  assert.deepEqual(changes(), ["old: 5 → none"]);
});

Deno.test("store: list of a restored backup: replaces everything, although its versions are older", () => {
  const { store, changes } = newStore();
  list(store, "100", thing("a", "90"), thing("b", "95"));
  changes();
  list(store, "50", thing("a", "40"));
  assert.deepEqual(changes(), ["b: 95 → none", "a: 90 → 40"]);
  assert.equal(store.resourceVersion, "50");
});

Deno.test("store: versions can't be compared: a list still shows a recreated object", () => {
  const { store, changes } = newStore();
  list(store, "x", thing("a", "same"));
  list(store, "y", thing("a", "same", { uid: "second" }));
  assert.deepEqual(changes(), ["a: none → same", "a: same → same"]);
});

Deno.test("store: own deletion: visible at once, its watch event changes nothing", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "9"));
  changes();
  store.forget("a", "uid-of-a");
  assert.deepEqual(changes(), ["a: 9 → none"]);
  store.remove(thing("a", "11"));
  assert.deepEqual(changes(), []);
});

Deno.test("store: own deletion of an object's predecessor: the new object stays", () => {
  const { store, changes } = newStore();
  list(store, "10", thing("a", "9"));
  store.put(thing("a", "12", { uid: "second" }));
  changes();
  store.forget("a", "uid-of-a");
  store.forget("unknown", "uid-of-a");
  assert.deepEqual(changes(), []);
});

Deno.test("store: own deletion of an object with finalizers: the watch restores it, in any order", () => {
  const terminating = thing("a", "11", { deletionTimestamp: "2026-01-01T00:00:00Z" });
  for (const watchFirst of [true, false]) {
    const { store } = newStore();
    list(store, "10", thing("a", "9"));
    if (watchFirst) store.put(terminating);
    store.forget("a", "uid-of-a");
    if (!watchFirst) store.put(terminating);
    assert.equal(store.get("a")?.version, "11");
  }
});

Deno.test("store: objects without a name, version or metadata: harmless", () => {
  const { store, changes } = newStore();
  list(store, "10", {}, { metadata: {} }, { metadata: { name: "bare" } });
  store.put({});
  store.put({ metadata: { name: "bare" } });
  store.observe({ metadata: { name: "bare" } });
  store.observe({});
  store.remove({});
  assert.deepEqual(changes(), ["bare: none → none", "bare: none → none"]);
  assert.equal(store.resourceVersion, "10");
  store.remove({ metadata: { name: "bare" } });
  assert.equal(store.size, 0);
});

Deno.test("store: index: finds projections by each of their values, and follows changes", () => {
  const { store } = newStore();
  const owned = (value: string) => store.index("owner", value).map((projection) => projection.version).sort();
  list(store, "10", thing("a", "1", { owners: ["x", "y"] }), thing("b", "2", { owners: ["x"] }), thing("c", "3"));
  assert.deepEqual([owned("x"), owned("y"), owned("z")], [["1", "2"], ["1"], []]);
  store.observe(thing("a", "11", { owners: ["z"] }));
  assert.deepEqual([owned("x"), owned("y"), owned("z")], [["2"], [], ["11"]]);
  store.remove(thing("b", "12"));
  assert.deepEqual(owned("x"), []);
  list(store, "20", thing("d", "15", { owners: ["z", "z"] }));
  assert.deepEqual(owned("z"), ["15"]);
});

Deno.test("store: listener causes a change: reported to all listeners after the current one", () => {
  const { store } = newStore();
  const first: string[] = [];
  const second: string[] = [];
  store.subscribe((change) => {
    first.push(describe(change));
    if (change.key === "a" && change.new?.version === "1") store.observe(thing("a", "2"));
  });
  const end = store.subscribe((change) => second.push(describe(change)));
  store.observe(thing("a", "1"));
  assert.deepEqual(second, ["a: none → 1", "a: 1 → 2"]);
  assert.deepEqual(first, second);
  end();
  store.observe(thing("a", "3"));
  assert.deepEqual([first.length, second.length], [3, 2]);
});

Deno.test("store: listener throws: reported, other listeners are called", () => {
  const { store } = newStore();
  const told: string[] = [];
  store.subscribe(() => {
    throw new Error("broken");
  });
  store.subscribe((change) => told.push(describe(change)));
  assert.throws(() => list(store, "10", thing("a", "1"), thing("b", "2")), AggregateError);
  assert.deepEqual([told, store.size], [["a: none → 1", "b: none → 2"], 2]);
  assert.throws(() => store.observe(thing("c", "11")), AggregateError);
  assert.equal(told.length, 3);
});

/** A store in which things without owners can't be read, and things owned by "odd" can't be indexed. */
function strictStore(standIn?: () => Projection) {
  const store = new Store({
    project: ({ metadata, owners }: Thing): Projection => {
      if (owners === undefined) throw new TypeError(`${metadata?.name} has no owners`);
      return { version: metadata?.resourceVersion, owners };
    },
    indexes: {
      owner: ({ owners }: Projection) => {
        if (owners.includes("odd")) throw new Error("an odd owner");
        return owners;
      },
    },
    ...(standIn ? { standIn } : {}),
  });
  const told: string[] = [];
  store.onUnreadable(({ key, why }) => told.push(`${key}: ${why}`));
  const changes: string[] = [];
  store.subscribe((change) => changes.push(describe(change)));
  return { store, told, changes };
}

Deno.test("store: object can't be read: ignored and reported, others of its list are stored", () => {
  const { store, told } = strictStore();
  list(store, "10", thing("a", "1"), thing("b", "2", { owners: ["x"] }), thing("c", "3", { owners: ["odd"] }));
  assert.deepEqual([store.size, store.list().length, store.index("owner", "x").length], [1, 1, 1]);
  assert.deepEqual(told, ["a: a has no owners", "c: an odd owner"]);
  assert.deepEqual(store.unreadable.map(({ key, uid }) => [key, uid]), [["a", "uid-of-a"], ["c", "uid-of-c"]]);
  assert.equal(store.get("a"), undefined);
});

Deno.test("store: object becomes unreadable and readable again: removed, then stored again", () => {
  const { store, told, changes } = strictStore();
  store.put(thing("a", "1", { owners: ["x"] }));
  store.put(thing("a", "2"));
  store.put(thing("a", "3"));
  assert.deepEqual([store.list(), store.index("owner", "x"), store.size], [[], [], 0]);
  // An old version, reported late.
  store.put(thing("a", "1", { owners: ["x"] }));
  assert.deepEqual([store.list(), told], [[], ["a: a has no owners"]]);
  store.put(thing("a", "4", { owners: ["y"] }));
  assert.deepEqual([store.index("owner", "y").length, store.unreadable], [1, []]);
  store.put(thing("a", "5"));
  store.remove(thing("a", "6"));
  assert.deepEqual([store.size, store.unreadable], [0, []]);
  assert.deepEqual(changes, ["a: none → 1", "a: 1 → none", "a: none → 4", "a: 4 → none"]);
});

Deno.test("store: unreadable object with a replacement: found like any other, and reported", () => {
  const { store, told } = strictStore(() => ({ version: "?", owners: ["nobody"] }));
  store.put(thing("a", "1"));
  assert.deepEqual([store.get("a")?.version, store.index("owner", "nobody").length, store.size], ["?", 1, 1]);
  assert.deepEqual([told, store.unreadable.length], [["a: a has no owners"], 1]);
  const { store: none } = strictStore(() => ({ version: "?", owners: ["odd"] }));
  none.put(thing("a", "1"));
  assert.deepEqual([none.size, none.unreadable.length], [0, 1]);
});

Deno.test("store: no object or no metadata: ignored", () => {
  const { store, told } = strictStore();
  for (const odd of [null, undefined, 7, "text", [], {}, { metadata: null }, { metadata: 7 }] as unknown as Thing[]) {
    store.put(odd);
    list(store, "10", odd, thing("b", "2", { owners: [] }));
  }
  assert.deepEqual([store.size, told], [1, []]);
});
