/** One run of the command: its flags, its connection and its output. */
import { Command, Option } from "commander";
import { dump } from "js-yaml";
import pc from "picocolors";
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
import { withCommandName } from "./command_name.ts";
import { usageError } from "./exit.ts";
import { BusyLine, drawnSink } from "./follow/busy_client.ts";
import type { Io } from "./io.ts";
import { VersionHint } from "./version_hint.ts";
import { type TableColumn, tableLayout, tableLines } from "./table_layout.ts";
import { wrapped } from "./wrapped_text.ts";

export type OutputFormat = "text" | "wide" | "json" | "yaml" | "name";

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
  /** The flag `--server`; a command may have another of that name. */
  apiServer?: string;
  /** Milliseconds; Infinity for none. */
  requestTimeout?: number;
  config?: string;
  color: boolean;
}

export class Session {
  readonly io: Io;
  readonly flags: Flags;
  readonly #warned = new Set<string>();
  readonly #busy: BusyLine | undefined;
  readonly #versions = new VersionHint();

  /** @param isQuiet true if what takes long is not shown */
  constructor(io: Io, flags: Flags, isQuiet = false) {
    this.io = io;
    this.flags = flags;
    const sink = isQuiet ? undefined : io.screen ? drawnSink(io.screen) : io.waits;
    this.#busy = sink && new BusyLine(sink);
  }

  /** Colors; without effect when the output is not a terminal. */
  get colours(): ReturnType<typeof pc.createColors> {
    return pc.createColors(this.io.terminal && this.#mayColour);
  }

  /** Colors of standard error. */
  get noteColours(): ReturnType<typeof pc.createColors> {
    return pc.createColors(this.io.errorTerminal === true && this.#mayColour);
  }

  get #mayColour(): boolean {
    return this.flags.color && !this.io.env("NO_COLOR") && this.io.env("TERM") !== "dumb";
  }

  /** Columns of the terminal; Infinity off a terminal, where programs read whole lines. */
  get width(): number {
    return this.io.terminal ? this.io.width : Infinity;
  }

  async connect(): Promise<ClosableRestClient> {
    const config = await this.clusterConfig();
    const plain = this.#plainClient(config);
    const rest = this.#followed(plain, config);
    const { output } = this.flags;
    return output === "text" || output === "wide" ? this.#versions.follow(rest, plain) : rest;
  }

  /** Notes that the operator has another version, if that is known when the command ends. */
  end(): void {
    const { note } = this.#versions;
    if (note !== undefined) this.note(note);
  }

  /**
   * Makes a client with this command's name and time limit, whose warnings are printed. Requests that take long are
   * shown on standard error.
   */
  client(config: ClientConfig, more: Partial<RestClientOptions> = {}): ClosableRestClient {
    return this.#followed(this.#plainClient(config, more), config);
  }

  #plainClient(config: ClientConfig, more: Partial<RestClientOptions> = {}): ClosableRestClient {
    return createRestClient(this.#busy ? this.#busy.quietFor(config) : config, {
      userAgent: `keystone-cli/${version}`,
      timeoutMs: this.flags.requestTimeout ?? 15_000,
      retriesWhenBusy: 10,
      onWarning: (text) => this.warn(text),
      ...more,
    });
  }

  #followed(rest: ClosableRestClient, { server }: ClientConfig): ClosableRestClient {
    return this.#busy ? this.#busy.follow(rest, server) : rest;
  }

  /** Shows the present text on standard error if the work takes long. */
  during<T>(text: () => string, work: () => Promise<T>): Promise<T> {
    return this.#busy ? this.#busy.during(text, work) : work();
  }

  /** Reads the kubeconfig. With `attended` false no credential plugin asks the user anything. */
  clusterConfig({ attended = true } = {}): Promise<ClientConfig> {
    const { flags, io } = this;
    return clusterConfig(flags, {
      env: io.env,
      // As with kubectl: a person sees what a credential plugin says, and answers it unless -f - reads the input.
      attended,
      isInteractive: () => attended && io.stdinIsFree(),
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
        server: flags.apiServer,
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
    if (output === "json") this.io.out(printableJson(withoutManagedFields(value)));
    else if (output === "yaml") this.io.out(yamlOf(withoutManagedFields(value)));
    else return false;
    return true;
  }

  /** Prints a table with the columns and forms that have room. */
  table<T>(rows: readonly T[], columns: readonly TableColumn<T>[]): void {
    const layout = tableLayout(rows, columns, this.width);
    this.raw(tableLines(rows, layout, this.colours.bold).join("\n"));
  }

  /**
   * Prints text; on a terminal with lines that end between words.
   *
   * @param hang columns by which the continuation of a line is indented more than its beginning
   */
  say(text: string, hang = 0): void {
    this.io.out(wrapped(printable(withCommandName(this.io, text)), this.width, hang));
  }

  /** Prints text whose lines must stay as they are, such as YAML. */
  raw(text: string): void {
    this.io.out(printable(text));
  }

  /** Prints to standard error, so that it is not part of the result. */
  note(text: string, hang = 0): void {
    this.io.err(noteText(this.io, text, hang));
  }

  /** Prints a warning to standard error, each one once. */
  warn(text: string): void {
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.note(`${this.noteColours.yellow("Warning:")} ${inLine(text)}`);
  }
}

/** Returns text for standard error; on a terminal with lines that end between words. */
export const noteText = ({ errorTerminal, width }: Io, text: string, hang = 0): string =>
  wrapped(printable(text), errorTerminal ? width : Infinity, hang);

export const yamlOf = (value: unknown): string => dump(value, { noRefs: true, lineWidth: 120 }).trimEnd();

/** Returns a copy without `metadata.managedFields` of any object in it, as kubectl prints objects. */
export function withoutManagedFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutManagedFields);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      if (key !== "metadata" || typeof each !== "object" || each === null) return [key, withoutManagedFields(each)];
      const { managedFields: _, ...metadata } = each as Record<string, unknown>;
      return [key, metadata];
    }),
  );
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

