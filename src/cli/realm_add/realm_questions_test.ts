/** The questions of `keystone realm add`, as a process on a terminal. Terminals are made by script(1), so only on Linux. */
import assert from "node:assert/strict";
import { serveAnswers } from "../../../tests/fixtures/answered_command.ts";
import { keystone } from "../../../tests/fixtures/keystone_command.ts";
import {
  type Answer,
  assertWithin,
  keystoneOnTerminal,
  type Seen,
  terminalKeys,
  type TerminalOptions,
  wordsShown,
} from "../../../tests/fixtures/keystone_terminal.ts";

const ignore = Deno.build.os !== "linux";
const { enter, up, down, clear, interrupt, end, escape } = terminalKeys;
const group = "/apis/keystone.io/v1alpha1";
const suffix = "tailnet-name.ts.net";

const node = (name: string, more: Record<string, unknown> = {}) => ({
  ID: `n-${name}`,
  DNSName: `${name}.${suffix}.`,
  HostName: name,
  OS: "linux",
  TailscaleIPs: ["100.64.0.9"],
  Online: true,
  ...more,
});
const few = [
  node("bob-home"),
  node("carol-home", { Online: false }),
  node("dora-home"),
  node("twin", { ID: "nTwin1" }),
  node("twin", { ID: "nTwin2" }),
];
const many = [
  ...few,
  ...Array.from(
    { length: 40 },
    (_, index) => node(`printer-of-the-third-floor-${index}`, { OS: "windows", Online: false }),
  ),
];

interface Asked extends TerminalOptions {
  nodes?: readonly ReturnType<typeof node>[];
  /** Nodes that are realms. */
  realms?: readonly string[];
  /** Name of the operator's first node, if it has a sidecar. */
  hostname?: string;
  args?: readonly string[];
  /** True if the cluster doesn't answer, and Ctrl-C is pressed then. */
  isInterrupted?: true;
  pipe?: string;
}

interface Posted {
  metadata: { name: string; annotations?: Record<string, string> };
  spec: Record<string, unknown>;
}

