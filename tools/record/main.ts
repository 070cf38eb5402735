/**
 * `deno task record`: makes the pictures in docs/images from a real run. It plays the demo on a terminal and draws a part
 * of its output; then it applies the example again and draws what its two readers see.
 *
 *     deno task record            all pictures
 *     deno task record --columns 110
 */
import { parseArgs } from "node:util";
import { dirname } from "node:path";
import { build } from "../../tests/lab/build.ts";
import { runOnTerminal } from "./pty.ts";
import { sectionsOf } from "./sections.ts";
import { TerminalScreen } from "./terminal_screen.ts";
import { terminalSvg } from "./terminal_svg.ts";

const root = new URL("../../", import.meta.url).pathname;
const images = `${root}docs/images`;
const { values } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { columns: { type: "string", default: "110" } },
});
const columns = Number(values.columns);

/** Sections of the demo that its picture shows. */
const shownOfDemo = [/kubeconfig/i, /within the grant/, /exceeds the grant/, /seconds from now/];
/** Commands after the demo, on its cluster, with the example applied again. */
const scenes = [
  { name: "grants", title: "keystone grant list", command: "deno task --quiet keystone grant list" },
  { name: "describe", title: "kubectl describe grant", command: "kubectl describe grant alice-to-bob-compute" },
];

async function draw(name: string, title: string, rows: Parameters<typeof terminalSvg>[0]): Promise<void> {
  await Deno.mkdir(images, { recursive: true });
  await Deno.writeTextFile(`${images}/${name}.svg`, terminalSvg(rows, { title, columns }));
  console.log(`wrote docs/images/${name}.svg`);
}

/** Runs a command on a terminal until its end. @throws when it fails */
async function record(command: string, KUBECONFIG: string): Promise<TerminalScreen> {
  const screen = new TerminalScreen();
  const code = await runOnTerminal(command, {
    columns,
    cwd: root,
    env: { KUBECONFIG, PATH },
    onText: (text) => screen.write(text),
  }).ended;
  if (code !== 0) {
    throw new Error(
      `${command} failed:\n${screen.rows().map((row) => row.map(({ text }) => text).join("")).join("\n")}`,
    );
  }
  return screen;
}

/** The lab's kubectl: this machine need not have one. */
const PATH = `${dirname((await build(["kubernetes"])).kubectl!)}:${Deno.env.get("PATH") ?? ""}`;
const screen = new TerminalScreen();
let output = "";
const cluster = Promise.withResolvers<string>();
const demo = runOnTerminal("deno task --quiet demo", {
  columns,
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
  await draw("demo", "deno task demo", sectionsOf(screen.rows(), shownOfDemo));
  // The demo's grant has ended; its name is free again once it is deleted.
  await record("kubectl delete grant --all --timeout=60s", KUBECONFIG);
  await record("kubectl apply -f deploy/examples/", KUBECONFIG);
  await record("kubectl wait --for=jsonpath='{.status.phase}'=Active grant --all --timeout=30s", KUBECONFIG);
  for (const { name, title, command } of scenes) {
    await draw(name, title, (await record(command, KUBECONFIG)).rows());
  }
} finally {
  // Ctrl-C ends the demo and its cluster.
  await demo.type("\x03").catch(() => {});
  await demo.ended.catch(() => {});
}
