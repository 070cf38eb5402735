/** Scenarios on a real tailnet: tailscaled's responses can be disturbed too. */
import { networkPolicies, type NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { realms } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { secondsFromNow } from "../fixtures/test_operator.ts";
import { daemonKnows, headscale, nodeIdOf, patientClient } from "../fixtures/test_tailnet.ts";
import type { Lab } from "../lab/lab.ts";
import { all, changed, grantIs, inGuest, lent, type Scenario, type Step } from "./scenario.ts";
import type { FaultStage } from "./fault_stage.ts";

const nodes = ["alice-home", "bob-home", "carol-home"] as const;
const bob = "bob-home";
const another = "bob-2";

/** Returns true if a realm has this state; `ready` is the reason of its condition. */
function realmIs(stage: FaultStage, name: string, state: string, ready: string): true | string {
  const { connectionState, conditions, node } = stage.witness.get(realms, stage.named(name))?.status ?? {};
  const reason = conditions?.find(({ type }) => type === "Ready")?.reason;
  // While the path isn't known yet, another write of the status is about to follow.
  const known = state !== "Connected" || node?.path === "direct";
  return connectionState === state && reason === ready && known ||
    `Realm ${name} is ${connectionState}, ${reason}, ${node?.path}`;
}

/** Returns true if the guests reach exactly the addresses of these nodes. */
function reached(stage: FaultStage, wanted: readonly string[]): true | string {
  const policy = inGuest<NetworkPolicy>(stage, "bob", networkPolicies, "realm");
  const open = JSON.stringify(policy?.spec ?? {});
  const seen = nodes.filter((name) => open.includes(`"${stage.plane.lab.realms[name]!.ipv4}/32"`));
  return seen.join() === wanted.join() || `the guests reach ${seen.join() || "nobody"}`;
}

/** Creates the realms of the nodes, and alice's grant to bob, who may reach carol's node by SSH. */
const begin = (validSeconds?: number): Step => ({
  does: async (stage) => {
    await asItWas(stage.plane.lab);
    for (const name of ["bob", "carol"]) {
      const { identity } = stage.plane.lab.realms[`${name}-home`]!;
      await stage.cluster.createRealm(stage.named(name), { identity, connectionType: "headscale" });
    }
    await lent(stage, {
      name: "one",
      to: "bob",
      hard: { cpu: "2" },
      destinations: [`${stage.named("carol")}:22`],
      ...(validSeconds === undefined ? {} : { until: secondsFromNow(validSeconds).text }),
    });
  },
  until: meets,
});

/** Restores bob's node, which an interrupted plan may have changed. */
async function asItWas(lab: Lab): Promise<void> {
  await lab.realms[bob]!.tailscaled.start();
  const { socket } = lab.realms[nodes[0]]!;
  using client = patientClient(socket);
  const names = Object.values((await client.status()).Peer ?? {}).map(({ DNSName }) => DNSName?.split(".")[0]);
  if (names.includes(another)) await rename(lab, another, bob);
  await daemonKnows(socket, lab.realms[bob]!.identity, true);
}

async function rename(lab: Lab, from: string, to: string): Promise<void> {
  await headscale(lab, "nodes", "rename", to, "--identifier", await nodeIdOf(lab, from), "--force");
}

const meets = (stage: FaultStage): true | string =>
  all(
    grantIs(stage, "one", { phase: "Active", ready: true }),
    realmIs(stage, "bob", "Connected", "Online"),
    realmIs(stage, "carol", "Connected", "Online"),
    reached(stage, ["bob-home"]),
  );

const ended = (phase: string): Step["until"] => (stage) =>
  all(grantIs(stage, "one", { phase }), reached(stage, []), realmIs(stage, "bob", "Connected", "Online"));

const renamed = (name: string, until: Step["until"]): Step => ({
  does: async ({ plane: { lab } }) => {
    const { identity } = lab.realms[bob]!;
    await rename(lab, name === bob ? another : bob, name);
    // The tailnet must be in this state before the final comparison.
    await daemonKnows(lab.realms[nodes[0]]!.socket, identity.replace(bob, name), true);
  },
  until,
});

export const tailnetScenarios: readonly Scenario[] = [
  { name: "meet", realms: nodes, steps: [begin()] },
  {
    name: "offline",
    realms: nodes,
    steps: [
      begin(),
      {
        does: ({ plane: { lab } }) => lab.realms[bob]!.tailscaled.kill(),
        until: (stage) => all(realmIs(stage, "bob", "Disconnected", "Offline"), reached(stage, [bob])),
      },
      { does: ({ plane: { lab } }) => lab.realms[bob]!.tailscaled.start(), until: meets },
    ],
  },
  {
    name: "rename",
    realms: nodes,
    steps: [
      begin(),
      renamed(another, (stage) => all(realmIs(stage, "bob", "Error", "NodeNotFound"), reached(stage, []))),
      renamed(bob, meets),
    ],
  },
  {
    name: "expire-there",
    realms: nodes,
    steps: [begin(15), { does: () => Promise.resolve(), until: ended("Expired") }],
  },
  {
    name: "revoke-there",
    realms: nodes,
    steps: [
      begin(),
      {
        does: (stage) => changed(stage, "one", { revocation: { reason: "moving" }, termination: { noticeSeconds: 3 } }),
        until: ended("Revoked"),
      },
    ],
  },
];
