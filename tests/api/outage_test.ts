/** The API server stopped, hung or refusing: the operator says so once, and truly, and catches up by itself. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { eventually, prepared, step } from "../fixtures/test_operator.ts";
import { type OperatorProcess, startOperatorProcess } from "../fixtures/operator_process.ts";
import { startLab } from "../lab/lab.ts";

/** Time in which an outage has to be reported. */
const soonMs = 5000;

const untilThen = /What is enforced in the cluster stays in force; changes and ends of grants wait/;

Deno.test("an outage of the API server", {
  // The test stops the API server.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  const KEYSTONE_LISTEN = "127.0.0.1:0";
  const KEYSTONE_REALM = "alice-home";
  const page = async (operator: OperatorProcess, path: string) => {
    const answer = await fetch(`${await url(operator)}${path}`);
    return { status: answer.status, body: await answer.text() };
  };
  const urls = new Map<OperatorProcess, string>();
  const url = async (operator: OperatorProcess) => {
    const known = urls.get(operator) ?? await operator.url();
    urls.set(operator, known);
    return known;
  };
  const kubectl = async (args: string[]) => {
    const { code, stdout, stderr } = await lab.kubectl(args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const isReadyAgain = (operator: OperatorProcess) =>
    eventually("/readyz is 200 again", async () => {
      const { status, body } = await page(operator, "/readyz");
      return status === 200 || body;
    });
  /** Returns the lines since a mark, to see what an outage adds. */
  const since = (operator: OperatorProcess, from: number) => operator.log.slice(from).join("\n");

  await cluster.createRealm("bob-home");
  await cluster.create({ name: "loan", to: "bob-home", termination: { noticeSeconds: 0 } });
  await using operator = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM, KEYSTONE_LISTEN });
  await url(operator);
  await operator.says(/Enforcing grants/);
  await operator.says(/Grant loan is Active: Enforced in namespace guest-bob-home/);

  await step(t, "stopped: one line with the cause within 5 s, /readyz 503, /healthz 200, then quiet", async () => {
    const from = operator.log.length;
    const until = new Date(Date.now() + 20_000).toISOString();
    await cluster.grants.patch("loan", { spec: { validity: { validUntil: until } } }, { type: "merge" });
    await operator.says(/Grant loan ends at .*; it had no end before|Grant loan is on notice/);
    // Killed: one that stops by itself still answers for seconds, each time in another way.
    await lab.apiserver.kill();
    const began = performance.now();
    const line = await operator.says(/The API server .* can't be used/, soonMs);
    assert.ok(performance.now() - began < soonMs);
    assert.match(line, /connection refused\./);
    assert.match(line, untilThen);
    assert.match(line, /Start the API server/);
    const { status, body } = await page(operator, "/readyz");
    assert.equal(status, 503);
    assert.match(
      body,
      /^Not ready: the API server https:\S+ can't be used for \d+ s: connection refused\. What is enforced/,
    );
    assert.equal((await page(operator, "/healthz")).status, 200);
    assert.match((await page(operator, "/metrics")).body, /^keystone_ready 0$/m);
    // Longer than the Lease lasts, and past the grant's end.
    await eventually("the Lease has expired", async () => {
      const { body } = await page(operator, "/metrics");
      return /^keystone_leader 0$/m.test(body) && Date.now() > Date.parse(until) || body;
    }, 40_000);
    assert.equal(operator.log.slice(from).filter((text) => !/Grant loan/.test(text)).length, 1, since(operator, from));
  });

  await step(t, "started again: one line with the time it was away and what was caught up with", async () => {
    const from = operator.log.length;
    await lab.apiserver.start();
    const line = await operator.says(/The API server responds again after \d+ s/);
    assert.match(line, /\(connection refused\)\. Meanwhile: 1 grant was due to end\./);
    await isReadyAgain(operator);
    // Perhaps before the line above: what closes doesn't wait. Otherwise once the controller manager's quota controller,
    // which waits for up to a minute after such an outage, has closed the quota.
    const ended = /Grant loan is Expired: Ended at .* It ended \d+ s late\./;
    await eventually(
      "the log has the late end",
      () => Promise.resolve(ended.test(since(operator, from)) || since(operator, from)),
      90_000,
    );
    assert.doesNotMatch(since(operator, from), /Can't watch|again\.$|error/im);
    await eventually("an event on the Lease has the outage", async () => {
      const text = await kubectl(["describe", "lease", "keystone-operator", "-n", "keystone-system"]);
      return /ApiServerUnreachable .*connection refused/.test(text.replaceAll(/\s+/g, " ")) || text;
    });
  });

  await step(
    t,
    "hung, with its connections open: noticed within 5 s as a timeout, and over once it goes on",
    async () => {
      const from = operator.log.length;
      await lab.apiserver.pause();
      const began = performance.now();
      try {
        const line = await operator.says(/The API server .* can't be used/, soonMs + 500);
        assert.ok(performance.now() - began < soonMs + 500);
        assert.match(line, /: no answer in time\./);
        assert.equal((await page(operator, "/readyz")).status, 503);
      } finally {
        lab.apiserver.resume();
      }
      await operator.says(/The API server responds again after \d+ s \(no answer in time\)\. No terms were changed/);
      await isReadyAgain(operator);
      assert.doesNotMatch(since(operator, from), /Can't watch/);
    },
  );

  await step(
    t,
    "rights taken away: the line names the Lease, 403 and the remedy; given back: it leads again",
    async () => {
      const KUBECONFIG = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
      await kubectl(["apply", "-f", `${root}deploy/kustomize/base/rbac.yaml`]);
      await operator.stop();
      await using limited = await startOperatorProcess({ KUBECONFIG, KEYSTONE_REALM, KEYSTONE_LISTEN });
      await url(limited);
      await limited.says(/Enforcing grants/);
      const from = limited.log.length;
      await kubectl(["delete", "clusterrolebinding", "keystone-operator"]);
      await kubectl(["delete", "rolebinding", "keystone-operator", "-n", "keystone-system", "--ignore-not-found"]);
      const line = await limited.says(/This operator can't lead/, 10_000);
      assert.match(line, /the Lease can't be renewed \(403 Forbidden: .*leases/);
      assert.match(line, /kubectl apply -f deploy\/kustomize\/base\/rbac\.yaml/);
      const { status, body } = await page(limited, "/readyz");
      assert.equal(status, 503);
      assert.match(body, /^Not ready: this operator can't lead/);
      await kubectl(["apply", "-f", `${root}deploy/kustomize/base/rbac.yaml`]);
      await limited.says(/This operator can lead again after/, 20_000);
      await isReadyAgain(limited);
      assert.equal(limited.log.slice(from).filter((text) => /can't lead/.test(text)).length, 1, since(limited, from));
    },
  );

  await step(t, "its account is deleted: 401 is the cause; with a new token in the same file it goes on", async () => {
    const account = ["outage", "--namespace=default"];
    const tokenFile = `${lab.dir}/outage-token`;
    const issue = async () => {
      await kubectl(["create", "serviceaccount", ...account]);
      await Deno.writeTextFile(tokenFile, (await kubectl(["create", "token", ...account, "--duration=1h"])).trim());
    };
    await issue();
    await kubectl([
      "create",
      "clusterrolebinding",
      "outage",
      "--clusterrole=cluster-admin",
      "--serviceaccount=default:outage",
    ]);
    const whole = load(await Deno.readTextFile(lab.kubeconfig)) as { clusters: { name: string }[] };
    const KUBECONFIG = `${lab.dir}/outage.kubeconfig`;
    await Deno.writeTextFile(
      KUBECONFIG,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: whole.clusters,
        users: [{ name: "outage", user: { tokenFile } }],
        contexts: [{ name: "outage", context: { cluster: whole.clusters[0]!.name, user: "outage" } }],
        "current-context": "outage",
      }),
    );
    await using operator = await startOperatorProcess({ KUBECONFIG, KEYSTONE_REALM, KEYSTONE_LISTEN });
    await url(operator);
    await operator.says(/Enforcing grants/);
    await kubectl(["delete", "serviceaccount", ...account]);
    // The API server remembers for a few seconds that the token was valid.
    const line = await operator.says(/The API server .* can't be used/, 30_000);
    assert.match(line, /: it doesn't accept this operator's credentials \(401 Unauthorized\)\./);
    assert.match(line, /Renew the token or the client certificate/);
    assert.equal((await page(operator, "/readyz")).status, 503);
    await issue();
    await operator.says(/The API server responds again after/, 90_000);
    await isReadyAgain(operator);
    // Nothing that is logged has the token.
    const token = (await Deno.readTextFile(tokenFile)).trim();
    assert.ok(operator.log.every((text) => !text.includes(token.slice(-40))));
  });
});

const root = new URL("../..", import.meta.url).pathname;
