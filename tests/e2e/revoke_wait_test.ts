/** The waiting of `keystone grant revoke` on a node: its lines are true for pods that don't stop at once. */
import assert from "node:assert/strict";
import { keystone } from "../fixtures/keystone_command.ts";
import { installed } from "../fixtures/in_force.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";
import { agnhostPod, deploymentOf } from "../lab/lab_workloads.ts";
import { nodeTest } from "../lab/needs_node.ts";

const namespace = "guest-bob-home";
const finalizer = "example.com/hold";

function pod(name: string, args: string[], terminationGracePeriodSeconds: number, space = namespace) {
  const made = JSON.parse(agnhostPod({ name, namespace: space, labels: { app: name } }, args));
  return { ...made, spec: { ...made.spec, terminationGracePeriodSeconds } };
}

const budget = (name: string, spec: object) => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name, namespace },
  spec: { ...spec, selector: { matchLabels: { app: name } } },
});

nodeTest("revoke and wait, on a node", async (t) => {
  await using lab = await startLab({ node: true });
  using cluster = await prepared(lab);
  await installed(lab, "base");
  await using _operator = await startOperator(lab, {
    kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
    realm: "alice-home",
  });
  const run = (...args: string[]) => keystone(lab.kubeconfig, ["grant", ...args]);
  const kubectl = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const lend = async (name: string, to: string) => {
    await cluster.createRealm(to);
    const termination = { noticeSeconds: 120, drainSeconds: 10 };
    await cluster.create({ name, to, hard: { cpu: "8", memory: "4Gi" }, termination });
    await cluster.grantIn("Active", name);
  };
  const running = async (space: string) =>
    await kubectl(["wait", "pod", "--all", "-n", space, "--for=condition=Ready", "--timeout=60s"]);
  const bob = await lab.user("bob", { groups: ["keystone:realm:bob-home"] });

  await step(t, "Bob's pods run: one ignores SIGTERM, budgets hold three, and one has a finalizer", async () => {
    await lend("lent", "bob-home");
    const db = { ...pod("db", ["pause"], 1).spec };
    const objects = [
      pod("stubborn", ["netexec", "--delay-shutdown=600"], 20),
      pod("alone", ["pause"], 1),
      pod("held", ["pause"], 1),
      deploymentOf({ name: "db", namespace }, db, { replicas: 2 }),
      budget("db", { minAvailable: 2 }),
      budget("alone", { maxUnavailable: 0 }),
    ];
    for (const object of objects) {
      const { code, stderr } = await lab.kubectl(["create", "-f", "-"], {
        kubeconfig: bob,
        stdin: JSON.stringify(object),
      });
      assert.equal(code, 0, stderr);
    }
    await eventually(
      "db has two pods",
      async () =>
        (await kubectl(["get", "pods", "-n", namespace, "-l", "app=db", "-o", "name"])).trim().split("\n").length ===
          2 || "not yet",
    );
    await running(namespace);
    await eventually("the budget counts two pods", async () => {
      const healthy = await kubectl(["get", "pdb", "db", "-n", namespace, "-o", "jsonpath={.status.currentHealthy}"]);
      return healthy === "2" || healthy;
    });
    // As for a pod from before the guards, which allow nobody to add a finalizer.
    await kubectl(["delete", "validatingadmissionpolicybinding", "keystone-guest-pods"]);
    const finalizers = JSON.stringify({ metadata: { finalizers: [finalizer] } });
    await eventually("the finalizer is set", async () => {
      const { code, stderr } = await lab.kubectl([
        "patch",
        "pod",
        "held",
        "-n",
        namespace,
        "--type=merge",
        "-p",
        finalizers,
      ]);
      return code === 0 || stderr;
    });
  });

  await step(t, "Ctrl-C while it waits: exit code 130, says what goes on, and changes nothing", async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${root}src/cli/main.ts`, "grant", "revoke", "lent", "--yes", "--wait"],
      env: { KUBECONFIG: lab.kubeconfig },
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let err = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      const before = err;
      err += text;
      if (/is on notice/.test(err) && !/is on notice/.test(before)) child.kill("SIGINT");
    }
    assert.equal((await child.status).code, 130, err);
    assert.match(err, /Stopped waiting\. The grant ends anyway\. Wait again: keystone grant revoke lent --wait/);
    const { spec, status } = await cluster.grants.get("lent");
    assert.deepEqual([spec.revocation, status!.state], [{}, "Ending"]);
    await running(namespace);
  });

  await step(t, "--timeout during the notice: exit code 1, with what it waits for and until when", async () => {
    const { code, err } = await run("revoke", "lent", "--wait", "--timeout", "1s");
    assert.equal(code, 1);
    assert.match(err, /--timeout is over\. Grant lent is on notice\. Ends at \S+Z: it was revoked/);
  });

  await step(
    t,
    "--now --watch: a line for each pod with what holds it, and until when; exit code 0 at the end",
    async () => {
      const ended = lab.kubectl(["wait", "grant/lent", "--for=jsonpath={.status.state}=Revoked", "--timeout=90s"]);
      const watched = run("revoke", "lent", "--now", "--yes", "--watch", "--timeout", "90s");
      const until = await eventually("stubborn stops", async () => {
        const at = await kubectl([
          "get",
          "pod",
          "stubborn",
          "-n",
          namespace,
          "-o",
          "jsonpath={.metadata.deletionTimestamp}",
        ]);
        return at === "" ? "not yet" : { at };
      }, 10_000);
      await eventually("only the held pod is left", async () => {
        const left = (await kubectl(["get", "pods", "-n", namespace, "-o", "name"])).trim();
        return left === "pod/held" || left;
      }, 45_000);
      const late = Date.now() - Date.parse(until.at);
      assert.ok(late > -3000 && late < 5000, `stubborn may take until ${until.at}, and is gone ${late} ms after it`);
      await eventually("the grant says what holds it", async () => {
        const described = await kubectl(["describe", "grant", "lent"]);
        return /held by finalizers: held \(example\.com\/hold\)/.test(described) ||
          described.slice(-1500);
      }, 30_000);
      await kubectl([
        "patch",
        "pod",
        "held",
        "-n",
        namespace,
        "--type=merge",
        "-p",
        '{"metadata":{"finalizers":null}}',
      ]);
      const { code, err } = await watched;
      assert.equal(code, 0, err);
      assert.match(err, /Pod db-\S+ waits for PodDisruptionBudget db: [12] healthy, 2 needed/);
      assert.match(
        err,
        /Pod alone waits for PodDisruptionBudget alone: it allows no eviction, because no controller wants the pod/,
      );
      assert.match(err, new RegExp(`Pod stubborn is stopping; it may take until ${until.at}\\n`));
      assert.match(err, /Pod held is held by finalizers: example\.com\/hold\n[^]*Pod held is gone/);
      assert.match(
        err,
        /Terminating pods are held by finalizers: held \(example\.com\/hold\)\. Wait for the finalizers' owners/,
      );
      assert.match(err, /Revoked by the grantor, with immediate effect, without a reason\. It ended at \S+Z\.$/);
      assert.equal((await ended).code, 0);
      await kubectl(["wait", "grant/lent", "--for=condition=Draining=False", "--timeout=5s"]);
    },
  );

  await step(t, "the namespace is in deletion and held by a finalizer: the waiting ends with the pods", async () => {
    await lend("other", "carol-home");
    await kubectl(["create", "-f", "-"], JSON.stringify(pod("web", ["pause"], 1, "guest-carol-home")));
    await running("guest-carol-home");
    await kubectl([
      "patch",
      "namespace",
      "guest-carol-home",
      "--type=merge",
      "-p",
      JSON.stringify({ metadata: { finalizers: [finalizer] } }),
    ]);
    await kubectl(["delete", "namespace", "guest-carol-home", "--wait=false"]);
    const { code, err } = await run("revoke", "other", "--now", "--yes", "--watch", "--timeout", "60s");
    assert.equal(code, 0, err);
    assert.equal(await kubectl(["get", "pods", "-n", "guest-carol-home", "-o", "name"]), "");
    await kubectl(["patch", "namespace", "guest-carol-home", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
  });
});
