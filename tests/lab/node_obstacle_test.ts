import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { imageObstacle, type Machine, nodeObstacle, policyObstacle, prometheusObstacle } from "./node_obstacle.ts";

const APT = "`apt-get install -y containerd runc containernetworking-plugins iptables conntrack ipset`";
const complete: Machine = { os: "linux", root: true, has: () => true, fails: () => undefined };

for (
  const [name, machine, expected] of [
    ["nothing is missing", complete, undefined],
    ["no root", { ...complete, root: false }, /^A lab's node needs root, .*: run it as root\.$/],
    ["another system", { ...complete, os: "darwin" }, /^A lab's node runs containers and needs Linux/],
    [
      "one program is missing",
      { ...complete, has: (path: string) => !path.endsWith("/containerd-shim-runc-v2") },
      `A lab's node needs missing programs (containerd): ${APT}.`,
    ],
    [
      "all programs and root are missing",
      { ...complete, root: false, has: () => false },
      "A lab's node needs root and missing programs " +
      `(containerd, runc, containernetworking-plugins, iptables, conntrack, ipset): ${APT}.`,
    ],
    [
      "one network plugin is missing",
      { ...complete, has: (path: string) => !path.endsWith("/ptp") },
      `A lab's node needs missing programs (containernetworking-plugins): ${APT}.`,
    ],
    [
      "the network plugins are in another distribution's folder",
      { ...complete, has: (path: string) => !path.startsWith("/usr/lib/cni/") },
      undefined,
    ],
  ] as const
) {
  Deno.test(`nodeObstacle: ${name}`, () => {
    const told = nodeObstacle(machine);
    expected instanceof RegExp ? assert.match(told ?? "", expected) : assert.equal(told, expected);
  });
}

Deno.test("prometheusObstacle: promtool is missing", () => {
  assert.equal(prometheusObstacle(complete), undefined);
  assert.match(
    prometheusObstacle({ ...complete, has: (path) => !path.endsWith("/promtool") }) ?? "",
    /missing programs \(promtool\): `apt-get install -y --no-install-recommends prometheus`\.$/,
  );
});

/** Runs this folder's command or a test file with no programs in PATH. */
async function withoutPrograms(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    // As root, an empty folder is mounted over the machine's plugins, for this process only; else missing root is the
    // obstacle.
    args: [
      "--mount",
      "/bin/sh",
      "-c",
      'mount -t tmpfs tmpfs /usr/lib/cni && exec "$@"',
      "sh",
      Deno.execPath(),
      ...args,
    ],
    env: { NO_COLOR: "1", ...env },
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const OBSTACLE = `A lab's node needs missing programs (containernetworking-plugins): ${APT}.`;

Deno.test({
  name: "on a machine without a node's programs, lab up and node tests report the reason",
  ignore: nodeObstacle() !== undefined,
  fn: async (t) => {
    await t.step("lab up --node fails at once", async () => {
      const dir = Deno.makeTempDirSync({ prefix: "keystone-lab-" });
      const { code, text } = await withoutPrograms(["run", "-A", here("main.ts"), "up", "--node", "--dir", dir]);
      assert.equal(code, 1);
      assert.equal(text.trim(), `lab: ${OBSTACLE}`);
      Deno.removeSync(dir); // throws unless it is empty
    });

    await t.step("a test prints `not run` and is ignored", async () => {
      const { code, text } = await withoutPrograms(["test", "-A", here("node_test.ts")], { KEYSTONE_E2E: "auto" });
      assert.equal(code, 0, text);
      assert.ok(text.includes(`not run: ${OBSTACLE}`), text);
      assert.match(text, /0 passed \| 0 failed \| \d+ ignored/);
    });

    await t.step("with KEYSTONE_E2E=require it fails", async () => {
      const { code, text } = await withoutPrograms(["test", "-A", here("node_test.ts")], { KEYSTONE_E2E: "require" });
      assert.equal(code, 1, text);
      assert.ok(text.includes(`KEYSTONE_E2E=require, but the test can't run: ${OBSTACLE}`), text);
    });
  },
});

Deno.test("imageObstacle: buildah is missing", () => {
  assert.equal(imageObstacle(complete), undefined);
  const told = imageObstacle({ ...complete, has: (path) => !path.endsWith("/buildah") });
  assert.equal(told, "The operator's image needs buildah, which is missing: `apt-get install -y buildah`.");
});

Deno.test("policyObstacle: no node, or missing kernel modules", () => {
  assert.equal(policyObstacle(complete), undefined);
  assert.equal(policyObstacle({ ...complete, os: "darwin" }), "A lab's node runs containers and needs Linux.");
  assert.equal(
    policyObstacle({ ...complete, fails: () => "ipset v7.17: Cannot open session to kernel." }),
    "A lab's node that enforces policies needs missing kernel modules " +
      "(ipset v7.17: Cannot open session to kernel.): " +
      "`modprobe -a ip_set_hash_ip ip_set_hash_net ip_set_list_set xt_set nf_conntrack ip6_tables`.",
  );
});
