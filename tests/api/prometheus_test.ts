/**
 * A real Prometheus scrapes a real operator and front, with grants in force, a realm connected, one lost and one whose
 * node was replaced: every query of the dashboard returns data, every series that an alert asks for exists, and what
 * belongs together joins.
 */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { parser } from "@prometheus-io/lezer-promql";
import { dataPanels } from "../../deploy/dashboard.ts";
import { installed } from "../fixtures/in_force.ts";
import { ownAddress } from "../fixtures/own_address.ts";
import { startBothProcesses } from "../fixtures/operator_process.ts";
import { eventually, grantOf, prepared, realmOf, root, secondsFromNow, step } from "../fixtures/test_operator.ts";
import { headscale, nodeIdOf } from "../fixtures/test_tailnet.ts";
import { startLab } from "../lab/lab.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { prometheusTest } from "../lab/needs_node.ts";
import { freePorts } from "../lab/ports.ts";

const rulesFile = `${root}deploy/chart/files/alerts.yaml`;
const { groups } = load(await Deno.readTextFile(rulesFile)) as {
  groups: { rules: { alert: string; expr: string }[] }[];
};
const alerts = new Map(groups.flatMap(({ rules }) => rules).map(({ alert, expr }) => [alert, expr]));

/** Alerts whose state is real in this test. promtool tests all of them (alerts_test.ts). */
const realStates = [
  "KeystoneDrainStuck",
  "KeystoneGrantEndsSoon",
  "KeystoneGrantNotEnforced",
  "KeystoneNodeReplaced",
  "KeystoneRealmDisconnected",
  "KeystoneRealmError",
  "KeystoneRealmKeyExpires",
];

