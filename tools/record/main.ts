/**
 * `deno task record`: makes the pictures in docs/images from a real run. It plays the demo on a terminal and draws a part
 * of its output; then it types the commands of scenes.ts on the demo's cluster, and draws what they print.
 *
 *     deno task record            all pictures
 *     deno task record --columns 124
 */
import { parseArgs } from "node:util";
import { dirname } from "node:path";
import { build } from "../../tests/lab/build.ts";
import { codeBlocks } from "../../tests/support/code_blocks.ts";
import { Answering } from "./answering.ts";
import { drawPage } from "./page_pictures.ts";
import { knownCommand } from "./known_command.ts";
import { runOnTerminal, type TerminalRun } from "./pty.ts";
import { sceneFiles, scenes, type SceneStep } from "./scenes.ts";
import { sectionsOf } from "./sections.ts";
import { TerminalScreen } from "./terminal_screen.ts";
import { terminalSvg } from "./terminal_svg.ts";

const root = new URL("../../", import.meta.url).pathname;
const images = `${root}docs/images`;
const { values } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { columns: { type: "string", default: "124" } },
});
const defaultColumns = Number(values.columns);

/** Sections of the demo that its picture shows. */
const shownOfDemo = [/keystone use/, /within the grant/, /exceeds the grant/, /seconds from now/];

async function draw(
  name: string,
  { rows, columns, commands }: { rows: Parameters<typeof terminalSvg>[0]; columns: number; commands: string[] },
): Promise<void> {
  await Deno.mkdir(images, { recursive: true });
  await Deno.writeTextFile(`${images}/${name}.svg`, terminalSvg(rows, { title: commands[0]!, columns, commands }));
  console.log(`wrote docs/images/${name}.svg`);
}

/** The folder of both terminals, with `keystone` in PATH: this machine need have neither that nor kubectl. */
const folder = await Deno.makeTempDir({ prefix: "keystone-record-" });
const PATH = `${folder}/bin:${dirname((await build(["kubernetes"])).kubectl!)}:${Deno.env.get("PATH") ?? ""}`;
await Deno.mkdir(`${folder}/bin`);
await Deno.writeTextFile(
  `${folder}/bin/keystone`,
  `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet -A --config='${root}deno.json' '${root}src/cli/main.ts' "$@"\n`,
  { mode: 0o755 },
);
for (const [name, text] of Object.entries(sceneFiles)) await Deno.writeTextFile(`${folder}/${name}`, text);

let TS_SOCKET = "";

/** Runs a command on a terminal until its end; returns its output. @throws when it ends with another code */
async function typed(
  command: string,
  { KUBECONFIG, columns = defaultColumns, screen = new TerminalScreen(columns), codes = [0], answers }:
    & { KUBECONFIG: string; columns?: number; screen?: TerminalScreen }
    & Pick<SceneStep, "answers" | "codes">,
): Promise<void> {
  let run: TerminalRun | undefined = undefined;
  const answering = answers && new Answering(answers, () => run!);
  run = runOnTerminal(command, {
    columns,
    cwd: folder,
    // A task runs in the folder where it was called.
    env: { KUBECONFIG, PATH, INIT_CWD: folder, TS_SOCKET },
    onText: (text) => {
      screen.write(text);
      answering?.onText(text);
    },
  });
  const code = await run.ended;
  answering?.end();
  if (!codes.includes(code)) {
    const shown = screen.rows().map((row) => row.map(({ text }) => text).join("")).join("\n");
    throw new Error(`${command} ended with ${code}:\n${shown}`);
  }
}

/** Prepares what the scenes show: the examples in force, and Bob's workload from the page for guests. */
async function prepare(KUBECONFIG: string): Promise<string> {
  const bobs = `${folder}/bob.kubeconfig`;
  // The demo's grant has ended; its name is free again once it is deleted.
  await typed("kubectl delete grant --all --timeout=60s", { KUBECONFIG });
  await typed("kubectl delete pods --all --force -n guest-bob-home", { KUBECONFIG });
  await typed(`kubectl apply -f '${root}deploy/examples/'`, { KUBECONFIG });
  await typed("kubectl wait --for=jsonpath='{.status.phase}'=Active grant --all --timeout=30s", { KUBECONFIG });
  await typed(`keystone realm kubeconfig bob-home --out '${bobs}'`, { KUBECONFIG });
  const page = await Deno.readTextFile(`${root}docs/guests.md`);
  const web = codeBlocks("docs/guests.md", page).find(({ language }) => language === "yaml")!;
  await Deno.writeTextFile(`${folder}/web.yaml`, web.text);
  await typed("kubectl apply -f web.yaml", { KUBECONFIG: bobs });
  await typed("kubectl wait --for=jsonpath='{.status.actualUsage.limits\\.cpu}'=1 grant --all --timeout=60s", {
    KUBECONFIG,
  });
  return bobs;
}

const screen = new TerminalScreen(defaultColumns);
let output = "";
const cluster = Promise.withResolvers<string>();
const demo = runOnTerminal(`'${Deno.execPath()}' task --quiet demo`, {
  columns: defaultColumns,
  cwd: root,
  onText(text) {
    Deno.stdout.writeSync(new TextEncoder().encode(text));
    screen.write(text);
    output += text;
    const kubeconfig = /export KUBECONFIG=(\S+)\s/.exec(output)?.[1];
    if (kubeconfig) cluster.resolve(kubeconfig);
  },
});
try {
  const KUBECONFIG = await Promise.race([
    cluster.promise,
    demo.ended.then((code) => {
      throw new Error(`The demo ended (exit code ${code}) before its cluster was left to play with.`);
    }),
  ]);
  await draw("demo", {
    rows: sectionsOf(screen.rows(), shownOfDemo),
    columns: defaultColumns,
    commands: ["deno task demo"],
  });
  const lab = JSON.parse(await Deno.readTextFile(`${dirname(KUBECONFIG)}/lab.json`));
  TS_SOCKET = lab.realms["alice-home"].socket;
  const bobs = await prepare(KUBECONFIG);
  await drawPage({
    dir: dirname(KUBECONFIG),
    url: /http:\/\/alice-home\S+\//.exec(output)![0],
    images,
    lent: (login) =>
      typed(
        `kubectl patch realm alice-home --type=merge -p '${JSON.stringify({ spec: { people: [{ login }] } })}'`,
        { KUBECONFIG },
      ),
  });
  for (const { name, columns = defaultColumns, before, steps } of scenes) {
    if (before !== undefined) await typed(before, { KUBECONFIG });
    const screen = new TerminalScreen(columns);
    const commands: string[] = [];
    for (const { typed: command, isBobs, ...step } of steps) {
      const known = knownCommand(command);
      screen.write(`${commands.length > 0 ? "\r\n" : ""}\x1b[1m$ ${known}\x1b[0m\r\n`);
      commands.push(known);
      await typed(known, { KUBECONFIG: isBobs ? bobs : KUBECONFIG, columns, screen, ...step });
    }
    await draw(name, { rows: screen.rows(), columns, commands });
  }
} finally {
  // Ctrl-C ends the demo and its cluster.
  await demo.type("\x03").catch(() => {});
  await demo.ended.catch(() => {});
  await Deno.remove(folder, { recursive: true });
}
