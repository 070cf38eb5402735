/** `keystone explain grant` for a guest, against answers of an API server that are written here. */
import assert from "node:assert/strict";
import { answeredCommand, type WrittenAnswers } from "../../../tests/fixtures/answered_command.ts";
import { guideKey } from "../../core/guest/objects/guide.ts";
import { textWidth } from "../wrapped_text.ts";

const namespace = "/api/v1/namespaces/guest-bob-home";
const list = (...items: unknown[]) => ({ metadata: { resourceVersion: "9" }, items });
const meta = (name: string) => ({ name, namespace: "guest-bob-home", uid: name, resourceVersion: "1" });
const counts = [
  "configmaps",
  "persistentvolumeclaims",
  "secrets",
  "serviceaccounts",
  "services",
  "replicationcontrollers",
];
const hard: Record<string, string> = {
  "requests.cpu": "2",
  "limits.cpu": "2",
  "requests.memory": "4Gi",
  "limits.memory": "4Gi",
  pods: "20",
  ...Object.fromEntries([...counts, ...["jobs.batch", "deployments.apps"].map((key) => `count/${key}`)].map((key) => [
    key,
    "100",
  ])),
  "requests.storage": "0",
  "services.nodeports": "0",
};
const used = { "requests.cpu": "500m", "limits.cpu": "1900m", "requests.memory": "1Gi", configmaps: "3", pods: "1" };
const answers: WrittenAnswers = {
  [`${namespace}/configmaps/keystone`]: {
    metadata: meta("keystone"),
    data: { [guideKey]: `- name: alice-to-bob\n  hard: ${JSON.stringify(hard)}\n` },
  },
  [`${namespace}/resourcequotas`]: list({ metadata: meta("keystone"), spec: { hard }, status: { hard, used } }),
  [`${namespace}/pods`]: list(),
  [`${namespace}/limitranges`]: list(),
  [`${namespace}/events`]: list(),
};

Deno.test("a guest's grant with many keys: the used ones each, near the end first, the others in two lines", async () => {
  const { code, out } = await answeredCommand(["explain", "grant", "alice-to-bob"], answers);
  assert.equal(code, 0, out);
  const keys = out.split("\n").map((line) => /^ {2}. (.*?):/.exec(line)?.[1]).filter((key) => key !== undefined);
  assert.deepEqual(keys.filter((key) => key in hard || /other amounts|not granted/.test(key)), [
    "requests.cpu",
    "limits.cpu",
    "requests.memory",
    "limits.memory",
    "pods",
    "other amounts",
    "not granted",
  ]);
  assert.match(out, /✓ other amounts: 8 keys with plenty left: configmaps, \S.* and 2 more\. -o wide shows each\./);
  assert.match(out, /✓ not granted: 2 keys with nothing: requests\.storage, services\.nodeports\./);
});

Deno.test("the same with -o wide and in JSON: every key by itself", async () => {
  const wide = await answeredCommand(["explain", "grant", "alice-to-bob", "-o", "wide"], answers);
  const json = await answeredCommand(["explain", "grant", "alice-to-bob", "-o", "json"], answers);
  const { chain } = json.json() as { chain: Record<string, string>[] };
  for (const key of Object.keys(hard)) {
    assert.ok(wide.out.includes(` ${key}: `), key);
    assert.deepEqual(Object.keys(chain.find(({ what }) => what === key)!), ["what", "status", "message"]);
  }
});

Deno.test("on terminals of 60 to 200 columns: no line is wider", async () => {
  for (const width of [60, 80, 120, 200]) {
    const env = { NO_COLOR: "1" };
    const { out } = await answeredCommand(["grant", "explain", "alice-to-bob"], answers, {
      terminal: true,
      width,
      env,
    });
    for (const line of out.split("\n")) assert.ok(textWidth(line) <= width, line);
  }
});
