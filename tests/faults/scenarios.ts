/** The scenarios of the campaign. */
import { type ResourceQuota, resourceQuotas } from "../../lib/kubernetes_apis/core@v1.ts";
import { grants, realms, superEntities, type SuperEntity } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { networkPolicies, type NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { clusterRoleBindings, roleBindings } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { approverName, guestNamespace, guestRole } from "../../src/core/names.ts";
import { digestOf } from "../../src/core/superentity/digest.ts";
import { secondsFromNow, superEntityOf } from "../fixtures/test_operator.ts";
import type { StandInNode } from "../fixtures/stand_ins.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { all, changed, grantIs, inGuest, lent, type Scenario, type Step } from "./scenario.ts";
import type { FaultStage } from "./fault_stage.ts";
import { tailnetScenarios } from "./tailnet_scenarios.ts";

/** Creates the realm bob, and alice's grant to it. */
const begin = (terms: { cpu?: string; destinations?: string[] } = {}): Step => ({
  does: async (stage) => {
    const { cpu = "2", ...more } = terms;
    await stage.cluster.createRealm(stage.named("bob"));
    await lent(stage, { name: "one", to: "bob", hard: { cpu, memory: "1Gi" }, ...more });
  },
  until: (stage) => all(grantIs(stage, "one", { phase: "Active", ready: true }), letIn(stage, true)),
});

const letIn = (stage: FaultStage, wanted: boolean): true | string =>
  (inGuest(stage, "bob", roleBindings, guestRole) !== undefined) === wanted ||
  `access is ${wanted ? "missing" : "still there"}`;

const enforced = (stage: FaultStage, cpu: string): true | string => {
  const seen = inGuest<ResourceQuota>(stage, "bob", resourceQuotas, "keystone")?.status?.hard?.["requests.cpu"];
  return seen === cpu || `${seen} cpu are enforced, not ${cpu}`;
};

/** Returns true if a policy opens exactly these addresses. */
const opens = (stage: FaultStage, policy: string, cidrs: string[]): true | string => {
  const { egress = [] } = inGuest<NetworkPolicy>(stage, "bob", networkPolicies, policy)?.spec ?? {};
  const seen = egress.flatMap(({ to = [] }) => to.flatMap(({ ipBlock }) => ipBlock ? [ipBlock.cidr] : [])).join();
  return seen === cidrs.join() || `${policy} opens ${seen || "nothing"}, not ${cidrs.join()}`;
};

const lends = (cpu: string, enough: Parameters<typeof grantIs>[2] = {}): Step => ({
  does: (stage) => changed(stage, "one", { hard: { cpu } }),
  until: (stage) =>
    all(grantIs(stage, "one", { ready: true, draining: "NotDraining", cpu, ...enough }), enforced(stage, cpu)),
});

const create: Scenario = { name: "create", steps: [begin()] };

const quotaUp: Scenario = { name: "quota-up", steps: [begin(), lends("3")] };

const quotaDown: Scenario = { name: "quota-down", steps: [begin(), lends("1")] };

const destinations: Scenario = {
  name: "destinations",
  steps: [
    begin({ destinations: ["203.0.113.0/24"] }),
    {
      does: (stage) => changed(stage, "one", { networkPolicy: { allowedDestinations: ["198.51.100.7:443"] } }),
      until: (stage) =>
        all(
          grantIs(stage, "one", { ready: true, draining: "NotDraining" }),
          opens(stage, `grant-${stage.named("one")}`, ["198.51.100.7/32"]),
        ),
    },
    {
      does: (stage) => changed(stage, "one", { networkPolicy: { egressAllowed: false } }),
      until: (stage) =>
        all(
          grantIs(stage, "one", { ready: true, draining: "NotDraining" }),
          opens(stage, `grant-${stage.named("one")}`, []),
        ),
    },
  ],
};

const closed = (stage: FaultStage, phase: string): true | string =>
  all(grantIs(stage, "one", { phase, draining: "Drained" }), letIn(stage, false), enforced(stage, "0"));

const expiry: Scenario = {
  name: "expiry",
  steps: [
    begin(),
    {
      does: (stage) => changed(stage, "one", { validity: { validUntil: secondsFromNow(1).text } }),
      until: (stage) => closed(stage, "Expired"),
    },
  ],
};

const revoke: Scenario = {
  name: "revoke",
  steps: [
    begin(),
    {
      does: async (stage) => {
        const pod = guestPod("web", { cpu: "1", memory: "64Mi" }, guestNamespace(stage.named("bob")));
        const { code, stderr } = await stage.plane.lab.kubectl(["create", "-f", "-"], { stdin: pod });
        if (code !== 0) throw new Error(stderr);
        await changed(stage, "one", { revocation: { reason: "moving" } });
      },
      until: (stage) => closed(stage, "Revoked"),
    },
  ],
};

const recreate: Scenario = {
  name: "recreate",
  steps: [
    begin(),
    {
      does: (stage) => stage.cluster.grants.delete(stage.named("one")),
      until: (stage) => all(stage.isGone(grants, "one"), letIn(stage, false), enforced(stage, "0")),
    },
    {
      does: (stage) => lent(stage, { name: "one", to: "bob", hard: { cpu: "3", memory: "1Gi" } }),
      until: (stage) =>
        all(grantIs(stage, "one", { phase: "Active", ready: true }), letIn(stage, true), enforced(stage, "3")),
    },
  ],
};

const overlap: Scenario = {
  name: "overlap",
  steps: [
    begin(),
    {
      does: (stage) => lent(stage, { name: "two", to: "bob", hard: { cpu: "1" }, destinations: ["203.0.113.0/24"] }),
      until: (stage) => all(grantIs(stage, "two", { phase: "Active", ready: true }), enforced(stage, "3")),
    },
    {
      does: (stage) => stage.cluster.grants.delete(stage.named("one")),
      until: (stage) =>
        all(
          stage.isGone(grants, "one"),
          grantIs(stage, "two", { ready: true }),
          enforced(stage, "1"),
          letIn(stage, true),
        ),
    },
  ],
};

const alice: StandInNode = { name: "alice", stableID: "n1", addresses: ["100.64.0.1"], online: true };
const bob: StandInNode = { name: "bob", stableID: "n2", addresses: ["100.64.0.2"], online: true };

const connected = (stage: FaultStage, state: string): true | string => {
  const seen = stage.witness.get(realms, stage.named("bob"))?.status?.connectionState;
  return seen === state || `bob is ${seen}`;
};

const flap: Scenario = {
  name: "flap",
  nodes: [alice, bob],
  steps: [
    begin(),
    {
      does: (stage) => stage.tailnetBecomes({ ...bob, online: false }),
      until: (stage) => connected(stage, "Disconnected"),
    },
    {
      does: (stage) => stage.tailnetBecomes({ ...bob, addresses: ["100.64.0.9"] }),
      until: (stage) => all(connected(stage, "Connected"), opens(stage, "realm", ["100.64.0.9/32"])),
    },
  ],
};

/** Members approve the present terms. Their right to do so is not tested here. */
async function approved(stage: FaultStage): Promise<void> {
  const name = stage.named("coop");
  const { spec } = await stage.cluster.superEntities.get(name);
  const digest = digestOf(name, spec as never);
  const approvals = spec!.members.map(({ realm }) => ({ realm, digest }));
  await stage.cluster.superEntities.patch(name, { spec: { approvals } }, { type: "merge" });
}

const pooled = (stage: FaultStage, phase: string, cpu?: string): true | string => {
  const { metadata, status } = stage.witness.get<SuperEntity>(superEntities, stage.named("coop")) ?? {};
  const seen = [status?.phase, status?.pooled?.["requests.cpu"]];
  const current = status?.observedGeneration === metadata?.generation;
  return current && seen[0] === phase && seen[1] === cpu || `coop is ${seen}`;
};

const approver = (stage: FaultStage, realm: string, wanted: boolean): true | string => {
  const binding = stage.witness.get(clusterRoleBindings, approverName(stage.named(realm)));
  const subjects = (binding as { subjects?: unknown[] } | undefined)?.subjects ?? [];
  return subjects.length > 0 === wanted || `${realm} ${wanted ? "can't" : "can"} approve`;
};

const superEntity: Scenario = {
  name: "superentity",
  steps: [
    {
      does: async (stage) => {
        for (const name of ["alice", "bob", "carol"]) await stage.cluster.createRealm(stage.named(name));
        const members = { [stage.named("alice")]: { cpu: 4 }, [stage.named("carol")]: { cpu: 2 } };
        await stage.cluster.superEntities.create(
          superEntityOf({ name: stage.named("coop"), members, graceSeconds: 600 }),
        );
        await approved(stage);
        await lent(stage, { name: "one", to: "bob", grantor: stage.named("coop"), hard: { cpu: "3" } });
      },
      until: (stage) =>
        all(
          pooled(stage, "Active", "6"),
          grantIs(stage, "one", { phase: "Active", ready: true, cpu: "2" }),
          enforced(stage, "2"),
          approver(stage, "carol", true),
        ),
    },
    {
      does: (stage) => {
        const members = [{ realm: stage.named("alice"), contribution: { cpu: 3 } }];
        return stage.cluster.superEntities.patch(stage.named("coop"), { spec: { members } }, { type: "merge" });
      },
      until: (stage) => all(pooled(stage, "Pending"), approver(stage, "carol", false)),
    },
    {
      does: approved,
      until: (stage) =>
        all(
          pooled(stage, "Active", "3"),
          grantIs(stage, "one", { ready: true, draining: "NotDraining", cpu: "3" }),
          enforced(stage, "3"),
        ),
    },
  ],
};

const handover: Scenario = {
  name: "handover",
  steps: [
    begin(),
    {
      does: async (stage) => {
        await stage.startOperator();
        await stage.endOperator(0);
        await changed(stage, "one", { hard: { cpu: "3" } });
      },
      until: (stage) => all(grantIs(stage, "one", { ready: true, cpu: "3" }), enforced(stage, "3")),
    },
  ],
};

export const scenarios: readonly Scenario[] = [
  create,
  quotaUp,
  quotaDown,
  destinations,
  expiry,
  revoke,
  recreate,
  overlap,
  flap,
  superEntity,
  handover,
  ...tailnetScenarios,
];
