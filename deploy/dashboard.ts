/** The Grafana dashboard of the chart, as a table of panels. `deno task gen` writes deploy/chart/files/dashboard.json. */
import {
  type Dashboard,
  type DataTransformerConfig,
  FieldColorModeId,
  type FieldConfig,
  type GraphFieldConfig,
  LegendDisplayMode,
  MappingType,
  type Panel,
  type RowPanel,
  ScaleDistribution,
  ThresholdsMode,
  type ValueMapping,
} from "@grafana/schema";

/** A query of a panel, as Grafana's data source for Prometheus stores it. */
export interface DashboardQuery {
  refId: string;
  expr: string;
  legendFormat: string;
  instant?: true;
  range?: true;
  format?: "table" | "time_series";
}

interface PanelRow {
  title: string;
  /** A sentence. */
  description: string;
  unit: string;
  /** Expressions by legend: a template of labels, or in a table the name of the column. */
  queries: Readonly<Record<string, string>>;
}

/** A panel without its number and place. */
type Draft = Omit<Panel, "id" | "gridPos"> & { size: readonly [w: number, h: number] };

const datasource = { type: "prometheus", uid: "${datasource}" };
const letters = "ABCDEFGH";

const draft = (
  type: string,
  { title, description, unit, queries }: PanelRow,
  size: Draft["size"],
  { defaults = {}, options = {}, query = { range: true }, transformations = [] }: {
    defaults?: FieldConfig;
    options?: Record<string, unknown>;
    query?: Partial<DashboardQuery>;
    transformations?: DataTransformerConfig[];
  },
): Draft => ({
  type,
  title,
  description,
  datasource,
  fieldConfig: { defaults: { unit, ...defaults }, overrides: [] },
  options,
  ...(transformations.length > 0 ? { transformations } : {}),
  targets: Object.entries(queries).map(([legendFormat, expr], index) => ({
    refId: letters[index]!,
    expr,
    legendFormat,
    ...query,
  })),
  size,
});

/** One number. `steps` are its colors from each value on. */
function stat(row: PanelRow, steps: readonly [from: number | null, color: string][], mappings: ValueMapping[] = []) {
  const thresholds = { mode: ThresholdsMode.Absolute, steps: steps.map(([value, color]) => ({ color, value })) };
  return draft("stat", row, [4, 4], {
    defaults: { thresholds, mappings, color: { mode: FieldColorModeId.Thresholds } },
    options: { reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false }, graphMode: "none" },
    query: { instant: true },
  });
}

/** Lines over time. The axis is logarithmic where values differ by powers of ten. */
function series(row: PanelRow, axis: "linear" | "log" = "linear") {
  const custom: GraphFieldConfig = axis === "log"
    ? { scaleDistribution: { type: ScaleDistribution.Log, log: 10 } }
    : { scaleDistribution: { type: ScaleDistribution.Linear } };
  return draft("timeseries", row, [12, 8], {
    defaults: { custom: { ...custom }, ...(axis === "linear" ? { min: 0 } : {}) },
    options: {
      legend: { displayMode: LegendDisplayMode.List, placement: "bottom", showLegend: true },
      tooltip: { mode: "multi", sort: "desc" },
    },
  });
}

/** States over time. */
const states = (row: PanelRow, mappings: ValueMapping[]) =>
  draft("state-timeline", row, [12, 8], {
    defaults: { mappings, custom: { fillOpacity: 70 } },
    options: {
      legend: { displayMode: LegendDisplayMode.List, placement: "bottom", showLegend: true },
      showValue: "never",
    },
  });

/** A table with one column for each query; `merge` joins the queries by their labels. */
function numbers(row: PanelRow, size: Draft["size"] = [12, 8]) {
  const columns = Object.keys(row.queries);
  const renameByName = Object.fromEntries(
    columns.map((name, index) => [columns.length > 1 ? `Value #${letters[index]}` : "Value", name]),
  );
  return draft("table", row, size, {
    query: { instant: true, format: "table" },
    transformations: [
      ...(columns.length > 1 ? [{ id: "merge", options: {} }] : []),
      { id: "organize", options: { excludeByName: { Time: true }, renameByName } },
    ],
  });
}

const text = (texts: Readonly<Record<string, readonly [text: string, color: string]>>): ValueMapping[] => [{
  type: MappingType.ValueToText,
  options: Object.fromEntries(Object.entries(texts).map(([value, [text, color]]) => [value, { text, color }])),
}];

const isBytes = `resource=~".*(memory|storage|hugepages-.*)"`;
const isNumber = `resource!~".*(memory|storage|hugepages-.*)"`;
const amountsOf = (key: string) => ({
  "{{realm}} granted": `max by (realm) (keystone_realm_granted{resource="${key}"})`,
  "{{realm}} used": `max by (realm) (keystone_realm_used{resource="${key}"})`,
});
const columnsOf = (which: string) => ({
  used: `max by (grant, realm, resource) (keystone_grant_used{${which}})`,
  granted: `max by (grant, realm, resource) (keystone_grant_hard{${which}})`,
});
const p99 = (name: string, by: string) => `histogram_quantile(0.99, sum by (le, ${by}) (rate(${name}_bucket[5m])))`;

