/** The form of `keystone grant create`, as a process on a terminal. Terminals are made by script(1), so only on Linux. */
import assert from "node:assert/strict";
import {
  type Answer,
  assertWithin,
  keystoneOnTerminal,
  terminalKeys,
  wordsShown,
} from "../../../tests/fixtures/keystone_terminal.ts";
import { keystone } from "../../../tests/fixtures/keystone_command.ts";
import { servedTerms } from "../../../tests/fixtures/served_terms.ts";

const ignore = Deno.build.os !== "linux";
const { enter, down } = terminalKeys;
const create = ["grant", "create"];

/** All questions of the shortest way, answered by Enter. */
const enters: readonly Answer[] = [
  [/To whom\?/, enter],
  [/How many CPU cores\?/, enter],
  [/How much memory\?/, enter],
  [/How much storage/, enter],
  [/How many GPUs\?/, enter],
  [/Until when\?/, enter],
  [/What may the guests reach/, enter],
  [/Name of the grant\?/, enter],
  [/Create this grant\?/, enter],
];

/** The same with the questions that depend on answers. */
const chosen: readonly Answer[] = [
  ...enters.slice(0, 5),
  [/Until when\?/, `2030-06-01 18:00${enter}`],
  [/What may the guests reach/, `${down}${down}${enter}`],
  [/Which destinations/, `internet:443, nas.alice.lan:445${enter}`],
  [/Which ranges of your LAN/, `192.168.1.0/24${enter}`],
  [/Which ranges stay closed/, `203.0.113.0/24${enter}`],
  ...enters.slice(7),
];

/** Types what is left of a wrong answer away, then another one. */
const instead = (text: string) => `\x15${text}${enter}`;

Deno.test({
  name:
    "Enter on every question: a grant with an end and without a network is created, and the same command is printed",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const before = Date.now();
    const { code, lines, answered } = await keystoneOnTerminal(api.kubeconfig, create, enters);
    const screen = lines.join("\n");
    assert.deepEqual([code, answered], [0, enters.length], screen);
    const body = api.writes[0]!.body as { metadata: unknown; spec: Record<string, unknown> };
    const { validity, ...spec } = body.spec as { validity: { validUntil: string } };
    assert.equal(api.writes.length, 1);
    assert.deepEqual([body.metadata, spec], [{ name: "to-bob-home" }, {
      grantorRealm: "alice-home",
      granteeRealm: "bob-home",
      hard: { cpu: "2", memory: "4Gi" },
    }]);
    const days = (Date.parse(validity.validUntil) - before) / 86_400_000;
    assert.ok(days > 29.99 && days < 30.01, `${days} days`);
    assert.match(screen, /keystone grant create to-bob-home --to bob-home --cpu 2 --memory 4Gi --for 30d/);
    assert.match(screen, /Until \w+ [-\d]+ [:\d]+ CET \([-\dT:]+Z\)\./);
  },
});

Deno.test({
  name: "each default is shown before Enter takes it",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const shown = [/│ 2 └/, /│ 4Gi └/, /│ none └/, /│ none └/, /│ 30d └/];
    const defaults = enters.map(([on, letters], index): Answer => {
      const preset = shown[index - 1];
      return [preset === undefined || index > 5 ? on : new RegExp(`${on.source}.*${preset.source}`), letters];
    });
    const { answered } = await keystoneOnTerminal(api.kubeconfig, create, defaults);
    assert.equal(answered, enters.length);
  },
});

for (const [index, [on]] of chosen.entries()) {
  Deno.test({
    name: `Ctrl-C at question ${index + 1} (${on.source}): nothing is written, and the command says so`,
    ignore,
    async fn() {
      await using api = await servedTerms();
      const { code, lines, answered } = await keystoneOnTerminal(api.kubeconfig, create, [
        ...chosen.slice(0, index),
        [on, terminalKeys.interrupt],
      ]);
      assert.deepEqual([code, answered, api.writes], [1, index + 1, []], lines.join("\n"));
      assert.equal(lines.findLast((line) => line.trim() !== ""), "Nothing was created.");
    },
  });
}

Deno.test({
  name: "Escape, the end of the input, No at the summary: nothing is written, and the command says so",
  ignore,
  async fn() {
    await using api = await servedTerms();
    for (
      const answers of [
        [[/To whom\?/, terminalKeys.escape]],
        [enters[0], [/How many CPU cores\?/, terminalKeys.end]],
        [...enters.slice(0, -1), [/Create this grant\?/, "n"]],
      ] as Answer[][]
    ) {
      const { code, lines } = await keystoneOnTerminal(api.kubeconfig, create, answers);
      assert.deepEqual([code, api.writes], [1, []], lines.join("\n"));
      assert.equal(lines.findLast((line) => line.trim() !== ""), "Nothing was created.");
    }
  },
});

