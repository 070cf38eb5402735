/**
 * A stand-in for the base that deploy/Containerfile names, for machines that reach no registry of images: this machine's
 * deno with the libraries that it is linked with, and nothing else, as in the distroless original.
 */

export interface BaseOptions {
  /** buildah and its flags. */
  buildah: readonly string[];
  /** An empty place to work in. */
  folder: string;
  /** The name that the image gets. */
  name: string;
  run: (command: string[]) => Promise<void>;
}

export async function assembleBase({ buildah, folder, name, run }: BaseOptions): Promise<void> {
  const base = `${folder}/base`;
  const deno = await Deno.realPath(Deno.execPath());
  await copy(deno, `${base}/bin/deno`);
  for (const library of await librariesOf(deno)) await copy(library, `${base}${library}`);
  await Deno.mkdir(`${base}/etc`, { recursive: true });
  await Deno.writeTextFile(
    `${base}/etc/passwd`,
    "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
  );
  await Deno.mkdir(`${base}/tmp`, { mode: 0o1777 });
  await Deno.writeTextFile(`${folder}/Containerfile`, 'FROM scratch\nCOPY base /\nENTRYPOINT ["/bin/deno"]\n');
  await run([...buildah, "build", "--isolation", "chroot", "--quiet", "--tag", name, folder]);
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(from, to);
}

/** Paths of the shared libraries of a program, and of its loader. */
async function librariesOf(program: string): Promise<string[]> {
  const { success, stdout } = await new Deno.Command("ldd", { args: [program] }).output();
  if (!success) throw new Error(`ldd can't say which libraries ${program} needs; build with --base pull.`);
  const lines = new TextDecoder().decode(stdout).split("\n");
  const paths = lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  // Loaded by name only when names are looked up.
  const names = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];
  const folder = paths.find((path) => path.endsWith("/libc.so.6"))?.replace("libc.so.6", "");
  const extra = folder ? names.map((name) => folder + name) : [];
  return [...paths, ...await Promise.all(extra.map(async (path) => await exists(path) ? [path] : []))].flat();
}

const exists = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);
