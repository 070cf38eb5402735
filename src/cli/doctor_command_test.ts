import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { guardBindings } from "./doctor_command.ts";

const base = new URL("../../deploy/kustomize/base/", import.meta.url);

interface Manifest {
  kind: string;
  metadata: { name: string };
  spec: { validationActions?: string[] };
}

Deno.test("doctor: a binding of a refusing policy is added: doctor checks it too", async () => {
  const texts = await Promise.all(
    ["guards.yaml", "guest-guards.yaml"].map((file) => Deno.readTextFile(new URL(file, base))),
  );
  const manifests = texts.flatMap((text) => loadAll(text) as unknown as Manifest[]);
  const refusing = manifests.filter(({ kind, spec }) =>
    kind === "ValidatingAdmissionPolicyBinding" && spec.validationActions?.includes("Deny")
  );
  assert.deepEqual([...guardBindings].sort(), refusing.map(({ metadata }) => metadata.name).sort());
});
