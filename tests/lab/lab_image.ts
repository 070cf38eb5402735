import { createHash } from "node:crypto";

/**
 * The pause image that containerd runs for each pod, and that a guest pod may run. Here it is agnhost, which idles by
 * default.
 */
export const PAUSE_IMAGE = "registry.k8s.io/pause:3.10";
/**
 * Kubernetes' own test program: `netexec`, `connect`, `dns-server-list` and many more, in the version of Kubernetes
 * 1.34.
 */
export const AGNHOST_IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.56";
/** The cluster's DNS. */
export const COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.15.0";

/** An image of static programs. */
export interface Image {
  /** Full names with versions, all of the same image. */
  names: string[];
  /** The program on this machine; in the image it is the entry point, with the same name, in the root folder. */
  program: string;
  /** Default arguments. */
  args?: string[];
  /** Additional programs, in the root folder, and files with their paths in the image. */
  others?: (string | { file: string; path: string })[];
}

/** Writes an image as a docker-archive for `importImages`. It contains the programs, an empty /tmp and nothing else. */
export function writeImage(path: string, image: Image): void {
  using file = Deno.openSync(path, { create: true, truncate: true, write: true });
  const programs = [image.program, ...image.others ?? []].map((each) => {
    const { file, path } = typeof each === "string" ? { file: each, path: each.slice(each.lastIndexOf("/")) } : each;
    return { path: file, name: path.slice(1), size: Deno.statSync(file).size };
  });
  const digest = createHash("sha256");
  const write = (bytes: Uint8Array, hashed: boolean) => {
    if (hashed) digest.update(bytes);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  };

  // The layer is a tar in the tar. Its digest is known only at its end, so the files that contain the digest come after
  // it.
  const layer = 512 + programs.reduce((sum, { size }) => sum + 512 + size + padding(size), 0) + 1024;
  write(tarHeader("layer.tar", layer, "0", 0o644), false);
  write(tarHeader("tmp/", 0, "5", 0o1777), true);
  for (const { path, name, size } of programs) {
    write(tarHeader(name, size, "0", 0o755), true);
    copy(path, size, (bytes) => write(bytes, true));
    write(new Uint8Array(padding(size)), true);
  }
  write(new Uint8Array(1024), true);

  const config = JSON.stringify({
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: { Entrypoint: [`/${programs[0]!.name}`], Cmd: image.args ?? [], WorkingDir: "/", Env: ["PATH=/"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest.digest("hex")}`] },
    history: [],
  });
  const manifest = JSON.stringify([{ Config: "config.json", RepoTags: image.names, Layers: ["layer.tar"] }]);
  for (const [entry, text] of [["config.json", config], ["manifest.json", manifest]] as const) {
    const bytes = new TextEncoder().encode(text);
    write(tarHeader(entry, bytes.length, "0", 0o644), false);
    write(bytes, false);
    write(new Uint8Array(padding(bytes.length)), false);
  }
  write(new Uint8Array(1024), false);
}

/** Copies exactly `size` bytes of a file. */
function copy(path: string, size: number, write: (bytes: Uint8Array) => void): void {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(1 << 20);
  for (let left = size; left > 0;) {
    const read = file.readSync(buffer.subarray(0, Math.min(left, buffer.length)));
    if (read === null) throw new Error(`${path} became shorter while it was read.`);
    write(buffer.subarray(0, read));
    left -= read;
  }
}

/** Returns the header of one entry of a tar archive (ustar), owned by root, always with the same date. */
function tarHeader(name: string, size: number, type: "0" | "5", mode: number): Uint8Array {
  const header = new Uint8Array(512);
  const put = (offset: number, text: string) => header.set(new TextEncoder().encode(text), offset);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, `${octal(mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(size, 11)}\0${octal(0, 11)}\0`);
  put(148, " ".repeat(8)); // the checksum counts itself as spaces
  put(156, type);
  put(257, "ustar\x0000");
  put(148, `${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return header;
}

/** Returns the number of bytes from the content's end to the next full block. */
function padding(size: number): number {
  return (512 - size % 512) % 512;
}