/** The grouping of an expression's result. */
const outermost = /^(?:sort\(|sort_desc\(|histogram_quantile\([\d.]+, )?(?:max|min|sum) by \(([^)]*)\)/;

interface Series {
  metric: Record<string, string>;
  value: [at: number, value: string];
}

/** Prometheus, scraping the targets each second. */
async function startPrometheus(folder: string, targets: string[]) {
  const [port] = freePorts(1);
  const config = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [rulesFile],
    scrape_configs: [{ job_name: "keystone", static_configs: [{ targets }] }],
  };
  await Deno.writeTextFile(`${folder}/prometheus.json`, JSON.stringify(config));
  const child = new Deno.Command("prometheus", {
    args: [
      `--config.file=${folder}/prometheus.json`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const get = async (path: string): Promise<Response | undefined> => {
    try {
      return await fetch(`http://127.0.0.1:${port}${path}`);
    } catch {
      return undefined; // it doesn't listen yet
    }
  };
  return {
    /** Waits until it answers. */
    ready: () =>
      eventually("Prometheus is ready", async () => {
        const answer = await get("/-/ready");
        await answer?.body?.cancel();
        return answer?.ok === true || `${answer?.status}`;
      }, 20_000),
    /** Returns the series of an instant query. */
    async query(expr: string): Promise<Series[]> {
      const answer = await get(`/api/v1/query?${new URLSearchParams({ query: expr })}`);
      const { status, data, error } = await answer!.json();
      assert.equal(status, "success", `${expr}: ${error}`);
      return data.result;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** Returns the selectors in an expression: the name of the metric, and the labels that its matchers name. */
function selectorsIn(expr: string): { name: string; labels: string[] }[] {
  const found: { name: string; labels: string[] }[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      const text = expr.slice(from, to);
      if (type.name === "VectorSelector") found.push({ name: /^\w+/.exec(text)![0], labels: [] });
      if (type.name === "LabelName" && /^\s*(=|!)/.test(expr.slice(to))) found.at(-1)!.labels.push(text);
    },
  });
  return found;
}

Deno.test("selectors of an expression: name and labels of each", () => {
  assert.deepEqual(
    selectorsIn('max by (a) (keystone_x{b="1",c!="2"}) > rate(keystone_y_total[5m]) and on (d) keystone_z == 1'),
    [
      { name: "keystone_x", labels: ["b", "c"] },
      { name: "keystone_y_total", labels: [] },
      { name: "keystone_z", labels: [] },
    ],
  );
});

const obstacle = Deno.env.get("KEYSTONE_LAB") === "external"
  ? "An external cluster has no tailnet of the lab."
  : ownAddress() === undefined
  ? "This machine has no address besides loopback."
  : undefined;

prometheusTest("metrics in a real Prometheus", async (t) => {
  await using lab = await startLab({
    realms: ["alice-home", "bob-home", "carol-home", "dora-home"],
    fastControllers: true,
  });
  using cluster = await prepared(lab);
  const apply = async (...objects: unknown[]) => {
    const { code, said } = await cluster.apply(...objects);
    assert.equal(code, 0, said);
  };
  await installed(lab, "base", "webhook");
  await using left = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  left.defer(() => Deno.remove(folder, { recursive: true }));
  const own = ownAddress()!;
  const [metrics, frontMetrics, webhook] = freePorts(3);
  const operator = left.use(startBothProcesses({
    KUBECONFIG: lab.kubeconfig,
    TS_SOCKET: lab.realms["alice-home"]!.socket,
    KEYSTONE_REALM: "alice-home",
    KEYSTONE_LISTEN: `${own}:${metrics}`,
    KEYSTONE_FRONT_LISTEN: `${own}:${frontMetrics}`,
    KEYSTONE_WEBHOOK: `https://${own}:${webhook}`,
  }));
  const prometheus = left.use(await startPrometheus(folder, [`${own}:${metrics}`, `${own}:${frontMetrics}`]));
  const returns = (what: string, expr: string, withinMs = 20_000): Promise<Series[]> =>
    eventually(`${what} returns data: ${expr}`, async () => {
      const series = await prometheus.query(expr);
      return series.length > 0 ? series : "no data";
    }, withinMs);

  // Grants in force, ending and pending; realms connected, lost and replaced.
  {
    const bob = await nodeIdOf(lab, "bob-home");
    const soon = new Date(Date.now() + 3 * 86_400_000).toISOString();
    await headscale(lab, "nodes", "expire", "--identifier", bob, "--expiry", soon, "--force");
    await lab.realms["carol-home"]!.tailscaled.kill();
    const dora = realmOf("dora-home");
    dora.metadata!.annotations = { "keystone.io/trusted-node": "999" };
    await apply(realmOf("bob-home"), realmOf("carol-home"), dora, realmOf("nobody-home"));
    await apply(
      grantOf({
        name: "to-bob",
        to: "bob-home",
        // The short spelling: usage and amounts have to join nevertheless.
        hard: { cpu: "2", memory: "4Gi", "requests.storage": "10Gi", "count/configmaps": "10" },
        until: secondsFromNow(7200).text,
      }),
      grantOf({ name: "to-carol", to: "carol-home", hard: { "requests.cpu": "1", "limits.memory": "1Gi" } }),
      grantOf({ name: "to-dora", to: "dora-home" }),
      grantOf({
        name: "ending",
        to: "nobody-home",
        hard: { cpu: 1, memory: "1Gi" },
        termination: { noticeSeconds: 0, drainSeconds: 0 },
      }),
      grantOf({ name: "to-none", to: "unknown-home" }),
    );
    for (const name of ["to-bob", "to-carol", "to-dora", "ending"]) await cluster.grantIn("Active", name, 30_000);
    // On a node without a kubelet, evicted pods terminate for ever.
    await apply({ apiVersion: "v1", kind: "Node", metadata: { name: "made-up" } });
    for (const realm of ["bob-home", "nobody-home"]) {
      await apply(JSON.parse(guestPod("one", { cpu: "100m", memory: "64Mi" }, `guest-${realm}`)));
      await cluster.rest.performRequest({
        method: "POST",
        path: `/api/v1/namespaces/guest-${realm}/pods/one/binding`,
        bodyJson: { metadata: { name: "one" }, target: { kind: "Node", name: "made-up" } },
      });
    }
    await cluster.grants.patch("ending", { spec: { revocation: {} } }, { type: "merge" });
    await eventually("the API server calls the webhook", async () => {
      const { stderr } = await lab.kubectl(["apply", "--dry-run=server", "-f", "-"], {
        stdin: JSON.stringify(grantOf({ name: "odd", to: "nobody" })),
      });
      return /Warning: spec.granteeRealm is nobody/.test(stderr) ||
        `stderr: ${stderr || "nothing"}\n${operator.log.join("\n")}`;
    }, 40_000);
    await prometheus.ready();
    await returns("the use of the pod", `keystone_grant_used{grant="to-bob",resource="requests.cpu"} == 0.1`);
  }

  await step(t, "both processes are scraped, and identify themselves", async () => {
    const found = await returns("build information", "count by (component) (keystone_build_info) == 1");
    await eventually("both are scraped", async () => {
      const { length } = await prometheus.query("count by (component) (keystone_build_info)");
      return length === 2 || `${length} of them: ${JSON.stringify(found)}`;
    });
  });

  for (const { title, targets } of dataPanels()) {
    await step(t, `panel "${title}": each query returns data, with the labels of its legend and columns`, async () => {
      for (const { expr, legendFormat } of targets) {
        const series = await returns(title!, expr);
        // A label that no series has would be empty, without an error.
        const [, grouped = ""] = outermost.exec(expr) ?? [];
        const labels = [...grouped.split(/, */), ...legendFormat.matchAll(/\{\{(\w+)\}\}/g).map(([, label]) => label!)]
          .filter((label) => label !== "" && label !== "le");
        for (const { metric } of series) {
          for (const label of labels) {
            assert.ok(metric[label], `${title}: ${label} is empty in ${JSON.stringify(metric)}`);
          }
        }
      }
    });
  }

  await step(t, "each alert: its series exist, with the labels that it names", async () => {
    for (const [alert, expr] of alerts) {
      await prometheus.query(expr);
      for (const { name, labels } of selectorsIn(expr)) {
        await returns(alert, `${name}`);
        for (const label of labels) await returns(alert, `${name}{${label}!=""}`);
      }
    }
  });

  await step(t, "each alert whose state is there: its expression returns data", async () => {
    for (const alert of realStates) await returns(alert, alerts.get(alert)!);
    const [replaced, ...others] = await returns("KeystoneNodeReplaced", alerts.get("KeystoneNodeReplaced")!);
    assert.equal(replaced!.metric.realm, "dora-home");
    assert.deepEqual(others, []);
    await returns("the lost realm", `keystone_realm_state{realm="carol-home",state="Disconnected"} == 1`);
    await returns("the connected realm", `keystone_realm_connected{realm="bob-home"} == 1`);
    const lost = (await prometheus.query(alerts.get("KeystoneRealmDisconnected")!)).map(({ metric }) => metric.realm);
    assert.ok(lost.includes("carol-home") && !lost.includes("bob-home"), lost.join());
  });

  await step(t, "usage and amounts: each used series joins its amount, whatever the Grant's spelling", async () => {
    const used = await returns("used", "keystone_grant_used");
    assert.ok(used.some(({ metric }) => metric.grant === "to-bob" && metric.resource === "requests.cpu"));
    const alone = "keystone_grant_used unless keystone_grant_hard";
    assert.deepEqual(await prometheus.query(alone), []);
    assert.deepEqual(await prometheus.query("keystone_grant_used unless on (realm, resource) keystone_realm_used"), []);
    // One grant to the realm: its amounts are the realm's. Counts of objects include Keystone's own.
    const differs = `keystone_grant_hard{grant="to-bob",resource=~"requests.*"} ` +
      "!= on (realm, resource) keystone_realm_granted";
    assert.deepEqual(await prometheus.query(differs), []);
    const [info] = await returns(
      "the namespace",
      `max by (guest_namespace, trust) (keystone_grant_used{grant="to-bob"} ` +
        `* on (realm) group_left (guest_namespace, trust) keystone_realm_info)`,
    );
    assert.deepEqual(info!.metric, { guest_namespace: "guest-bob-home", trust: "partner" });
    await returns("the former label", `keystone_grant_used{grantee="bob-home"}`);
  });

  await step(t, "the operator has ended: KeystoneNoLeader returns data", async () => {
    assert.deepEqual(await prometheus.query(alerts.get("KeystoneNoLeader")!), []);
    await operator.stop();
    await returns("KeystoneNoLeader", alerts.get("KeystoneNoLeader")!);
  });
}, obstacle);