Deno.test({
  name: "Ctrl-C while the command reads the cluster: it says that nothing was created",
  ignore,
  async fn() {
    const reading = Promise.withResolvers<void>();
    await using api = await servedTerms({ held: reading.promise });
    const { code, lines } = await keystoneOnTerminal(api.kubeconfig, create, [], { interruptWhen: api.asked });
    reading.resolve();
    assert.deepEqual([code, api.writes], [130, []]);
    assert.equal(lines.findLast((line) => line.trim() !== ""), "Nothing was created.");
  },
});

Deno.test({
  name: "a wrong answer: is refused where it is given, and the right one is taken",
  ignore,
  async fn() {
    await using api = await servedTerms({ isLocalKnown: false });
    const { code, lines, answered } = await keystoneOnTerminal(api.kubeconfig, create, [
      [/Which realm is this cluster\?/, `Alice${enter}`],
      [/lowercase letters/, instead("alice-home")],
      enters[0]!,
      [/How many CPU cores\?/, `2 cores${enter}`],
      [/Use 2\./, instead("3")],
      [/How much memory\?/, `4GB${enter}`],
      [/Use 4Gi\./, instead("6Gi")],
      [/How much storage/, `lots${enter}`],
      [/such as 512Mi or 4Gi/, instead("10Gi")],
      [/How many GPUs\?/, `0.5${enter}`],
      [/whole number of GPUs/, instead("1")],
      [/Until when\?/, `yesterday${enter}`],
      [/must be a day/, instead("2020-01-01")],
      [/in the past/, instead("2030-06-01")],
      [/What may the guests reach/, `${down}${enter}`],
      [/Which ports\?/, `https${enter}`],
      [/https is not a port/, instead("80,443")],
      [/Which ranges stay closed/, `10.0.0${enter}`],
      [/10\.0\.0 is not a CIDR/, instead("203.0.113.0/24")],
      [/Name of the grant\?/, `To Bob${enter}`],
      [/lowercase letters/, instead("for-bob")],
      [/Create this grant\?/, enter],
    ]);
    assert.deepEqual([code, answered], [0, 22], lines.join("\n"));
    assert.deepEqual((api.writes[0]!.body as { metadata: unknown; spec: unknown }).metadata, { name: "for-bob" });
    assert.deepEqual((api.writes[0]!.body as { spec: unknown }).spec, {
      grantorRealm: "alice-home",
      granteeRealm: "bob-home",
      hard: { cpu: "3", memory: "6Gi", "requests.storage": "10Gi", "requests.nvidia.com/gpu": "1" },
      networkPolicy: {
        egressAllowed: true,
        allowedDestinations: ["internet:80", "internet:443"],
        except: ["203.0.113.0/24"],
      },
      validity: { validUntil: "2030-05-31T22:00:00Z" },
    });
    // The printed command line describes the same grant.
    const printed = lines.slice(lines.indexOf("The same without questions:") + 1).join("\n").replace(/ \\\n +/g, " ");
    const words = printed.trim().split(" ").slice(1);
    const same = await keystone(api.kubeconfig, [...words, "--dry-run=client", "-o", "json"]);
    assert.equal(same.code, 0, same.err);
    assert.deepEqual(same.json().spec, (api.writes[0]!.body as { spec: unknown }).spec);
  },
});

Deno.test({
  name: "values in flags: are not asked for; a wrong one ends the command before the first question",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const flags = [
      "--to",
      "bob-home",
      "--cpu",
      "1",
      "--memory",
      "1Gi",
      "--storage",
      "5Gi",
      "--gpu",
      "1",
      "--for",
      "5d",
    ];
    const { code, lines, answered } = await keystoneOnTerminal(
      api.kubeconfig,
      [...create, ...flags, "--allow", "internet"],
      [[/^[^?]*Name of the grant\?/, enter], [/Create this grant\?/, enter]],
    );
    assert.deepEqual([code, answered], [0, 2], lines.join("\n"));
    for (
      const [wrong, problem] of [
        [["--memory", "4GB"], /--memory is 4GB\. Use 4Gi/],
        [["--until", "yesterday"], /--until is yesterday/],
        [["--start", "2030-01-01", "--until", "2029-01-01"], /must be after the start/],
        [["--except", "10.0.0.0/8"], /--except need --allow/],
      ] as const
    ) {
      const { code, lines } = await keystoneOnTerminal(api.kubeconfig, [...create, ...wrong], []);
      assert.equal(code, 2);
      assert.match(lines.join(" "), problem);
    }
    assert.equal(api.writes.length, 1);
  },
});

