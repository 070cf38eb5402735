/** `keystone version`, and the note about an operator of another version, against answers that are written here. */
import assert from "node:assert/strict";
import { poll } from "../../tests/lab/poll.ts";
import { answeredCommand, serveAnswers } from "../../tests/fixtures/answered_command.ts";
import { keystone } from "../../tests/fixtures/keystone_command.ts";
import { createRestClient, Kubeconfig } from "../../lib/kubernetes/mod.ts";
import { version } from "../version.ts";
import { compareVersions, VersionHint, versionNote } from "./version_hint.ts";

const path = "/apis/apps/v1/namespaces/keystone-system/statefulsets/keystone-operator";
const operator = (image: string, labels: Record<string, string> = {}) => ({
  [path]: {
    metadata: { name: "keystone-operator", labels },
    spec: { template: { spec: { containers: [{ name: "operator", image }] } } },
  },
});
const label = "app.kubernetes.io/version";

Deno.test("versions are compared by their numbers, and a release is newer than what led to it", () => {
  const ordered = ["0.2.0", "0.9.0", "0.10.0-rc.2", "0.10.0-rc.10", "0.10.0", "1.0.0"];
  assert.deepEqual(ordered.toReversed().sort(compareVersions), ordered);
  assert.equal(compareVersions("1.0.0+a", "1.0.0+b"), 0);
});

Deno.test("the note: says which of both is older, and none if they are alike", () => {
  assert.match(versionNote("0.2.0", "0.1.0")!, /operator has version 0\.2\.0, this command 0\.1\.0, which is older/);
  assert.match(versionNote("0.1.0", "0.2.0")!, /which is newer/);
  assert.equal(versionNote("0.2.0", "0.2.0"), undefined);
});

for (
  const [name, answers, line] of [
    ["the image's tag", operator("example.com/o:9.0.0"), "operator 9.0.0"],
    [
      "the label, if the image has a digest only",
      operator("example.com/o@sha256:1", { [label]: "9.0.0" }),
      "operator 9.0.0",
    ],
    ["the tag before the label", operator("example.com/o:9.0.1", { [label]: "9.0.0" }), "operator 9.0.1"],
    [
      "not from the label of an image of one's own",
      operator("example.com/o:mine", { [label]: "9.0.0" }),
      "operator unknown: the image example.com/o:mine has no version as its tag",
    ],
  ] as const
) {
  Deno.test(`keystone version: from ${name}`, async () => {
    const { code, out, err } = await answeredCommand(["version"], answers);
    assert.deepEqual([code, out], [0, `keystone ${version}\n${line}`]);
    assert.match(err, line.includes("unknown") ? /^$/ : /^Note: the cluster's operator has version 9.*older\. Update/);
  });
}

Deno.test("keystone version: programs get both, without a note; without a cluster the own one", async () => {
  const said = await answeredCommand(["version", "-o", "json"], operator("example.com/o:9.0.0"));
  assert.deepEqual([said.code, said.json(), said.err], [0, { command: version, operator: "9.0.0" }, ""]);
  const none = await keystone("/nowhere", ["version"]);
  assert.equal(none.code, 0);
  assert.match(none.out, /^keystone \d.*\noperator unknown: There is no kubeconfig at \/nowhere/);
  assert.deepEqual((await keystone("/nowhere", ["version", "--client"])).out, `keystone ${version}`);
});

/** Sends a request with the hint beside it, for a context of this namespace. Returns the paths that were asked for. */
async function besides(namespace: string, use: (hint: VersionHint, paths: readonly string[]) => Promise<void>) {
  const paths: string[] = [];
  const answer = (body: unknown) => (request: Request) => {
    paths.push(new URL(request.url).pathname);
    return Response.json(body);
  };
  await serveAnswers(
    { "/version": answer({}), [path]: answer(operator("example.com/o:9.0.0")[path]) },
    async (kubeconfig) => {
      const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
      using plain = createRestClient({ ...config, namespace }, { userAgent: "test" });
      const hint = new VersionHint();
      const rest = hint.follow(plain, plain);
      assert.deepEqual(paths, []);
      await rest.performRequest({ method: "GET", path: "/version" });
      await rest.performRequest({ method: "GET", path: "/version" });
      await use(hint, paths);
    },
  );
}

Deno.test("the hint: asks once, after the first answer, and knows the version when it came", () =>
  besides("default", async (hint, paths) => {
    await poll("the answer", () => Promise.resolve(hint.note !== undefined || "none yet"), { withinMs: 30_000 });
    assert.match(hint.note!, /9\.0\.0/);
    assert.equal(paths[0], "/version");
    assert.equal(paths.filter((each) => each === path).length, 1);
  }));

Deno.test("the hint: asks nothing as a guest, who may not read it", () =>
  besides("guest-bob-home", (hint, paths) => {
    assert.deepEqual([hint.note, paths], [undefined, ["/version", "/version"]]);
    return Promise.resolve();
  }));
