/** Guards on numbers by which a guest could keep Kubernetes' own controllers busy. */
import type { Cel, GuardAttack, Policy } from "./guard.ts";

const scaled = ["ReplicationController", "Deployment", "ReplicaSet", "StatefulSet"];
/** Number of replicas that is always allowed, because it is no burden. */
const harmless = 100;
const mostMetrics = 32;

const mostRequirements = 128;
const requirements = (selector: Cel): Cel =>
  `[${selector}.?matchExpressions.orValue([])].map(all, int(${selector}.?matchLabels.orValue({}).size()) +
    int(all.size()) + (all.size() > ${mostRequirements} ? 0 : all.map(r, int(r.?values.orValue([]).size())).sum()))[0]`;
const absent = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ key: `k${index}`, operator: "DoesNotExist" }));
const others = (count: number) => [{ key: "k", operator: "NotIn", values: absent(count).map(({ key }) => key) }];
const chosen = (matchExpressions: unknown[]) => ({ selector: { matchLabels: { app: "x" }, matchExpressions } });
const byLabels = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "PodDisruptionBudget"];

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
    "Work of Kubernetes' controllers for a workload. A quota counts the pods that it creates, but not the work for pods that " +
    "are never created.",
  resources: [
    { apiGroups: [""], resources: ["replicationcontrollers", "replicationcontrollers/scale", "services"] },
    {
      apiGroups: ["apps"],
      resources: [
        "deployments",
        "replicasets",
        "statefulsets",
        "daemonsets",
        "deployments/scale",
        "replicasets/scale",
        "statefulsets/scale",
      ],
    },
    { apiGroups: ["batch"], resources: ["jobs", "cronjobs"] },
    { apiGroups: ["policy"], resources: ["poddisruptionbudgets"] },
    // In version 1 the metrics are in an annotation.
    { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"], apiVersions: ["v2"] },
  ],
  madeByControllers: ["replicasets", "jobs"],
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
        `more replicas than both the granted pods and ${harmless}: \`replicas\` of workloads, also through \`/scale\`, and ` +
        "`maxReplicas` of autoscalers",
      why: "controllers keep a copy of every pod to create in memory, and a large number crashes them for the whole " +
        "cluster",
      remedy: "Lower it; more than the granted pods never run",
      at: "''",
      offences: ({ spec }) =>
        `[['replicas', 'maxReplicas'].filter(field, ${spec}[?field].orValue(0) > variables.mostReplicas).map(field,
          'spec.' + field + ' is ' + string(${spec}[?field].orValue(0)) + ' (allowed: ' + string(variables.mostReplicas) + ')')]`,
      attacks: [
        {
          title: "a workload with the largest possible number of replicas",
          object: { kinds: scaled, spec: { replicas: 2_147_483_647 } },
          says: /spec\.replicas is 2147483647 \(allowed: 100\)/,
        },
        {
          title: "an autoscaler with the largest possible number of replicas",
          object: { kinds: ["HorizontalPodAutoscaler"], spec: { maxReplicas: 2_147_483_647 } },
          says: /spec\.maxReplicas is 2147483647/,
        },
      ],
      ordinary: [
        { title: "a workload with the allowed number of replicas", object: { kinds: scaled, spec: { replicas: 100 } } },
        { title: "an autoscaler", object: { kinds: ["HorizontalPodAutoscaler"], spec: { maxReplicas: 100 } } },
      ],
    },
    {
      name: "autoscaler-metrics",
      refuses: `more than ${mostMetrics} metrics of an autoscaler`,
      why: "one controller queries them one after the other, for all autoscalers of the cluster",
      remedy: "Use fewer metrics",
      at: "''",
      offences: ({ spec }) =>
        `[${spec}.?metrics.orValue([]).size() > ${mostMetrics} ?
          ['spec.metrics has ' + string(${spec}.?metrics.orValue([]).size()) + ' entries'] : []]`,
      attacks: [{
        title: "an autoscaler with thousands of metrics",
        object: { kinds: ["HorizontalPodAutoscaler"], spec: metrics(5000) },
        says: /spec\.metrics has 5000 entries/,
      }],
      ordinary: [{
        title: "an autoscaler with the allowed number of metrics",
        object: { kinds: ["HorizontalPodAutoscaler"], spec: metrics(mostMetrics) },
      }],
    },
    {
      name: "selector-size",
      refuses: `selectors of more than ${mostRequirements} requirements and values, of workloads, Services and budgets`,
      why:
        "controllers evaluate the selectors of a namespace whenever one of its pods changes, so all other namespaces " +
        "would wait",
      remedy: "Use a label that those pods have in common",
      at: "'spec.'",
      offences: ({ spec }) =>
        `[(request.resource.resource in ['services', 'replicationcontrollers'] ?
          [int(${spec}.?selector.orValue({}).size())] :
          [${requirements(`${spec}.?selector`)}, ${requirements(`${spec}.?jobTemplate.?spec.?selector`)}])
          .filter(n, n > ${mostRequirements}).map(n, 'selector has ' + string(n) + ' requirements and values')]`,
      attacks: [
        {
          title: "a workload or budget that selects by the absence of thousands of labels",
          object: { kinds: byLabels, spec: chosen(absent(5000)) },
          says: /spec\.selector has 5001 requirements/,
        },
        {
          title: "a workload or budget that selects by thousands of values",
          object: { kinds: byLabels, spec: chosen(others(5000)) },
          says: /spec\.selector has 5002 requirements/,
        },
        {
          title: "a Service that selects by thousands of labels",
          object: {
            kinds: ["Service"],
            spec: { selector: Object.fromEntries(absent(5000).map(({ key }) => [key, ""])) },
          },
          says: /spec\.selector has 5000 requirements/,
        },
      ],
      ordinary: [{
        title: "a workload or budget that selects by some labels",
        object: { kinds: byLabels, spec: chosen([...absent(5), ...others(50)]) },
      }],
    },
    {
      name: "schedule",
      refuses: "CronJobs that run more often than once a minute, such as `@every 1s`",
      why: "one controller creates and deletes the Jobs of all CronJobs of the cluster, at a limited request rate",
      remedy: "Use @every 1m or more, or * * * * *",
      at: "'spec.'",
      // Other forms allow no interval below a minute.
      offences: ({ spec }) =>
        `[[${spec}.?schedule.orValue('')].filter(s, s.startsWith('@every ')).filter(s,
          duration(s.substring(7)) < duration('1m')).map(s, 'schedule is ' + s)]`,
      attacks: ["@every 1s", "@every 0h0m59s", "@every 1ns"].map((schedule): GuardAttack => ({
        title: `a CronJob with the schedule ${schedule}`,
        object: { kinds: ["CronJob"], spec: { schedule } },
        says: new RegExp(`spec\\.schedule is ${schedule}`),
      })),
      ordinary: ["@every 1m", "@every 90s", "@hourly"].map((schedule) => ({
        title: `a CronJob with the schedule ${schedule}`,
        object: { kinds: ["CronJob"], spec: { schedule } },
      })),
    },
  ],
};
