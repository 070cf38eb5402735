/** The scenarios of the campaign. */
import { resourceQuotas } from "../../lib/kubernetes_apis/core@v1.ts";
import type { ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { roleBindings } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestNamespace, guestRole } from "../../src/core/names.ts";
import { guestPod } from "../lab/workloads.ts";
import { all, changed, grantIs, inGuest, lent, type Scenario, type Step } from "./scenario.ts";
import type { Stage } from "./stage.ts";

/** A realm bob, and what alice lends it. */
const begin = (hard: Record<string, string> = { cpu: "2", memory: "1Gi" }): Step => ({
  does: async (stage) => {
    await stage.cluster.createRealm(stage.named("bob"));
    await lent(stage, { name: "one", to: "bob", hard });
  },
  until: (stage) => all(grantIs(stage, "one", { phase: "Active", ready: true }), letIn(stage, true)),
});

const letIn = (stage: Stage, wanted: boolean): true | string =>
  (inGuest(stage, "bob", roleBindings, guestRole) !== undefined) === wanted || "the guests are not";

const enforced = (stage: Stage, cpu: string): true | string => {
  const seen = inGuest<ResourceQuota>(stage, "bob", resourceQuotas, "keystone")?.status?.hard?.["requests.cpu"];
  return seen === cpu || `${seen} cpu are enforced, not ${cpu}`;
};

const create: Scenario = { name: "create", steps: [begin()] };

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
      until: (stage) =>
        all(
          grantIs(stage, "one", { phase: "Revoked", draining: "Drained" }),
          letIn(stage, false),
          enforced(stage, "0"),
        ),
    },
  ],
};

export const scenarios: readonly Scenario[] = [create, revoke];