const sections: Readonly<Record<string, readonly Draft[]>> = {
  "Keystone": [
    stat({
      title: "Leaders",
      description: "Operators that hold the Lease and enforce grants. It has to be one.",
      unit: "short",
      queries: { leaders: "sum(keystone_leader)" },
    }, [[null, "red"], [1, "green"], [2, "red"]]),
    stat({
      title: "Ready operators",
      description: "Operators that lead or could take over at once.",
      unit: "short",
      queries: { ready: "sum(keystone_ready)" },
    }, [[null, "red"], [1, "green"]]),
    stat(
      {
        title: "Tailnet",
        description: "Connection of the operators to their tailscaled.",
        unit: "short",
        queries: { tailnet: "max(keystone_tailnet_up)" },
      },
      [[null, "red"], [1, "green"]],
      text({ 0: ["down", "red"], 1: ["up", "green"] }),
    ),
    stat({
      title: "Clock skew",
      description:
        "Difference between the clocks of the operators and of the API server. While it isn't 0, no grant ends.",
      unit: "s",
      queries: { skew: "max(abs(keystone_clock_skew_seconds))" },
    }, [[null, "green"], [2, "red"]]),
    stat({
      title: "Grants in force",
      description: "Grants with phase Active.",
      unit: "short",
      queries: { active: `max(keystone_grants{phase="Active"})` },
    }, [[null, "green"]]),
    stat({
      title: "Grants not enforced",
      description: "Grants that should be in force and are not, or not in full.",
      unit: "short",
      queries: { grants: "count(max by (grant) (keystone_grant_ready) == 0) or vector(0)" },
    }, [[null, "green"], [1, "red"]]),
  ],
  "Grants": [
    series({
      title: "Grants by phase",
      description: "Number of Grants in each phase.",
      unit: "short",
      queries: { "{{phase}}": "max by (phase) (keystone_grants)" },
    }),
    numbers({
      title: "Time until the end",
      description: "Grants by their end, the next first. A negative time is a grant that should have ended.",
      unit: "dtdurations",
      queries: {
        "time left": "sort(max by (grant, realm) (keystone_grant_end_timestamp_seconds) - time())",
      },
    }),
    series({
      title: "CPU requests: granted and used",
      description: "Sum of all grants to each realm, and what its guests request.",
      unit: "suffix: cores",
      queries: amountsOf("requests.cpu"),
    }),
    series({
      title: "Memory requests: granted and used",
      description: "Sum of all grants to each realm, and what its guests request.",
      unit: "bytes",
      queries: amountsOf("requests.memory"),
    }),
    series({
      title: "Storage: granted and used",
      description: "Sum of all grants to each realm, and the size of its guests' volumes.",
      unit: "bytes",
      queries: amountsOf("requests.storage"),
    }),
    numbers({
      title: "Used part of each grant",
      description: "Usage divided by the amount, the fullest first. At 100 % nothing new of that resource is admitted.",
      unit: "percentunit",
      queries: {
        "used": "sort_desc(max by (grant, realm, resource) (keystone_grant_used / (keystone_grant_hard > 0)))",
      },
    }),
    numbers({
      title: "CPU and objects by grant",
      description: "Usage and amount of each grant: cores and counts.",
      unit: "short",
      queries: columnsOf(isNumber),
    }),
    numbers({
      title: "Memory and storage by grant",
      description: "Usage and amount of each grant in bytes.",
      unit: "bytes",
      queries: columnsOf(isBytes),
    }),
  ],
  "Realms": [
    states({
      title: "Realms connected",
      description: "Online state of each realm's node. No grant ends because a node is offline.",
      unit: "short",
      queries: { "{{realm}}": "max by (realm) (keystone_realm_connected)" },
    }, text({ 0: ["offline or unknown", "red"], 1: ["online", "green"] })),
    series({
      title: "Realms in error",
      description: "Realms that wait for an admin, by reason.",
      unit: "short",
      queries: { "{{reason}}": "sum by (reason) (max by (realm, reason) (keystone_realm_error))" },
    }),
    series({
      title: "Tailnet peers",
      description: "Other nodes of the tailnet that the operators see.",
      unit: "short",
      queries: { "online: {{online}}": "max by (online) (keystone_tailnet_peers)" },
    }),
    numbers({
      title: "Free objects by realm",
      description: "Cores and counts that each realm's guests may still use.",
      unit: "short",
      queries: { free: `max by (realm, resource) (keystone_realm_free{${isNumber}})` },
    }),
  ],
  "Ending": [
    series({
      title: "Draining grants",
      description: "Grants that are on notice, in whole or in part, or whose pods are being evicted.",
      unit: "short",
      queries: { "{{grant}} to {{realm}}": "max by (grant, realm) (keystone_grant_draining)" },
    }),
    series({
      title: "Pods to drain",
      description: "Unfinished pods of realms whose grants are being drained.",
      unit: "short",
      queries: { "{{realm}} {{state}}": "max by (realm, state) (keystone_drain_pods)" },
    }),
  ],
  "Operators": [
    series({
      title: "Reconciles, 99th percentile",
      description: "Duration of reconciles by control loop.",
      unit: "s",
      queries: { "{{controller}}": p99("keystone_reconcile_duration_seconds", "controller") },
    }, "log"),
    series({
      title: "Failed reconciles",
      description: "Failures by control loop and outcome. Each is tried again.",
      unit: "ops",
      queries: {
        "{{controller}} {{outcome}}": "sum by (controller, outcome) (rate(keystone_reconcile_errors_total[5m]))",
      },
    }),
    series({
      title: "Requests to the API server",
      description: "Requests of the operators by verb and resource.",
      unit: "reqps",
      queries: { "{{verb}} {{resource}}": "sum by (verb, resource) (rate(keystone_api_requests_total[5m]))" },
    }),
    series({
      title: "Requests to the API server, 99th percentile",
      description: "Duration of the operators' requests by verb; for watches, until they began.",
      unit: "s",
      queries: { "{{verb}}": p99("keystone_api_request_duration_seconds", "verb") },
    }, "log"),
    series({
      title: "Queues",
      description: "Keys that are due, and keys that wait for an instant or a retry.",
      unit: "short",
      queries: {
        "{{controller}} due": "max by (controller) (keystone_workqueue_depth)",
        "{{controller}} waiting": "max by (controller) (keystone_workqueue_waiting)",
      },
    }),
    series({
      title: "Memory",
      description: "Resident memory of each process.",
      unit: "bytes",
      queries: {
        "{{component}} {{instance}}":
          "process_resident_memory_bytes * on (job, instance) group_left (component) keystone_build_info",
      },
    }),
    series({
      title: "Database of the API server",
      description: "Size when last read, and the configured quota. Guests' writes close before the quota is reached.",
      unit: "bytes",
      queries: { size: "max(keystone_storage_size_bytes)", quota: "max(keystone_storage_quota_bytes)" },
    }),
    series({
      title: "Unreadable objects",
      description: "Stored objects that Keystone can't read and ignores.",
      unit: "short",
      queries: { "{{kind}}": "max by (kind) (keystone_unreadable_objects)" },
    }),
  ],
  "Admission": [
    series({
      title: "Admission reviews",
      description: "Reviews that the front answered, by kind and verdict.",
      unit: "reqps",
      queries: {
        "{{kind}} {{verdict}}": "sum by (kind, verdict) (rate(keystone_admission_review_duration_seconds_count[5m]))",
      },
    }),
    series({
      title: "Admission reviews, 99th percentile",
      description: "Duration of reviews by kind.",
      unit: "s",
      queries: { "{{kind}}": p99("keystone_admission_review_duration_seconds", "kind") },
    }, "log"),
    series({
      title: "Connections to the front",
      description: "Open connections; at 64 new ones are refused.",
      unit: "short",
      queries: { "{{instance}}": "max by (instance) (keystone_front_connections)" },
    }),
    series({
      title: "Clients refused by the front",
      description: "Clients that were refused before a review, by reason.",
      unit: "reqps",
      queries: { "{{reason}}": "sum by (reason) (rate(keystone_front_refusals_total[5m]))" },
    }),
  ],
};

