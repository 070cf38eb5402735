/** `deno task run` as a newcomer meets it: what is missing is said in a sentence, and then it goes on by itself. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { eventually, grantOf, prepared, realmOf, root, step } from "../fixtures/operator.ts";
import { startOperatorProcess } from "../fixtures/operator_process.ts";
import { startLab } from "../lab/lab.ts";

Deno.test("deno task run", {
  // It stops the API server and looks at a cluster without the custom resources.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab();
  const kubectl = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const KEYSTONE_REALM = "alice-home";

  await step(t, "it waits for the API server, then for the custom resources, and goes on by itself", async () => {
    await lab.apiserver.stop();
    await using operator = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM });
    await operator.says(/127\.0\.0\.1:\d+.*Start the API server, or choose another with --context or KUBECONFIG/);
    await lab.apiserver.start();
    await operator.says(
      /The custom resource definition of Realm is missing\. Install it: kubectl apply -f crds\/; trying again/,
    );
    for (const name of ["realms", "grants"]) {
      const crd = load(await Deno.readTextFile(`${root}crds/${name}.yaml`)) as { metadata: { annotations?: unknown } };
      delete crd.metadata.annotations;
      await kubectl(["apply", "-f", "-"], JSON.stringify(crd));
    }
    await operator.says(/The custom resource definition of Realm is older \(revision 0\) than this operator/);
    await kubectl(["apply", "-f", `${root}crds/`]);
    await operator.says(/Enforcing grants; this operator holds the Lease/);
    assert.equal(
      (await kubectl(["get", "lease", "keystone-operator", "-n", "keystone-system", "-o", "jsonpath={.metadata.name}"]))
        .trim(),
      "keystone-operator",
    );
    assert.equal(await operator.stop(), 0);
    assert.match(operator.log.at(-1)!, /Stopped\./);
  });

  using cluster = await prepared(lab);

  await step(t, "a second one waits, says who acts, and takes over within 3 s of the first one's SIGTERM", async () => {
    await using first = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM });
    const line = await first.says(/holds the Lease as (\S+?)\.?$/);
    const identity = line.match(/holds the Lease as (\S+?)\.?$/)![1]!.replaceAll(/["']/g, "");
    await using second = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM });
    assert.ok((await second.says(/Waiting: .* holds the Lease/)).includes(identity));
    await cluster.createRealm("shared-home");
    await cluster.create({ name: "shared", to: "shared-home", termination: { noticeSeconds: 0 } });
    await cluster.grantIn("Active", "shared");
    const began = performance.now();
    assert.equal(await first.stop(), 0);
    await second.says(/Enforcing grants/, 3000);
    assert.ok(performance.now() - began < 3000);
    await cluster.grants.patch("shared", { spec: { revocation: {} } }, { type: "merge" });
    await cluster.grantIn("Revoked", "shared");
  });

  await step(t, "without rights it says which command gives them, and goes on once it has them", async () => {
    const KUBECONFIG = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
    await using operator = await startOperatorProcess({ KUBECONFIG, KEYSTONE_REALM });
    await operator.says(
      /forbidden.*Give the operator its rights: kubectl apply -f deploy\/kustomize\/base\/rbac\.yaml/,
    );
    await kubectl(["apply", "-f", `${root}deploy/kustomize/base/rbac.yaml`]);
    await operator.says(/Enforcing grants/);
  });

  await step(t, "with just the rights of deploy/kustomize/base it does all its work", async () => {
    const KUBECONFIG = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
    await using operator = await startOperatorProcess({ KUBECONFIG, KEYSTONE_REALM });
    await operator.says(/Enforcing grants/);
    await cluster.realms.create(realmOf("rights-home"));
    await cluster.grants.create(grantOf({
      name: "rights",
      to: "rights-home",
      destinations: ["203.0.113.0/24:443"],
      termination: { noticeSeconds: 0 },
    }));
    await cluster.grantIn("Active", "rights");
    assert.deepEqual(await cluster.policiesOf("rights-home"), [
      "default-deny",
      "dns",
      "grant-rights",
      "guest-internal",
    ]);
    await cluster.grants.patch("rights", { spec: { networkPolicy: { egressAllowed: false } } }, { type: "merge" });
    await eventually(
      "the destination is closed",
      async () => !(await cluster.policiesOf("rights-home")).includes("grant-rights") || "still open",
    );
    await cluster.grants.delete("rights");
    await eventually(
      "the Grant is gone",
      async () => (await cluster.grants.list()).items.every(({ metadata }) => metadata!.name !== "rights") || "held",
    );
    const { stdout } = await lab.kubectl(["get", "events.events.k8s.io", "-n", "default", "-o", "name"]);
    assert.ok(stdout.includes("rights"), stdout);
    assert.deepEqual(operator.log.filter((line) => /forbidden|error/i.test(line)), []);
  });

  await step(t, "a wrong setting ends it at once, with its name, value and remedy", async () => {
    await assert.rejects(
      startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM: "Alice Home" }),
      /KEYSTONE_REALM is "Alice Home", which is not the name of a realm/,
    );
    await assert.rejects(startOperatorProcess({ KUBECONFIG: `${lab.dir}/nowhere` }), /nowhere/);
  });
});
