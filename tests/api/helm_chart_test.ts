/** The chart and the kustomizations: rendered objects, their acceptance by a real API server, and their rights. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { load, loadAll } from "js-yaml";
import { kustomizeFiles, type ManifestFile, render } from "../../deploy/kustomize_files.ts";
import { revisionAnnotation, schemaRevision } from "../../src/api/mod.ts";
import { readConfig } from "../../src/config.ts";
import { version } from "../../src/version.ts";
import { baseName } from "../../deploy/build_image.ts";
import { root, step } from "../fixtures/test_operator.ts";
import { previousCommit, unpackPrevious } from "../fixtures/previous/previous.ts";
import { build } from "../lab/build.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { runCommand } from "../lab/command.ts";

const system = "keystone-system";
const variants: Record<string, Record<string, unknown>> = {
  "with a sidecar": { realm: "alice-home" },
  "with a sidecar on Headscale": {
    realm: "alice-home",
    tailscale: { loginServer: "http://headscale.example.com:8080" },
  },
  "with one replica that stays the same node": {
    realm: "alice-home",
    replicas: 1,
    tailscale: { stateClaim: "keystone-tailscale" },
  },
  "with nodes' keys in memory": {
    realm: "alice-home",
    tailscale: { state: { enabled: false } },
  },
  "without a tailnet server": { realm: "alice-home", tailnetServer: { enabled: false } },
  "without a tailnet": { tailscale: { enabled: false } },
  "without a webhook": { realm: "alice-home", webhook: { enabled: false } },
  "with all that is optional": {
    realm: "alice-home",
    config: { trust: { partner: { pods: 5 } }, clusterRanges: { pods: ["10.42.0.0/16"] } },
    extraEnv: [{ name: "OTEL_DENO", value: "true" }],
    podLabels: { team: "home" },
    podAnnotations: { note: "yes" },
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [{ operator: "Exists" }],
    priorityClassName: "system-cluster-critical",
    imagePullSecrets: [{ name: "pull" }],
    networkPolicy: { metricsFrom: [{ namespaceSelector: {} }], egress: [{}] },
    dashboard: { enabled: true },
    image: { digest: `sha256:${"0".repeat(64)}` },
  },
};
/** Values that render kinds of the Prometheus operator, which the API server doesn't have. */
const monitoring = { realm: "alice-home", serviceMonitor: { enabled: true }, prometheusRule: { enabled: true } };

interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  ports?: { containerPort: number }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext?: { runAsUser?: number };
}
interface PodSpec {
  containers: Container[];
  volumes: ({ name: string } & Record<string, unknown>)[];
}
const podOf = (manifests: ManifestFile[], kind = "StatefulSet") => {
  const [found] = manifests.filter((manifest) => manifest.kind === kind);
  const { template } = found!["spec"] as { template: { metadata: unknown; spec: PodSpec } };
  return template;
};
const envOf = ({ env = [] }: Container) => Object.fromEntries(env.map(({ name, value }) => [name, value]));

