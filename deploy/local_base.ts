/**
 * Replaces the base image of deploy/Containerfile on machines without access to an image registry: only this machine's deno
 * and the libraries that it is linked with, as in the distroless original.
 */

export interface BaseOptions {
  /** The buildah command with its flags. */
  buildah: readonly string[];
  /** An empty folder for temporary files. */
  folder: string;
  /** Name of the new image. */
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

/** Returns the paths of a program's shared libraries and of its loader. */
export async function librariesOf(program: string): Promise<string[]> {
  const { success, stdout } = await new Deno.Command("ldd", { args: [program] }).output();
  if (!success) throw new Error(`ldd can't list the libraries of ${program}. Use --base pull.`);
  const lines = new TextDecoder().decode(stdout).split("\n");
  const paths = lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  // Libraries that are loaded only for name lookups.
  const names = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];
  const folder = paths.find((path) => path.endsWith("/libc.so.6"))?.replace("libc.so.6", "");
  const extra = folder ? names.map((name) => folder + name) : [];
  return [...paths, ...await Promise.all(extra.map(async (path) => await exists(path) ? [path] : []))].flat();
}

const exists = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);
