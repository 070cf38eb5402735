import { resolve } from "node:path";
import { TextLineStream } from "./lines.ts";
import { removeIfExists } from "./lab_files.ts";
import { Estimate, Progress, type Terminal } from "./progress.ts";
import { type Tool, type ToolGroup, type ToolModule, TOOLS } from "./tools.ts";

/** Paths of the built programs by name, e.g. `kube-apiserver`. */
export type Binaries = Record<string, string>;

/** Error of a failed build; the message has the reason and the remedy. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** Options of {@link build}; only its tests need other than the defaults. */
export interface BuildOptions {
  /** Folder of all caches. */
  cache?: string;
  /** The Go command. */
  go?: string;
  terminal?: Terminal;
}

const MODULES = new URL("./modules/", import.meta.url);
/** Cost of linking one program, in seconds. */
const LINK_SECONDS = 4;
const GOOS = Deno.build.os;
const GOARCH = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/**
 * Builds the programs of these groups from the Go modules under `modules/`, each once: later calls find them in the
 * cache and return at once, silently. Two processes never build at the same time; the second says that it waits for the
 * first. After an interruption, programs that were already built are kept.
 *
 * @throws {BuildError} when Go is missing or too old, or a download or the build fails
 */
export async function build(groups: readonly ToolGroup[], options: BuildOptions = {}): Promise<Binaries> {
  const cache = resolve(options.cache ?? defaultCache()); // Go runs in the module's folder
  const plans: Plan[] = [];
  for (const group of groups) {
    const module: ToolModule = TOOLS[group];
    plans.push(...await planModule(module, cache));
  }
  if (plans.some((plan) => !exists(plan.path))) {
    await explainFullDisk(cache, async () => {
      await Deno.mkdir(cache, { recursive: true });
      using _lock = await lockCache(`${cache}/build.lock`, options.terminal ?? Deno.stderr);
      // The lock's last holder may have built some of them.
      await buildMissing(plans.filter((plan) => !exists(plan.path)), cache, options);
    });
  }
  return Object.fromEntries(plans.map((plan) => [plan.tool.name, plan.path]));
}

/** One program to build. */
interface Plan {
  module: ToolModule;
  tool: Tool;
  /** Path of the built program. */
  path: string;
}

