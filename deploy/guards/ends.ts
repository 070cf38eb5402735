/** Ends of pods that guests may not ask for. */
import type { Policy } from "./guard.ts";

const names = {
  now: { object: "object", template: "", spec: "object.spec", containers: "" },
  before: { object: "oldObject", template: "", spec: "oldObject.spec", containers: "" },
};

export const endsPolicy: Policy = {
  name: "keystone-guest-ends",
  about:
    "How guests end pods. The API server forgets a pod that is ended without grace at once, while its node runs it on for " +
    "all of its own grace. Cluster admins may, for pods of nodes that are lost.",
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
    why: "neither quota nor drain would know of the pod any more, while it runs on for all of its own grace period",
    remedy: "Leave out --force; --grace-period=1 ends it as soon",
    at: "''",
    // What no node has, or what has finished, runs nowhere. An eviction doesn't say which pod it is about.
    offences: ({ object }) =>
      object === "oldObject" ? "[]" : `[(request.operation == 'DELETE' ?
        (dyn(oldObject).?spec.?nodeName.orValue('') == '' ||
          dyn(oldObject).?status.?phase.orValue('') in ['Succeeded', 'Failed'] ? -1 :
          int(dyn(request.options).?gracePeriodSeconds.orValue(-1))) :
        int(dyn(object).?deleteOptions.?gracePeriodSeconds.orValue(-1))) == 0 ? ['gracePeriodSeconds is 0'] : []]`,
    // No object carries it: tests/hostile/verbs_test.ts ends pods.
    attacks: [],
    ordinary: [],
  }],
};
