import { Argument, type Command } from "commander";
import type { Explanation, ReportFinding } from "../core/report/finding.ts";
import { countText, fewOf } from "../core/plain_text.ts";
import { no } from "./exit.ts";
import { explainGrant } from "./explain/explain_grant.ts";
import { explainNamespaced } from "./explain/explain_namespaced.ts";
import { explainableWords, explainTarget } from "./explain/explained_resources.ts";
import { guestNamespaceOf } from "./guest_namespace.ts";
import { type CommandAction, inLine, type Session, verb } from "./session.ts";

export const explainCommand = (run: CommandAction): Command =>
  verb("explain", "Explain the state of a grant, workload, claim or Service: what is wrong, and what to do about it.", [
    "keystone explain deployment web -n guest-bob-home",
    "keystone explain sts/db --realm bob-home",
    "keystone explain grant alice-to-bob",
    "keystone explain deployment web -o json | jq -r .message",
  ])
    .addArgument(new Argument("<kind>", `${explainableWords.join(", ")}; also short, plural and as KIND/NAME`))
    .argument("[name]", "name of the object")
    .option("-n, --namespace <name>", "guest namespace (default: the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace")
    .action(run(async (session, options, kind, name) => {
      const target = explainTarget(String(kind), name === undefined ? undefined : String(name));
      using rest = await session.connect();
      const now = session.io.now();
      tell(
        session,
        target.kind === "Grant"
          ? await explainGrant(rest, options, target.name, now)
          : await explainNamespaced(rest, guestNamespaceOf(options, rest), target.kind, target.name, now),
      );
    }));

export const grantExplainCommand = (run: CommandAction): Command =>
  verb("explain", "Explain the state of a grant: what is wrong, and what to do about it.", [
    "keystone grant explain alice-to-bob",
    "keystone grant explain alice-to-bob --realm bob-home",
  ])
    .argument("<grant>", "name of the grant")
    .option("-n, --namespace <name>", "guest namespace, for guests (default: the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace")
    .action(run(async (session, options, name) => {
      using rest = await session.connect();
      tell(session, await explainGrant(rest, options, String(name), session.io.now()));
    }));

/** Prints the answer first, then the chain from the owner to the pods. */
function tell(session: Session, explanation: Explanation): void {
  const plain = explanation.chain.map(({ minor: _, ...finding }) => finding);
  if (!session.data({ ...explanation, chain: plain })) {
    const { green, yellow, red, bold } = session.colours;
    const mark = { ok: green("✓"), warn: yellow("!"), fail: red("✗") };
    const { ok, message, chain, yaml } = explanation;
    session.say(`${ok ? mark.ok : mark.fail} ${bold(inLine(message))}`, 2);
    const lines = session.flags.output === "wide" ? chain : withoutMinor(chain);
    for (const { status, what, message } of lines) {
      session.say(`  ${mark[status]} ${inLine(what)}: ${inLine(message)}`, 2);
    }
    if (yaml !== undefined) session.say(`\nFields to set:\n\n${yaml}`);
  }
  if (!explanation.ok) throw no();
}

const minorLines = {
  roomy: ["other amounts", "with plenty left"],
  "not granted": ["not granted", "with nothing"],
} as const;

/** Returns the findings with one line for all amounts of a minor sort. */
function withoutMinor(chain: readonly ReportFinding[]): ReportFinding[] {
  const said = new Set<string>();
  return chain.flatMap((finding) => {
    const { minor } = finding;
    if (minor === undefined) return [finding];
    const keys = chain.filter((each) => each.minor === minor).map(({ what }) => what);
    if (keys.length === 1) return [finding];
    if (said.has(minor)) return [];
    said.add(minor);
    const [what, state] = minorLines[minor];
    return [{
      what,
      status: "ok",
      message: `${countText(keys.length, "key")} ${state}: ${fewOf(keys, 6)}. -o wide shows each.`,
    }];
  });
}
