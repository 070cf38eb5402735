/** Guests' kubectl over a real tailnet: their tailscaled, the lender's, the front as its own process, the API server. */
import assert from "node:assert/strict";
import { startBothProcesses } from "../fixtures/operator_process.ts";
import { installed } from "../fixtures/in_force.ts";
import { getAs } from "../fixtures/tailnet_dial.ts";
import { tailnetGuest, type TailnetStream, tailnetStream } from "../fixtures/tailnet_guests.ts";
import {
  eventually,
  grantOf,
  prepared,
  realmOf,
  secondsFromNow,
  step,
  superEntityOf,
} from "../fixtures/test_operator.ts";
import { headscale, nodeIdOf } from "../fixtures/test_tailnet.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

/** Streams of the identity whose access ends; `deno task bench --only tailnet` has 1,000. */
const many = Number(Deno.env.get("KEYSTONE_STREAMS") ?? 60);

Deno.test("guests' kubectl over the tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home", "carol-home", "mallory"] });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const [port, webhook, frontListen] = freePorts(3) as [number, number, number];
  await using operator = startBothProcesses({
    KUBECONFIG: lab.kubeconfig,
    TS_SOCKET: lab.realms["alice-home"]!.socket,
    KEYSTONE_REALM: "alice-home",
    KEYSTONE_LOG: "json",
    KEYSTONE_LISTEN: "off",
    KEYSTONE_FRONT_LISTEN: String(frontListen),
    KEYSTONE_WEBHOOK: `https://127.0.0.1:${webhook}`,
    KEYSTONE_TAILNET_LISTEN: `127.0.0.1:${port}`,
  });
  await operator.says(/Enforcing grants/, 60_000);
  await operator.says(/The tailnet server is at http:\/\/alice-home/, 60_000);
  for (const name of ["bob-home", "carol-home"]) {
    await cluster.realms.create(realmOf(name));
    await cluster.grants.create(grantOf({ name: `to-${name}`, to: name, hard: { "count/configmaps": "100" } }));
    await cluster.grantIn("Active", `to-${name}`);
  }
  const alice = lab.realms["alice-home"]!;
  await using bob = await tailnetGuest(lab, { realm: "bob-home", port });
  const works = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await bob.kubectl(args, stdin === undefined ? {} : { stdin });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const configMap = (name: string, value: string) =>
    JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { value } });

  await step(t, "whoami: the realm's account, and no secret in the kubeconfig", async () => {
    await eventually("bob is served", async () => {
      const { code, stderr } = await bob.kubectl(["auth", "whoami"]);
      return code === 0 || stderr;
    }, 40_000);
    assert.match(
      await works(["auth", "whoami", "-o", "json"]),
      /system:serviceaccount:keystone-system:realm-bob-home-/,
    );
    assert.doesNotMatch(await Deno.readTextFile(bob.kubeconfig), /token|certificate|password/);
  });

  await step(t, "GET /k8s: the caller's realm, and no other", async () => {
    const said = await getAs(lab.realms["bob-home"]!.socket, alice.ipv4, port, "/k8s", alice.ipv4);
    const access = JSON.parse(said!.split("\r\n\r\n")[1]!);
    assert.equal(access.lender, "alice-home");
    assert.equal(access.node, "bob-home.tailnet-name.ts.net");
    assert.deepEqual(access.realms.map(({ realm, path }: Record<string, string>) => [realm, path]), [
      ["bob-home", "/k8s/bob-home"],
    ]);
  });

  await step(
    t,
    "get, apply, server-side apply, diff, patch, label, wait, rollout status, delete: as with a kubeconfig",
    async () => {
      await works(["apply", "-f", "-"], configMap("a", "1"));
      await works(["apply", "-f", "-"], configMap("a", "2"));
      assert.equal(await works(["get", "configmap", "a", "-o", "jsonpath={.data.value}"]), "2");
      await works(["apply", "--server-side", "-f", "-"], configMap("b", "1"));
      const diff = await bob.kubectl(["diff", "-f", "-"], { stdin: configMap("a", "3") });
      assert.equal(diff.code, 1, diff.stderr);
      assert.match(diff.stdout, /\+ +value: "3"/);
      await works([
        "patch",
        "configmap",
        "b",
        "--type=json",
        '--patch=[{"op":"replace","path":"/data/value","value":"9"}]',
      ]);
      await works(["label", "configmap", "b", "x=y"]);
      await works(["wait", "configmap/b", "--for=jsonpath={.data.value}=9", "--timeout=20s"]);
      await works(["create", "deployment", "web", "--image=registry.example/web:1", "--replicas=0"]);
      await works(["rollout", "status", "deployment/web", "--timeout=60s"]);
      await works(["delete", "deployment/web", "configmap/b"]);
      await works(["api-resources"]);
      await works(["auth", "can-i", "--list"]);
      await works(["explain", "pods.spec"]);
      assert.match(await works(["get", "configmaps", "-A"]).catch(String), /not served here|forbidden/i);
    },
  );

  await step(t, "1 MB body, up and down", async () => {
    const value = "x".repeat(900_000);
    await works(["create", "-f", "-"], configMap("large", value));
    assert.equal((await works(["get", "configmap", "large", "-o", "jsonpath={.data.value}"])).length, value.length);
    await works(["delete", "configmap", "large"]);
  });

  const watchPath = (realm: string) => `/k8s/${realm}/api/v1/namespaces/guest-${realm}/configmaps?watch=true`;
  const watch = async (realm: string, from = realm) => {
    const stream = await tailnetStream(lab.realms[from]!.socket, alice.ipv4, port, watchPath(realm));
    assert.match(stream.first, /^HTTP\/1.1 200 /);
    return stream;
  };
  const watches = async (count: number, realm: string, from = realm) => {
    const all: TailnetStream[] = [];
    // Some at a time, as a tailscaled takes them.
    for (let at = 0; at < count; at += 10) {
      all.push(...await Promise.all(Array.from({ length: Math.min(10, count - at) }, () => watch(realm, from))));
    }
    return all;
  };
  /** Asserts that all of these end within a second of `since`. */
  const areCut = async (streams: TailnetStream[], since: () => number, withinMs = 1000) => {
    await eventually("all streams are cut", () => {
      const open = streams.filter(({ endedAt }) => endedAt === undefined).length;
      return Promise.resolve(open === 0 || `${open} of ${streams.length} are open`);
    }, 30_000);
    const last = Math.max(...streams.map(({ endedAt }) => endedAt!));
    console.log(`the last of ${streams.length} streams was cut after ${Math.round(last - since())} ms`);
    assert.ok(last - since() <= withinMs, `the last one after ${last - since()} ms`);
  };
  const liveOn = async (streams: TailnetStream[], realm: string) => {
    const name = `mark-${crypto.randomUUID().slice(0, 8)}`;
    const { code, stderr } = await lab.kubectl(["create", "configmap", name, `--namespace=guest-${realm}`]);
    assert.equal(code, 0, stderr);
    await eventually("all streams have the event", () => {
      const without = streams.filter(({ text }) => !text.includes(name)).length;
      return Promise.resolve(without === 0 || `${without} of ${streams.length} don't have it`);
    }, 20_000);
  };
  /** Changes an object as admin; returns the time of the API server's answer. */
  const changed = async (...args: string[]) => {
    const { code, stderr } = await lab.kubectl(args);
    assert.equal(code, 0, stderr);
    return performance.now();
  };
  let carols: TailnetStream[] = [];

  await step(t, "the first connection between two nodes takes longer: wait for it", async () => {
    for (const name of ["carol-home", "mallory"]) {
      await eventually(`${name} is answered`, async () => {
        const said = await getAs(lab.realms[name]!.socket, alice.ipv4, port, "/k8s", alice.ipv4);
        return said?.startsWith("HTTP/1.1 ") || (said ?? "nothing answers");
      }, 60_000);
    }
  });

  await step(t, "watches: events arrive, over many streams of two realms", async () => {
    carols = await watches(150, "carol-home");
    const bobs = await watches(5, "bob-home");
    await liveOn(bobs, "bob-home");
    await liveOn(carols, "carol-home");
    bobs.forEach((stream) => stream.close());
  });

  await step(t, "a node that is nobody: refused, on every path; forged headers don't help", async () => {
    const mallory = lab.realms["mallory"]!;
    for (
      const path of ["/k8s", "/k8s/bob-home/api", "/k8s/bob-home/api/v1/namespaces/guest-bob-home/pods", "/k8s/x/api"]
    ) {
      const { first } = await tailnetStream(mallory.socket, alice.ipv4, port, path, {
        Authorization: "Bearer x",
        "X-Remote-User": "system:admin",
        "X-Remote-Group": "system:masters",
        "Tailscale-User-Login": "bob-home",
        "X-Forwarded-For": lab.realms["bob-home"]!.ipv4,
      });
      assert.match(first, /^HTTP\/1.1 403 /);
      assert.match(first, /mallory.tailnet-name.ts.net .*acts for no realm here/);
      assert.doesNotMatch(first, /carol-home/);
    }
  });

  await step(t, "forged identities of a guest: refused, or without effect", async () => {
    const bobs = lab.realms["bob-home"]!;
    const ask = async (
      headers: Record<string, string>,
      path = "/k8s/bob-home/api/v1/namespaces/guest-carol-home/secrets",
    ) => (await tailnetStream(bobs.socket, alice.ipv4, port, path, headers)).first;
    assert.match(await ask({}), /^HTTP\/1.1 403 /);
    assert.match(await ask({ "Impersonate-User": "system:admin" }), /^HTTP\/1.1 403 /);
    assert.match(await ask({ Connection: "impersonate-user, close" }), /^HTTP\/1.1 (400|403) /);
    const adminToken = await lab.kubectl(["create", "token", "keystone-operator", "--namespace=keystone-system"]);
    const stolen = { Authorization: `Bearer ${adminToken.stdout.trim()}`, Connection: "close" };
    const path = "/k8s/bob-home/apis/authentication.k8s.io/v1/selfsubjectreviews";
    const { stdout } = await bob.kubectl(["auth", "whoami", "-o", "json", `--token=${adminToken.stdout.trim()}`]);
    assert.doesNotMatch(stdout, /keystone-operator/);
    assert.match(await ask(stolen, path), /^HTTP\/1.1 (403|405) /);
    assert.equal((await bob.kubectl(["get", "pods", "--as=system:admin"])).code, 1);
  });

  await step(t, "a member of a SuperEntity uses a grant to it, until its approval is withdrawn", async () => {
    const members = { "bob-home": { cpu: 2 }, "carol-home": { cpu: 2 } };
    await cluster.superEntities.create(superEntityOf({ name: "homes", members }));
    const { digest } = await eventually("the terms have a digest", async () => {
      const { digest } = (await cluster.superEntities.get("homes")).status ?? {};
      return digest === undefined ? "not yet" : { digest };
    });
    const approvals = Object.keys(members).map((realm) => ({ realm, digest }));
    await cluster.superEntities.patch("homes", { spec: { approvals } }, { type: "merge" });
    await cluster.grants.create(grantOf({ name: "to-homes", to: "homes", hard: { "count/configmaps": "100" } }));
    await cluster.grantIn("Active", "to-homes");
    await using member = await tailnetGuest(lab, { realm: "homes", from: lab.realms["bob-home"]!, port });
    await eventually("bob is served as a member", async () => {
      const { code, stderr } = await member.kubectl(["get", "configmaps"]);
      return code === 0 || stderr;
    });
    const whoami = (await member.kubectl(["auth", "whoami", "-o", "json"])).stdout;
    assert.match(whoami, /system:serviceaccount:keystone-system:realm-homes-/);
    await using mallory = await tailnetGuest(lab, { realm: "homes", from: lab.realms["mallory"]!, port });
    assert.match((await mallory.kubectl(["get", "configmaps"])).stderr, /acts for no realm here/);
    const stream = await tailnetStream(
      lab.realms["bob-home"]!.socket,
      alice.ipv4,
      port,
      "/k8s/homes/api/v1/namespaces/guest-homes/configmaps?watch=true",
    );
    assert.match(stream.first, /200 OK/);
    await cluster.superEntities.patch("homes", { spec: { approvals: approvals.slice(1) } }, { type: "merge" });
    await eventually("its stream is cut", () => Promise.resolve(stream.endedAt !== undefined || "it is open"));
    await cluster.grants.delete("to-homes");
    await cluster.superEntities.delete("homes");
  });

  const asOther = Deno.uid() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  await step(t, "a process of another user of the lender's machine: refused, whatever it says", async () => {
    const url = `http://127.0.0.1:${port}/k8s/bob-home/api`;
    const { stdout } = await new Deno.Command("curl", { args: ["--silent", url], cwd: "/", ...asOther }).output();
    assert.match(new TextDecoder().decode(stdout), /process of this machine/);
  });

  await step(
    t,
    "another user of the lender's machine floods: new guests are served, and tailscaled answers",
    async () => {
      // Without root this test has one user only, and tailscaled's own user isn't distinguished.
      if (Deno.uid() !== 0) return;
      const connects = `while :; do for i in {1..500}; do : <> /dev/tcp/127.0.0.1/${port}; done; echo 500; done`;
      const options: Deno.CommandOptions = {
        args: ["-c", connects],
        cwd: "/",
        ...asOther,
        stdout: "piped",
        stderr: "null",
      };
      const flood = new Deno.Command("bash", options).spawn();
      let connections = 0;
      const begun = Promise.withResolvers<void>();
      const counted = (async () => {
        for await (const lines of flood.stdout.pipeThrough(new TextDecoderStream())) {
          connections += 500 * (lines.split("\n").length - 1);
          begun.resolve();
        }
      })();
      try {
        await begun.promise;
        const [began, before] = [performance.now(), connections];
        for (let guest = 0; guest < 10; guest++) await works(["get", "configmaps"]);
        const seconds = (performance.now() - began) / 1000;
        const rate = Math.round((connections - before) / seconds);
        console.log(`10 new guests in ${seconds.toFixed(1)} s beside ${rate} connections/s of another user`);
      } finally {
        flood.kill("SIGKILL");
        await Promise.all([flood.status, counted]);
      }
    },
  );

  await step(t, "access log: each request with its node and the token's ID of the API server's audit log", async () => {
    await works(["get", "configmap", "a"]);
    const line = await eventually("the log has the request", () => {
      const found = operator.log.findLast((each) => each.includes('"verb":"get"') && each.includes('"name":"a"'));
      return Promise.resolve(found === undefined ? "not yet" : JSON.parse(found) as Record<string, unknown>);
    });
    assert.match(String(line.message), /^bob-home as bob-home: get configmaps: 200 after \d+ ms$/);
    const { login, node, realm, resource, namespace, status, jti } = line;
    assert.deepEqual({ login, node, realm, resource, namespace, status }, {
      login: "bob-home",
      node: "bob-home.tailnet-name.ts.net",
      realm: "bob-home",
      resource: "configmaps",
      namespace: "guest-bob-home",
      status: 200,
    });
    const audit = await Deno.readTextFile(lab.auditLog);
    assert.ok(
      audit.includes(`"authentication.kubernetes.io/credential-id":["JTI=${jti}"]`),
      "the same ID in the audit log",
    );
    assert.ok(!operator.log.some((each) => /eyJ[\w-]{10}/.test(each)), "no token in the log");
  });

  await step(t, "a person of the realm, from another node: served; removed from spec.people: cut", async () => {
    const people = (list: unknown[]) =>
      changed("patch", "realm", "bob-home", "--type=merge", `--patch=${JSON.stringify({ spec: { people: list } })}`);
    await people([{ login: "mallory" }]);
    await eventually("mallory is served", async () => {
      const { first, close } = await tailnetStream(lab.realms["mallory"]!.socket, alice.ipv4, port, "/k8s");
      close();
      return first.includes("200 OK") || first;
    });
    const [own, others] = [await watches(20, "bob-home"), await watches(many, "bob-home", "mallory")];
    const since = await people([]);
    await areCut(others, () => since);
    await liveOn(own, "bob-home");
    await liveOn(carols, "carol-home");
    own.forEach((stream) => stream.close());
  });

  await step(t, "a subject is removed from spec.subjects: cut", async () => {
    const subjects = (list: unknown[]) =>
      changed("patch", "realm", "bob-home", "--type=merge", `--patch=${JSON.stringify({ spec: { subjects: list } })}`);
    const account = async () =>
      (await bob.kubectl(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])).stdout;
    // Other people have another account.
    const servedAsOther = (before: string) =>
      eventually("bob is served as another account", async () => {
        const now = await account();
        return (now !== "" && now !== before) || `as ${now}`;
      }, 30_000);
    const before = await account();
    await subjects([{ kind: "User", name: "dave@example.com" }]);
    await servedAsOther(before);
    const [streams, withSubject] = [await watches(many, "bob-home"), await account()];
    const since = await subjects([]);
    await areCut(streams, () => since);
    await servedAsOther(withSubject);
    await liveOn(carols, "carol-home");
  });

  await step(t, "the RoleBinding is gone: cut", async () => {
    const streams = await watches(many, "bob-home");
    const since = await changed("delete", "rolebinding", "keystone-guest", "--namespace=guest-bob-home");
    await areCut(streams, () => since);
    await eventually("bob is served again", async () => (await bob.kubectl(["get", "pods"])).code === 0 || "not yet");
  });

  await step(t, "another node is pinned: cut, and refused", async () => {
    const streams = await watches(many, "bob-home");
    const pin = (await cluster.realms.get("bob-home")).metadata.annotations!["keystone.io/trusted-node"]!;
    const since = await changed("annotate", "--overwrite", "realm", "bob-home", "keystone.io/trusted-node=99");
    await areCut(streams, () => since);
    assert.match((await bob.kubectl(["get", "pods"])).stderr, /acts for no realm here/);
    await changed("annotate", "--overwrite", "realm", "bob-home", `keystone.io/trusted-node=${pin}`);
    await eventually("bob is served again", async () => {
      const { code, stderr } = await bob.kubectl(["get", "pods"]);
      return code === 0 || stderr;
    }, 30_000);
    await liveOn(carols, "carol-home");
  });

  await step(t, "the grant's end is reached while the operator hangs: cut by the front's own clock", async () => {
    // The streams have to be open by then.
    const end = secondsFromNow(15 + many / 20);
    await changed(
      "patch",
      "grant",
      "to-bob-home",
      "--type=merge",
      `--patch={"spec":{"validity":{"validUntil":"${end.text}"}}}`,
    );
    await eventually("the front knows", async () => {
      const { first, close } = await tailnetStream(lab.realms["bob-home"]!.socket, alice.ipv4, port, "/k8s");
      close();
      return first.includes(end.text.slice(0, 19)) || first;
    });
    const streams = await watches(many, "bob-home");
    const pids = await operatorPids(operator.pid);
    assert.equal(pids.length, 1);
    Deno.kill(pids[0]!, "SIGSTOP");
    try {
      const began = performance.now() - Date.now();
      await areCut(streams, () => began + end.at);
      const earliest = Math.min(...streams.map(({ endedAt }) => endedAt!));
      assert.ok(earliest >= began + end.at - 50, "not before its end");
      assert.match((await bob.kubectl(["get", "pods"])).stderr, /No Grant to bob-home is in force/);
    } finally {
      Deno.kill(pids[0]!, "SIGCONT");
    }
    await liveOn(carols, "carol-home");
  });

  await step(t, "revoked at once: cut", async () => {
    await cluster.grants.create(grantOf({ name: "again", to: "bob-home", hard: { "count/configmaps": "100" } }));
    await cluster.grantIn("Active", "again");
    await eventually("bob is served again", async () => {
      const { code, stderr } = await bob.kubectl(["get", "pods"]);
      return code === 0 || stderr;
    }, 30_000);
    const streams = await watches(many, "bob-home");
    const since = await changed(
      "patch",
      "grant",
      "again",
      "--type=merge",
      '--patch={"spec":{"revocation":{"immediate":true}}}',
    );
    await areCut(streams, () => since);
    await liveOn(carols, "carol-home");
  });

  const frontHasCut = async (realm: string, count: number, from: number) => {
    await eventually(`all streams of ${realm} are cut`, () => {
      const cut = operator.log.slice(from).filter((each) =>
        each.includes(`"realm":"${realm}"`) && each.includes('"cut":')
      ).length;
      return Promise.resolve(cut >= count || `${cut} of ${count}`);
    }, 60_000);
  };

  await step(t, "a node logs in again with another key: its earlier streams are cut", async () => {
    await cluster.grants.create(grantOf({ name: "third", to: "bob-home", hard: { "count/configmaps": "100" } }));
    await cluster.grantIn("Active", "third");
    await eventually("bob is served again", async () => {
      const { code, stderr } = await bob.kubectl(["get", "pods"]);
      return code === 0 || stderr;
    }, 30_000);
    const streams = await watches(many, "bob-home");
    const from = operator.log.length;
    await lab.rejoin("bob-home");
    await frontHasCut("bob-home", streams.length, from);
    await liveOn(carols, "carol-home");
    streams.forEach((stream) => stream.close());
  });

  await step(t, "a node is removed from the tailnet: its streams are cut", async () => {
    const from = operator.log.length;
    const id = await nodeIdOf(lab, "carol-home");
    await headscale(lab, "nodes", "delete", "--identifier", id, "--force");
    const since = performance.now();
    // The node can't see it: the lender's tailscaled has nobody to send it to.
    await frontHasCut("carol-home", carols.length, from);
    const tookMs = performance.now() - since;
    console.log(`the streams of a removed node were cut after ${Math.round(tookMs)} ms`);
    assert.ok(tookMs < 5000);
    carols.forEach((stream) => stream.close());
  });

  await step(t, "SIGTERM: ends within the grace", async () => {
    const began = performance.now();
    assert.equal(await operator.stop(), 0);
    assert.ok(performance.now() - began < 10_000);
  });
});

/** Returns the IDs of the operator's processes among the children of `deno task run`. */
async function operatorPids(launcher: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${launcher}/task/${launcher}/children`);
  const pids = text.trim().split(" ").map(Number);
  const commands = await Promise.all(pids.map((pid) => Deno.readTextFile(`/proc/${pid}/cmdline`)));
  return pids.filter((_, index) => /src\/main\.ts/.test(commands[index]!));
}
