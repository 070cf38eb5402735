import assert from "node:assert/strict";
import { build, BuildError } from "./build.ts";

/** Runs `body` with a fake Go command: a shell script that gets Go's arguments. */
async function withGo(script: string, body: (go: string, cache: string, said: () => string) => Promise<void>) {
  const dir = Deno.makeTempDirSync({ prefix: "keystone-lab-build-" });
  try {
    Deno.writeTextFileSync(`${dir}/go`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await body(`${dir}/go`, `${dir}/cache`, () => said);
  } finally {
    Deno.removeSync(dir, { recursive: true });
    said = "";
  }
}

let said = "";
const terminal = {
  isTerminal: () => false,
  writeSync(bytes: Uint8Array) {
    said += new TextDecoder().decode(bytes);
    return bytes.length;
  },
};

/** Writes its arguments to the file of `-o`. */
const GOOD = `
case $1 in
list) printf 'stale dependency: runtime\\n\\n' ;;
build) for a; do case $a in -o=*) echo "$@" >"\${a#-o=}"; echo "$CGO_ENABLED $GOWORK" >>"\${a#-o=}";; esac; done; echo 'some/package' >&2 ;;
esac`;

Deno.test("each program is built once, with its version; later calls are silent no-ops", () =>
  withGo(GOOD, async (go, cache, said) => {
    const binaries = await build(["kubernetes"], { go, cache, terminal });
    assert.deepEqual(Object.keys(binaries).sort(), [
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubectl",
    ]);
    const line = Deno.readTextFileSync(binaries["kube-apiserver"]!);
    assert.match(line, /-mod=readonly -trimpath -ldflags=-s -w .*version\.gitVersion=v1\.34\.4 .*cmd\/kube-apiserver/);
    assert.match(line, /^0 off$/m);
    assert.match(said(), /^lab: checking the Go modules\n/);

    const before = said();
    const [etcd] = [binaries.etcd!];
    const { mtime } = Deno.statSync(etcd);
    assert.deepEqual(await build(["kubernetes"], { go: "/nonexistent/go", cache, terminal }), binaries);
    assert.deepEqual(Deno.statSync(etcd).mtime, mtime);
    assert.equal(said(), before);
    const leftovers = [...Deno.readDirSync(cache)].map((entry) => entry.name).filter((name) => name.startsWith("."));
    assert.deepEqual(leftovers, []);
  }));

Deno.test("a failed build leaves no partial program and keeps finished ones", () =>
  withGo(
    `case "$*" in *cmd/kube-apiserver) [ $1 = build ] && { echo 'x.go:1: bad' >&2; exit 1; } ;; esac; ${GOOD}`,
    async (go, cache) => {
      await assert.rejects(build(["kubernetes"], { go, cache, terminal }), (error: BuildError) => {
        assert.match(error.message, /Building k8s\.io\/kubernetes\/cmd\/kube-apiserver failed \(exit code 1\)/);
        assert.match(error.message, /\| x\.go:1: bad/);
        return true;
      });
      const [folder] = [...Deno.readDirSync(cache)].filter((entry) => entry.isDirectory);
      assert.deepEqual([...Deno.readDirSync(`${cache}/${folder!.name}`)].map((entry) => entry.name), ["etcd"]);
    },
  ));

Deno.test("two processes never build at the same time; the second finds the first's programs", () =>
  withGo(`echo run >>"$0.runs"; ${GOOD}`, async (go, cache, said) => {
    await Promise.all([1, 2].map(() => build(["policy"], { go, cache, terminal })));
    assert.equal(Deno.readTextFileSync(`${go}.runs`), "run\nrun\n"); // one list, one build
    assert.match(said(), /lab: another process \(pid \d+\) is building|lab: another process is building/);
  }));

Deno.test("the cache folder depends on go.mod and go.sum", () =>
  withGo(GOOD, async (go, cache) => {
    const { cyclonus } = await build(["policy"], { go, cache, terminal });
    const { etcd } = await build(["kubernetes"], { go, cache, terminal });
    assert.match(cyclonus!, /\/cyclonus-[0-9a-f]{16}\/cyclonus$/);
    assert.match(etcd!, /\/kubernetes-[0-9a-f]{16}\/etcd$/);
  }));

Deno.test("no Go: the error names it and where to get it", async () => {
  await withGo("", async (_go, cache) => {
    await assert.rejects(
      build(["policy"], { go: "go-that-nobody-has", cache, terminal }),
      /`go-that-nobody-has` is not in PATH; .* Install Go 1\.26\S* or newer \(https:\/\/go\.dev\/dl\/\)/,
    );
  });
});

for (
  const [name, output, expected] of [
    [
      "a Go that is too old and can't download a newer one",
      "go: go.mod requires go >= 1.26.5 (running go 1.24.1; GOTOOLCHAIN=local)",
      /Go 1\.24\.1 is too old .* needs Go 1\.26\.5\. .*GOTOOLCHAIN=auto/,
    ],
    [
      "a download that fails",
      'go: k8s.io/api@v0.34.4: Get "https://proxy.example/mod": dial tcp: lookup proxy.example: no such host',
      /could not download the modules .*GOPROXY[^]*\| go: k8s\.io\/api@v0\.34\.4/,
    ],
    [
      "a full disk",
      "write /home/bob/.cache/go-build/ab/cd: no space left on device",
      /The disk is full \(at \/home\/bob\/\.cache\/go-build\/ab\/cd\): .*GOCACHE/,
    ],
    ["a go.sum that doesn't match", "go: missing go.sum entry for module", /Restore both from git/],
  ] as const
) {
  Deno.test(`${name}: the error has the remedy`, () =>
    withGo(`echo '${output}' >&2; exit 1`, async (go, cache) => {
      await assert.rejects(build(["policy"], { go, cache, terminal }), (error: BuildError) => {
        assert.ok(error instanceof BuildError);
        assert.match(error.message, expected);
        return true;
      });
    }));
}
