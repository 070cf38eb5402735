/**
 * Guests on a node with real pods: charts by real Helm, with would-fit asked before; explanations of pods that a real
 * kubelet can't start; and the commands that docs/guests.md names.
 */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { CoreV1Api, type Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import { installed } from "../fixtures/in_force.ts";
import {
  addDevices,
  type ChartVersion,
  type GuestChart,
  guestCharts,
  importChartImages,
} from "../fixtures/guest_charts.ts";
import { failingWorkloads, namedObjects } from "../fixtures/failing_pods.ts";
import { succeeded } from "../fixtures/installed.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { eventually, grantOf, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { type CommandResult, runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { addVolume, premadeStorage } from "../lab/volumes.ts";

/** Values with which the pods of all charts meet Pod Security restricted. */
const restricted = {
  podSecurityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};

const granted = {
  cpu: "4",
  memory: "4Gi",
  pods: "40",
  ...premadeStorage("10Gi"),
  "requests.example.com/gpu": "2",
};

/** An answer of would-fit, and what came. */
interface Compared {
  fits: boolean | null;
  message: string;
  came: boolean;
  reason: string;
}

nodeTest("guests run pods on a node", async (t) => {
  const { helm, agnhost } = await build(["helm", "node"]);
  await using lab = await startLab({ node: true });
  using cluster = await prepared(lab);
  await installed(lab, "base");
  await using _operator = await startOperator(lab, {
    kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
    realm: "alice-home",
  });
  await Promise.all([importChartImages(lab, agnhost!), addDevices(lab, "example.com/gpu", 2)]);
  succeeded(await runCommand(helm!, ["create", `${lab.dir}/created`]));

  /** Opens a realm's namespace, and returns the guest's kubeconfig. */
  const guestOf = async (realm: string, more: Record<string, string> = {}): Promise<string> => {
    await cluster.createRealm(realm, { trustLevel: "partner" });
    await cluster.grants.create(grantOf({ name: realm, to: realm, hard: { ...granted, ...more } }));
    await cluster.grantIn("Active", realm, 60_000);
    return await lab.user(`guest-of-${realm}`, { groups: [`keystone:realm:${realm}`] });
  };
  const podsIn = async (realm: string): Promise<Pod[]> =>
    (await new CoreV1Api(cluster.rest).namespace(`guest-${realm}`).pods.list()).items;

  /** A chart, in a separate guest namespace. */
  class Release {
    readonly namespace: string;
    constructor(readonly chart: GuestChart, readonly kubeconfig: string) {
      this.namespace = `guest-${chart.name}`;
    }

    get #path(): string {
      const { name } = this.chart;
      return name === "created" ? `${lab.dir}/created` : `${root}tests/fixtures/charts/${name}`;
    }

    #helm(args: string[], values: unknown): Promise<CommandResult> {
      const folder = `${lab.dir}/helm-${this.chart.name}`;
      return runCommand(helm!, [...args, this.chart.name, this.#path, "-n", this.namespace, "--values=-"], {
        env: { KUBECONFIG: this.kubeconfig, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder },
        timeoutMs: 120_000,
        stdin: JSON.stringify(values),
      });
    }

    /** Asks would-fit, then lets Helm do it, and compares with the pods. */
    async run(
      verb: "install" | "upgrade",
      version: ChartVersion,
      more: object = {},
    ): Promise<Compared> {
      const values = { ...this.chart.values(version), ...restricted, ...more };
      const rendered = succeeded(
        await this.#helm(["template", ...(verb === "upgrade" ? ["--is-upgrade"] : [])], values),
      ).stdout;
      const as = this.chart.unknownToGuests ? lab.kubeconfig : this.kubeconfig;
      const args = ["would-fit", "-f", "-", "-n", this.namespace, "-o", "json"];
      const { fits, message } = (await keystone(as, args, { stdin: rendered })).json();
      const done = await this.#helm([verb], values);
      if (done.code !== 0) return { fits, message, came: false, reason: done.stderr };
      return { fits, message, ...await this.#outcome(imagesIn(rendered)) };
    }

    /** Waits until its controller is done and all pods run the new images, or until a pod was refused. */
    #outcome(images: ReadonlySet<string>): Promise<{ came: boolean; reason: string }> {
      return eventually(`${this.chart.name}: its pods run or are refused`, async () => {
        const refusal = await this.#refusal();
        if (refusal !== undefined) return { came: false, reason: refusal };
        const pods = (await podsIn(this.chart.name)).filter(({ metadata, status }) =>
          !metadata?.deletionTimestamp && status?.phase !== "Succeeded"
        );
        const running = pods.filter((pod) => isReady(pod) && imagesOf(pod).every((image) => images.has(image)));
        const progress = await this.#progress();
        if (progress === "complete" && running.length === this.chart.pods && pods.length === running.length) {
          return { came: true, reason: "" };
        }
        return `${progress}; ${running.length} of ${pods.length} run: ${pods.map(stateOf).join("; ")}`;
      }, 120_000);
    }

    async #refusal(): Promise<string | undefined> {
      const { stdout } = await lab.kubectl([
        ...["-n", this.namespace, "get", "events", "--field-selector=reason=FailedCreate"],
        ...["-o", "jsonpath={.items[*].message}"],
      ]);
      return /exceeded quota/.test(stdout) ? stdout : undefined;
    }

    /** Returns `complete` if the controller has rolled out the last change, else what it waits for, as kubectl says it. */
    async #progress(): Promise<string> {
      const { workload } = this.chart;
      if (workload.startsWith("job/")) {
        const path = "jsonpath={.spec.parallelism} {.status.ready}";
        const { stdout } = await lab.kubectl(["-n", this.namespace, "get", workload, "-o", path]);
        const [wanted, ready] = stdout.split(" ");
        return wanted === ready ? "complete" : `${ready} of ${wanted} pods are ready`;
      }
      const args = ["-n", this.namespace, "rollout", "status", workload, "--watch=false"];
      const { stdout } = await lab.kubectl(args);
      return /successfully rolled out|(rolling update|roll out) complete/.test(stdout) ? "complete" : stdout.trim();
    }
  }

  const compared = new Map(guestCharts.map((chart) => [
    chart,
    (async () => {
      await Promise.all((chart.volumes ?? []).map((size, index) => addVolume(lab, `${chart.name}-${index}`, { size })));
      const release = new Release(chart, await guestOf(chart.name));
      return {
        release,
        created: await release.run("install", "1.0"),
        updated: await release.run("upgrade", "1.1"),
        grown: await release.run("upgrade", chart.upgradeFits === false ? "1.0" : "1.1", chart.tooLarge),
      };
    })(),
  ]));
  for (const running of compared.values()) running.catch(() => {});

  const states = "guest-states";
  const bob = await guestOf("states", { cpu: "100", memory: "8Gi", "ephemeral-storage": "100Gi" });
  succeeded(
    await lab.kubectl(["-n", states, "apply", "-f", "-"], {
      kubeconfig: bob,
      stdin: [...namedObjects, ...failingWorkloads.map(({ object }) => object)].map((object) => JSON.stringify(object))
        .join("\n---\n"),
    }),
  );

  for (const [chart, running] of compared) {
    await step(t, `chart ${chart.name}: would-fit predicts the installation and two upgrades`, async () => {
      const { release, created, updated, grown } = await running;
      const upgradeFits = chart.upgradeFits ?? true;
      for (
        const [what, outcome, fits] of [
          ["install", created, true],
          ["upgrade", updated, upgradeFits],
          ["a larger upgrade", grown, false],
        ] as const
      ) {
        const { fits: said, came, message, reason } = outcome;
        assert.deepEqual([said, came], [fits, fits], `${what}: ${message}\n${reason}`);
      }
      const explained = await keystone(release.kubeconfig, ["explain", chart.workload, "-n", release.namespace]);
      if (/exceeded quota/.test(grown.reason)) {
        assert.equal(explained.code, 1, explained.out);
        assert.match(explained.out, /^✗ .*Quota keystone \(the grants\) has no room/, explained.out);
      }
    });
  }

  for (const { fault, object: { kind, metadata: { name } }, says } of failingWorkloads) {
    await step(t, `${fault}: explain names the cause`, async () => {
      await eventually(`the answer matches ${says}`, async () => {
        const { code, out, err } = await keystone(bob, ["explain", kind.toLowerCase(), name, "-n", states]);
        const [first = ""] = out.split("\n");
        if (code !== 1 || !says.test(first)) return `${code} ${out}${err}`;
        if (Deno.env.get("KEYSTONE_SHOW")) console.log(out);
        return true;
      }, 60_000);
    });
  }
});

/** Returns the images of the rendered manifests. */
const imagesIn = (rendered: string): ReadonlySet<string> =>
  new Set((JSON.stringify(loadAll(rendered)).match(/"image":"[^"]+"/g) ?? []).map((text) => text.slice(9, -1)));

const imagesOf = ({ spec }: Pod): string[] =>
  [...spec?.initContainers ?? [], ...spec?.containers ?? []].map(({ image }) => image!);

const isReady = ({ status }: Pod): boolean =>
  status?.phase === "Running" &&
  status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

function stateOf({ metadata, status }: Pod): string {
  const containers = [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []];
  return `${metadata?.name} ${status?.phase} ${JSON.stringify(containers.map(({ state }) => state))}`;
}
