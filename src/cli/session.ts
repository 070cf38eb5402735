/** One run of the command: its flags, its connection, and how it prints. */
import { Command, Option } from "commander";
import { dump } from "js-yaml";
import pc from "picocolors";
import Table from "cli-table3";
import { type ClosableRestClient, createRestClient } from "../../lib/kubernetes/mod.ts";
import type { Settings } from "../api/mod.ts";
import { clusterConfig } from "../cluster_config.ts";
import { readSettings } from "../config.ts";
import { version } from "../version.ts";
import { usageError } from "./exit.ts";
import type { Io } from "./io.ts";

export type OutputFormat = "text" | "wide" | "json" | "yaml";

/** Flags that every verb has. */
export interface Flags {
  output: OutputFormat;
  kubeconfig?: string;
  context?: string;
  config?: string;
  color: boolean;
}

/** One column of a table. */
export interface Column<T> {
  name: string;
  value: (row: T) => string;
  /** Only with `-o wide`. */
  wide?: boolean;
}

export class Session {
  readonly io: Io;
  readonly flags: Flags;

  constructor(io: Io, flags: Flags) {
    this.io = io;
    this.flags = flags;
  }

  /** Colours that are none where nobody sees them. */
  get colours(): ReturnType<typeof pc.createColors> {
    const { terminal, env } = this.io;
    return pc.createColors(terminal && this.flags.color && !env("NO_COLOR") && env("TERM") !== "dumb");
  }

  async connect(): Promise<ClosableRestClient> {
    return createRestClient(await this.clusterConfig(), { userAgent: `keystone-cli/${version}`, timeoutMs: 15_000 });
  }

  clusterConfig() {
    const { kubeconfig, context } = this.flags;
    return clusterConfig({
      log: "text",
      listenGiven: false,
      help: false,
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    }, { env: this.io.env });
  }

  /** The configuration file of the operator, for the trust levels' ceilings; defaults without one. */
  settings(): Promise<Settings> {
    const config = this.flags.config ?? (this.io.env("KEYSTONE_CONFIG") || undefined);
    return readSettings({ log: "text", listenGiven: false, help: false, ...(config === undefined ? {} : { config }) });
  }

  /** Prints data where a program reads it; says whether it did. */
  data(value: unknown): boolean {
    const { output } = this.flags;
    if (output === "json") this.io.out(printableJson(value));
    else if (output === "yaml") this.io.out(dump(value, { noRefs: true, lineWidth: 120 }).trimEnd());
    else return false;
    return true;
  }

  table<T>(rows: readonly T[], columns: readonly Column<T>[]): void {
    const shown = columns.filter(({ wide }) => !wide || this.flags.output === "wide");
    const table = new Table({
      head: shown.map(({ name }) => this.colours.bold(name)),
      chars: Object.fromEntries(
        ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right", "left"]
          .concat(["left-mid", "mid", "mid-mid", "right", "right-mid"]).map((name) => [name, ""]).concat([[
            "middle",
            "   ",
          ]]),
      ),
      style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    });
    table.push(...rows.map((row) => shown.map(({ value }) => value(row))));
    this.io.out(printable(table.toString()).split("\n").map((line) => line.trimEnd()).join("\n"));
  }

  say(text: string): void {
    this.io.out(printable(text));
  }

  /** Beside the answer, on standard error. */
  note(text: string): void {
    this.io.err(printable(text));
  }
}

/**
 * Text that can't steer its reader's terminal, whoever wrote it into the cluster: of control characters only line ends
 * pass, of escape sequences only the colours of this command, and nothing that turns the direction of text.
 */
export const printable = (text: string): string =>
  text.replace(
    // deno-lint-ignore no-control-regex
    /\x1b\[(?:0|1|2|22|3[1-6]|39|90)m|[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (found) => found.length > 1 ? found : "\ufffd",
  );

/** Text by others within a line of ours, without colours and line ends, so that it can't look like another line. */
export const inLine = (text: string): string =>
  // deno-lint-ignore no-control-regex
  printable(text.trim().replace(/\r?\n/g, " ⏎ ").replace(/\x1b/g, "\ufffd"));

/** JSON for a terminal as well: what could steer it is written as JSON has it for such characters. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

const formats: readonly OutputFormat[] = ["text", "wide", "json", "yaml"];

/** A verb with the flags that all have; its examples are a part of its help. */
export function verb(name: string, summary: string, examples: readonly string[]): Command {
  return new Command(name)
    .description(summary)
    .addOption(
      new Option("-o, --output <format>", `how to print: ${formats.join(", ")}`).default("text", "text").argParser(
        (value) => {
          if (!formats.includes(value as OutputFormat)) {
            throw usageError(`-o is ${value}; write ${formats.join(", ")}.`);
          }
          return value;
        },
      ),
    )
    .option("--kubeconfig <path>", "kubeconfig to use (default: KUBECONFIG, else ~/.kube/config)")
    .option("--context <name>", "context of it (default: the current one)")
    .option("--config <path>", "the operator's configuration file (default: KEYSTONE_CONFIG)")
    .option("--no-color", "no colours, on a terminal either")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

/** Runs a verb's action with its session. */
export type CommandAction = <A extends unknown[]>(
  action: (session: Session, options: Record<string, unknown>, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>;

/** Makes actions of a program: commander hands arguments, options and the command. */
export const runner = (io: Io): CommandAction => (action) => async (...args) => {
  const command = args.at(-1) as Command;
  const options = command.optsWithGlobals() as Record<string, unknown> & Flags;
  await action(new Session(io, options), options, ...args.slice(0, -2) as never);
};