Deno.test("the Helm chart", async (t) => {
  const { helm, kubeconform } = await build(["helm", "kubeconform"]);
  const rendered = new Map<string, ManifestFile[]>();

  await t.step("every variant renders, and helm lint finds nothing", async () => {
    for (const [name, values] of Object.entries(variants)) rendered.set(name, await render(helm!, values));
    const { code, stdout, stderr } = await runCommand(helm!, [
      "lint",
      "--strict",
      "--namespace=keystone-system",
      "--set=realm=alice-home",
      `${root}deploy/chart`,
    ]);
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stdout, /WARNING|ERROR/);
  });

  await t.step("deploy/kustomize equals the rendered chart (deno task gen --chart)", async () => {
    for (const [path, text] of await kustomizeFiles(helm!)) {
      assert.equal(await Deno.readTextFile(`${root}${path}`), text, `${path} differs: run deno task gen --chart`);
    }
  });

  await t.step("the chart's version is the project's, and the image's base is this version of Deno", async () => {
    const chart = load(await Deno.readTextFile(`${root}deploy/chart/Chart.yaml`)) as Record<string, string>;
    assert.deepEqual([chart["version"], chart["appVersion"]], [version, version]);
    assert.equal(await baseName(), `docker.io/denoland/deno:distroless-${Deno.version.deno}`);
  });

  await t.step("a release in another namespace: all objects are in keystone-system all the same", async () => {
    const manifests = await render(helm!, { realm: "alice-home" }, { namespace: "default" });
    const here = rendered.get("with a sidecar")!;
    const names = (list: ManifestFile[]) =>
      list.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`);
    assert.deepEqual(names(manifests).filter((name) => !names(here).includes(name)), [
      "Namespace undefined keystone-system",
    ]);
    assert.equal(manifests.length, here.length + 1);
  });

  await t.step("the chart that upgrades start from is the published one, and has an older schema", async () => {
    await using previous = await unpackPrevious();
    assert.equal(previous.commit, previousCommit);
    const manifests = await render(helm!, { realm: "alice-home" }, { chart: previous.chart });
    const definitions = manifests.filter(({ kind }) => kind === "CustomResourceDefinition");
    assert.equal(definitions.length, 3);
    for (const { metadata } of definitions) {
      assert.ok(Number(metadata.annotations?.[revisionAnnotation]) < schemaRevision, metadata.name);
    }
  });

  const refused: [string, unknown, RegExp][] = [
    ["no realm for two replicas", {}, /realm is empty.*--set realm=alice-home/],
    [
      "two replicas that would be one node",
      { realm: "a", tailscale: { stateClaim: "s" } },
      /stateClaim is s but replicas is 2.*Set replicas=1/,
    ],
    [
      "the operator's token in the sidecar",
      { realm: "a", replicas: 1, tailscale: { stateSecret: "s" } },
      /stateSecret is s but is no longer supported.*operator's token.*Set tailscale\.stateSecret=null.*stateClaim/,
    ],
    ["a realm that is no name", { realm: "Alice Home" }, /'\/realm': 'Alice Home' does not match/],
    ["a value that isn't there", { realm: "a", replica: 3 }, /replica/],
    ["a login server that is no URL", { realm: "a", tailscale: { loginServer: "headscale:8080" } }, /loginServer/],
  ];
  for (const [what, values, says] of refused) {
    await t.step(`refuses ${what}`, async () => {
      const said = await render(helm!, values).then(
        (manifests) =>
          podOf(manifests).spec.containers.map(({ name, volumeMounts }) =>
            `${name} has ${volumeMounts.map(({ name }) => name)}`
          ).join("; "),
        ({ message }: Error) => message,
      );
      assert.match(said, says);
    });
  }

  await t.step("replicas: separate nodes that keep name and key, independent of each other", () => {
    const setOf = (variant: string) => {
      const set = rendered.get(variant)!.find(({ kind }) => kind === "StatefulSet")!;
      return set["spec"] as Record<string, unknown> & { volumeClaimTemplates?: { metadata: { name: string } }[] };
    };
    for (const [variant, manifests] of rendered) {
      const { serviceName, podManagementPolicy } = setOf(variant);
      assert.equal(podManagementPolicy, "Parallel", variant);
      const service = manifests.find(({ kind, metadata }) => kind === "Service" && metadata.name === serviceName);
      assert.equal((service!["spec"] as { clusterIP: string }).clusterIP, "None", variant);
      assert.deepEqual(manifests.filter(({ kind }) => kind === "Deployment"), [], variant);
      const claims = (setOf(variant).volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name);
      const volumes = podOf(manifests).spec.volumes.map(({ name }) => name);
      const hasSidecar = podOf(manifests).spec.containers.some(({ name }) => name === "tailscaled");
      // Once: as the replica's volume, or else in the pod.
      const kept = [...claims, ...volumes].filter((name) => name === "tailscale-state");
      assert.deepEqual(kept, hasSidecar ? ["tailscale-state"] : [], variant);
    }
    const memory = podOf(rendered.get("with nodes' keys in memory")!).spec.volumes;
    assert.deepEqual(memory.find(({ name }) => name === "tailscale-state")!["emptyDir"], {
      medium: "Memory",
      sizeLimit: "16Mi",
    });
  });

  await t.step("the sidecar's start: the first replica has the name, the others also their number", async () => {
    const sidecar = podOf(rendered.get("with a sidecar")!).spec.containers.at(-1)!;
    const [shell, ...args] = sidecar.command!;
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/containerboot`, '#!/bin/sh\nprintf %s "$TS_HOSTNAME"\n', { mode: 0o755 });
      for (const [index, name] of [["0", "alice-home"], ["1", "alice-home-1"], ["10", "alice-home-10"]]) {
        const env = { PATH: folder, TS_HOSTNAME: "alice-home", KEYSTONE_REPLICA: index! };
        const { code, stdout, stderr } = await runCommand(shell!, args, { env });
        assert.deepEqual([code, stdout, stderr], [0, name, ""]);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  await t.step(
    "containers: the socket only where it is used, the front as another user; a token only where needed",
    () => {
      const { spec } = podOf(rendered.get("with a sidecar on Headscale")!);
      assert.deepEqual(spec.containers.map(({ name }) => name), ["operator", "front", "tailscaled"]);
      const [operator, front, sidecar] = spec.containers;
      const mounts = (container: Container) => container.volumeMounts.map(({ name }) => name);
      assert.deepEqual(mounts(operator!), ["token", "handover", "tailscale-socket"]);
      assert.deepEqual(front!.volumeMounts, [
        { name: "handover", mountPath: "/var/run/keystone", readOnly: true },
        { name: "tailscale-socket", mountPath: "/var/run/tailscale", readOnly: true },
      ]);
      // tailscaled lets only its own user change anything.
      assert.equal(front!.securityContext!.runAsUser, 65531);
      assert.equal(envOf(front!)["KEYSTONE_TAILNET_LISTEN"], "127.0.0.1:8443");
      assert.equal(envOf(operator!)["KEYSTONE_TAILNET_LISTEN"], "127.0.0.1:8443");
      assert.deepEqual(mounts(sidecar!), ["tailscale-socket", "tailscale-state", "tailscale-tmp"]);
      assert.ok("emptyDir" in spec.volumes.find(({ name }) => name === "tailscale-socket")!);
      assert.deepEqual(envOf(sidecar!), {
        KEYSTONE_REPLICA: undefined,
        TS_USERSPACE: "true",
        TS_SOCKET: "/var/run/tailscale/tailscaled.sock",
        TS_STATE_DIR: "/var/lib/tailscale/state",
        TS_KUBE_SECRET: "",
        TS_AUTH_ONCE: "true",
        TS_ACCEPT_DNS: "false",
        TS_PERMIT_CERT_UID: "65531",
        TS_HOSTNAME: "alice-home",
        TS_EXTRA_ARGS: "--login-server=http://headscale.example.com:8080",
        TS_TAILSCALED_EXTRA_ARGS: "--no-logs-no-support",
        TS_AUTHKEY: undefined,
      });
      assert.deepEqual(sidecar!.env!.find(({ name }) => name === "TS_AUTHKEY")!.valueFrom, {
        secretKeyRef: { name: "keystone-tailscale-auth", key: "TS_AUTHKEY" },
      });
      const kept = podOf(rendered.get("with one replica that stays the same node")!).spec.containers.at(-1)!;
      assert.equal(envOf(kept)["TS_KUBE_SECRET"], "");
      const volumes = podOf(rendered.get("with one replica that stays the same node")!).spec.volumes;
      assert.deepEqual(volumes.find(({ name }) => name === "tailscale-state"), {
        name: "tailscale-state",
        persistentVolumeClaim: { claimName: "keystone-tailscale" },
      });
      for (const [variant, manifests] of rendered) {
        for (const container of podOf(manifests).spec.containers) {
          // Only the operator's container has its token; tailscaled has no handover volume, and only it the nodes' keys. The front
          // has the socket only with a tailnet server, never another user's on the node.
          const has = mounts(container);
          if (container.name !== "operator") assert.ok(!has.includes("token"), `${variant}: ${container.name}`);
          const serves = envOf(container)["KEYSTONE_TAILNET_LISTEN"] !== undefined;
          if (container.name === "front") {
            const expected = serves ? ["tailscale-socket"] : [];
            assert.deepEqual(has.filter((name) => name.startsWith("tailscale")), expected, variant);
            assert.ok(container.volumeMounts.every(({ readOnly }) => readOnly), variant);
            assert.equal(container.securityContext!.runAsUser, 65531, variant);
          }
          if (container.name !== "tailscaled") assert.ok(!has.includes("tailscale-state"), variant);
          if (/without a tailnet/.test(variant)) assert.equal(serves, false, variant);
          if (container.name === "tailscaled") assert.ok(!has.includes("handover"), variant);
        }
      }
      const alone = podOf(rendered.get("without a tailnet")!).spec.containers;
      assert.deepEqual(alone.map(({ name }) => name), ["operator", "front"]);
      const unexplained = podOf(rendered.get("without a webhook")!).spec.containers;
      assert.deepEqual(unexplained.map(({ name }) => name), ["operator", "tailscaled"]);
      assert.equal(envOf(alone[0]!)["TS_SOCKET"], undefined);
    },
  );

  await t.step("listeners in a pod: only on the pod's own address", () => {
    for (const [variant, manifests] of rendered) {
      const ours = podOf(manifests).spec.containers.filter(({ name }) => name !== "tailscaled");
      for (const container of ours) {
        const address = container.env!.find(({ name }) => name === "POD_IP")?.valueFrom;
        assert.deepEqual(address, { fieldRef: { fieldPath: "status.podIP" } }, `${variant}: ${container.name}`);
        const env: Record<string, string | undefined> = { ...envOf(container), POD_IP: "10.0.0.7" };
        const { listen, frontListen, webhook } = readConfig([], (name) => env[name], false);
        for (const place of [listen, frontListen, webhook]) {
          assert.ok(!place || place.hostname === "10.0.0.7" || !isGiven(container, place.port), JSON.stringify(place));
        }
      }
    }
  });

  await t.step("roles: no wildcard, no escalation, no Secret that isn't needed", () => {
    for (const [variant, manifests] of rendered) {
      const audited = manifests.filter(({ kind }) => kind === "ClusterRole" || kind === "Role");
      assert.ok(audited.length >= 4);
      for (const role of audited) {
        assert.deepEqual(excesses(role), [], `${variant}: ${role.kind} ${role.metadata.name}`);
      }
    }
    for (const manifests of rendered.values()) {
      for (const { kind, metadata, rules } of manifests) {
        if (!/Role$/.test(kind) || metadata.name !== "keystone-front") continue;
        for (const rule of rules as Rule[]) {
          const isToken = kind === "Role" && metadata.namespace === system &&
            isDeepStrictEqual(rule, tokenRules["keystone-front"]);
          assert.deepEqual(rule.verbs, isToken ? ["create"] : ["list", "watch"]);
        }
      }
    }
    for (const rule of tooMuch) assert.notDeepEqual(excesses(roleOf(rule)), [], JSON.stringify(rule));
  });

  await using lab = await startLab();
  const kubectl = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
    return { code, said: stdout + stderr };
  };
  await kubectl(["create", "namespace", system]);

  await step(t, "a real API server accepts all objects with strict field validation", async () => {
    for (const [variant, manifests] of rendered) {
      const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests });
      const { code, said } = await kubectl(["apply", "--dry-run=server", "--validate=strict", "-f", "-"], list);
      assert.equal(code, 0, `${variant}: ${said}`);
    }
    for (const overlay of ["tailscale", "headscale", "host-tailscale", "no-tailnet"]) {
      const path = `${root}deploy/kustomize/overlays/${overlay}`;
      const { code, said } = await kubectl(["apply", "--dry-run=server", "--validate=strict", "-k", path]);
      assert.equal(code, 0, `${overlay}: ${said}`);
    }
    const { code, said } = await kubectl(["apply", "--dry-run=server", "-k", `${root}deploy/kustomize/uninstall`]);
    assert.equal(code, 0, said);
  });

  await step(
    t,
    "the notes after an installation: name the kind of tailnet, and their manifests are accepted",
    async () => {
      const crds = await kubectl(["apply", "-f", `${root}crds/`]);
      assert.equal(crds.code, 0, crds.said);
      await kubectl(["wait", "--for=condition=Established", "-f", `${root}crds/`, "--timeout=30s"]);
      for (
        const [values, says] of [
          [["--set=realm=dora-home"], /connectionType: tailscale\n[^]*grantorRealm: dora-home\n/],
          [
            ["--set=realm=dora-home", "--set=tailscale.loginServer=https://headscale.example.com"],
            /preauthkeys create --user 1 [^]*connectionType: headscale\n/,
          ],
          [
            ["--set=replicas=1", "--set=tailscale.enabled=false"],
            /There is no tailnet[^]*\(alice-home is your cluster\)/,
          ],
        ] as const
      ) {
        const { code, stdout, stderr } = await runCommand(helm!, [
          "install",
          "keystone",
          `${root}deploy/chart`,
          "--namespace=keystone-system",
          "--dry-run=client",
          // kubectl has installed the custom resources above.
          "--take-ownership",
          `--kubeconfig=${lab.kubeconfig}`,
          ...values,
        ]);
        assert.equal(code, 0, stderr);
        const notes = stdout.slice(stdout.indexOf("NOTES:"));
        assert.match(notes, says);
        const manifests = /<<EOF\n([^]*?)\n +EOF/.exec(notes)![1]!.replaceAll(/^ {2}/gm, "");
        const applied = await kubectl(["apply", "--dry-run=server", "--validate=strict", "-f", "-"], manifests);
        assert.equal(applied.code, 0, `${applied.said}\n${manifests}`);
      }
    },
  );

  await step(t, "kubeconform finds no errors with the schemas of that API server", async () => {
    const schemas = await schemasOf(lab);
    try {
      const all = [...rendered.values(), await render(helm!, monitoring)].flat();
      const args = ["-strict", "-summary", `-schema-location=${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`];
      // The schemas of its kinds are elsewhere.
      const skip = "-skip=ServiceMonitor,PrometheusRule";
      const good = await conform(kubeconform!, [...args, skip], all);
      assert.equal(good.code, 0, good.said);
      assert.match(good.said, new RegExp(`Valid: ${all.length - 2}, Invalid: 0, Errors: 0, Skipped: 2`));
      const broken = await conform(kubeconform!, args, [{
        ...all.find(({ kind }) => kind === "StatefulSet")!,
        spec: {},
      }]);
      assert.equal(broken.code, 1, broken.said);
    } finally {
      await Deno.remove(schemas, { recursive: true });
    }
  });

  await step(
    t,
    "no default StorageClass: the installation is refused, unless the nodes' keys are in memory",
    async () => {
      const install = async (...values: string[]) => {
        const args = ["install", "keystone", `${root}deploy/chart`, "--namespace=keystone-system", "--dry-run=server"];
        const more = ["--take-ownership", `--kubeconfig=${lab.kubeconfig}`, "--set=realm=alice-home", ...values];
        const { code, stderr } = await runCommand(helm!, [...args, ...more]);
        return code === 0 ? "" : stderr;
      };
      const refusal =
        /the cluster has no default StorageClass.*Set tailscale\.state\.storageClass, or tailscale\.state\.enabled=false/;
      await kubectl(["delete", "storageclass", "--all"]);
      assert.match(await install(), refusal);
      assert.match(await install("--set=tailscale.loginServer=https://headscale.example.com"), refusal);
      for (
        const values of [
          "tailscale.state.enabled=false",
          "tailscale.state.storageClass=slow",
          "tailscale.enabled=false",
          "tailscale.hostSocket=/var/run/tailscale",
          "tailscale.stateClaim=mine,replicas=1",
        ]
      ) assert.equal(await install(`--set=${values}`), "", values);
      const storageClass = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", provisioner: "example.com/none" };
      const annotations = { "storageclass.kubernetes.io/is-default-class": "false" };
      await kubectl(
        ["create", "-f", "-"],
        JSON.stringify({ ...storageClass, metadata: { name: "plain", annotations } }),
      );
      assert.match(await install(), refusal);
      const isDefault = "storageclass.kubernetes.io/is-default-class=true";
      await kubectl(["annotate", "storageclass", "plain", isDefault, "--overwrite"]);
      assert.equal(await install(), "");
    },
  );

  await step(
    t,
    "the component state-in-memory: the key's volume is in the pod, and the API server accepts the overlay",
    async () => {
      for (const overlay of ["tailscale", "headscale"]) {
        const folder = await Deno.makeTempDir({ dir: `${root}deploy/kustomize` });
        try {
          const name = folder.slice(folder.lastIndexOf("/") + 1);
          await Deno.writeTextFile(
            `${folder}/Kustomization`,
            `resources: [../overlays/${overlay}]\ncomponents: [../components/state-in-memory]\n`,
          );
          const built = await kubectl(["kustomize", `${root}deploy/kustomize/${name}`]);
          assert.equal(built.code, 0, built.said);
          const set = (loadAll(built.said) as ManifestFile[]).find(({ kind }) => kind === "StatefulSet")!;
          assert.equal((set["spec"] as { volumeClaimTemplates?: unknown }).volumeClaimTemplates, undefined);
          assert.deepEqual(podOf([set]).spec.volumes.filter(({ name }) => name === "tailscale-state"), [
            { name: "tailscale-state", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
          ]);
          const accepted = await kubectl(
            ["create", "--dry-run=server", "--validate=strict", "-f", "-"],
            JSON.stringify(set),
          );
          assert.equal(accepted.code, 0, accepted.said);
        } finally {
          await Deno.remove(folder, { recursive: true });
        }
      }
    },
  );

  await step(t, "its pods meet Pod Security restricted, except with a hostPath volume", async () => {
    await kubectl(["label", "namespace", system, "pod-security.kubernetes.io/enforce=restricted"]);
    await kubectl(["create", "serviceaccount", "keystone-operator", "-n", system]);
    const create = async (manifests: ManifestFile[], kind: string) => {
      const { metadata, spec } = podOf(manifests, kind);
      // As the controller adds them.
      const { volumeClaimTemplates = [] } = manifests.find((each) => each.kind === kind)!["spec"] as {
        volumeClaimTemplates?: { metadata: { name: string } }[];
      };
      const claims = volumeClaimTemplates.map(({ metadata: { name } }) => ({
        name,
        persistentVolumeClaim: { claimName: `${name}-p` },
      }));
      const pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { ...metadata as object, name: "p", namespace: system },
        spec: { ...spec, volumes: [...spec.volumes, ...claims] },
      };
      return await kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod));
    };
    for (const [variant, manifests] of rendered) {
      for (const kind of ["StatefulSet", "Job"]) {
        const { code, said } = await create(manifests, kind);
        assert.equal(code, 0, `${variant}, ${kind}: ${said}`);
      }
    }
    const host = await render(helm!, { realm: "alice-home", tailscale: { hostSocket: "/var/run/tailscale" } });
    const { code, said } = await create(host, "StatefulSet");
    assert.ok(podOf(host).spec.containers.every((each) => envOf(each)["KEYSTONE_TAILNET_LISTEN"] === undefined));
    assert.equal(code, 1);
    assert.match(said, /violates PodSecurity "restricted.*hostPath/);
  });
});

