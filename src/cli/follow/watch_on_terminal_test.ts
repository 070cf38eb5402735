// deno-lint-ignore-file no-control-regex
/** `--watch` on a real terminal (`script` of util-linux makes one), against answers of an API server written here. */
import assert from "node:assert/strict";
import { withKubeconfig } from "../../../tests/fixtures/answered_command.ts";
import { keystoneOnTerminal, terminalKeys } from "../../../tests/fixtures/keystone_terminal.ts";

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
    const { port } = server.addr as Deno.NetAddr;
    const { code, raw } = await withKubeconfig(`http://127.0.0.1:${port}`, (kubeconfig) =>
      // Twice: the lines were written again in place.
      keystoneOnTerminal(kubeconfig, ["revoke", "lent", "--watch"], [
        [/is on notice.*is on notice/, terminalKeys.interrupt],
      ], { columns: 60 }));
    assert.equal(code, 130);
    assert.match(raw, /\x1b\[\d+A\r/);
    assert.match(raw, /\d+ d( \d+ h)? left.*Grant\s+lent is on notice\./s);
    for (const row of raw.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/[\r\n]+/)) {
      if (/left,|with the reason "moving"\./.test(row) && !row.startsWith("Grant lent is revoked")) {
        assert.ok([...row].length < 60, row);
      }
    }
    assert.match(
      raw,
      /\x1b\[\?25h[\s\S]*Stopped waiting\. The grant ends anyway\. Wait again: keystone grant revoke lent --wait/,
    );
  },
});
