/** The verdict of each plan, one JSON object per line, so that a campaign can be resumed. */
import type { FaultPlan, FaultVerdict } from "./fault_plan.ts";

export interface JournalEntry extends FaultVerdict {
  plan: string;
  seed?: number;
  commit: string;
  /** Kinds of its faults. */
  class: string;
}

export class Journal {
  readonly #last = new Map<string, JournalEntry>();

  private constructor(readonly path: string, readonly commit: string) {}

  /** Opens the journal, and empties it unless a campaign is resumed. */
  static async open(path: string, { resume }: { resume: boolean }): Promise<Journal> {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    const journal = new Journal(path, await commitHere());
    if (!resume) await Deno.writeTextFile(path, "");
    const text = await Deno.readTextFile(path).catch(() => "");
    for (const line of text.split("\n")) if (line) journal.#take(JSON.parse(line));
    return journal;
  }

  #take(entry: JournalEntry): void {
    this.#last.set(entry.plan, entry);
  }

  has({ id }: FaultPlan): boolean {
    return this.#last.has(id);
  }

  async add({ id, seed, faults }: FaultPlan, verdict: FaultVerdict): Promise<void> {
    const entry: JournalEntry = {
      plan: id,
      ...(seed === undefined ? {} : { seed }),
      commit: this.commit,
      class: [...new Set(faults.map(({ kind }) => kind))].join("+"),
      ...verdict,
    };
    this.#take(entry);
    await Deno.writeTextFile(this.path, JSON.stringify(entry) + "\n", { append: true });
  }

  /** Returns the last verdict of each plan. */
  entries(): JournalEntry[] {
    return [...this.#last.values()];
  }
}

/** The tested commit, with a plus if there are uncommitted changes. */
async function commitHere(): Promise<string> {
  const git = async (...args: string[]) => {
    const cwd = new URL("../..", import.meta.url);
    const { stdout } = await new Deno.Command("git", { args, cwd, stdin: "null", stderr: "null" }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  return await git("rev-parse", "--short", "HEAD") + (await git("status", "--porcelain") === "" ? "" : "+");
}
