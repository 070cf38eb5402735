/** `deno task run` for a newcomer: it reports missing prerequisites in a sentence each, and continues by itself. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { eventually, grantOf, prepared, realmOf, root, step } from "../fixtures/test_operator.ts";
import { startBothProcesses, startOperatorProcess } from "../fixtures/operator_process.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

Deno.test("deno task run", {
  // The test stops the API server, and needs a cluster without the custom resources.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab();
  const kubectl = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const KEYSTONE_REALM = "alice-home";
  const KEYSTONE_LISTEN = "127.0.0.1:0";
  const page = async (url: string) => {
    const answer = await fetch(url);
    return { status: answer.status, body: await answer.text() };
  };

  await step(t, "no API server, then no custom resources: it waits for each and continues by itself", async () => {
    await lab.apiserver.stop();
    await using operator = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM, KEYSTONE_LISTEN });
    const url = await operator.url();
    await operator.says(/127\.0\.0\.1:\d+.*Start the API server, or choose another with --context or KUBECONFIG/);
    await lab.apiserver.start();
    await operator.says(
      /The custom resource definition of Realm is missing\. Install it: kubectl apply -f crds\/; trying again/,
    );
    const early = await page(`${url}/readyz`);
    assert.equal(early.status, 503);
    assert.match(early.body, /^Not ready: The custom resource definition of Realm is missing/);
    assert.equal((await page(`${url}/healthz`)).status, 200);
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

  await step(t, "a second operator: names the leader, and takes over within 3 s of the leader's SIGTERM", async () => {
    await using first = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM, KEYSTONE_LISTEN });
    const firstUrl = await first.url();
    const line = await first.says(/holds the Lease as (\S+?)\.?$/);
    const identity = line.match(/holds the Lease as (\S+?)\.?$/)![1]!.replaceAll(/["']/g, "");
    await using second = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM, KEYSTONE_LISTEN });
    const secondUrl = await second.url();
    assert.ok((await second.says(/Waiting: .* holds the Lease/)).includes(identity));
    await cluster.createRealm("shared-home");
    await cluster.create({ name: "shared", to: "shared-home", termination: { noticeSeconds: 0 } });
    await cluster.grantIn("Active", "shared");
    assert.match((await page(`${firstUrl}/readyz`)).body, /^Ready: this operator holds the Lease/);
    const standby = await page(`${secondUrl}/readyz`);
    assert.equal(standby.status, 200);
    assert.ok(standby.body.includes(`in standby: ${identity} holds the Lease`), standby.body);
    const [metrics, others] = [await page(`${firstUrl}/metrics`), await page(`${secondUrl}/metrics`)];
    assert.match(metrics.body, /^keystone_leader 1$/m);
    assert.match(others.body, /^keystone_leader 0$/m);
    // The standby reports the same.
    for (const { body } of [metrics, others]) {
      assert.match(body, /^keystone_grants\{phase="Active"\} 1$/m);
      assert.match(
        body,
        /^keystone_grant_hard\{grant="shared",realm="shared-home",resource="requests\.cpu",grantee="shared-home"\} 1$/m,
      );
    }
    assert.match(
      metrics.body,
      /^keystone_api_requests_total\{verb="patch",resource="grants\/status",code="200"\} [1-9]/m,
    );
    assert.match(
      metrics.body,
      /^keystone_reconcile_duration_seconds_count\{controller="guests",outcome="success"\} [1-9]/m,
    );
    assert.doesNotMatch(
      others.body,
      /^keystone_api_requests_total\{verb="(patch|create)",resource="(grants|namespaces)/m,
    );
    const began = performance.now();
    assert.equal(await first.stop(), 0);
    await second.says(/Enforcing grants/, 3000);
    assert.ok(performance.now() - began < 3000);
    await eventually(
      "the second is the leader in its metrics",
      async () => /^keystone_leader 1$/m.test((await page(`${secondUrl}/metrics`)).body) || "not yet",
    );
    await cluster.grants.patch("shared", { spec: { revocation: {} } }, { type: "merge" });
    await cluster.grantIn("Revoked", "shared");
  });

  await step(t, "no rights: it names the command that gives them, and continues once it has them", async () => {
    const KUBECONFIG = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
    await using operator = await startOperatorProcess({ KUBECONFIG, KEYSTONE_REALM });
    await operator.says(
      /forbidden.*Restore the operator's permissions: kubectl apply -f deploy\/kustomize\/base\/rbac\.yaml/,
    );
    await kubectl(["apply", "-f", `${root}deploy/kustomize/base/rbac.yaml`]);
    await operator.says(/Enforcing grants/);
  });

  await step(t, "only the rights of deploy/kustomize/base: it does all its work", async () => {
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
      "the Grant is deleted",
      async () => (await cluster.grants.list()).items.every(({ metadata }) => metadata.name !== "rights") || "held",
    );
    const { stdout } = await lab.kubectl(["get", "events.events.k8s.io", "-n", "default", "-o", "name"]);
    assert.ok(stdout.includes("rights"), stdout);
    assert.deepEqual(operator.log.filter((line) => /forbidden|error/i.test(line)), []);
  });

  await step(
    t,
    "with a webhook: two processes start, and neither needs more permissions than it is given",
    async () => {
      const [port] = freePorts(1);
      await kubectl(["apply", "-k", `${root}deploy/kustomize/webhook`]);
      await using operator = startBothProcesses({
        KUBECONFIG: lab.kubeconfig,
        KEYSTONE_REALM,
        KEYSTONE_LISTEN,
        KEYSTONE_FRONT_LISTEN: "off",
        KEYSTONE_WEBHOOK: `https://127.0.0.1:${port}`,
      });
      await operator.says(/The admission webhook listens on port/);
      await eventually("the API server calls the webhook", async () => {
        const { stderr } = await lab.kubectl(["apply", "--dry-run=server", "-f", "-"], {
          stdin: JSON.stringify(grantOf({ name: "odd", to: "nobody-home" })),
        });
        return /Warning: spec.granteeRealm is nobody-home/.test(stderr) || `stderr: ${stderr || "nothing"}`;
      });
      assert.equal(await operator.stop(), 0);
      await kubectl(["delete", "validatingwebhookconfiguration", "keystone"]);
    },
  );

  await step(t, "an invalid setting: it exits at once, with the setting's name, its value and the remedy", async () => {
    await assert.rejects(
      startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM: "Alice Home" }),
      /KEYSTONE_REALM is "Alice Home", but must be the name of a realm/,
    );
    await assert.rejects(startOperatorProcess({ KUBECONFIG: `${lab.dir}/nowhere` }), /nowhere/);
    // A health port in use is no reason to stop enforcing grants, unless the port was set explicitly.
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr as Deno.NetAddr;
    await using operator = await startOperatorProcess({
      KUBECONFIG: lab.kubeconfig,
      KEYSTONE_REALM,
      KEYSTONE_LISTEN: `127.0.0.1:${port}`,
    });
    await operator.says(new RegExp(`can't be served at 127.0.0.1:${port}.*Choose another port with --listen`));
    assert.equal(await operator.stop(), 1);
  });
});
