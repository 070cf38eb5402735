import assert from "node:assert/strict";
import fc from "fast-check";
import { hostPort, readServers, serversFrom } from "./resolv_conf.ts";

const cases: [string, string, string[]][] = [
  ["a pod's", "search a.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n", ["10.96.0.10:53"]],
  ["IPv6, written with brackets", "nameserver FD00:0::A\n", ["[fd00::a]:53"]],
  ["comments, tabs and carriage returns", "# nameserver 192.0.2.9\r\n;x\nnameserver\t192.0.2.1  # ours\r\n", [
    "192.0.2.1:53",
  ]],
  ["duplicates and more than three", [1, 1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}`).join("\n"), [
    "192.0.2.1:53",
    "192.0.2.2:53",
    "192.0.2.3:53",
  ]],
  ["unusable servers", "nameserver fe80::1%eth0\nnameserver dns.example\nnameserver 192.0.2.1", [
    "192.0.2.1:53",
  ]],
  ["none: this computer", "search example.com\nnameserver\n", ["127.0.0.1:53"]],
];

for (const [what, text, expected] of cases) {
  Deno.test(`resolv.conf: ${what}`, () => assert.deepEqual(serversFrom(text).map(hostPort), expected));
}

Deno.test("resolv.conf: any text: one to three servers", () => {
  const line = fc.oneof(fc.string(), fc.string().map((text) => `nameserver ${text}`), fc.ipV4(), fc.ipV6());
  fc.assert(fc.property(fc.array(line), (lines) => {
    const { length } = serversFrom(lines.join("\n"));
    assert(length >= 1 && length <= 3);
  }));
});

Deno.test("resolv.conf: file doesn't exist: counts as empty", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.deepEqual((await readServers(`${folder}/none`)).map(hostPort), ["127.0.0.1:53"]);
    await Deno.writeTextFile(`${folder}/some`, "nameserver 192.0.2.1");
    assert.deepEqual((await readServers(`${folder}/some`)).map(hostPort), ["192.0.2.1:53"]);
    await assert.rejects(readServers(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
