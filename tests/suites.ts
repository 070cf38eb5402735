/** The suites of `deno task test`, and which of their files may run side by side. */

/** One suite of `deno task test`. */
export interface Suite {
  name: string;
  what: string;
  /** Arguments of `deno test`, or of `deno run` for a campaign. */
  args: string[];
  /**
   * Files and folders among `args` that run after the others, one file at a time: they have bounds of less than two
   * seconds or work that must be done before a grant ends, load the machine, count what it does in some time, or
   * compare the whole machine's state.
   */
  alone?: string[];
  /** True if its files mostly wait: one more of them than the machine has processors runs at a time. */
  mostlyWaits?: boolean;
  /** True for a campaign, run by `deno run`, which prints its own counts. */
  campaign?: true;
  /** Groups of tools that have to be built for the lab. */
  lab: string[];
  /** `all` if the suite needs a node, `some` if a part of it does. */
  node?: "all" | "some";
  /** True if a part of the suite needs the operator's image. */
  image?: boolean;
  /** True if a part of the suite needs Prometheus. */
  prometheus?: boolean;
  /** True if it needs a browser. */
  browser?: boolean;
  /** True if the files of `alone` share one cluster (`sharedLab`), because starting one takes longer than most of them. */
  oneLab?: boolean;
}

// Fast suites first: their failures don't wait for a cluster.
export const suites: Suite[] = [
  {
    name: "unit",
    what: "pure core, libraries, documentation examples",
    args: [
      "--doc",
      "--parallel",
      "lib",
      "src",
      "deploy",
      "bench",
      "tools",
      "tests/soak",
      "tests/architecture_test.ts",
      "tests/docs_test.ts",
      "tests/docs_commands_test.ts",
      "tests/support",
      "tests/mutants",
      "tests/walk_test.ts",
      "tests/suites_test.ts",
      "tests/contributing",
      "tests/hostile/hostile_attacks_test.ts",
    ],
    lab: [],
  },
  {
    name: "page",
    what: "the page in a real browser: lender, guest and stranger, small and wide, light and dark, without scripts",
    args: ["tests/page"],
    lab: [],
    browser: true,
  },
  {
    name: "simulation",
    what: "the operator's loops on an in-memory API server, in random order, with crashes and lost responses",
    args: ["--parallel", "tests/simulation"],
    lab: [],
  },
  {
    name: "api",
    what: "a real API server, controller manager and etcd",
    args: ["--parallel", "tests/lab", "tests/faults", "tests/api"],
    mostlyWaits: true,
    alone: [
      "tests/api/grants_test.ts",
      "tests/api/keystone_command_test.ts",
      "tests/api/outage_test.ts",
      "tests/api/seed_test.ts",
      "tests/api/superentity_api_test.ts",
      "tests/api/termination_test.ts",
      "tests/api/upgrade_test.ts",
      "tests/faults/local_api_proxy_test.ts",
      "tests/faults/proxy_test.ts",
      "tests/lab/node_test.ts",
    ],
    lab: ["kubernetes", "tailnet", "policy", "helm", "kubeconform"],
    node: "some",
    prometheus: true,
  },
  {
    name: "generated",
    what: "generated workloads and charts: predictions compared with the real controllers",
    args: ["tests/generated"],
    lab: ["kubernetes", "helm"],
  },
  {
    name: "hostile",
    what: "attacks by a guest on a real control plane, with all guards on",
    args: ["--parallel", "tests/hostile"],
    alone: [
      "tests/hostile/attackers_test.ts",
      "tests/hostile/flood_test.ts",
      "tests/hostile/front_test.ts",
      "tests/hostile/hostile_closing_test.ts",
      "tests/hostile/hostile_storage_test.ts",
      "tests/hostile/nospace_test.ts",
      "tests/hostile/reading_test.ts",
      "tests/hostile/stored_test.ts",
    ],
    lab: ["kubernetes"],
    node: "some",
    oneLab: true,
  },
  {
    name: "tailnet",
    what: "real headscale and tailscaled processes",
    args: ["--parallel", "tests/tailnet"],
    lab: ["kubernetes", "tailnet", "tailscale-stable"],
  },
  {
    name: "faults",
    what: "a sample of the fault campaign",
    args: ["tests/faults/main.ts", "--sample"],
    campaign: true,
    lab: ["kubernetes", "tailnet"],
  },
  {
    name: "packets",
    what: "real packets, on a node that enforces network policies",
    args: ["tests/packets"],
    lab: ["kubernetes", "kube-router"],
    node: "all",
  },
  {
    name: "e2e",
    what: "real pods on a node, including the operator's",
    args: ["--parallel", "tests/e2e"],
    alone: [
      "tests/e2e/e2e_drain_test.ts",
      "tests/e2e/install_test.ts",
      "tests/e2e/tailnet_kubectl_test.ts",
    ],
    lab: ["kubernetes", "tailnet", "sidecar", "helm", "pod-programs"],
    node: "all",
    image: true,
  },
];