/** `$KEYSTONE_LAB_CACHE`, else `keystone-lab` in the user's cache folder. */
function defaultCache(): string {
  const own = Deno.env.get("KEYSTONE_LAB_CACHE");
  if (own) return `${own}/keystone-lab`;
  const home = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${home}/keystone-lab`;
}

async function planModule(module: ToolModule, cache: string): Promise<Plan[]> {
  const parts = [
    await Deno.readTextFile(new URL(`${module.folder}/go.mod`, MODULES)),
    await Deno.readTextFile(new URL(`${module.folder}/go.sum`, MODULES)),
    linkerFlags(module),
    GOOS,
    GOARCH,
  ];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(parts.join("\0")));
  const folder = `${cache}/${module.folder}-${new Uint8Array(digest).toHex().slice(0, 16)}`;
  return module.tools.map((tool) => ({ module, tool, path: `${folder}/${tool.name}` }));
}

function linkerFlags(module: ToolModule): string {
  return ["-s", "-w", ...Object.entries(module.stamps).map(([name, value]) => `-X ${name}=${value}`)].join(" ");
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Takes the lock for as long as the returned file is open. The kernel releases it when the process ends. */
async function lockCache(path: string, terminal: Terminal): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { create: true, read: true, write: true });
  try {
    if (!await file.tryLock(true)) {
      const holder = (await Deno.readTextFile(path)).trim();
      say(
        terminal,
        `lab: another process${holder && ` (${holder})`} is building the lab's programs; waiting until it is done.`,
      );
      await file.lock(true);
    }
    await file.truncate();
    await file.write(new TextEncoder().encode(`pid ${Deno.pid}\n`));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function say(terminal: Terminal, line: string): void {
  terminal.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function buildMissing(plans: Plan[], cache: string, options: BuildOptions): Promise<void> {
  if (plans.length === 0) return;
  const go = options.go ?? "go";
  let fetched = 0;
  let state = () => `lab: checking the Go modules${fetched > 0 ? ` (${fetched} downloaded)` : ""}`;
  using _progress = new Progress(() => state(), options.terminal);

  const costs = new Map<ToolModule, number>();
  let total = plans.length * LINK_SECONDS;
  for (const module of new Set(plans.map((plan) => plan.module))) {
    const packages = plans.filter((plan) => plan.module === module).map((plan) => plan.tool.package);
    const { all, stale } = await countPackages(go, module, packages, () => fetched++);
    costs.set(module, module.compileSeconds / Math.max(1, all));
    total += stale * costs.get(module)!;
  }

  const estimate = new Estimate(total);
  for (const [index, plan] of plans.entries()) {
    state = () => `lab: building ${plan.tool.name} (${index + 1} of ${plans.length}), ${estimate}`;
    await buildTool(go, plan, cache, () => estimate.add(costs.get(plan.module)!));
    estimate.add(LINK_SECONDS);
  }
}

/** Counts the packages of these programs, and those that the Go build cache lacks. Downloads the modules. */
async function countPackages(
  go: string,
  module: ToolModule,
  packages: string[],
  onDownload: () => void,
): Promise<{ all: number; stale: number }> {
  const reasons = await runGo(
    go,
    module,
    ["list", "-deps", "-mod=readonly", "-trimpath", "-f", "{{.StaleReason}}", ...packages],
    (line) => line.startsWith("go: downloading") && onDownload(),
  );
  const built = (reason: string) => reason === "" || reason.startsWith("not installed but available");
  return { all: reasons.length, stale: reasons.filter((reason) => !built(reason)).length };
}

async function buildTool(go: string, plan: Plan, cache: string, onPackage: () => void): Promise<void> {
  const folder = plan.path.slice(0, plan.path.lastIndexOf("/"));
  const temporary = `${cache}/.${plan.tool.name}.${Deno.pid}`;
  await Deno.mkdir(folder, { recursive: true });
  try {
    await runGo(
      go,
      plan.module,
      [
        "build",
        "-v",
        "-mod=readonly",
        "-trimpath",
        `-ldflags=${linkerFlags(plan.module)}`,
        `-o=${temporary}`,
        plan.tool.package,
      ],
      (line) => isPackage(line) && onPackage(),
    );
    await Deno.rename(temporary, plan.path);
  } finally {
    removeIfExists(temporary);
  }
}

/** Reports whether a line is a package name, which `go build -v` prints for each package that it compiles. */
function isPackage(line: string): boolean {
  return /^[\w.~\/-]+$/.test(line);
}

/**
 * Runs the Go command in a module; returns the lines of its output, and passes those of its standard error to `onLine`.
 */
async function runGo(
  go: string,
  module: ToolModule,
  args: string[],
  onLine: (line: string) => void,
): Promise<string[]> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(go, {
      args,
      cwd: new URL(`${module.folder}/`, MODULES),
      env: { CGO_ENABLED: "0", GOOS, GOARCH, GOWORK: "off" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new BuildError(
      `\`${go}\` is not in PATH; the lab needs it to build Kubernetes, headscale and tailscaled. ` +
        `Install Go ${await requiredGo(module)} or newer (https://go.dev/dl/), then try again.`,
    );
  }
  const messages: string[] = [];
  const output: string[] = [];
  await Promise.all([
    (async () => {
      for await (const line of child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
        output.push(line);
      }
    })(),
    (async () => {
      for await (const line of child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
        onLine(line);
        if (!isPackage(line) && !line.startsWith("go: downloading")) messages.push(line);
      }
    })(),
  ]);
  const { success, code, signal } = await child.status;
  if (success) return output;
  const failure = signal === null ? `exit code ${code}` : `signal ${signal}`;
  throw await explain(module, args.at(-1)!, failure, messages.join("\n"));
}

async function requiredGo(module: ToolModule): Promise<string> {
  const text = await Deno.readTextFile(new URL(`${module.folder}/go.mod`, MODULES));
  return /^go (\S+)$/m.exec(text)?.[1] ?? "1.26";
}

async function explain(module: ToolModule, what: string, failure: string, messages: string): Promise<BuildError> {
  const tail = `\n${messages.split("\n").slice(-20).join("\n").replaceAll(/^/gm, "  | ")}`;
  const tooOld = /requires go >= (\S+) \(running go (\S+?)[;)]/.exec(messages);
  if (tooOld) {
    const local = messages.includes("GOTOOLCHAIN=local")
      ? ", or have Go download it: run `go env -w GOTOOLCHAIN=auto` and unset GOTOOLCHAIN=local in the environment"
      : "";
    return new BuildError(
      `Go ${tooOld[2]} is too old to build ${what}, which needs Go ${tooOld[1]}. ` +
        `Install Go ${await requiredGo(module)} or newer (https://go.dev/dl/)${local}.${tail}`,
    );
  }
  if (/toolchain not available|download go1\S+ for/.test(messages)) {
    return new BuildError(
      `Go could not download the newer Go that ${what} needs. Install Go ${await requiredGo(module)} or newer ` +
        `(https://go.dev/dl/), or set GOPROXY to a module proxy that you can reach.${tail}`,
    );
  }
  if (isDiskFull(messages)) return diskFull(messages, tail);
  if (/missing go\.sum entry|updates to go\.mod needed|SECURITY ERROR|checksum mismatch/.test(messages)) {
    return new BuildError(
      `go.mod and go.sum in tests/lab/modules/${module.folder} do not match the download of ${what}. ` +
        `Restore both from git; if they are unchanged, empty the module cache with \`go clean -modcache\`.${tail}`,
    );
  }
  if (
    /dial tcp|no such host|i\/o timeout|connection refused|TLS handshake|unexpected EOF|proxyconnect|: \d{3} [A-Z]/
      .test(messages)
  ) {
    return new BuildError(
      `Go could not download the modules of ${what}. Check the network, and that GOPROXY (\`go env GOPROXY\`) is a ` +
        `module proxy that you can reach, then try again; finished downloads are kept.${tail}`,
    );
  }
  return new BuildError(
    `Building ${what} failed (${failure}). Try again: programs that are already built are kept. ` +
      `If Go was killed, it ran out of memory: it needs 4 GB, less with GOMAXPROCS=1.${tail}`,
  );
}

async function explainFullDisk(cache: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof BuildError || !isDiskFull(String(error))) throw error;
    throw diskFull(`${cache}: ${error}`, "");
  }
}

function isDiskFull(text: string): boolean {
  return /no space left on device|disk quota exceeded|os error 28/i.test(text);
}

function diskFull(text: string, tail: string): BuildError {
  const path = /(\/[^\s:]+):[^\n]*(?:no space left|quota exceeded|os error 28)/i.exec(text)?.[1];
  return new BuildError(
    `The disk is full${path ? ` (at ${path})` : ""}: a first build needs about 6 GB in Go's caches ` +
      `(\`go env GOCACHE GOMODCACHE\`) and 1 GB in the lab's. Free space, or set GOCACHE, GOMODCACHE, GOTMPDIR and ` +
      `KEYSTONE_LAB_CACHE to folders on a larger disk, then try again.${tail}`,
  );
}
