/** One run of the command: its flags, its connection and its output. */
import { Command, Option } from "commander";
import { dump } from "js-yaml";
import pc from "picocolors";
import Table from "cli-table3";
import {
  type ClientConfig,
  type ClosableRestClient,
  createRestClient,
  type RestClientOptions,
} from "../../lib/kubernetes/mod.ts";
import type { Settings } from "../api/mod.ts";
import { clusterConfig } from "../cluster_config.ts";
import { readSettings } from "../config.ts";
import { version } from "../version.ts";
import { usageError } from "./exit.ts";
import { BusyLine } from "./follow/busy_client.ts";
import type { Io } from "./io.ts";

export type OutputFormat = "text" | "wide" | "json" | "yaml";

/** Flags of every command. */
export interface Flags {
  output: OutputFormat;
  kubeconfig?: string;
  context?: string;
  cluster?: string;
  user?: string;
  token?: string;
  as?: string;
  asGroup?: string[];
  asUid?: string;
  certificateAuthority?: string;
  insecureSkipTlsVerify?: boolean;
  tlsServerName?: string;
  /** Milliseconds; Infinity for none. */
  requestTimeout?: number;
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
  #busy: BusyLine | undefined;

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
    return this.client(await this.clusterConfig());
  }

  /** Returns a client. On a terminal a line shows the requests that take long. */
  client(config: ClientConfig, options: Partial<RestClientOptions> = {}): ClosableRestClient {
    const { screen } = this.io;
    const busy = screen && (this.#busy ??= new BusyLine(screen, config.server));
    const rest = createRestClient(busy ? busy.quietFor(config) : config, {
      userAgent: `keystone-cli/${version}`,
      timeoutMs: this.flags.requestTimeout ?? 15_000,
      ...options,
    });
    return busy ? busy.follow(rest) : rest;
  }

  clusterConfig(): Promise<ClientConfig> {
    const { flags, io } = this;
    return clusterConfig(flags, {
      env: io.env,
      // As with kubectl: a person sees what a credential plugin says, and answers it unless -f - reads the input.
      attended: true,
      isInteractive: () => io.stdinIsFree(),
      overrides: {
        cluster: flags.cluster,
        user: flags.user,
        token: flags.token,
        as: flags.as,
        asGroups: flags.asGroup,
        asUid: flags.asUid,
        certificateAuthority: flags.certificateAuthority,
        insecureSkipTlsVerify: flags.insecureSkipTlsVerify,
        tlsServerName: flags.tlsServerName,
      },
    });
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
    .option("--as <user>", "user to impersonate")
    .option(
      "--as-group <group>",
      "group to impersonate, repeatable",
      (group: string, before?: string[]) => [...before ?? [], group],
    )
    .addOption(new Option("--as-uid <uid>", "uid to impersonate").hideHelp())
    .addOption(
      new Option("--request-timeout <time>", "time limit of a request: 30s, 1m; 0 for none (default: 15s)")
        .argParser(requestTimeout),
    )
    .addOption(new Option("--cluster <name>", "cluster of the kubeconfig").hideHelp())
    .addOption(new Option("--user <name>", "user of the kubeconfig").hideHelp())
    .addOption(new Option("--token <token>", "bearer token").hideHelp())
    .addOption(new Option("--certificate-authority <path>", "file of the API server's authority").hideHelp())
    .addOption(new Option("--insecure-skip-tls-verify", "accept any certificate of the API server").hideHelp())
    .addOption(new Option("--tls-server-name <name>", "name in the API server's certificate").hideHelp())
    .option("--config <path>", "the operator's configuration file (default: KEYSTONE_CONFIG)")
    .option("--no-color", "no colors, not even on a terminal")
    .addHelpText(
      "after",
      "\nAs kubectl, also: --as-uid, --cluster, --user, --token, --certificate-authority, " +
        "\n--insecure-skip-tls-verify, --tls-server-name.",
    )
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

/** Parses kubectl's `--request-timeout`: seconds, or a duration as in Go. */
function requestTimeout(text: string): number {
  const units = { ns: 1e-6, us: 1e-3, "µs": 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1_000
    : /^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)
    ? [...text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)]
      .reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit as keyof typeof units], 0)
    : undefined;
  if (ms === undefined) {
    throw usageError(`--request-timeout is ${text}. It must be a duration such as 30s or 1m, or 0.`);
  }
  return ms === 0 ? Infinity : ms;
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
