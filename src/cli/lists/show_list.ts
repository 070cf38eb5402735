/** Lists of objects: as a table, as blocks, for programs, and again when something changes. */
import { type Command, Option } from "commander";
import type { KubernetesObject, RestClient } from "../../../lib/kubernetes/mod.ts";
import { no } from "../exit.ts";
import { inLine, printable, printableJson, type Session, verb, withoutManagedFields, yamlOf } from "../session.ts";
import { type TableColumn, tableHead, type TableLayout, tableLayout, tableRow } from "../table_layout.ts";
import { textWidth } from "../wrapped_text.ts";
import { blockLines, type DetailBlock } from "./detail_block.ts";
import { followSources, type ListSources, type SourceObjects } from "./list_sources.ts";
import { didYouMean } from "./nearest_name.ts";

/** One kind of list. */
export interface ListView<S extends ListSources, T extends { name: string }> {
  /** Such as `Grant`, for messages. */
  kind: string;
  /** Such as `grant.keystone.io`, for `-o name`. */
  resource: string;
  sources: S;
  /** Returns the items in the order of the list. */
  items(objects: SourceObjects<S>): T[];
  /** Returns the item for programs; default: as it is. */
  data?(item: T): unknown;
  columns(now: number): TableColumn<T>[];
  /** Returns the item as a block. May read more than the list does. */
  block(item: T, now: number): Promise<DetailBlock>;
  /** Returns the item after its deletion, for the last row of a watch. */
  deleted(item: T): T;
  /** Lines about an empty list, which say what to do. */
  empty(): string[];
  /** Reason for which an item of another name can't be shown. */
  unknown?: string;
}

/** Selection of a list. */
export interface ListSelection<T> {
  /** Only these names; empty: all. */
  names: readonly string[];
  /** Selects items by flags. */
  matches?: (item: T) => boolean;
  watch: boolean;
}

/** Creates the command of a list, with `[names...]`, `-w` and `-o name`. */
export const listVerb = (name: string, summary: string, examples: readonly string[], nouns: string): Command =>
  verb(name, summary, examples, { more: ["name"] })
    .argument("[names...]", `only ${nouns} of these names, each as a block`)
    .addOption(new Option("-w, --watch", "print what changes, until Ctrl-C").default(false, "no"));

/** Prints a list, and what changes in it if that is asked for. Fails if a name doesn't exist. */
export async function showList<S extends ListSources, T extends { name: string }>(
  session: Session,
  rest: RestClient,
  view: ListView<S, T>,
  read: SourceObjects<S>,
  selection: ListSelection<T>,
): Promise<void> {
  const chosen = (all: readonly T[]) =>
    all.filter((item) =>
      (selection.names.length === 0 || selection.names.includes(item.name)) && (selection.matches?.(item) ?? true)
    );
  const all = view.items(read);
  const items = chosen(all);
  const printer = new ListPrinter(session, view, selection.names.length > 0);
  await printer.first(items, selection.watch);
  const missing = selection.names.filter((name) => !items.some((item) => item.name === name));
  for (const name of missing) {
    const why = view.unknown ?? "does not exist";
    session.note(`${view.kind} ${name} ${why}.${didYouMean(name, all.map((item) => item.name))}`);
  }
  if (!selection.watch) {
    if (missing.length > 0) throw no();
    return;
  }
  let printing = Promise.resolve();
  const failing = new Set<string>();
  await followSources(rest, view.sources, read, {
    onChange: (objects) => {
      const present = view.items(objects);
      printing = printing.then(() => printer.changes(chosen(present), present));
    },
    // One sentence for all sources and attempts, until all go on.
    onError: (resource, error) => {
      if (failing.size === 0) session.note(`The watch failed: ${inLine((error as Error).message)} Trying again.`);
      failing.add(resource);
    },
    onRecover: (resource) => {
      if (failing.delete(resource) && failing.size === 0) session.note("The watch goes on.");
    },
  }, session.io.stop ?? new AbortController().signal);
  await printing;
}

/** Prints items, and later only those that differ from what was printed. */
class ListPrinter<S extends ListSources, T extends { name: string }> {
  readonly #session: Session;
  readonly #view: ListView<S, T>;
  readonly #isNamed: boolean;
  readonly #asBlocks: boolean;
  readonly #startedAt: number;
  /** The printed items with what was shown of them. */
  #printed = new Map<string, { item: T; shown: string }>();
  #layout: TableLayout<T> | undefined;

  constructor(session: Session, view: ListView<S, T>, named: boolean) {
    this.#session = session;
    this.#view = view;
    this.#isNamed = named;
    this.#asBlocks = session.flags.output === "wide" || (named && session.flags.output === "text");
    this.#startedAt = session.io.now();
  }

