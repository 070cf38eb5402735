/**
 * `keystone doctor` on a real API server with the operator, its webhook and everything of deploy/kustomize: it finds each
 * change of what is installed, and its remedies end what it found.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { Kubeconfig, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { AdmissionregistrationV1Api } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { definitionFindings } from "../../src/cli/doctor/definition_findings.ts";
import type { DoctorFinding } from "../../src/cli/doctor/doctor_finding.ts";
import { guardFindings, isGuard } from "../../src/cli/doctor/guard_findings.ts";
import { apiResourceOf } from "../../src/cli/doctor/installed_objects.ts";
import { byKubectl } from "../../src/cli/doctor/restore_command.ts";
import { readInstalledObjects } from "../../src/cli/doctor/read_installed.ts";
import { roleFindings } from "../../src/cli/doctor/role_findings.ts";
import { guestAttacks } from "../../src/cli/doctor/guest_attacks.ts";
import { shippedManifests, type ShippedObject } from "../../src/cli/doctor/shipped_manifests.ts";
import { HandoverWriter } from "../../src/front/handover.ts";
import { installed, policiesInForce } from "../fixtures/in_force.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import { tailnetOf } from "../fixtures/stand_ins.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

type Spec = Record<string, unknown>;

Deno.test("doctor", {
  // The test changes the guards, and the API server has to reach this process on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const { rest } = cluster;
  const { kubectl } = await build(["kubernetes"]);
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const [port] = freePorts(1);
  const place = { url: `https://127.0.0.1:${port}` };
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  await using leaving = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  leaving.defer(() => Deno.remove(folder, { recursive: true }));
  const operator = await startOperator(lab, {
    kubeconfig,
    realm: "alice-home",
    webhook: { place, handover: new HandoverWriter(folder, config) },
    tailnet: tailnetOf(
      { name: "alice-home", stableID: "n-alice", addresses: ["100.64.0.1"], online: true },
      { name: "bob-home", stableID: "n-bob", addresses: ["100.64.0.2"], online: true },
    ),
  });
  leaving.defer(() => operator.stop());
  const front = await startFrontProcess({
    KEYSTONE_HANDOVER: folder,
    KEYSTONE_WEBHOOK: place.url,
    KEYSTONE_REALM: "alice-home",
  });
  leaving.defer(async () => void await front.stop());
  await front.url();
  await cluster.createRealm("bob-home", { subjects: [{ kind: "User", name: "bob" }] });
  await cluster.create({ name: "alice-to-bob", to: "bob-home", destinations: ["0.0.0.0/0"] });
  await cluster.grantIn("Active", "alice-to-bob");

  const findings = async (kubeconfig = lab.kubeconfig): Promise<DoctorFinding[]> =>
    (await keystone(kubeconfig, ["doctor", "-o", "json"])).json().checks;
  const open = async (name: string): Promise<DoctorFinding[]> =>
    (await findings()).filter((each) => each.name === name && each.status !== "ok");
  /** Runs a remedy as its reader would: in a shell, in the project's folder. */
  const run = async (remedy: string) => {
    const { code, stdout, stderr } = await runCommand("sh", ["-c", remedy], {
      cwd: root,
      env: { KUBECONFIG: lab.kubeconfig, PATH: `${dirname(kubectl!)}:${Deno.env.get("PATH")}` },
    });
    assert.equal(code, 0, `${remedy}\n${stdout}${stderr}`);
  };
  const apiOf = (manifest: ShippedObject) =>
    new ResourceApi(rest, apiResourceOf(manifest), manifest.metadata.namespace);
  const { base, webhook, definitions } = shippedManifests();
  const guards = base.filter(isGuard);

  /** Changes an object, returns what `check` finds then, and restores it. */
  const changed = async (
    manifest: ShippedObject,
    change: (live: ShippedObject) => void,
    check: () => Promise<DoctorFinding[]>,
  ): Promise<DoctorFinding[]> => {
    const api = apiOf(manifest);
    const { name } = manifest.metadata;
    const live = await api.get(name);
    const edited = structuredClone(live);
    change(edited as ShippedObject);
    await api.replace(edited);
    const found = await check();
    const resourceVersion = (await api.get(name)).metadata.resourceVersion!;
    await api.replace({ ...live, metadata: { ...live.metadata, resourceVersion } });
    return found;
  };
  const guardsOf = async (objects: readonly ShippedObject[] = guards) =>
    guardFindings((await readInstalledObjects(rest, objects)).installed, byKubectl);
  /** Returns a guard with its policy and the bindings of that. */
  const family = (guard: ShippedObject): ShippedObject[] => {
    const policy = (guard.spec as { policyName?: string }).policyName ?? guard.metadata.name;
    return guards.filter(({ metadata, spec }) =>
      metadata.name === policy || (spec as { policyName?: string }).policyName === policy
    );
  };
  const onlyOne = (found: DoctorFinding[], expected: RegExp, what: string) => {
    assert.equal(found.length, 1, `${what}: ${JSON.stringify(found)}`);
    assert.match(found[0]!.message, expected);
    assert.notEqual(found[0]!.remedy, "");
    return found[0]!;
  };

  await step(t, "a healthy cluster: nothing to warn of", async () => {
    const spec = { podCIDR: "10.244.0.0/24", podCIDRs: ["10.244.0.0/24"] };
    assert.equal((await cluster.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "n1" }, spec })).code, 0);
    const allocatable = { cpu: "8", memory: "16Gi", pods: "110" };
    const status = { capacity: allocatable, allocatable, conditions: [{ type: "Ready", status: "True" }] };
    await run(`kubectl patch node n1 --subresource=status --type=merge -p '${JSON.stringify({ status })}'`);
    await eventually("doctor finds nothing", async () => {
      const wrong = (await findings()).filter(({ status }) => status === "warn" || status === "fail");
      return wrong.length === 0 || JSON.stringify(wrong);
    }, 20_000);
    const checks = await findings();
    for (
      const name of [
        "crds",
        "guards",
        "roles",
        "priority",
        "webhook",
        "attacks",
        "ranges",
        "capacity",
        "operator",
        "tailscaled",
      ]
    ) {
      assert.ok(
        checks.some((each) => each.name === name && each.status === "ok"),
        `${name}: ${JSON.stringify(checks)}`,
      );
    }
    assert.deepEqual(checks.filter(({ status }) => status === "unknown").map(({ name }) => name), ["network"]);
    assert.ok(checks.every(({ status, remedy }) => (status === "ok") === (remedy === "")));
    assert.equal((await keystone(lab.kubeconfig, ["doctor"])).code, 0);
  });

  await step(t, "each policy and binding is deleted: found", async () => {
    for (const guard of guards) {
      const { kind, metadata: { name } } = guard;
      await apiOf(guard).delete(name);
      onlyOne(await guardsOf(family(guard)), new RegExp(`${kind} ${name} is missing`), name);
      await apiOf(guard).create(guard);
    }
    assert.deepEqual(await guardsOf(), []);
  });

  const bindings = guards.filter(({ kind }) => kind.endsWith("Binding"));
  const edits: [kind: string, field: RegExp, change: (spec: Spec) => void][] = [
    ["Binding", /spec\.validationActions/, (spec) => spec.validationActions = ["Audit"]],
    ["Binding", /spec\.policyName is nothing/, (spec) => spec.policyName = "nothing"],
    ["Binding", /spec\.matchResources/, (spec) => {
      const selector = { matchLabels: { nothing: "has-it" } };
      spec.matchResources = { ...spec.matchResources as Spec, namespaceSelector: selector };
    }],
    ["Policy", /spec\.failurePolicy is/, (spec) => {
      spec.failurePolicy = spec.failurePolicy === "Ignore" ? "Fail" : "Ignore";
    }],
    ["Policy", /spec\.matchConditions(\[never\])? was added/, (spec) => {
      spec.matchConditions = [...spec.matchConditions as Spec[] ?? [], { name: "never", expression: "false" }];
    }],
    ["Policy", /spec\.matchConstraints/, (spec) => {
      const constraints = spec.matchConstraints as { resourceRules: Spec[] };
      constraints.resourceRules[0]!.resourceNames = ["one"];
    }],
    ["Policy", /spec\.matchConstraints\.excludeResourceRules was added/, (spec) => {
      const constraints = spec.matchConstraints as { resourceRules: Spec[]; excludeResourceRules?: Spec[] };
      constraints.excludeResourceRules = constraints.resourceRules;
    }],
    ["Policy", /spec\.validations/, (spec) => (spec.validations as Spec[])[0]!.expression = "true"],
  ];
  await step(t, "each policy and binding is edited or only audits: found, and only that", async () => {
    let next = 0;
    for (const guard of guards) {
      const isBinding = bindings.includes(guard);
      const fitting = edits.filter(([kind]) => (kind === "Binding") === isBinding);
      // Each guard gets one kind of edit; bindings are set to Audit too.
      const [, field, change] = fitting[next++ % fitting.length]!;
      const found = await changed(guard, ({ spec }) => change(spec as Spec), () => guardsOf([guard]));
      onlyOne(found, field, guard.metadata.name);
      if (!isBinding) continue;
      const audits = await changed(guard, ({ spec }) => edits[0]![2](spec as Spec), () => guardsOf([guard]));
      onlyOne(audits, /validationActions is \["Audit"\]/, guard.metadata.name);
    }
    assert.deepEqual(await guardsOf(), []);
  });

  await step(t, "guards are deleted, edited and extended: the remedies restore them", async () => {
    const [fence, pods] = ["keystone-fence", "keystone-guest-pods"];
    await run(`kubectl delete validatingadmissionpolicybinding keystone-guest-claims keystone-approvals`);
    await run(`kubectl delete validatingadmissionpolicy keystone-guest-services`);
    await run(
      `kubectl patch validatingadmissionpolicybinding ${fence} --type=merge -p ` +
        `'{"spec":{"validationActions":["Audit"],"matchResources":{"objectSelector":{"matchLabels":{"a":"b"}}}}}'`,
    );
    await run(
      `kubectl patch validatingadmissionpolicy ${pods} --type=json -p ` +
        `'[{"op":"add","path":"/spec/matchConditions/0","value":{"name":"never","expression":"false"}}]'`,
    );
    const found = await open("guards");
    assert.equal(found.length, 3, JSON.stringify(found));
    assert.ok(found.every(({ status }) => status === "fail"));
    assert.equal((await keystone(lab.kubeconfig, ["doctor"])).code, 1);
    for (const remedy of new Set(found.map(({ remedy }) => remedy))) await run(remedy);
    assert.deepEqual(await open("guards"), []);
    await policiesInForce(lab);
  });

  await step(t, "all guards of guests only audit: each attack is reported, and none after the remedy", async () => {
    const api = new AdmissionregistrationV1Api(rest).validatingAdmissionPolicyBindings;
    for (const binding of await api.all()) {
      if (!/^keystone-guest-(?!.*warnings)/.test(binding.metadata!.name!)) continue;
      await api.replace({ ...binding, spec: { ...binding.spec!, validationActions: ["Audit"] } });
    }
    await policiesInForce(lab);
    const found = await open("attacks");
    const guardsOpen = found.filter(({ message }) => /guard [a-z-]+ does not refuse it/.test(message));
    assert.equal(
      guardsOpen.length,
      guestAttacks.filter(({ guard }) => guard !== undefined).length,
      JSON.stringify(found),
    );
    await run(guardsOpen[0]!.remedy);
    await policiesInForce(lab);
    assert.deepEqual(await open("attacks"), []);
    assert.deepEqual(await open("guards"), []);
  });

  await step(
    t,
    "another role gives a guest rights: the attacks are reported, and the remedy takes the rights",
    async () => {
      await run("kubectl create clusterrolebinding bob-admin --clusterrole=cluster-admin --user=bob");
      const found = await eventually("it is found", async () => {
        const found = await open("attacks");
        return found.length > 0 ? found : "not yet";
      });
      assert.match(
        found.map(({ message }) => message).join("\n"),
        /User bob can create a RoleBinding in guest-bob-home/,
      );
      await run(found.find(({ message }) => message.includes("RoleBinding"))!.remedy);
      await eventually("nothing is open again", async () => {
        const still = await open("attacks");
        return still.length === 0 || JSON.stringify(still);
      });
    },
  );

  await step(t, "a user without the right to impersonate: the attacks count as not tried", async () => {
    const rita = await lab.user("rita");
    await run("kubectl create clusterrolebinding rita --clusterrole=view --user=rita");
    await run("kubectl create clusterrolebinding rita-too --clusterrole=keystone-viewer --user=rita");
    const checks = await findings(rita);
    // Without a kubelet the node isn't ready any more.
    const wrong = checks.filter(({ name, status }) => name !== "capacity" && (status === "fail" || status === "warn"));
    assert.deepEqual(wrong, []);
    const attacks = checks.filter(({ name }) => name === "attacks");
    assert.deepEqual(attacks.map(({ status }) => status), ["unknown"]);
    assert.match(attacks[0]!.message, /you may not impersonate guests/);
  });

  await step(t, "each right of the operator and of guests is taken: found and named", async () => {
    const roles = [...base, ...webhook].filter(({ kind }) => kind === "ClusterRole" || kind === "Role");
    for (const role of roles) {
      const rules = role.rules as { verbs: string[]; resources?: string[]; nonResourceURLs?: string[] }[];
      const rolesOf = async () => roleFindings((await readInstalledObjects(rest, [role])).installed, byKubectl.base);
      for (const [index, { resources, nonResourceURLs }] of rules.entries()) {
        const { name } = role.metadata;
        const found = await changed(role, (live) => (live.rules as unknown[]).splice(index, 1), rolesOf);
        onlyOne(found, /lacks .*/, name);
        const [what] = resources ?? nonResourceURLs ?? [];
        assert.ok(found[0]!.message.includes(what!), `${name} ${index}: ${found[0]!.message}`);
      }
    }
    const holders = [...base, ...webhook].filter(({ kind }) => kind.endsWith("RoleBinding"));
    for (const binding of holders) {
      const rolesOf = async () => roleFindings((await readInstalledObjects(rest, [binding])).installed, byKubectl.base);
      const found = await changed(binding, (live) => live.subjects = [], rolesOf);
      onlyOne(found, /subjects/, binding.metadata.name);
    }
  });

  await step(t, "a role gives more, a binding is gone, another has a new role: the remedies restore them", async () => {
    await run(
      `kubectl patch clusterrole keystone-guest --type=json -p '[{"op":"add","path":"/rules/-","value":` +
        `{"apiGroups":[""],"resources":["serviceaccounts/token"],"verbs":["create"]}}]'`,
    );
    await run("kubectl delete -n default rolebinding keystone-operator");
    await run("kubectl delete clusterrole keystone-operator");
    await run("kubectl delete clusterrolebinding keystone-front");
    await run("kubectl create clusterrolebinding keystone-front --clusterrole=view --user=carol");
    const found = await open("roles");
    assert.match(found.map(({ message }) => message).join("\n"), /keystone-guest gives more.*serviceaccounts\/token/);
    assert.ok(found.some(({ message }) => message.startsWith("ClusterRole keystone-operator does not exist")));
    for (const remedy of new Set(found.map(({ remedy }) => remedy))) await run(remedy);
    assert.deepEqual(await open("roles"), []);
  });

  await step(
    t,
    "a pod runs outside the known ranges: doctor fails, and grants open no CIDR until a pool names it",
    async () => {
      const openTo = async () => {
        const policy = await cluster.policies.namespace("guest-bob-home").get("grant-alice-to-bob").catch(() =>
          undefined
        );
        return (policy?.spec?.egress ?? []).flatMap(({ to }) => to ?? []).map(({ ipBlock }) => ipBlock!);
      };
      await eventually("the destination is open", async () => (await openTo()).length > 0 || "closed");
      const spec = { podCIDR: "10.244.0.0/24", podCIDRs: ["10.244.0.0/24"] };
      const container = { name: "a", image: "example.com/none:1" };
      const ip = "203.0.113.9";
      const made = await cluster.apply(
        { apiVersion: "v1", kind: "Node", metadata: { name: "n1" }, spec },
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "home-nas", namespace: "default" },
          spec: { nodeName: "n1", containers: [container] },
        },
      );
      assert.equal(made.code, 0, made.said);
      const status = JSON.stringify({ status: { phase: "Running", podIP: ip, podIPs: [{ ip }] } });
      await run(`kubectl patch pod home-nas --subresource=status --type=merge -p '${status}'`);
      const [found] = await open("ranges");
      assert.match(
        `${found!.status} ${found!.message}`,
        /^fail Pod default\/home-nas has the address 203\.0\.113\.9, but the known ranges of pods are 10\.244\.0\.0\/24/,
      );
      assert.match(found!.remedy, /clusterRanges/);
      await eventually("the destination is closed", async () => (await openTo()).length === 0 || "open", 30_000);
      await eventually("the Grant reports it", async () => {
        const { status } = await cluster.grants.get("alice-to-bob");
        const reason = status?.conditions?.find(({ type }) => type === "NetworkApplied")?.reason;
        return reason === "ClusterRangesUnknown" || String(reason);
      });
      const pools = await cluster.apply({
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "ippools.crd.projectcalico.org" },
        spec: {
          group: "crd.projectcalico.org",
          scope: "Cluster",
          names: { kind: "IPPool", plural: "ippools" },
          versions: [{
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
          }],
        },
      });
      assert.equal(pools.code, 0, pools.said);
      await run("kubectl wait --for=condition=Established crd ippools.crd.projectcalico.org --timeout=30s");
      await eventually("the pool exists", async () => {
        const { code, said } = await cluster.apply({
          apiVersion: "crd.projectcalico.org/v1",
          kind: "IPPool",
          metadata: { name: "default-ipv4-ippool" },
          spec: { cidr: "203.0.113.0/24" },
        });
        return code === 0 || said;
      });
      assert.deepEqual(await open("ranges"), []);
      const excepted = await eventually("the destination is open again", async () => {
        const blocks = await openTo();
        return blocks.length > 0 ? blocks.flatMap(({ except }) => except ?? []) : "closed";
      }, 30_000);
      assert.ok(excepted.includes("203.0.113.0/24"), excepted.join(" "));
      await run("kubectl delete crd ippools.crd.projectcalico.org && kubectl delete node n1");
      await run("kubectl delete pod home-nas --grace-period=0 --force");
    },
  );

  const definitionsOf = async () =>
    definitionFindings((await readInstalledObjects(rest, definitions)).installed, byKubectl)
      .filter(({ status }) => status !== "ok");
  await step(t, "the schema of a custom resource is edited: found, and the remedy restores it", async () => {
    for (const definition of definitions) {
      const { name } = definition.metadata;
      for (
        const patch of [
          [{ op: "remove", path: "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations" }],
          [{
            op: "add",
            path: "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/more",
            value: { type: "string" },
          }],
          [{ op: "replace", path: "/metadata/annotations/keystone.io~1schema-revision", value: "1" }],
        ]
      ) {
        const { code } = await lab.kubectl(["patch", "crd", name, "--type=json", "-p", JSON.stringify(patch)]);
        // Not every spec has rules.
        if (code !== 0) continue;
        const found = await eventually("it is found", async () => {
          const found = await definitionsOf();
          return found.length > 0 ? found : "not yet";
        });
        await run(onlyOne(found, new RegExp(name), name).remedy);
        assert.deepEqual(await definitionsOf(), []);
      }
    }
  });

  await step(t, "no front answers: the webhook fails", async () => {
    await front.stop();
    const [found] = await open("webhook");
    assert.match(`${found!.status} ${found!.message}`, /^fail The webhook does not answer/);
  });

  await step(t, "each custom resource is missing: found, and the remedy installs it", async () => {
    await operator.stop();
    for (const { metadata: { name } } of definitions) {
      await run(
        `kubectl get ${name} -o name | xargs -r -I{} kubectl patch {} --type=merge -p '{"metadata":{"finalizers":null}}'`,
      );
      await run(`kubectl delete crd ${name}`);
      const [found, ...others] = await open("crds");
      assert.match(found!.message, new RegExp(`${name} is missing`));
      assert.deepEqual(others, []);
      await run(found!.remedy);
      await run(`kubectl wait --for=condition=Established crd ${name} --timeout=30s`);
      assert.deepEqual(await open("crds"), []);
    }
  });
});
