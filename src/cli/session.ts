/** One run of the command: its flags, its connection and its output. */
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

/** Flags of every command. */
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
  /** True if the column is shown only with `-o wide`. */
  wide?: boolean;
}

export class Session {
  readonly io: Io;
  readonly flags: Flags;

  constructor(io: Io, flags: Flags) {
    this.io = io;
    this.flags = flags;
  }

  /** Colors; without effect when the output is not a terminal. */
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

  /** Reads the operator's configuration file, for the trust levels' ceilings; without a file, the defaults. */
  settings(): Promise<Settings> {
    const config = this.flags.config ?? (this.io.env("KEYSTONE_CONFIG") || undefined);
    return readSettings({ log: "text", listenGiven: false, help: false, ...(config === undefined ? {} : { config }) });
  }

  /** Prints the value as JSON or YAML if `-o` asks for that; returns true if it did. */
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

  /** Prints to standard error, so that it is not part of the result. */
  note(text: string): void {
    this.io.err(printable(text));
  }
}

/**
 * Returns the text without anything that could control the reader's terminal: it keeps only line ends, of the escape
 * sequences only this command's colors, and no characters that change the direction of text.
 */
export const printable = (text: string): string =>
  text.replace(
    // deno-lint-ignore no-control-regex
    /\x1b\[(?:0|1|2|22|3[1-6]|39|90)m|[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (found) => found.length > 1 ? found : "\ufffd",
  );

/** Returns text by others for use within a line: without colors and line ends, so it can't imitate another line. */
export const inLine = (text: string): string =>
  // deno-lint-ignore no-control-regex
  printable(text.trim().replace(/\r?\n/g, " ⏎ ").replace(/\x1b/g, "\ufffd"));

/** Returns JSON that is safe on a terminal: control characters are escaped. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

const formats: readonly OutputFormat[] = ["text", "wide", "json", "yaml"];

/** Creates a command with the common flags; its examples are part of its help. */
export function verb(name: string, summary: string, examples: readonly string[]): Command {
  return new Command(name)
    .description(summary)
    .addOption(
      new Option("-o, --output <format>", `output format: ${formats.join(", ")}`).default("text", "text").argParser(
        (value) => {
          if (!formats.includes(value as OutputFormat)) {
            throw usageError(`-o is ${value}. It must be one of ${formats.join(", ")}.`);
          }
          return value;
        },
      ),
    )
    .option("--kubeconfig <path>", "path of the kubeconfig (default: KUBECONFIG, else ~/.kube/config)")
    .option("--context <name>", "context of the kubeconfig (default: the current one)")
    .option("--config <path>", "the operator's configuration file (default: KEYSTONE_CONFIG)")
    .option("--no-color", "no colors, not even on a terminal")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

/** Runs a command's action with its session. */
export type CommandAction = <A extends unknown[]>(
  action: (session: Session, options: Record<string, unknown>, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>;

/** Returns a wrapper for commander, which passes the arguments, the options and the command. */
export const runner = (io: Io): CommandAction => (action) => async (...args) => {
  const command = args.at(-1) as Command;
  const options = command.optsWithGlobals() as Record<string, unknown> & Flags;
  await action(new Session(io, options), options, ...args.slice(0, -2) as never);
};