/** Reports whether the container declares the port. */
const isGiven = ({ ports = [] }: Container, port: number): boolean =>
  ports.some(({ containerPort }) => containerPort === port);

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  verbs: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/**
 * Rights that the operator needs although they would be excessive otherwise: to let members approve for a realm. Without
 * `bind` and `escalate` the API server allows it to grant only rights that it has, and the fence allows only this one
 * (tests/api/guards_test.ts).
 */
const explained: Rule[] = [
  {
    apiGroups: ["rbac.authorization.k8s.io"],
    resources: ["clusterroles", "clusterrolebindings"],
    verbs: ["list", "watch", "create", "patch"],
  },
  { apiGroups: ["keystone.io"], resources: ["realms"], verbs: ["approve"] },
];

/** Tokens: of the front's ServiceAccount for the operator, and those of realms for the front, behind its fence. */
const tokenRules: Readonly<Record<string, Rule>> = {
  "keystone-webhook": {
    apiGroups: [""],
    resources: ["serviceaccounts/token"],
    resourceNames: ["keystone-front"],
    verbs: ["create"],
  },
  "keystone-front": { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
};

/** Returns the excessive rights of a role. */
function excesses({ kind, metadata, rules }: ManifestFile): string[] {
  const guests = metadata.name === "keystone-guest";
  return (rules as Rule[]).flatMap((rule) => {
    if (metadata.name === "keystone-operator" && explained.some((each) => isDeepStrictEqual(each, rule))) return [];
    if (kind === "Role" && metadata.namespace === system && isDeepStrictEqual(rule, tokenRules[metadata.name])) {
      return [];
    }
    const { apiGroups = [], resources = [], verbs, resourceNames = [], nonResourceURLs = [] } = rule;
    const found: string[] = [];
    const has = (...names: string[]) => names.some((name) => resources.includes(name));
    if (
      [...apiGroups, ...resources, ...verbs, ...resourceNames, ...nonResourceURLs].some((text) => text.includes("*"))
    ) {
      found.push("a wildcard");
    }
    for (const verb of ["escalate", "impersonate", "approve", "sign"]) if (verbs.includes(verb)) found.push(verb);
    if (verbs.includes("bind") && resourceNames.join() !== "keystone-guest") found.push("binds any role");
    if (has("serviceaccounts/token", "nodes/proxy", "pods/proxy", "services/proxy", "tokenreviews")) {
      found.push("escalates");
    }
    if (apiGroups.includes("rbac.authorization.k8s.io")) {
      const reads = resourceNames.length > 0 && verbs.every((verb) => ["get", "list", "watch"].includes(verb));
      if (!reads && verbs.some((verb) => verb !== "bind") && resourceNames.join() !== "keystone-guest") {
        found.push("writes roles");
      }
    }
    // Guests may read Secrets in their own namespace: this role is bound in guest namespaces only.
    if (has("secrets") && !guests) {
      if (kind !== "Role" || metadata.namespace !== system) found.push("Secrets outside its namespace");
      if (resourceNames.length === 0) found.push("Secrets of any name");
    }
    if (!guests && has("pods/exec", "pods/attach", "pods/portforward")) found.push("opens shells in pods");
    if (!guests && has("pods") && verbs.includes("create")) found.push("creates pods");
    return found;
  });
}

const roleOf = (rule: Rule): ManifestFile => ({
  apiVersion: "v1",
  kind: "ClusterRole",
  metadata: { name: "x" },
  rules: [rule],
});
const tooMuch: Rule[] = [
  { apiGroups: ["*"], resources: ["pods"], verbs: ["get"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["*"] },
  { apiGroups: [""], resources: ["secrets"], verbs: ["get"], resourceNames: ["one"] },
  { apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterroles"], verbs: ["escalate"] },
  { apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterroles"], verbs: ["bind"] },
  { apiGroups: ["rbac.authorization.k8s.io"], resources: ["rolebindings"], verbs: ["create"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["create"] },
];

/** Writes a folder of JSON schemas, one for each kind, from the API server's OpenAPI documents. */
async function schemasOf(lab: Lab): Promise<string> {
  const folder = await Deno.makeTempDir();
  const { stdout } = await lab.kubectl(["get", "--raw", "/openapi/v3"]);
  const paths = Object.keys((JSON.parse(stdout) as { paths: Record<string, unknown> }).paths);
  for (const path of paths.filter((path) => /^apis?\/(.*\/)?v1$/.test(path))) {
    const document = JSON.parse((await lab.kubectl(["get", "--raw", `/openapi/v3/${path}`])).stdout);
    const { schemas } = document.components as { schemas: Record<string, Schema> };
    for (const schema of Object.values(schemas)) {
      // Strict: an unknown field is an error.
      if (schema.properties) schema.additionalProperties ??= false;
    }
    for (const [name, schema] of Object.entries(schemas)) {
      for (const { group, version, kind } of schema["x-kubernetes-group-version-kind"] ?? []) {
        const suffix = [...(group ? [group.split(".")[0]] : []), version].join("-");
        const text = JSON.stringify({ $ref: `#/components/schemas/${name}`, components: { schemas } });
        await Deno.writeTextFile(`${folder}/${kind.toLowerCase()}-${suffix}.json`, text);
      }
    }
  }
  return folder;
}

interface Schema {
  properties?: Record<string, unknown>;
  additionalProperties?: unknown;
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
}

async function conform(
  kubeconform: string,
  args: string[],
  manifests: ManifestFile[],
): Promise<{ code: number; said: string }> {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n"));
    const { code, stdout, stderr } = await runCommand(kubeconform, [...args, file]);
    return { code, said: stdout + stderr };
  } finally {
    await Deno.remove(file);
  }
}
