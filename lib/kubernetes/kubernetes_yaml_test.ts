import assert from "node:assert/strict";
import { KubernetesYamlError, readKubernetesYaml } from "./kubernetes_yaml.ts";

// The whole dialect is compared with the real kubectl in tests/api/kubectl_input_test.ts.
Deno.test("YAML of Kubernetes: booleans, numbers, dates and keys as kubectl reads them", () => {
  assert.deepEqual(
    readKubernetesYaml("a: [yes, n, off, 010, 0x1F, 1_000, 1:30, 2001-12-14, 08, '1', ~]\n1: b\ny: c").value,
    {
      a: [true, false, false, 8, 31, 1000, "1:30", "2001-12-14", 8, "1", null],
      1: "b",
      true: "c",
    },
  );
});

Deno.test("YAML of Kubernetes: merge keys in the order of the text; the last of equal keys, which are reported", () => {
  const text = "x: &x {a: 1, b: 2}\nv: {<<: *x, b: 3}\nw: {b: 3, <<: *x}\nx: 5\n";
  assert.deepEqual(readKubernetesYaml(text), {
    value: { x: 5, v: { a: 1, b: 3 }, w: { a: 1, b: 2 } },
    duplicates: [{ key: "x", line: 4 }],
  });
});

for (
  const { name, text, says } of [
    { name: "broken", text: "a: 1\nb: [", says: "line 2, column 5: unexpected end" },
    { name: "an anchor that contains itself", text: "a: &a [*a]", says: "line 1: anchor 'a' value contains itself" },
    { name: "a merge of text", text: "a:\n  <<: b", says: "line 2: map merge requires map" },
    { name: "an integer that loses digits", text: "a: 1\nb: 9007199254740993", says: "line 2: an integer beyond 2^53" },
    { name: "a wrong tag", text: "a: 1\nb: !!int secret", says: "line 2: cannot decode !!str as a !!int" },
  ]
) {
  Deno.test(`YAML of Kubernetes: ${name}: error with the line, without the text`, () => {
    assert.throws(() => readKubernetesYaml(text), (error) => {
      assert.ok(error instanceof KubernetesYamlError && error.message.startsWith(says), String(error));
      return !error.message.includes("secret");
    });
  });
}

Deno.test("YAML of Kubernetes: a large integer that keeps its digits is read; so is one in quotes", () => {
  const text = "a: 9223372036854775808\nb: '9007199254740993'\n9007199254740993: c";
  assert.deepEqual(readKubernetesYaml(text).value, {
    a: 2 ** 63,
    b: "9007199254740993",
    "9007199254740993": "c",
  });
});
