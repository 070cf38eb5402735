// deno-lint-ignore-file no-control-regex
/** `--watch` on a real terminal (`script` of util-linux makes one), against answers of an API server written here. */
import assert from "node:assert/strict";
import { join } from "node:path";

const root = new URL("../../../", import.meta.url).pathname;
const ends = "2099-06-01T12:05:00Z";
const grant = {
  apiVersion: "keystone.io/v1alpha1",
  kind: "Grant",
  metadata: { name: "lent", uid: "g1", resourceVersion: "1", generation: 1 },
  spec: { grantorRealm: "alice-home", granteeRealm: "bob-home", hard: { cpu: "1" }, revocation: { reason: "moving" } },
  status: {
    phase: "Active",
    state: "Ending",
    observedGeneration: 1,
    effectiveUntil: ends,
    conditions: [{
      type: "Draining",
      status: "True",
      reason: "Revoked",
      message: `Ends at ${ends}: it was revoked, with the reason "moving".`,
      lastTransitionTime: ends,
    }],
  },
};

Deno.test({
  name: "revoke --watch on a terminal: lines in place, and Ctrl-C ends the waiting with what goes on",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname.endsWith("/grants/lent")) return Response.json(grant);
      if (searchParams.has("watch")) return new Response(new ReadableStream());
      const items = pathname.endsWith("/grants") ? [grant] : [];
      return Response.json({ metadata: { resourceVersion: "1" }, items });
    });
    const dir = await Deno.makeTempDir();
    const kubeconfig = join(dir, "kubeconfig");
    const named = (name: string, key: string, value: unknown) => [{ name, [key]: value }];
    await Deno.writeTextFile(
      kubeconfig,
      JSON.stringify({
        "current-context": "c",
        "clusters": named("c", "cluster", { server: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}` }),
        "users": named("u", "user", {}),
        "contexts": named("c", "context", { cluster: "c", user: "u" }),
      }),
    );
    try {
      const line =
        `stty cols 60 rows 20; exec '${Deno.execPath()}' run -A --no-check '${root}src/cli/main.ts' revoke lent --watch`;
      const child = new Deno.Command("script", {
        args: ["-qec", line, "/dev/null"],
        cwd: root,
        env: { KUBECONFIG: kubeconfig, TERM: "xterm" },
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const writer = child.stdin.getWriter();
      let screen = "";
      let interrupted = false;
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
        screen += text;
        // Twice: the lines were written again in place.
        if (!interrupted && /\x1b\[\d+A\r.*is on notice/s.test(screen)) {
          interrupted = true;
          await writer.write(new TextEncoder().encode("\x03"));
        }
      }
      await writer.close().catch(() => {});
      const { code } = await child.status;
      assert.equal(code, 130);
      assert.match(screen, /\d+ d( \d+ h)? left.*Grant\s+lent is on notice\./s);
      for (const row of screen.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/[\r\n]+/)) {
        if (/left,|with the reason "moving"\./.test(row) && !row.startsWith("Grant lent is revoked")) {
          assert.ok([...row].length < 60, row);
        }
      }
      assert.match(
        screen,
        /\x1b\[\?25h[\s\S]*Stopped waiting\. The grant ends anyway\. Wait again: keystone grant revoke lent --wait/,
      );
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
