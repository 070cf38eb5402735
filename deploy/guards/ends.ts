/** Guard on the ways in which guests end pods. */
import type { Policy } from "./guard.ts";

const names = {
  now: { object: "object", template: "", spec: "object.spec", containers: "" },
  before: { object: "oldObject", template: "", spec: "oldObject.spec", containers: "" },
};

export const endsPolicy: Policy = {
  name: "keystone-guest-ends",
  about:
    "Deletions and evictions of pods by guests. The API server removes a pod that is deleted without grace at once, while " +
    "its node keeps it running for its own grace period. Cluster admins may do that, for pods of lost nodes.",
  resources: [
    { apiGroups: [""], resources: ["pods"], operations: ["DELETE"] },
    { apiGroups: [""], resources: ["pods/eviction"], operations: ["CREATE"] },
  ],
  guestsOnly: true,
  names,
  unless: "authorizer.group('*').resource('*').check('*').allowed()",
  guards: [{
    name: "forced-end",
    refuses: "deletions and evictions of running pods with `gracePeriodSeconds: 0`",
    why: "quota and drain would lose the pod, while it keeps running for its own grace period",
    remedy: "Leave out --force; --grace-period=1 ends the pod as fast",
    at: "''",
    // A pod without a node, or a finished one, does not run. An eviction does not contain the pod.
    offences: ({ object }) =>
      object === "oldObject" ? "[]" : `[(request.operation == 'DELETE' ?
        (dyn(oldObject).?spec.?nodeName.orValue('') == '' ||
          dyn(oldObject).?status.?phase.orValue('') in ['Succeeded', 'Failed'] ? -1 :
          int(dyn(request.options).?gracePeriodSeconds.orValue(-1))) :
        int(dyn(object).?deleteOptions.?gracePeriodSeconds.orValue(-1))) == 0 ? ['gracePeriodSeconds is 0'] : []]`,
    // It is not a field of an object: tests/hostile/verbs_test.ts deletes pods.
    attacks: [],
    ordinary: [],
  }],
};