/** Runs the command with a list of nodes; returns what a person saw, and the realms that were posted. */
async function add(
  answers: readonly Answer[],
  { nodes = few, realms = ["bob-home"], hostname, args = [], isInterrupted, ...more }: Asked = {},
): Promise<Seen & { posted: Posted[] }> {
  const posted: Posted[] = [];
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(
    file,
    JSON.stringify({
      BackendState: "Running",
      Self: node("alice-home"),
      MagicDNSSuffix: suffix,
      Peer: Object.fromEntries(nodes.map((peer) => [peer.ID, peer])),
      User: {},
    }),
  );
  const items = realms.map((name) => ({
    metadata: { name, uid: name, resourceVersion: "1" },
    spec: { identity: `${name}.${suffix}`, connectionType: "tailscale", trustLevel: "partner" },
  }));
  const [asked, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  try {
    return await serveAnswers({
      "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": async () => {
        asked.resolve();
        if (isInterrupted) await over.promise;
        return Response.json({ status: { allowed: true } }, { status: 201 });
      },
      [`${group}/realms`]: async (request: Request) => {
        if (request.method === "GET") return Response.json({ metadata: { resourceVersion: "9" }, items });
        const body = await request.json();
        posted.push(body);
        return Response.json(body, { status: 201 });
      },
      [`${group}/superentities`]: { metadata: { resourceVersion: "9" }, items: [] },
      ...(hostname === undefined ? {} : {
        "/apis/apps/v1/namespaces/keystone-system/statefulsets/keystone-operator": {
          metadata: { name: "keystone-operator" },
          spec: {
            template: {
              spec: {
                containers: [
                  { name: "operator" },
                  { name: "front", env: [{ name: "KEYSTONE_TAILNET_LISTEN", value: "127.0.0.1:8443" }] },
                  { name: "tailscaled", env: [{ name: "TS_HOSTNAME", value: hostname }] },
                ],
              },
            },
          },
        },
      }),
    }, async (kubeconfig) => {
      const seen = await keystoneOnTerminal(kubeconfig, ["realm", "add", "-f", file, ...args], answers, {
        ...more,
        ...(isInterrupted ? { interruptWhen: asked.promise } : {}),
      }).finally(over.resolve);
      return { ...seen, posted };
    });
  } finally {
    await Deno.remove(file);
  }
}

const questions = [
  /Which node of the tailnet/,
  /Name of the realm\?/,
  /How far do you trust it\?/,
  /Who uses it\?/,
  /Create this realm\?/,
];
const enters = questions.map((on): Answer => [on, enter]);
const plain = { TERM: "dumb" };
const inPlain = (answers: readonly Answer[]) =>
  answers.map(([on, letters]): Answer => [on, letters.replaceAll("\r", "\n")]);

/** Asserts that the command ended without a write, and said so at last. */
function assertNothing({ code, lines, posted }: Awaited<ReturnType<typeof add>>, expected = 1): void {
  assert.deepEqual([code, posted], [expected, []], lines.join("\n"));
  assert.equal(lines.findLast((line) => line.trim() !== ""), "Nothing was created.");
}

for (const env of [{}, plain] as Record<string, string>[]) {
  const how = env.TERM ? "plain" : "drawn";

  Deno.test({
    name:
      `${how}, Enter on everything: the first online node, pinned, with the least trust; the same command is printed`,
    ignore,
    async fn() {
      const { code, posted, text, lines } = await add(env.TERM ? inPlain(enters) : enters, { env });
      assert.equal(code, 0, text);
      const realm: Posted = {
        metadata: { name: "dora-home", annotations: { "keystone.io/trusted-node": "n-dora-home" } },
        spec: { identity: `dora-home.${suffix}`, connectionType: "tailscale", trustLevel: "public" },
      };
      const [{ metadata, spec }] = posted as [Posted];
      assert.deepEqual([posted.length, { metadata, spec }], [1, realm]);
      assert.match(text, /Node: dora-home\.tailnet-name\.ts\.net, only the one with ID n-dora-home/);
      const printed = lines.slice(lines.indexOf("The same without questions:") + 1).join("\n").replace(/ \\\n +/g, " ");
      const words = printed.trim().split(" ").slice(1);
      const same = await keystone(undefined, [...words, "--dry-run=client", "-o", "json"]);
      assert.equal(same.code, 0, same.err);
      assert.deepEqual([same.json().metadata, same.json().spec], [realm.metadata, realm.spec]);
    },
  });

  Deno.test({
    name: `${how}, Ctrl-C, Ctrl-D and Escape at each question: nothing is written, and the command says so`,
    ignore,
    async fn() {
      for (const [index, on] of questions.entries()) {
        for (const key of env.TERM ? [interrupt, end] : [interrupt, end, escape]) {
          const answers = [...enters.slice(0, index), [on, key] as const];
          assertNothing(await add(env.TERM ? inPlain(answers) : answers, { env }));
        }
      }
      const no = [...enters.slice(0, -1), [questions.at(-1)!, `n${env.TERM ? enter : ""}`] as const];
      assertNothing(await add(env.TERM ? inPlain(no) : no, { env }));
    },
  });
}

Deno.test({
  name: "Ctrl-C while the command reads the cluster: it says that nothing was created",
  ignore,
  async fn() {
    assertNothing(await add([], { isInterrupted: true }), 130);
  },
});

Deno.test({
  name: "a wrong answer: is refused where it is given, and the right one is taken",
  ignore,
  async fn() {
    const answers: Answer[] = [
      // A node that is a realm can't be reached: up from the first one is the last that can be chosen.
      [questions[0]!, `${up}${enter}`],
      [/Full MagicDNS name/, `carol${enter}`],
      [/carol must be a full MagicDNS name/, `${clear}bob-home.${suffix}${enter}`],
      [/is already the identity of realm bob-home/, `${clear}twin.${suffix}${enter}`],
      [/Several nodes have the name/, `${clear}Carol-Home.${suffix}.${enter}`],
      [/Name of the realm\?.*carol-home/, `Carol${enter}`],
      [/Carol must be of lowercase letters/, `${clear}bob-home${enter}`],
      [/bob-home already exists/, `${clear}carol${enter}`],
      [questions[2]!, `${up}${enter}`],
      [questions[3]!, `system:admin${enter}`],
      [/is User:system:admin, which is reserved/, `${clear}carol@example.com, group:friends${enter}`],
      [questions[4]!, "y"],
    ];
    const { posted, text } = await add(answers);
    assert.deepEqual([posted[0]?.metadata, posted[0]?.spec], [
      { name: "carol", annotations: { "keystone.io/trusted-node": "n-carol-home" } },
      {
        identity: `carol-home.${suffix}`,
        connectionType: "tailscale",
        trustLevel: "partner",
        subjects: [{ kind: "User", name: "carol@example.com" }, { kind: "Group", name: "friends" }],
      },
    ], text);
    assert.match(text, /--subject User:carol@example\.com \\ --subject Group:friends/);
  },
});

Deno.test({
  name: "plain, a wrong answer: a realm's node by name, a number out of range, an ambiguous name",
  ignore,
  async fn() {
    const { posted, text } = await add([
      [/- bob-home\.tailnet-name\.ts\.net \(realm bob-home\).*another node/, `bob-home.${suffix}\n`],
      [/can't be chosen: realm bob-home/, "9\n"],
      [/a number from 1 to 7/, `twin.${suffix}\n`],
      [/a number from 1 to 7/, "3\n"],
      [questions[1]!, "\n"],
      [/Number \[3\]/, "partner\n"],
      [questions[3]!, "\n"],
      [/Create this realm\? yes or no \[yes\]/, "y\n"],
    ], { env: plain });
    assert.deepEqual(
      posted[0]?.metadata,
      { name: "twin", annotations: { "keystone.io/trusted-node": "nTwin2" } },
      text,
    );
    assert.equal(posted[0]?.spec.trustLevel, "partner");
    assert.match(text, /twin\S+ \(online, linux, nTwin1\)/);
  },
});

Deno.test({
  name: "plain, all answers pasted at once: each question gets its own",
  ignore,
  async fn() {
    const { code, posted, text } = await add([[questions[0]!, "3\ntwo\npartner\nnone\nyes\n"]], { env: plain });
    assert.deepEqual([code, posted[0]?.metadata.name, posted[0]?.spec.trustLevel], [0, "two", "partner"], text);
  },
});

Deno.test({
  name: "a configuration file that can't be read: fails before the first question",
  ignore,
  async fn() {
    const { code, text, posted } = await add([], { args: ["--config", "/nowhere.yaml"] });
    assert.deepEqual([code, posted], [2, []]);
    assert.match(text, /\/nowhere\.yaml/);
    assert.doesNotMatch(text, /Which node/);
  },
});

Deno.test({
  name: "many nodes: a part of the name finds them; Enter where nothing matches leads to the name",
  ignore,
  async fn() {
    const rest = enters.slice(1);
    const found = await add([[questions[0]!, "FLOOR-17"], [/1 match|2 matches/, enter], ...rest], { nodes: many });
    assert.equal(found.posted[0]?.metadata.name, "printer-of-the-third-floor-17", found.text);
    const none = await add(
      [[questions[0]!, "bob-home"], [/1 match|2 matches/, enter], [/Full MagicDNS name/, interrupt]],
      { nodes: many },
    );
    assertNothing(none);
    const typed = await add(
      inPlain([
        [/and 31 more: type a part of the name/, `floor-17${enter}`],
        [/\d+\. printer-of-the-third-floor-17\S+ \(offline, windows\) \d+\. another node, by its name/, enter],
        ...rest,
      ]),
      { nodes: many, env: { ACCESSIBLE: "1" } },
    );
    assert.equal(typed.posted[0]?.metadata.name, "printer-of-the-third-floor-17", typed.text);
    const whole = inPlain([[questions[0]!, `printer-of-the-third-floor-3.${suffix}${enter}`], ...rest]);
    const named = await add(whole, { nodes: many, env: plain });
    assert.equal(named.posted[0]?.metadata.name, "printer-of-the-third-floor-3");
  },
});

Deno.test({
  name: "every node is a realm, or the tailnet has none: the name is asked, with the reason",
  ignore,
  async fn() {
    const seen = await add([[/Every node of the tailnet is a realm already\..*Full MagicDNS name/, end]], {
      nodes: few.slice(0, 1),
      realms: ["bob-home", "alice-home"],
    });
    assertNothing(seen);
  },
});

for (const [kind, env] of [["drawn", {}], ["without colors", { NO_COLOR: "1" }], ["plain", plain]] as const) {
  Deno.test({
    name: `realm add on terminals of 60 to 200 columns, ${kind}: no line is wider, and no word is broken`,
    ignore,
    async fn() {
      for (const nodes of [few, many]) {
        let words: Set<string> | undefined;
        for (const columns of [200, 120, 80, 60]) {
          const answers: Answer[] = [
            nodes === few || kind === "plain" ? enters[0]! : [questions[0]!, `${down}${enter}`],
            [questions[1]!, `Carol${enter}`],
            [/must be of lowercase letters/, `${clear}carol${enter}`],
            ...enters.slice(2),
          ];
          const seen = await add(
            kind === "plain" ? inPlain(answers).map(([on, text]) => [on, text.replace(clear, "")] as const) : answers,
            { nodes, columns, env },
          );
          assert.equal(seen.code, 0, seen.text);
          assertWithin(seen, columns);
          const found = wordsShown(seen).filter((word) => !word.includes("/tmp/"));
          words ??= new Set(found);
          assert.deepEqual(found.filter((word) => !words!.has(word)), []);
          // deno-lint-ignore no-control-regex
          if (kind !== "drawn") assert.doesNotMatch(seen.raw, /\x1b\[[\d;]*m/);
          // deno-lint-ignore no-control-regex
          if (kind === "plain") assert.doesNotMatch(seen.raw, /\x1b|[^\x00-\x7f]/);
        }
      }
    },
  });
}

Deno.test({
  name: "standard output is a pipe: nothing is asked, and the missing flag is named",
  ignore,
  async fn() {
    const { text, posted } = await add([], { pipe: "cat" });
    assert.match(text, /--identity is not set\. Use --identity NODE\.TAILNET/);
    assert.deepEqual(posted, []);
  },
});

Deno.test({
  name: "all flags: only the confirmation is asked; with --yes nothing",
  ignore,
  async fn() {
    const args = ["carol", "--identity", "carol-home", "--trust", "public"];
    assertNothing(await add([[/^(?!.*Which node).*Create this realm\?/, interrupt]], { args }));
    const { code, posted } = await add([], { args: [...args, "--yes"] });
    assert.deepEqual([code, posted.length], [0, 1]);
  },
});

Deno.test({
  name: "Enter on everything where the operator's own nodes are online: the neighbor's node, not one of them",
  ignore,
  async fn() {
    const nodes = [node("alice-ha"), node("alice-ha-1"), node("zoe-home")];
    const { code, posted, text } = await add(enters, { nodes, hostname: "alice-ha", realms: [] });
    assert.equal(code, 0, text);
    assert.equal(posted[0]!.spec.identity, `zoe-home.${suffix}`);
    assert.match(text, /alice-ha-1\.\S+ \(online, this cluster, linux\)/);
    assert.match(text, /People: those at its node, over the tailnet, and those to whom you give a kubeconfig/);
  },
});
