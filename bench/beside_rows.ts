/** The published figures of another operator that is measured in turns with this one. */
import type { Row } from "./targets.ts";

const sizes: [path: string, what: string][] = [
  ["300", "300 grants"],
  ["1000", "1,000 grants"],
  ["3000", "3,000 grants"],
  ["defaultControllers", "300 grants, the controller-manager with its default limits"],
];

const processes: [path: string, what: string][] = [
  ["itself", "the operator"],
  ["apiserver", "the API server"],
  ["etcd", "etcd"],
  ["controllerManager", "the controller-manager"],
];

/** Both operators' own figures, and ours divided by the other's. */
export const besideRows: readonly Row[] = [
  ...sizes.flatMap(([path, what]): Row[] => [
    { path: `beside.${path}.ours.grantsPerSecond`, what: `Beside another operator, ${what}: ours`, unit: "grants/s" },
    { path: `beside.${path}.peer.grantsPerSecond`, what: "The other operator", unit: "grants/s" },
    {
      path: `beside.${path}.ratio.grantsPerSecond`,
      what: "Ours divided by the other's, in the same round",
      unit: "",
      target: { atLeast: 0.9 },
    },
  ]),
  ...processes.flatMap(([path, what]): Row[] =>
    (["ours", "peer"] as const).map((whose) => ({
      path: `beside.1000.${whose}.processor.${path}`,
      what: `Processor time of ${what} for a grant, ${whose === "ours" ? "ours" : "the other operator's"}`,
      unit: "ms",
    }))
  ),
  { path: "beside.1000.ours.writesPerGrant", what: "Writes for a grant, Realms settled before, ours", unit: "" },
  { path: "beside.1000.peer.writesPerGrant", what: "The other operator's", unit: "" },
  {
    path: "beside.3000.ratio.rss",
    what: "Memory with 3,000 grants, ours divided by the other's",
    unit: "",
    target: { atMost: 1.5 },
  },
  {
    path: "beside.3000.ratio.restart.seconds",
    what: "Restart with 3,000 grants until at rest, ours divided by the other's",
    unit: "",
  },
  { path: "beside.3000.ours.restart.writes", what: "Writes at that restart, ours", unit: "", target: { atMost: 0 } },
  { path: "beside.3000.peer.restart.writes", what: "The other operator's", unit: "" },
];