/** Returns the option `-o` for these formats, of which the first is the default. */
const outputOption = (formats: readonly OutputFormat[]): Option =>
  new Option("-o, --output <format>", `output format: ${formats.join(", ")}`).default(formats[0], formats[0]).argParser(
    (value) => {
      if (formats.includes(value as OutputFormat)) return value;
      throw usageError(`-o is ${value}. It must be one of ${formats.join(", ")}.`);
    },
  );

/** Returns the option `--server`. Its value has another name, because `keystone realm kubeconfig` has its own flag. */
function serverOption(): Option {
  const option = new Option("-s, --server <url>", "address of the API server").hideHelp();
  option.attributeName = () => "apiServer";
  return option;
}

/** Creates a command with the common flags; its examples are part of its help. */
export function verb(
  name: string,
  summary: string,
  examples: readonly string[],
  { more = [], ownServer = false, connects = true }: {
    more?: readonly OutputFormat[];
    ownServer?: boolean;
    /** False for a command that asks no API server. */
    connects?: boolean;
  } = {},
): Command {
  const command = new Command(name)
    .description(summary)
    .addOption(outputOption([...formats, ...more]))
    .option("--kubeconfig <path>", "path of the kubeconfig (default: KUBECONFIG, else ~/.kube/config)");
  if (connects) {
    command
      .option("--context <name>", "context of the kubeconfig (default: the current one)")
      .option("--as <user>", "user to impersonate")
      .option(
        "--as-group <group>",
        "group to impersonate, repeatable",
        (group: string, before?: string[]) => [...before ?? [], group],
      )
      .addOption(new Option("--as-uid <uid>", "uid to impersonate").hideHelp());
  }
  command.addOption(
    new Option("--request-timeout <time>", "time limit of a request: 30s, 1m; 0 for none (default: 15s)")
      .argParser(requestTimeout),
  );
  if (connects) {
    command
      .addOption(new Option("--cluster <name>", "cluster of the kubeconfig").hideHelp())
      .addOption(new Option("--user <name>", "user of the kubeconfig").hideHelp())
      .addOption(new Option("--token <token>", "bearer token").hideHelp())
      .addOption(new Option("--certificate-authority <path>", "file of the API server's authority").hideHelp())
      .addOption(new Option("--insecure-skip-tls-verify", "accept any certificate of the API server").hideHelp())
      .addOption(new Option("--tls-server-name <name>", "name in the API server's certificate").hideHelp())
      .option("--config <path>", "the operator's configuration file (default: KEYSTONE_CONFIG)")
      .addHelpText(
        "after",
        "\nAs kubectl, also: --as-uid, --cluster, --user, --token, --certificate-authority, " +
          `\n--insecure-skip-tls-verify, --tls-server-name${ownServer ? "" : ", --server"}.`,
      );
  }
  command
    .option("--no-color", "no colors, not even on a terminal")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
  return ownServer || !connects ? command : command.addOption(serverOption());
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
  const session = new Session(io, options);
  try {
    await action(session, options, ...args.slice(0, -2) as never);
  } finally {
    session.end();
  }
};
