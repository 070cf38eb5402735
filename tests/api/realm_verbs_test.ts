/** Verbs about realms on a real API server: questions on a terminal, the kubeconfig's lifetime, names in real shells. */
import assert from "node:assert/strict";
import { delimiter } from "node:path";
import { keystone } from "../fixtures/keystone_command.ts";
import { installed } from "../fixtures/in_force.ts";
import { ReplayedTailscaled } from "../fixtures/replayed_tailscaled.ts";
import { type Answer, commandOnTerminal, keystoneOnTerminal, terminalKeys } from "../fixtures/keystone_terminal.ts";
import { tailnetOf } from "../fixtures/stand_ins.ts";
import {
  clientOf,
  eventually,
  prepared,
  root,
  secondsFromNow,
  startOperator,
  step,
} from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";

/** Flags with which a shell reads no configuration. */
const bare: Readonly<Record<string, readonly string[]>> = {
  bash: ["--norc", "--noprofile"],
  zsh: ["-f"],
  fish: ["--no-config"],
};

/** Shells of this machine. */
const shells = Object.keys(bare).filter((name) =>
  (Deno.env.get("PATH") ?? "").split(delimiter).some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  })
);

Deno.test("verbs about realms", {
  // The test creates users.
  ignore: Deno.build.os !== "linux" || Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base");
  const folder = await Deno.makeTempDir();
  const socket = `${folder}/tailscaled.sock`;
  await using _tailscaled = new ReplayedTailscaled(socket, "1.98", 3);
  const main = `'${Deno.execPath()}' run --quiet --frozen -A --no-check src/cli/main.ts`;
  const onTerminal = (
    args: string,
    answers: readonly Answer[],
    { columns = 100, env = {} }: { columns?: number; env?: Record<string, string> } = {},
  ) => keystoneOnTerminal(lab.kubeconfig, args.split(" "), answers, { columns, env: { TS_SOCKET: socket, ...env } });
  const names = async () => (await cluster.realms.all()).map(({ metadata }) => metadata!.name!).sort();

  const [node, name, trust, people, sure] = [
    /Which node of the tailnet/,
    /Name of the realm\?/,
    /How far do you trust it\?/,
    /Who uses it/,
    /Create this realm\?/,
  ];

  await step(t, "realm add, Ctrl-C at any question: nothing is written", async () => {
    const enters = [node, name, trust, people, sure].map((shown) => [shown, terminalKeys.enter as string] as const);
    for (let stop = 0; stop < enters.length; stop++) {
      const answers = [...enters.slice(0, stop), [enters[stop]![0], terminalKeys.interrupt] as const];
      const { code, text } = await onTerminal("realm add", answers);
      assert.equal(code, 1, text);
      assert.match(text, /Nothing was created\.\s*$/);
      assert.deepEqual(await names(), []);
    }
    const declined = await onTerminal("realm add", [...enters.slice(0, 4), [sure, "n"]]);
    assert.deepEqual([declined.code, await names()], [1, []]);
  });

  await step(t, "realm add, Enter on everything: the first online node, with the least trust, pinned", async () => {
    const enters = [node, name, trust, people, sure].map((shown) => [shown, terminalKeys.enter as string] as const);
    const { code, text } = await onTerminal("realm add", enters, { columns: 60 });
    assert.equal(code, 0, text);
    const { metadata, spec } = await cluster.realms.get("bob-home");
    assert.deepEqual([metadata.annotations?.["keystone.io/trusted-node"], spec], ["n2CNTRL", {
      identity: "bob-home.tailnet-name.ts.net",
      // The replayed tailscaled is that of a Headscale.
      connectionType: "headscale",
      trustLevel: "public",
    }]);
    assert.match(text, /Node: bob-home\.tailnet-name\.ts\.net, only the one with ID n2CNTRL/);
    assert.match(text, /Realm bob-home created/);
  });

  await step(t, "realm add: answers are checked where they are asked; a realm's node can't be chosen", async () => {
    const { code, text } = await onTerminal("realm add", [
      [node, terminalKeys.enter],
      [name, "\x15Peer\r"],
      [/Peer must be of lowercase letters/, "\x15bob-home\r"],
      [/bob-home already exists/, "\x15peer\r"],
      [trust, `${terminalKeys.enter}`],
      [people, "system:admin\r"],
      [/is User:system:admin, which is reserved/, "\x15carol@example.com, group:friends\r"],
      [sure, "y"],
    ]);
    assert.equal(code, 0, text);
    assert.match(text, /bob-home\.tailnet-name\.ts\.net \(realm bob-home\)/);
    const { spec } = await cluster.realms.get("peer");
    assert.equal(spec.identity, "peer-0.tailnet-name.ts.net");
    assert.deepEqual(spec.subjects, [{ kind: "User", name: "carol@example.com" }, { kind: "Group", name: "friends" }]);
  });

  await step(t, "realm add without a tailscaled: asks for the name; all flags: asks only to confirm", async () => {
    const asked = await onTerminal(`realm add dora --trust partner`, [
      [/Full MagicDNS name of the node\?/, "dora\r"],
      [/dora must be a full MagicDNS name/, ".tailnet-name.ts.net\r"],
      [people, terminalKeys.enter],
      [sure, terminalKeys.enter],
    ], { env: { TS_SOCKET: "" } });
    assert.equal(asked.code, 0, asked.text);
    assert.match(asked.text, /tailscale status --json > nodes\.json/);
    const flags = "realm add erin --identity erin.tailnet-name.ts.net --trust partner";
    assert.equal((await onTerminal(flags, [[sure, terminalKeys.enter]])).code, 0);
    assert.equal((await onTerminal(`${flags} --yes`, [])).code, 1);
    assert.deepEqual(await names(), ["bob-home", "dora", "erin", "peer"]);
  });

  await step(t, "realm add, without the verb trust: refused before the first question", async () => {
    await lab.kubectl(["create", "clusterrole", "maker", "--verb=get,list,create", "--resource=realms.keystone.io"]);
    await lab.kubectl(["create", "clusterrolebinding", "maker", "--clusterrole=maker", "--user=mallory"]);
    const KUBECONFIG = await lab.user("mallory");
    const refused = await onTerminal("realm add", [], { env: { KUBECONFIG } });
    assert.equal(refused.code, 3, refused.text);
    assert.match(refused.text, /you don't have the verb trust on realms/);
    assert.doesNotMatch(refused.text, /Which node/);
    const flags = ["realm", "add", "frank", "--identity", "frank.tailnet-name.ts.net", "--dry-run=server"];
    assert.equal((await keystone(KUBECONFIG, flags)).code, 3);
    await lab.kubectl(["create", "clusterrole", "truster", "--verb=trust", "--resource=realms.keystone.io"]);
    await lab.kubectl(["create", "clusterrolebinding", "truster", "--clusterrole=truster", "--user=mallory"]);
    await eventually("the verb is in force", async () => {
      const { code, err } = await keystone(KUBECONFIG, flags);
      return code === 0 || err;
    });
    assert.ok(!(await names()).includes("frank"));
  });

  await using _operator = await startOperator(lab, {
    kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
    realm: "alice-home",
    tailnet: tailnetOf(
      { name: "alice-home", stableID: "n-alice", addresses: ["100.64.0.1"], online: true },
      { name: "bob-home", stableID: "n2CNTRL", addresses: ["100.64.0.2"], online: true },
    ),
  });

  await step(t, "the node that realm add has pinned: the operator verifies it", async () => {
    await eventually("it is Connected", async () => {
      const { status } = await cluster.realms.get("bob-home");
      return status?.connectionState === "Connected" || JSON.stringify(status?.conditions ?? []);
    });
  });

  await step(t, "realm kubeconfig: the token lasts until the last grant ends", async () => {
    const [early, late] = [secondsFromNow(3600), secondsFromNow(2 * 86_400)];
    await cluster.create({ name: "early", to: "bob-home", until: early.text });
    await cluster.create({ name: "late", to: "bob-home", until: late.text });
    await cluster.grantIn("Active", "early");
    await cluster.grantIn("Active", "late");
    const issued = async (...args: string[]) => {
      const { code, err, json } = await keystone(lab.kubeconfig, [
        "realm",
        "kubeconfig",
        "bob-home",
        "-o",
        "json",
        ...args,
      ]);
      assert.equal(code, 0, err);
      const { users: [{ user: { token } }] } = json();
      return {
        err,
        expires: JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).exp * 1000,
      };
    };
    const first = await issued();
    assert.ok(Math.abs(first.expires - Date.parse(late.text)) < 5000, first.err);
    assert.match(first.err, /Valid until \S+, when the last grant \(late\) ends/);
    const short = await issued("--for", "1h");
    assert.ok(Math.abs(short.expires - Date.now() - 3_600_000) < 10_000, short.err);
    // At trust level public a grant without an end ends after 30 days.
    await cluster.realms.patch("bob-home", { spec: { trustLevel: "partner" } }, { type: "merge" });
    await cluster.grants.patch("late", { spec: { validity: { validUntil: null } } }, { type: "merge" });
    await eventually("the grant has no end", async () => {
      const { status } = await cluster.grants.get("late");
      return status?.effectiveUntil === undefined || "not yet";
    });
    const endless = await issued();
    assert.ok(Math.abs(endless.expires - Date.now() - 30 * 86_400_000) < 10_000, endless.err);
    assert.match(endless.err, /30 days, because grant late has no end/);
  });

  const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
  await Deno.writeTextFile(
    `${folder}/keystone`,
    `#!/bin/sh\nDENO_DIR='${cache}' exec ${main.replace("src/cli", `${root}src/cli`)} "$@"\n`,
    { mode: 0o755 },
  );
  // A server at which nothing listens, and a context with characters at which bash splits words.
  const [closed, odd] = [`${folder}/closed`, `${folder}/odd`];
  await Deno.writeTextFile(
    closed,
    (await Deno.readTextFile(lab.kubeconfig)).replace(/127\.0\.0\.1:\d+/, "127.0.0.1:1"),
  );
  await Deno.writeTextFile(odd, JSON.stringify({ contexts: [{ name: "admin@lab:6443", context: {} }] }));
  const shellEnv = { HOME: folder, PATH: `${folder}${delimiter}${Deno.env.get("PATH")}`, KUBECONFIG: lab.kubeconfig };
  for (const shell of shells) {
    await step(t, `completion in ${shell}: names from the cluster, for present and earlier verbs`, async () => {
      const words = (line: string, more: Record<string, string> = {}) => wordsOf(shell, line, { ...shellEnv, ...more });
      assert.deepEqual(await words("keystone gran"), ["grant"]);
      assert.deepEqual(await words("keystone grant re"), ["revoke"]);
      assert.deepEqual(await words("keystone grant revoke "), ["early", "late"]);
      assert.deepEqual(await words("keystone revoke la"), ["late"]);
      assert.deepEqual(await words("keystone realm trust -o json bo"), ["bob-home"]);
      assert.deepEqual(await words("keystone can-reach web x -n "), ["guest-bob-home"]);
      assert.deepEqual(await words("keystone grant list --realm pe"), ["peer"]);
      assert.deepEqual(await words("keystone explain gra"), ["grant"]);
      assert.deepEqual(await words("keystone explain grant l"), ["late"]);
      // Nothing, and no error: no kubeconfig, and a server that refuses connections.
      assert.deepEqual(await words("keystone grant revoke ", { KUBECONFIG: "/nowhere" }), []);
      assert.deepEqual(await words(`keystone grant revoke --kubeconfig ${closed} `), []);
    });

    await step(t, `completion in ${shell} on a terminal: Tab completes the name`, async () => {
      const load = shell === "fish" ? "keystone completion fish | source" : `source <(keystone completion ${shell})`;
      const { text } = await commandOnTerminal(["stty echo;", shell, ...bare[shell]!, "-i"].join(" "), [
        [/[#$%>] ?$/, `${load}; echo load""ed\r`],
        [/loaded/, "keystone grant revoke la\t"],
        [/revoke late/, "\x15keystone grant list --context adm\t"],
        [/--context admin@lab:6443/, "\x15exit\r"],
      ], { cwd: folder, env: { ...shellEnv, KUBECONFIG: `${lab.kubeconfig}:${odd}` } });
      assert.match(text, /--context admin@lab:6443/);
    });
  }

  await step(t, "completion for a guest: the grants of the guide, and the own namespace", async () => {
    const path = `${folder}/bob.kubeconfig`;
    assert.equal((await keystone(lab.kubeconfig, ["realm", "kubeconfig", "bob-home", "--out", path])).code, 0);
    const completed = async (...words: string[]) => {
      const { code, out, err } = await keystone(path, ["__complete", ...words]);
      assert.deepEqual([code, err], [0, ""]);
      return out.split("\n");
    };
    assert.deepEqual(await completed("grant", "list", ""), ["early", "late", ":4"]);
    assert.deepEqual(await completed("would-fit", "-n", ""), ["guest-bob-home", ":4"]);
    assert.deepEqual(await completed("explain", "deploy", "", ""), [":4"]);
    using rest = await clientOf(path);
    assert.equal(rest.defaultNamespace, "guest-bob-home");
  });

  await Deno.remove(folder, { recursive: true });
});

for (const shell of Object.keys(bare).filter((name) => !shells.includes(name))) {
  const reason = `${shell} is not installed. Install the package ${shell}.`;
  if (Deno.env.get("KEYSTONE_E2E") === "require") {
    Deno.test(`completion in ${shell}`, () => {
      throw new Error(`KEYSTONE_E2E=require, but the test can't run: ${reason}`);
    });
  } else console.log(`not run: ${reason} (completion in ${shell})`);
}

/** Scripts that print what the shell's completion function offers for $LINE. */
const askingScripts: Readonly<Record<string, string>> = {
  bash: `source <(keystone completion bash)
    COMP_LINE=$LINE; COMP_POINT=\${#LINE}
    _keystone; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // The completion system itself runs on a terminal only.
  zsh: `compdef() { : }; _files() { print files }; compset() { : }; _describe() { print -l -- "\${(@P)2}" }
    source <(keystone completion zsh)
    words=(\${=LINE}); [[ "$LINE" == *" " ]] && words+=("")
    CURRENT=$#words; PREFIX=$words[-1]; _keystone | sed 's/:.*//'`,
  fish: `keystone completion fish | source; complete -C "$LINE" | string replace -r '\\t.*' ''`,
};

/** Returns the words that a real shell offers for a line. */
async function wordsOf(shell: string, line: string, env: Record<string, string>): Promise<string[]> {
  const { stdout, stderr } = await new Deno.Command(shell, {
    args: [...bare[shell]!, "-c", askingScripts[shell]!],
    env: { ...env, LINE: line },
    stdin: "null",
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").map((word) => word.trim()).filter(Boolean).sort();
}