  /** Prints the whole list. In a watch, objects for programs are printed one by one. */
  async first(items: readonly T[], watch: boolean): Promise<void> {
    const { output } = this.#session.flags;
    this.#remember(items);
    if ((output === "json" || output === "yaml") && !watch) {
      this.#session.data({ items: items.map((item) => this.#dataOf(item)) });
    } else if (items.length === 0 && output !== "name" && output !== "json" && output !== "yaml") {
      // A name that doesn't exist is answered by an error.
      const lines = this.#isNamed ? [] : this.#view.empty();
      for (const line of lines) watch ? this.#session.note(line, 2) : this.#session.say(line, 2);
    } else if (output === "text" && !this.#asBlocks) {
      this.#table(items);
      for (const item of items) this.#row(item);
    } else for (const item of items) await this.#one(item);
  }

  /**
   * Prints the items that are new or changed, and once more those that were deleted or no longer match.
   *
   * @param present all objects, also those that don't match
   */
  async changes(items: readonly T[], present: readonly T[]): Promise<void> {
    const before = this.#printed;
    this.#remember(items);
    for (const item of items) {
      if (before.get(item.name)?.shown !== this.#printed.get(item.name)!.shown) await this.#one(item);
    }
    for (const [name, { item }] of before) {
      if (this.#printed.has(name)) continue;
      const other = present.find((each) => each.name === name);
      await (other === undefined ? this.#gone(item) : this.#one(other));
    }
  }

  #remember(items: readonly T[]): void {
    this.#printed = new Map(items.map((item) => [item.name, { item, shown: this.#shownOf(item) }]));
  }

  /** Returns what is shown of an item, apart from what changes with time alone. */
  #shownOf(item: T): string {
    const { output } = this.#session.flags;
    if (output === "name") return item.name;
    if (output === "text" && !this.#asBlocks) {
      return JSON.stringify(this.#view.columns(this.#startedAt).map(({ value }) => value(item)));
    }
    return JSON.stringify(this.#dataOf(item), (key, value) => key === "resourceVersion" ? undefined : value);
  }

  #dataOf(item: T): unknown {
    return withoutManagedFields(this.#view.data?.(item) ?? item);
  }

  async #one(item: T): Promise<void> {
    const { flags, io } = this.#session;
    if (flags.output === "name") return io.out(printable(`${this.#view.resource}/${item.name}`));
    if (flags.output === "json") return io.out(printableJson(this.#dataOf(item)));
    if (flags.output === "yaml") return io.out(`---\n${yamlOf(this.#dataOf(item))}`);
    if (!this.#asBlocks) return this.#row(item);
    const block = await this.#view.block(item, io.now());
    const { bold } = this.#session.colours;
    const lines = blockLines(block, this.#session.width);
    this.#session.raw([bold(lines[0]!), ...lines.slice(1), ""].join("\n"));
  }

  async #gone(item: T): Promise<void> {
    const { output } = this.#session.flags;
    if (output === "text" && !this.#asBlocks) this.#row(this.#view.deleted(item));
    else if (output === "text" || output === "wide") {
      this.#session.say(`${this.#view.kind} ${item.name} was deleted.\n`);
    } else await this.#one(item);
  }

  #row(item: T): void {
    const rowOf = () => {
      const columns = this.#view.columns(this.#session.io.now());
      const layout = this.#layout!;
      const cells = new Map(columns.map((column) => [column.name, column]));
      // The choice of columns stays, their values are those of now.
      const now = layout.columns.map((each) => {
        const { value, short } = cells.get(each.name)!;
        return { ...each, cell: each.isShort && short ? short : value };
      });
      return tableRow({ ...layout, columns: now }, item);
    };
    const { width } = this.#session;
    if (this.#layout?.width !== width) this.#table([item, ...this.#items()]);
    let lines = rowOf();
    if (lines.some((line) => textWidth(line) > width) && !this.#layout!.stacked) {
      this.#table([item, ...this.#items()]);
      lines = rowOf();
    }
    this.#session.raw(lines.join("\n"));
  }

  #items(): T[] {
    return [...this.#printed.values()].map(({ item }) => item);
  }

  /** Chooses columns for these items, and prints what has no room and the head. */
  #table(items: readonly T[]): void {
    const { io, width, colours } = this.#session;
    const layout = tableLayout(items, this.#view.columns(io.now()), width);
    const before = this.#layout;
    this.#layout = layout;
    if (layout.leftOut.length > 0 && layout.leftOut.join() !== before?.leftOut.join()) {
      this.#session.note(
        this.#session.noteColours.dim(
          `Not shown for lack of room: ${layout.leftOut.toReversed().join(", ")}. -o wide shows everything.`,
        ),
      );
    }
    for (const line of tableHead(layout, colours.bold)) this.#session.raw(line);
  }
}

/** Returns the object of the API with the fields of the list. */
export const withObject = <T extends object>(object: KubernetesObject | undefined, item: T): T => ({
  ...object,
  ...item,
});
