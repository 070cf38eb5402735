/** A kubeconfig that is changed as kubectl changes it: locked and replaced in one step. Comments stay. */
import { dirname } from "node:path";
import { type Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from "yaml";
import { ConfigError } from "../../../lib/kubernetes/mod.ts";

/** Lists of a kubeconfig. */
export type KubeconfigList = "clusters" | "contexts" | "users";

/** Time to wait for another program that writes the file. */
const lockMs = 5000;

/** Returns the file that kubectl would write new entries to: the first that exists, else the last. */
export async function fileForNewEntries(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  const last = paths.at(-1);
  if (last === undefined) {
    throw new ConfigError("There is no place for a kubeconfig: neither KUBECONFIG nor HOME is set. Use --kubeconfig.");
  }
  return last;
}

/** The text of a kubeconfig, for changes of single entries. */
export class KubeconfigText {
  readonly #document: Document;
  readonly #text: string;

  /** Parses the text of the file at `path`. */
  constructor(text: string, path: string) {
    this.#text = text;
    this.#document = parseDocument(text, { keepSourceTokens: false });
    const problem = this.#document.errors[0]?.message.split("\n")[0];
    if (problem !== undefined) throw new ConfigError(`${path} isn't YAML: ${problem} Correct it, or use --kubeconfig.`);
    const { contents } = this.#document;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      // The comments of an empty file stay.
      this.#document.contents = this.#document.createNode({
        apiVersion: "v1",
        kind: "Config",
        clusters: [],
        contexts: [],
        users: [],
      }) as never;
    } else if (!isMap(contents)) {
      throw new ConfigError(`${path} isn't a kubeconfig: it must be an object. Correct it, or use --kubeconfig.`);
    }
  }

  /** Name of the current context; undefined if there is none. */
  get currentContext(): string | undefined {
    const value = this.#document.get("current-context");
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  set currentContext(name: string | undefined) {
    if (this.currentContext === name) return;
    this.#document.set("current-context", name ?? "");
  }

  /** Returns the names of a list. */
  names(list: KubeconfigList): string[] {
    return (this.#list(list)?.items ?? []).map((item) => isMap(item) ? String(item.get("name") ?? "") : "");
  }

  /** Returns the content of an entry; undefined if there is none. */
  get(list: KubeconfigList, name: string): unknown {
    const key = list.slice(0, -1);
    return (this.#find(list, name)?.toJS(this.#document) as Record<string, unknown> | undefined)?.[key];
  }

  /** Adds or replaces an entry. An equal one stays as it is written. */
  set(list: KubeconfigList, name: string, content: unknown): void {
    const key = list.slice(0, -1);
    if (JSON.stringify(this.get(list, name)) === JSON.stringify(content)) return;
    const present = this.#find(list, name);
    if (present) return present.set(key, this.#document.createNode(content));
    const items = this.#list(list) ?? this.#document.createNode([]) as YAMLSeq;
    // An empty list is written as [].
    if (items.items.length === 0) items.flow = false;
    items.add(this.#document.createNode({ name, [key]: content }));
    this.#document.set(list, items);
  }

  /** Removes an entry, if it is there. */
  remove(list: KubeconfigList, name: string): void {
    const items = this.#list(list);
    const present = this.#find(list, name);
    if (items && present) items.items.splice(items.items.indexOf(present), 1);
  }

  /** Returns the file's text. */
  toString(): string {
    // JSON is YAML, but not the other way round.
    if (this.#text.trimStart().startsWith("{")) return `${JSON.stringify(this.#document.toJS(), null, 2)}\n`;
    return this.#document.toString({
      lineWidth: 0,
      flowCollectionPadding: false,
      // kubectl writes lists without indentation.
      indentSeq: !/^(clusters|contexts|users):\s*\n- /m.test(this.#text) && this.#text.trim() !== "",
    });
  }

  #list(list: KubeconfigList): YAMLSeq | undefined {
    const value = this.#document.get(list);
    return isSeq(value) ? value : undefined;
  }

  #find(list: KubeconfigList, name: string): YAMLMap | undefined {
    return this.#list(list)?.items.find((item): item is YAMLMap => isMap(item) && item.get("name") === name);
  }
}

/** Reads a kubeconfig; a missing file is empty. */
export async function readKubeconfigText(path: string): Promise<KubeconfigText> {
  return new KubeconfigText(await textOf(path), path);
}

/** Changes a kubeconfig under kubectl's lock, and replaces the file in one step if its text is another then. */
export async function changeKubeconfig(path: string, change: (kubeconfig: KubeconfigText) => void): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await using _lock = await lockOf(path);
  // A link stays a link.
  const file = await Deno.realPath(path).catch(() => path);
  const before = await textOf(file);
  const kubeconfig = new KubeconfigText(before, path);
  change(kubeconfig);
  const after = kubeconfig.toString();
  if (after !== before) await replaceFile(file, after);
}

async function replaceFile(file: string, text: string): Promise<void> {
  const present = await Deno.stat(file).catch(() => undefined);
  const temporary = await Deno.makeTempFile({ dir: dirname(file), prefix: ".kubeconfig-" });
  try {
    await Deno.writeTextFile(temporary, text);
    await Deno.chmod(temporary, (present?.mode ?? 0o600) & 0o777);
    // As root with another user's file.
    if (typeof present?.uid === "number" && present.uid !== Deno.uid()) {
      await Deno.chown(temporary, present.uid, present.gid);
    }
    await Deno.rename(temporary, file);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Takes the lock that kubectl takes. */
async function lockOf(path: string): Promise<AsyncDisposable> {
  const lock = `${path}.lock`;
  const until = Date.now() + lockMs;
  for (;;) {
    try {
      (await Deno.open(lock, { write: true, createNew: true, mode: 0o600 })).close();
      return { [Symbol.asyncDispose]: () => Deno.remove(lock).catch(() => {}) };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      if (Date.now() > until) {
        throw new ConfigError(`${path} is locked by another program. If none is writing it, remove ${lock}.`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw new ConfigError(
      `${path} can't be read: ${(error as Error).message}. Correct its rights, or use --kubeconfig.`,
    );
  }
}