Deno.test({
  name: "a public realm: no network is asked, an end is required and at most 30 days away",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const { code, lines } = await keystoneOnTerminal(api.kubeconfig, [...create, "--cpu", "1", "--memory", "1Gi"], [
      [/To whom\?/, `${down}${enter}`],
      [/How much storage/, enter],
      [/How many GPUs\?/, enter],
      [/Until when\?.*at most\W+30d/, `never${enter}`],
      [/requires an end within 30 days/, instead("31d")],
      [/at most 30 days/, instead("30d")],
      [/opens only the node of carla-home.*Name of the grant\?/, enter],
      [/Create this grant\?/, enter],
    ]);
    assert.equal(code, 0, lines.join("\n"));
    assert.doesNotMatch(lines.join("\n"), /Warning/);
  },
});

for (
  const [kind, env] of [["drawn", {}], ["without colors", { NO_COLOR: "1" }], ["plain", { TERM: "dumb" }]] as const
) {
  Deno.test({
    name: `terminals of 60 to 200 columns, ${kind}: no line is wider, and no word is broken`,
    ignore,
    async fn() {
      await using api = await servedTerms();
      const answers = chosen.map(([on, letters]): Answer =>
        kind === "plain" ? [on, letters.replace(`${down}${down}`, "3").replace("\r", "\n")] : [on, letters]
      );
      let words: Set<string> | undefined;
      for (const columns of [200, 120, 80, 60]) {
        const seen = await keystoneOnTerminal(api.kubeconfig, create, answers, { columns, env });
        assert.equal(seen.code, 0, seen.lines.join("\n"));
        assertWithin(seen, columns);
        const found = wordsShown(seen);
        words ??= new Set(found);
        assert.deepEqual(found.filter((word) => !words!.has(word)), []);
        // deno-lint-ignore no-control-regex
        if (kind !== "drawn") assert.doesNotMatch(seen.raw, /\x1b\[[\d;]*m/);
        // deno-lint-ignore no-control-regex
        if (kind === "plain") assert.doesNotMatch(seen.raw, /\x1b|[^\x00-\x7f]/);
      }
    },
  });
}

Deno.test({
  name: "--no-color: no colors in questions either",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const { raw } = await keystoneOnTerminal(api.kubeconfig, [...create, "--no-color"], [[
      /To whom\?/,
      terminalKeys.interrupt,
    ]]);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(raw, /\x1b\[[\d;]*m/);
  },
});

Deno.test({
  name: "plain questions: Ctrl-C and the end of the input write nothing and say so; wrong answers are asked again",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const env = { TERM: "dumb" };
    for (const letters of [terminalKeys.interrupt, terminalKeys.end]) {
      const { code, lines } = await keystoneOnTerminal(
        api.kubeconfig,
        create,
        [[/Number/, "1\n"], [/cores/, letters]],
        {
          env,
        },
      );
      assert.deepEqual([code, api.writes], [1, []]);
      assert.equal(lines.findLast((line) => line.trim() !== ""), "Nothing was created.");
    }
    const { code, lines } = await keystoneOnTerminal(api.kubeconfig, create, [
      [/Number/, "3\n"],
      [/number from 1 to 2/, "bob-home\n"],
      [/cores/, "two\n"],
      [/such as 2/, "\n"],
      ...enters.slice(2, -1).map(([on]): Answer => [on, "\n"]),
      [/Create this grant\?/, "maybe\n"],
      [/must be yes or no/, "yes\n"],
    ], { env: { ACCESSIBLE: "1" } });
    assert.deepEqual([code, api.writes.length], [0, 1], lines.join("\n"));
  },
});

Deno.test({
  name: "standard output is a pipe: nothing is asked, and the missing flag is named",
  ignore,
  async fn() {
    await using api = await servedTerms();
    const { lines } = await keystoneOnTerminal(api.kubeconfig, [...create, "x", "--to", "bob-home"], [], {
      pipe: "cat",
    });
    assert.match(lines.join(" "), /No amounts are set\. Use --cpu 2 --memory 4Gi/);
    assert.deepEqual(api.writes, []);
  },
});

Deno.test({
  name: "a confirmation: is declined by Enter, Ctrl-C and the end of the input, also without drawing",
  ignore,
  async fn() {
    await using api = await servedTerms();
    for (const env of [{}, { TERM: "dumb" }] as Record<string, string>[]) {
      for (const letters of [env.TERM ? "\n" : enter, terminalKeys.interrupt, terminalKeys.end]) {
        const { code, lines } = await keystoneOnTerminal(api.kubeconfig, ["uninstall"], [[
          /Lock out all guests/,
          letters,
        ]], {
          env,
        });
        assert.deepEqual([code, api.writes], [1, []]);
        assert.match(lines.join(" "), /Nothing was changed\./);
      }
    }
  },
});
