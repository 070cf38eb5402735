/**
 * Charts by real Helm: would-fit is asked about `helm template`'s output, then the guest runs `helm install`. The chart
 * of `helm create`, and charts in the style of popular ones.
 */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { keystone } from "../fixtures/keystone_command.ts";
import { root, step } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { type CommandResult, runCommand } from "../lab/command.ts";
import { type AppliedObject, isAtRest } from "./arrival.ts";
import { ComparisonScene } from "./comparison.ts";
import { GuestSlot } from "./guest_slot.ts";
import { type AnyObject, type ComparedKind, comparedKinds } from "./live_object.ts";

/** Values with which the pods of all charts meet Pod Security restricted. */
const restricted = {
  podSecurityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};

interface ChartCase {
  chart: string;
  values: Record<string, unknown>;
  /** Number of pods that run at the end, except those of hooks. */
  pods: number;
  /** True if a guest can't know the number of pods. */
  unknownToGuests?: boolean;
}

const charts: readonly ChartCase[] = [
  { chart: "created", values: { ingress: { enabled: false }, replicaCount: 2 }, pods: 2 },
  { chart: "cache", values: {}, pods: 2 },
  { chart: "web", values: {}, pods: 2 },
  { chart: "database", values: {}, pods: 1 },
  { chart: "training", values: {}, pods: 2 },
  // On the nodes that aren't cordoned, and on the cordoned one: DaemonSets tolerate that.
  { chart: "agent", values: {}, pods: 5, unknownToGuests: true },
];

/** A grant in which each of the charts fits, and one in which none does. */
const large = { cpu: "4", memory: "4Gi", pods: "20", "requests.storage": "20Gi", "requests.example.com/gpu": "2" };
const small = { cpu: "150m", memory: "100Mi", pods: "1", "requests.storage": "1Gi" };

Deno.test("charts by Helm: would-fit predicts the installation by a guest", {
  // The made-up nodes have to be the only ones.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  const { helm } = await build(["helm"]);
  await using scene = await ComparisonScene.open();
  const folder = await Deno.makeTempDir();
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  succeeded(await runCommand(helm!, ["create", `${folder}/created`]));
  const pathOf = (chart: string) => chart === "created" ? `${folder}/created` : `${root}tests/fixtures/charts/${chart}`;

  for (const { chart, values, pods, unknownToGuests = false } of charts) {
    for (const [size, hard] of Object.entries({ large, small })) {
      await step(t, `${chart}, ${size} grant: ${size === "large" ? "fits" : "does not fit"}`, async () => {
        using slot = await GuestSlot.open(scene, `${chart}-${size}`, { trustLevel: "partner", hard });
        const fits = size === "large";
        const as = unknownToGuests ? scene.lab.kubeconfig : slot.kubeconfig;
        const asked = await ask(slot, as, chart, { ...restricted, ...values });
        assert.equal(asked.fits, fits, asked.message);
        const { came, said } = await install(slot, chart, { ...restricted, ...values });
        assert.equal(came, fits, said);
        if (fits) assert.equal(slot.view.of("Pod").length, pods);
      });
    }
  }

  await step(t, "agent, asked by a guest: not judged, because guests can't read nodes", async () => {
    using slot = await GuestSlot.open(scene, "agent-guest", { trustLevel: "partner", hard: large });
    const { fits, message } = await ask(slot, slot.kubeconfig, "agent", restricted);
    assert.equal(fits, null, message);
    assert.match(message, /node/);
  });

  await step(t, "without values for Pod Security restricted: does not fit, and no pod comes", async () => {
    using slot = await GuestSlot.open(scene, "cache-plain", { trustLevel: "partner", hard: large });
    const { fits, message } = await ask(slot, slot.kubeconfig, "cache", {});
    assert.equal(fits, false, message);
    assert.match(message, /restricted/);
    assert.equal((await install(slot, "cache", {})).came, false);
    assert.deepEqual(slot.view.of("Pod"), []);
  });

  /** Runs Helm as the guest. */
  async function guestHelm(slot: GuestSlot, args: string[], values: unknown): Promise<CommandResult> {
    return await runCommand(helm!, [...args, "-n", slot.namespace, "--values=-"], {
      env: { KUBECONFIG: slot.kubeconfig, HELM_CACHE_HOME: `${folder}/helm`, HELM_CONFIG_HOME: `${folder}/helm` },
      timeoutMs: 60_000,
      stdin: JSON.stringify(values),
    });
  }

  async function ask(
    slot: GuestSlot,
    kubeconfig: string,
    chart: string,
    values: unknown,
  ): Promise<{ fits: boolean | null; message: string }> {
    const { stdout } = succeeded(await guestHelm(slot, ["template", chart, pathOf(chart)], values));
    const args = ["would-fit", "-f", "-", "-n", slot.namespace, "-o", "json"];
    const said = await keystone(kubeconfig, args, { stdin: stdout });
    assert.notEqual(said.out, "", said.err);
    return said.json();
  }

  /** Installs the chart, and returns whether all of it came. */
  async function install(slot: GuestSlot, chart: string, values: unknown): Promise<{ came: boolean; said: string }> {
    // A hook's Job has to complete before anything else is installed.
    slot.view.finishing = chart === "web";
    const installed = await guestHelm(slot, ["install", chart, pathOf(chart), "--timeout=10s"], values);
    const manifests = await guestHelm(slot, ["template", chart, pathOf(chart), "--no-hooks"], values);
    const applied: AppliedObject[] = (loadAll(manifests.stdout) as (AnyObject | null)[]).flatMap((object) =>
      object?.kind !== undefined && object.kind in comparedKinds
        ? [{ kind: object.kind as ComparedKind, name: object.metadata!.name!, resourceVersion: "0" }]
        : []
    );
    if (installed.code !== 0) return { came: false, said: installed.stderr };
    const { arrived, reasons } = await isAtRest(slot.view, applied);
    return { came: arrived, said: reasons.join("\n") };
  }
});

function succeeded(result: CommandResult): CommandResult {
  assert.equal(result.code, 0, result.stderr);
  return result;
}
