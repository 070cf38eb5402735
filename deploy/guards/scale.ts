/** Numbers by which a guest could have Kubernetes' own controllers work for nobody but him. */
import type { Attack, Policy } from "./guard.ts";

const scaled = ["ReplicationController", "Deployment", "ReplicaSet", "StatefulSet"];
/** So many replicas are no burden, whatever is granted. */
const harmless = 100;
const mostMetrics = 32;

const metric = (index: number) => ({
  type: "Pods",
  pods: { metric: { name: `m${index}` }, target: { type: "AverageValue", averageValue: "1" } },
});
const metrics = (count: number) => ({ metrics: Array.from({ length: count }, (_, index) => metric(index)) });
const names = {
  now: { object: "dyn(object)", template: "", spec: "dyn(object).?spec", containers: "" },
  before: { object: "dyn(oldObject)", template: "", spec: "dyn(oldObject).?spec", containers: "" },
};

export const scalePolicy: Policy = {
  name: "keystone-guest-scale",
  about:
    "How much Kubernetes' controllers have to do for a workload, beside the pods that come of it: those a quota counts, but " +
    "the work for pods that never come it doesn't.",
  resources: [
    { apiGroups: [""], resources: ["replicationcontrollers", "replicationcontrollers/scale"] },
    {
      apiGroups: ["apps"],
      resources: [
        "deployments",
        "replicasets",
        "statefulsets",
        "deployments/scale",
        "replicasets/scale",
        "statefulsets/scale",
      ],
    },
    { apiGroups: ["batch"], resources: ["cronjobs"] },
    // Of version 1 the API server keeps metrics in an annotation.
    { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"], apiVersions: ["v2"] },
  ],
  madeByControllers: ["replicasets"],
  quota: "where there is one",
  variables: [
    [
      "mostReplicas",
      `[dyn(params).?spec.?hard[?'pods'].hasValue() && quantity(string(dyn(params).spec.hard['pods'])).isInteger() ?
        quantity(string(dyn(params).spec.hard['pods'])).asInteger() : 0].map(pods, pods > ${harmless} ? pods : ${harmless})[0]`,
    ],
  ],
  names,
  guards: [
    {
      name: "replicas",
      refuses:
        `more replicas than a grant has pods and than ${harmless}: \`replicas\` of workloads, also by \`/scale\`, and ` +
        "`maxReplicas` of autoscalers",
      why:
        "controllers keep a copy in memory of every pod that they are to make, and a large number ends them for the " +
        "whole cluster",
      remedy: "Lower it; more than the grant's pods never run",
      at: "''",
      offences: ({ spec }) =>
        `[['replicas', 'maxReplicas'].filter(field, ${spec}[?field].orValue(0) > variables.mostReplicas).map(field,
          'spec.' + field + ' is ' + string(${spec}[?field].orValue(0)) + ' (allowed: ' + string(variables.mostReplicas) + ')')]`,
      attacks: [
        {
          title: "a workload of as many pods as there are numbers",
          object: { kinds: scaled, spec: { replicas: 2_147_483_647 } },
          says: /spec\.replicas is 2147483647 \(allowed: 100\)/,
        },
        {
          title: "an autoscaler that may make that of one",
          object: { kinds: ["HorizontalPodAutoscaler"], spec: { maxReplicas: 2_147_483_647 } },
          says: /spec\.maxReplicas is 2147483647/,
        },
      ],
      ordinary: [
        { title: "a workload of some replicas", object: { kinds: scaled, spec: { replicas: 100 } } },
        { title: "an autoscaler", object: { kinds: ["HorizontalPodAutoscaler"], spec: { maxReplicas: 100 } } },
      ],
    },
    {
      name: "autoscaler-metrics",
      refuses: `more than ${mostMetrics} metrics of an autoscaler`,
      why: "one controller queries them one after the other, for all autoscalers of the cluster",
      remedy: "Leave some out",
      at: "''",
      offences: ({ spec }) =>
        `[${spec}.?metrics.orValue([]).size() > ${mostMetrics} ?
          ['spec.metrics has ' + string(${spec}.?metrics.orValue([]).size()) + ' entries'] : []]`,
      attacks: [{
        title: "an autoscaler that keeps all others waiting",
        object: { kinds: ["HorizontalPodAutoscaler"], spec: metrics(5000) },
        says: /spec\.metrics has 5000 entries/,
      }],
      ordinary: [{
        title: "an autoscaler by some metrics",
        object: { kinds: ["HorizontalPodAutoscaler"], spec: metrics(mostMetrics) },
      }],
    },
    {
      name: "schedule",
      refuses: "CronJobs that run more often than once a minute, as by `@every 1s`",
      why: "one controller creates and deletes the Jobs of all CronJobs of the cluster, at a limited request rate",
      remedy: "Write @every 1m or more, or * * * * *",
      at: "'spec.'",
      // In other forms a minute is the least that can be said.
      offences: ({ spec }) =>
        `[[${spec}.?schedule.orValue('')].filter(s, s.startsWith('@every ')).filter(s,
          duration(s.substring(7)) < duration('1m')).map(s, 'schedule is ' + s)]`,
      attacks: ["@every 1s", "@every 0h0m59s", "@every 1ns"].map((schedule): Attack => ({
        title: `a CronJob of the schedule ${schedule}`,
        object: { kinds: ["CronJob"], spec: { schedule } },
        says: new RegExp(`spec\\.schedule is ${schedule}`),
      })),
      ordinary: ["@every 1m", "@every 90s", "@hourly"].map((schedule) => ({
        title: `a CronJob of the schedule ${schedule}`,
        object: { kinds: ["CronJob"], spec: { schedule } },
      })),
    },
  ],
};