/** Numbers the panels and puts them into rows of 24 columns. */
function placed(): (Panel | RowPanel)[] {
  const all: (Panel | RowPanel)[] = [];
  let [x, y, height] = [0, 0, 0];
  const nextLine = () => [x, y, height] = [0, y + height, 0];
  for (const [title, drafts] of Object.entries(sections)) {
    nextLine();
    all.push({ type: "row", title, id: all.length + 1, collapsed: false, gridPos: { x, y, w: 24, h: 1 }, panels: [] });
    y++;
    for (const { size: [w, h], ...panel } of drafts) {
      if (x + w > 24) nextLine();
      all.push({ id: all.length + 1, ...panel, gridPos: { x, y, w, h } });
      [x, height] = [x + w, Math.max(height, h)];
    }
  }
  return all;
}

/** Returns the dashboard. */
export const dashboard = (): Dashboard => ({
  title: "Keystone",
  uid: "keystone",
  description: "Grants, realms and operators of Keystone.",
  tags: ["keystone"],
  schemaVersion: 39,
  editable: true,
  refresh: "30s",
  time: { from: "now-6h", to: "now" },
  templating: { list: [{ name: "datasource", type: "datasource", query: "prometheus", label: "Data source" }] },
  panels: placed(),
});

/** A panel with data. */
export type DataPanel = Omit<Panel, "targets"> & { targets: DashboardQuery[] };

/** Returns the panels with data, without rows. */
export const dataPanels = (): DataPanel[] =>
  dashboard().panels!.filter(({ type }) => type !== "row") as unknown as DataPanel[];

/** Returns the file of the chart. */
export const dashboardFile = (): string => `${JSON.stringify(dashboard(), null, 2)}\n`;
