import assert from "node:assert/strict";
import { adminClient } from "./apiserver.ts";
import { runCommand } from "./command.ts";
import { exists } from "./lab_files.ts";
import { type Lab, startLab } from "./lab.ts";
import { nodeTest } from "./needs_node.ts";
import { NODE_NAME, nodeControlGroup } from "./node.ts";
import { poll } from "./poll.ts";
import { readState } from "./lab_state.ts";
import { addVolume } from "./volumes.ts";
import { agnhostPod, guestPod } from "./lab_workloads.ts";

const NAMESPACE = "guest-bob-home";

/** Runs kubectl in the guest namespace and expects exit code 0. */
async function kubectl(lab: Lab, args: string[], stdin?: string): Promise<string> {
  const result = await lab.kubectl(["--namespace", NAMESPACE, ...args], stdin === undefined ? {} : { stdin });
  assert.equal(result.code, 0, `kubectl ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

async function createNamespace(lab: Lab): Promise<void> {
  await kubectl(lab, ["create", "namespace", NAMESPACE]);
  await kubectl(lab, ["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"]);
  // Pods are admitted only with this service account; the controller-manager creates it a moment later.
  await kubectl(lab, ["wait", "serviceaccount/default", "--for=create", "--timeout=20s"]);
}

async function createReady(lab: Lab, pod: string): Promise<void> {
  const created = await kubectl(lab, ["create", "-f", "-", "--output=name"], pod);
  await kubectl(lab, ["wait", created.trim(), "--for=condition=Ready", "--timeout=30s"]);
}

/** Calls the Eviction API for a pod; returns the status of the response. */
async function evict(lab: Lab, pod: string): Promise<{ status: number; body: string }> {
  using client = Deno.createHttpClient(adminClient(lab.dir));
  const answer = await fetch(`${lab.server}/api/v1/namespaces/${NAMESPACE}/pods/${pod}/eviction`, {
    client,
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: pod, namespace: NAMESPACE },
    }),
  });
  return { status: answer.status, body: await answer.text() };
}

/** Returns the parts of the machine's state that a node could change; it must be the same before and after the lab. */
async function machineState() {
  const lines = async (command: string, ...args: string[]) =>
    (await runCommand(command, args)).stdout.split("\n")
      .filter((line) => !line.startsWith("#")).map((line) => line.replace(/\[\d+:\d+\]$/, "")).sort();
  return {
    mounts: Deno.readTextFileSync("/proc/self/mounts").split("\n").sort(),
    firewall: await lines("iptables-save"),
    links: await lines("ip", "-brief", "link"),
    routes: await lines("ip", "-4", "route"),
    namespaces: exists("/run/netns") ? [...Deno.readDirSync("/run/netns")].map(({ name }) => name).sort() : [],
  };
}

/** Returns the processes on this machine that belong to a lab, by their command line or by their control group. */
function processesOf(dir: string, group: string): string[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name: pid }) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const commandLine = Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
      const groups = Deno.readTextFileSync(`/proc/${pid}/cgroup`);
      const ours = commandLine !== "" && (commandLine.includes(`${dir}/`) || groups.includes(group));
      return ours ? [`${pid} ${commandLine}`] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}

function controlGroupsOf(group: string): string[] {
  return [...Deno.readDirSync("/sys/fs/cgroup")].map(({ name }) => `/sys/fs/cgroup/${name}${group}`).filter(exists);
}

nodeTest("a lab with a node", async (t) => {
  const before = await machineState();
  let dir: string;
  let group: string;
  {
    await using lab = await startLab({ node: true });
    dir = lab.dir;
    group = nodeControlGroup(dir);
    lab.assertRunning();

    await t.step("its node is ready, and the cluster's DNS runs", async () => {
      assert.equal(
        await kubectl(lab, ["get", "nodes", "--output=jsonpath={.items[*].metadata.name}"]),
        NODE_NAME,
      );
      const phase = await kubectl(lab, [
        "get",
        "pods",
        "--namespace=kube-system",
        "--selector=k8s-app=kube-dns",
        "--output=jsonpath={.items[*].status.phase}",
      ]);
      assert.equal(phase, "Running");
      assert.notEqual(processesOf(dir, group).length, 0);
      assert.notEqual(controlGroupsOf(group).length, 0);
    });

    await t.step("a guest's pod within the restricted level runs", async () => {
      await createNamespace(lab);
      await createReady(lab, guestPod("paused", { cpu: "250m", memory: "64Mi" }));
      const phase = "--output=jsonpath={.status.phase} {.spec.nodeName}";
      assert.equal(await kubectl(lab, ["get", "pod", "paused", phase]), `Running ${NODE_NAME}`);
    });

    await t.step("the pod's logs can be read, and commands run in it", async () => {
      await createReady(lab, agnhostPod({ name: "server", namespace: NAMESPACE, labels: { app: "web" } }, ["netexec"]));
      await poll("the server's log says that it listens", async () => {
        const log = await kubectl(lab, ["logs", "server"]);
        return log.includes("Started HTTP server on port 8080") || log;
      }, { withinMs: 10_000 });
      const said = await kubectl(lab, ["exec", "server", "--", "/agnhost", "entrypoint-tester", "hello"]);
      assert.equal(said.trim(), "[/agnhost entrypoint-tester hello]");
    });

    await t.step("another pod reaches a Service by its name", async () => {
      await kubectl(lab, ["expose", "pod", "server", "--name=web", "--port=80", "--target-port=8080"]);
      await createReady(lab, agnhostPod({ name: "client", namespace: NAMESPACE }, ["netexec"]));
      const dial = `/api/v1/namespaces/${NAMESPACE}/pods/client:8080/proxy/dial`;
      for (const host of ["web", `web.${NAMESPACE}.svc.cluster.local`]) {
        const query = `?host=${host}&port=80&request=hostname&protocol=http`;
        await poll(`${host} answers the pod client`, async () => {
          const { stdout, stderr } = await lab.kubectl(["get", "--raw", `${dial}${query}`]);
          return stdout === '{"responses":["server"]}' || stdout + stderr;
        }, { withinMs: 15_000, everyMs: 100 });
      }
      const stranger = ["exec", "client", "--", "/agnhost", "connect", `nobody.${NAMESPACE}:80`, "--timeout=5s"];
      assert.match((await lab.kubectl(["--namespace", NAMESPACE, ...stranger])).stderr, /no such host/);
    });

    await t.step("pods reach the API server by its Service, and it authenticates them", async () => {
      await createReady(
        lab,
        agnhostPod({ name: "asking", namespace: NAMESPACE }, ["inclusterclient", "--poll-interval=1"]),
      );
      let log = "";
      // It logs each request and its failure: when the second request is logged, the first has succeeded.
      await poll("the pod has sent two requests", async () => {
        log = await kubectl(lab, ["logs", "asking"]);
        return log.split("calling /healthz").length > 2 || log;
      }, { withinMs: 15_000, everyMs: 200 });
      assert.doesNotMatch(log, /failed|error/);
      await kubectl(lab, ["exec", "asking", "--", "/agnhost", "connect", "kubernetes.default.svc:443", "--timeout=5s"]);
      await kubectl(lab, ["delete", "pod", "asking", "--wait=false"]);
    });

    await t.step("an eviction that a PodDisruptionBudget forbids is refused", async () => {
      const leaving = { name: "leaving", namespace: NAMESPACE, labels: { app: "leaving" } };
      await createReady(lab, agnhostPod(leaving, ["netexec", "--delay-shutdown=3"]));
      await kubectl(lab, ["create", "poddisruptionbudget", "keep", "--selector=app=leaving", "--min-available=1"]);
      await poll("the budget counts the pod", async () => {
        const healthy = await kubectl(lab, ["get", "pdb", "keep", "--output=jsonpath={.status.currentHealthy}"]);
        return healthy === "1" || `currentHealthy is ${healthy || "not set"}`;
      }, { withinMs: 20_000 });
      const { status, body } = await evict(lab, "leaving");
      assert.equal(status, 429, body);
      assert.match(body, /violate the pod's disruption budget/);
      assert.equal(
        await kubectl(lab, ["get", "pod", "leaving", "--output=jsonpath={.metadata.deletionTimestamp}"]),
        "",
      );
    });

    await t.step("without a budget the pod is evicted, with its grace period", async () => {
      await kubectl(lab, ["delete", "pdb", "keep"]);
      const { status, body } = await evict(lab, "leaving");
      assert.equal(status, 201, body);
      await poll("the pod uses its grace period", async () => {
        const { stdout, stderr } = await lab.kubectl(["--namespace", NAMESPACE, "logs", "leaving"]);
        return stdout.includes("Sleeping 3 seconds before terminating") || stdout + stderr;
      }, { withinMs: 10_000 });
      await kubectl(lab, ["wait", "pod/leaving", "--for=delete", "--timeout=20s"]);
    });

    await t.step("a claim gets a volume, which keeps the pods' data", async () => {
      const folder = await addVolume(lab, "data-1");
      const claim = {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      };
      await kubectl(lab, ["create", "-f", "-"], JSON.stringify(claim));
      await kubectl(lab, ["wait", "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s"]);
      for (const [name, flag] of [["writer", "new_file_0644"], ["reader", "file_content"]]) {
        const pod = agnhostPod({ name: name!, namespace: NAMESPACE }, ["mounttest", `--${flag}=/data/note`], {
          claim: "data",
          restartPolicy: "Never",
        });
        await kubectl(lab, ["create", "-f", "-"], pod);
        await kubectl(lab, ["wait", `pod/${name}`, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s"]);
        await kubectl(lab, ["delete", "pod", name!]);
      }
      assert.equal(Deno.readTextFileSync(`${folder}/note`), "mount-tester new file\n");
    });

    await t.step("pods go on while containerd and the kubelet are killed and restarted", async () => {
      const servers = () => processesOf(dir, group).filter((process) => process.includes("/agnhost netexec"));
      const before = servers();
      assert.equal(before.length, 2);
      await lab.kubelet!.kill();
      await lab.containerd!.kill();
      assert.notEqual((await lab.kubectl(["logs", "server", `--namespace=${NAMESPACE}`])).code, 0);
      await lab.containerd!.start();
      await lab.kubelet!.start();
      await lab.kubeProxy!.restart();
      await poll("its log can be read again", async () => {
        const { code, stderr } = await lab.kubectl(["logs", "server", `--namespace=${NAMESPACE}`]);
        return code === 0 || stderr;
      }, { withinMs: 20_000 });
      assert.deepEqual(servers(), before);
      lab.assertRunning();
    });

    await t.step("a second lab has its own node; when its owner is killed, everything is removed", async () => {
      const script = `
        const { startLab } = await import(${JSON.stringify(new URL("./lab.ts", import.meta.url).href)});
        const lab = await startLab({ node: true });
        console.log(lab.dir);
        setInterval(() => {}, 1000);`;
      const owner = new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-lock", script],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = owner.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const second = (await reader.read()).value!.trim();
      const secondGroup = nodeControlGroup(second);
      assert.notEqual(readState(second)!.node!.block, readState(dir)!.node!.block);
      assert.notEqual(controlGroupsOf(secondGroup).length, 0);
      // As when the machine runs out of memory: no process is left to clean up.
      const { pids } = readState(second)!;
      for (const name of ["node", "containerd", "kubelet", "kube-proxy"]) Deno.kill(pids[name]!, "SIGKILL");
      owner.kill("SIGKILL");
      await owner.status;
      await reader.cancel();
      await poll("the second lab's folder is gone", () => !exists(second) || "it exists", { withinMs: 40_000 });
      await poll("its processes are gone", () => processesOf(second, secondGroup).join("\n") || true, {
        withinMs: 10_000, // the watchdog itself ends a moment after the folder
      });
      assert.deepEqual(controlGroupsOf(secondGroup), []);
      await kubectl(lab, ["exec", "server", "--", "/agnhost", "connect", "web:80", "--timeout=5s"]);
      lab.assertRunning();
    });
  }

  await t.step("nothing of the lab is left on this machine", async () => {
    assert.deepEqual(processesOf(dir, group), []);
    assert.deepEqual(controlGroupsOf(group), []);
    assert.equal(exists(dir), false);
    assert.deepEqual(await machineState(), before);
  });
});
