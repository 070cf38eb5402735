/**
 * `deno task image --output FILE.tar`: builds the operator's image from deploy/Containerfile and writes it as an archive
 * that `k3s ctr images import`, `ctr -n k8s.io images import`, `kind load image-archive` and `docker load` take.
 */
import { parseArgs } from "node:util";
import { version } from "../src/version.ts";
import { assembleBase } from "./local_base.ts";

/** Name of the image in the manifests and in the chart. */
export const imageName = `ghcr.io/keystone-ha/keystone-operator:${version}`;
const root = new URL("..", import.meta.url).pathname;

const usage = `Builds the operator's image, with docker, podman or buildah.

  deno task image --output FILE.tar

  --output FILE       path of the archive
  --tag NAME          name of the image (default ${imageName})
  --base pull|local   pull: the base in deploy/Containerfile; local: a base made from this machine's deno and its libraries,
                      which needs buildah (default: pull, or local if no registry can be reached)
  --version TEXT      version in the image's labels (default ${version})
`;

export interface ImageOptions {
  output: string;
  tag?: string;
  base?: "pull" | "local";
  version?: string;
  /** Folder with the Containerfile and the files that it copies; default: the project, with deploy/Containerfile. */
  context?: string;
  say?: (line: string) => void;
}

/** Builds the image; throws an error with a message for the user. */
export async function buildImage(options: ImageOptions): Promise<void> {
  const { say = (line) => console.error(line) } = options;
  const tool = ["buildah", "podman", "docker"].find(inPath);
  if (tool === undefined) {
    throw new Error(
      "Building an image needs buildah, podman or docker, but none is in PATH: `apt-get install -y buildah`.",
    );
  }
  if (tool !== "buildah") {
    if (options.base === "local") throw new Error("--base local needs buildah: `apt-get install -y buildah`.");
    const { tag = imageName, output } = options;
    await run([tool, "build", ...await labels(options), ...sourceOf(options), "--tag", tag, options.context ?? root]);
    await Deno.remove(output).catch(() => {});
    return await run([tool, "save", "--output", output, tag]);
  }
  const storage = await Deno.makeTempDir({ prefix: "keystone-image-" });
  // A separate storage: nothing of it stays, and existing images are not touched.
  const buildah = ["buildah", "--root", `${storage}/root`, "--runroot", `${storage}/run`, "--storage-driver", "vfs"];
  try {
    await buildWith(buildah, storage, options, say);
  } finally {
    await Deno.remove(storage, { recursive: true });
  }
}

async function buildWith(
  buildah: string[],
  storage: string,
  { output, tag = imageName, base, ...options }: ImageOptions,
  say: (line: string) => void,
): Promise<void> {
  const name = await baseName();
  if (base !== "local") {
    const pulled = await complaint([...buildah, "pull", "--quiet", name]);
    if (pulled !== undefined && base === "pull") throw new Error(`The base ${name} can't be pulled: ${pulled}`);
    if (pulled !== undefined) say(`The base ${name} can't be pulled; using this machine's deno instead.`);
    base = pulled === undefined ? "pull" : "local";
  }
  if (base === "local") await assembleBase({ buildah, folder: storage, name, run });
  // The local base has no certificate authorities; it uses this machine's while it fetches the dependencies.
  const authorities = "/etc/ssl/certs/ca-certificates.crt";
  const trust = base === "local" && await Deno.stat(authorities).then(() => true, () => false)
    ? ["--volume", `${authorities}:${authorities}:ro`, "--build-arg", `NODE_EXTRA_CA_CERTS=${authorities}`]
    : [];
  await run([
    ...buildah,
    "build",
    "--isolation",
    "chroot",
    "--pull=false",
    "--quiet",
    ...trust,
    ...await labels(options),
    ...sourceOf(options),
    "--ignorefile",
    `${root}.dockerignore`,
    "--tag",
    tag,
    options.context ?? root,
  ]);
  await Deno.remove(output).catch(() => {});
  await run([...buildah, "push", "--quiet", tag, `docker-archive:${output}:${tag}`]);
}

const sourceOf = ({ context }: Pick<ImageOptions, "context">): string[] => [
  "--file",
  context === undefined ? `${root}deploy/Containerfile` : `${context}/Containerfile`,
];

async function labels({ version: given = version }: { version?: string }): Promise<string[]> {
  const { code, stdout } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"], cwd: root, stderr: "null" })
    .output().catch(() => ({ code: 1, stdout: new Uint8Array() }));
  const revision = code === 0 ? new TextDecoder().decode(stdout).trim() : "unknown";
  return ["--build-arg", `VERSION=${given}`, "--build-arg", `REVISION=${revision}`];
}

/** Returns the name of the base in the Containerfile. */
export async function baseName(): Promise<string> {
  const text = await Deno.readTextFile(`${root}deploy/Containerfile`);
  const [, deno] = /^ARG DENO_VERSION=(\S+)$/m.exec(text)!;
  const [, name] = /^FROM (\S+)$/m.exec(text)!;
  return name!.replace("${DENO_VERSION}", deno!);
}

function inPath(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

async function run([program, ...args]: string[]): Promise<void> {
  const failure = await complaint([program!, ...args]);
  if (failure !== undefined) {
    throw new Error(`${program} ${args.find((arg) => !arg.startsWith("-"))} failed: ${failure}`);
  }
}

/** Runs a program and returns the end of its output if it fails; undefined if it succeeds. */
async function complaint([program, ...args]: string[]): Promise<string | undefined> {
  const { success, stderr, stdout } = await new Deno.Command(program!, { args, cwd: root, stdin: "null" }).output();
  if (success) return undefined;
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  return said.trim().split("\n").slice(-15).join("\n");
}

if (import.meta.main) {
  try {
    const { values } = parseArgs({
      args: Deno.args.filter((arg, index) => !(arg === "--" && index === 0)),
      options: {
        output: { type: "string", short: "o" },
        tag: { type: "string" },
        base: { type: "string" },
        version: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) {
      console.log(usage);
      Deno.exit(0);
    }
    const { output, tag, base, version } = values;
    if (!output) throw new Error(`--output is not set. Set it to the path of the archive.\n\n${usage}`);
    if (base !== undefined && base !== "pull" && base !== "local") {
      throw new Error(`--base is "${base}". It must be pull or local.`);
    }
    const from = Deno.env.get("INIT_CWD") ?? Deno.cwd();
    const path = output.startsWith("/") ? output : `${from}/${output}`;
    await buildImage({
      output: path,
      ...(tag ? { tag } : {}),
      ...(base ? { base } : {}),
      ...(version ? { version } : {}),
    });
    const { size } = await Deno.stat(path);
    console.log(`Wrote ${tag ?? imageName} to ${path} (${Math.round(size / 1e6)} MB).`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
