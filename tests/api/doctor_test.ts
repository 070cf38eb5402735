/**
 * `keystone doctor` on a real API server with the operator, its webhook and everything of deploy/kustomize: it finds each
 * change of what is installed, and its remedies end what it found.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { isApiError, Kubeconfig, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { AdmissionregistrationV1Api } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { definitionFindings } from "../../src/cli/doctor/definition_findings.ts";
import type { DoctorFinding } from "../../src/cli/doctor/doctor_finding.ts";
import { guardFindings, isGuard } from "../../src/cli/doctor/guard_findings.ts";
import { apiResourceOf } from "../../src/cli/doctor/installed_objects.ts";
import { byKubectl } from "../../src/cli/doctor/restore_command.ts";
import { readInstalledObjects } from "../../src/cli/doctor/read_installed.ts";
import {
  type InstalledPart,
  missingRightsByUse,
  neededRights,
  rightFindings,
} from "../../src/cli/doctor/right_findings.ts";
import { inWordsOfRight, type Right, rightsOf, type Rule } from "../../src/cli/doctor/role_rights.ts";
import { roleFindings } from "../../src/cli/doctor/role_findings.ts";
import { storageFinding } from "../../src/cli/doctor/storage_findings.ts";
import { defaultSettings } from "../../src/api/mod.ts";
import { guestAttacks } from "../../src/cli/doctor/guest_attacks.ts";
import { shippedManifests, type ShippedObject } from "../../src/cli/doctor/shipped_manifests.ts";
import { HandoverWriter } from "../../src/front/handover.ts";
import { installed, policiesInForce } from "../fixtures/in_force.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import { tailnetOf } from "../fixtures/stand_ins.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { AUTHORIZATION } from "../lab/apiserver.ts";
import { build } from "../lab/build.ts";
import { runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

type Spec = Record<string, unknown>;

/** Returns the rule that gives only this right. */
const ruleOf = ({ verb, group, resource, only, path }: Right): Rule => ({
  verbs: [verb],
  ...(path === undefined
    ? { apiGroups: [group!], resources: [resource!], ...(only === undefined ? {} : { resourceNames: [only] }) }
    : { nonResourceURLs: [path] }),
});

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
    // The API server writes the status of a policy after each change, so its version may change in between.
    const put = (object: ShippedObject) =>
      eventually(`${name} is written`, async () => {
        const resourceVersion = (await api.get(name)).metadata.resourceVersion!;
        return await api.replace({ ...object, metadata: { ...object.metadata, resourceVersion } }).catch((error) => {
          if (isApiError(error, 409)) return String(error);
          throw error;
        });
      });
    const edited = structuredClone(live) as ShippedObject;
    change(edited);
    await put(edited);
    const found = await check();
    await put(live as ShippedObject);
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
        "rights",
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

  await step(t, "a guest: the own namespace is checked, and nothing fails for lack of rights", async () => {
    const bob = await lab.user("bob");
    const withoutNamespace = await findings(bob);
    assert.deepEqual(withoutNamespace.filter(({ status }) => status === "fail" || status === "warn"), []);
    assert.match(
      withoutNamespace.find(({ name }) => name === "rbac")!.remedy,
      /kubectl config set-context --current --namespace guest-REALM/,
    );
    await run(`kubectl --kubeconfig ${bob} config set-context --current --namespace guest-bob-home`);
    const checks = await findings(bob);
    const shown = checks.map(({ name, status }) => `${status} ${name}`);
    assert.deepEqual(shown, ["ok cluster", "ok access", "ok grants", "warn room", "unknown rbac", "ok clocks"]);
    assert.match(checks.find(({ name }) => name === "room")!.message, /^No grant includes .*memory/);
    assert.equal((await keystone(bob, ["doctor"])).code, 0);
    await cluster.grants.patch("alice-to-bob", {
      spec: { hard: { memory: "1Gi" }, validity: { validUntil: new Date(Date.now() + 3_600_000).toISOString() } },
    }, { type: "merge" });
    await eventually("there is room", async () => {
      const found = (await findings(bob)).find(({ name }) => name === "room")!;
      return found.status === "ok" || JSON.stringify(found);
    });
    await eventually("the end is near", async () => {
      const found = (await findings(bob)).find(({ name }) => name === "grants")!;
      return found.status === "warn" && /alice-to-bob ends at/.test(found.message) || JSON.stringify(found);
    });
    await cluster.grants.patch("alice-to-bob", { spec: { validity: null } }, { type: "merge" });
    const mallory = await lab.user("mallory");
    await run(`kubectl --kubeconfig ${mallory} config set-context --current --namespace guest-bob-home`);
    const [refused] = (await findings(mallory)).filter(({ status }) => status === "fail");
    assert.match(refused!.message, /You have no access to guest-bob-home/);
  });

  await step(t, "k3s without embedded etcd: its database has no limit of its own", async () => {
    const storage = { ...defaultSettings.storage };
    const found = (gitVersion: string, quotaBackendBytes: number | null) =>
      storageFinding(rest, { ...defaultSettings, storage: { ...storage, quotaBackendBytes } }, gitVersion);
    const k3s = "v1.34.4+k3s1";
    const none = await found(k3s, null);
    assert.equal(none.status, "ok");
    assert.match(none.message, /never closed.*no embedded etcd/);
    assert.equal((await found("v1.34.4", null)).status, "warn");
    assert.match((await found(k3s, 2 ** 40)).message, /storage\.quotaBackendBytes.*no embedded etcd/);
    const full = await found(k3s, 2 ** 20);
    assert.equal(full.status, "warn");
    assert.match(full.remedy, /^Raise storage\.quotaBackendBytes/);
    const server = { name: "server", labels: { "node-role.kubernetes.io/etcd": "true" } };
    const made = await cluster.apply({ apiVersion: "v1", kind: "Node", metadata: server });
    assert.equal(made.code, 0, made.said);
    assert.equal((await found(k3s, null)).status, "warn");
    assert.match((await found(k3s, 2 ** 20)).remedy, /KeystoneStorageHalfFull/);
    await run("kubectl delete node server");
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

  const partsOf = async () => [
    { installed: (await readInstalledObjects(rest, base)).installed, install: byKubectl.base },
    { installed: (await readInstalledObjects(rest, webhook)).installed, install: byKubectl.webhook },
  ];
  /** Returns the finding on each account that lacks rights by use, and the rights in words. */
  const lacking = async (parts: InstalledPart[]): Promise<string[]> => {
    const found = await rightFindings(rest, parts);
    return found.filter(({ status }) => status === "fail").map(({ message }) => message);
  };
  await step(t, "each right of Keystone's accounts is taken: the API server refuses exactly that", async () => {
    const parts = await partsOf();
    const needed = neededRights([...base, ...webhook]);
    const roles = new Set(needed.map(({ by: [role] }) => role!));
    const singles = new Map([...roles].map((role) => [role, (role.rules as Rule[]).map((rule) => rightsOf(rule))]));
    const rounds = Math.max(...[...singles.values()].flat().map((rights) => rights.length));
    let taken = 0;
    // In each round one right of every rule; what is taken then has to be refused, and nothing else.
    for (let round = 0; round < rounds; round++) {
      const expected: string[] = [];
      const live = new Map<ShippedObject, ShippedObject>();
      for (const [role, rules] of singles) {
        const left = rules.flatMap((rights) => {
          const at = rights.length - 1 - round;
          if (rights[at] !== undefined) expected.push(`${role.metadata.name} ${inWordsOfRight(rights[at])}`);
          return rights.filter((_, index) => index !== at);
        });
        const api = apiOf(role);
        const before = await api.get(role.metadata.name);
        live.set(role, before);
        await api.replace({ ...before, rules: left.map(ruleOf) } as ShippedObject);
      }
      taken += expected.length;
      await eventually(`round ${round}: what was taken is refused`, async () => {
        const missing = (await missingRightsByUse(rest, needed)).map((right) =>
          `${right.by[0]!.metadata.name} ${inWordsOfRight(right)}`
        );
        return isDeepStrictEqual(missing.sort(), expected.sort()) || `${missing}\ninstead of\n${expected}`;
      });
      for (const [role, { rules }] of live) {
        const api = apiOf(role);
        await api.replace({ ...await api.get(role.metadata.name), rules } as ShippedObject);
      }
    }
    assert.equal(taken, needed.length);
    await eventually("nothing is refused", async () => (await lacking(parts)).join() || true);
  });

  await step(t, "rights don't work for one reason or another: found, and the remedy restores them", async () => {
    const remove = "kubectl delete";
    const patch = (object: string, list: unknown) => `kubectl patch ${object} --type=json -p '${JSON.stringify(list)}'`;
    const replaced = (path: string, value: unknown) => [{ op: "replace", path, value }];
    const cases: [what: string, command: string, says: RegExp][] = [
      [
        "a binding is deleted",
        `${remove} clusterrolebinding keystone-operator`,
        /ServiceAccount keystone-system\/keystone-operator may not get grants\.keystone\.io,/,
      ],
      [
        "a binding in a namespace is deleted",
        `${remove} -n keystone-system rolebinding keystone-operator`,
        /keystone-operator may not create leases\.coordination\.k8s\.io in keystone-system,/,
      ],
      [
        "a subject is in another namespace",
        patch("clusterrolebinding keystone-front", replaced("/subjects/0/namespace", "default")),
        /keystone-front may not list grants\.keystone\.io/,
      ],
      [
        "a subject has another name",
        patch("-n default rolebinding keystone-operator", replaced("/subjects/0/name", "keystone")),
        /keystone-operator may not list endpointslices\.discovery\.k8s\.io in default/,
      ],
      [
        "a role is edited",
        patch("clusterrole keystone-operator", replaced("/rules/0/verbs", ["get"])),
        /keystone-operator may not list grants\.keystone\.io/,
      ],
      [
        "a role is deleted",
        `${remove} -n keystone-system role keystone-webhook`,
        /keystone-operator may not list secrets \(keystone-webhook\) in keystone-system.*not found/,
      ],
      [
        "a role becomes an aggregated one",
        patch("clusterrole keystone-front", [{
          op: "add",
          path: "/aggregationRule",
          value: { clusterRoleSelectors: [{ matchLabels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } }] },
        }]),
        /keystone-front may not list grants\.keystone\.io/,
      ],
      [
        "an account has a second role",
        "kubectl create clusterrolebinding more --clusterrole=view --serviceaccount=keystone-system:keystone-operator",
        /ClusterRoleBinding more gives ServiceAccount keystone-system\/keystone-operator the ClusterRole view/,
      ],
    ];
    for (const [what, command, says] of cases) {
      await run(command);
      const found = await eventually(`${what}: found`, async () => {
        const found = await open("rights");
        return found.some(({ message }) => says.test(message)) ? found : JSON.stringify(found);
      });
      for (const { remedy } of found) await run(remedy);
      await eventually(`${what}: nothing is left`, async () => {
        const left = [...await open("rights"), ...await open("roles")];
        return left.length === 0 || JSON.stringify(left);
      });
    }
  });

  await step(t, "another authorizer denies the operator a right: found, with its reason", async () => {
    const certificates = `${lab.dir}/certificates`;
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: await Deno.readTextFile(`${certificates}/apiserver.crt`),
      key: await Deno.readTextFile(`${certificates}/apiserver.key`),
      onListen: () => {},
    }, async (request) => {
      const { apiVersion, kind, spec } = await request.json();
      const denied = spec.resourceAttributes?.resource === "pods" && spec.resourceAttributes.verb === "delete";
      const status = denied ? { allowed: false, denied, reason: "no deletions today" } : { allowed: false };
      return Response.json({ apiVersion, kind, status });
    });
    await using _ = { [Symbol.asyncDispose]: () => server.shutdown() };
    const kubeConfigFile = `${lab.dir}/authorizer.kubeconfig`;
    await Deno.writeTextFile(
      kubeConfigFile,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{
          name: "a",
          cluster: {
            server: `https://127.0.0.1:${server.addr.port}`,
            "certificate-authority": `${certificates}/ca.crt`,
          },
        }],
        contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
        "current-context": "a",
        users: [{ name: "a", user: {} }],
      }),
    );
    const webhook = {
      timeout: "3s",
      subjectAccessReviewVersion: "v1",
      matchConditionSubjectAccessReviewVersion: "v1",
      failurePolicy: "NoOpinion",
      authorizedTTL: "1s",
      unauthorizedTTL: "1s",
      connectionInfo: { type: "KubeConfigFile", kubeConfigFile },
      matchConditions: [{ expression: "request.user == 'system:serviceaccount:keystone-system:keystone-operator'" }],
    };
    const authorization = (authorizers: object[]) =>
      Deno.writeTextFile(`${lab.dir}/authorization.yaml`, JSON.stringify({ ...AUTHORIZATION, authorizers }));
    await authorization([{ type: "Webhook", name: "strict", webhook }, ...AUTHORIZATION.authorizers]);
    const [found] = await eventually("found", async () => {
      const found = await open("rights");
      return found.length > 0 ? found : "not yet";
    }, 90_000);
    assert.match(
      found!.message,
      /keystone-operator may not delete pods: .*The API server's reason: no deletions today/,
    );
    assert.match(found!.remedy, /--authorization-config/);
    assert.deepEqual(await open("roles"), []);
    await authorization(AUTHORIZATION.authorizers);
    await eventually("nothing is left", async () => (await open("rights")).length === 0 || "not yet", 90_000);
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
