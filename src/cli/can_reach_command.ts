import type { Command } from "commander";
import { defaultClusterDomain } from "../core/reach/cluster_names.ts";
import { type FlowAnswer, judgeReach, type ReachAnswer } from "../core/reach/reach_answer.ts";
import { ReachError } from "../core/reach/reach_facts.ts";
import { closedRemedy } from "./can_reach/closed_remedy.ts";
import { ReachObserver } from "./can_reach/reach_observer.ts";
import { Exit, exitCodes, no, usageError } from "./exit.ts";
import { guestNamespaceOf } from "./guest_namespace.ts";
import { type CommandAction, inLine, type Session, verb } from "./session.ts";

export const canReachCommand = (run: CommandAction): Command =>
  verb("can-reach", "Check whether a pod can reach a destination, and which network policies decide.", [
    "keystone can-reach web-0 203.0.113.7:443 -n guest-bob-home",
    "keystone can-reach deployment/web redis:80 -n guest-bob-home",
    "keystone can-reach web-0 pod/kube-system/coredns-abc:53/udp --realm bob-home",
    "keystone can-reach app=web 192.168.1.0/24:445 -n guest-bob-home",
    "keystone can-reach web-0 registry.example.com:443/tcp -n guest-bob-home -o json",
  ])
    .argument("<pod>", "pod that connects, a workload as deployment/NAME, or labels as app=web")
    .argument(
      "<destination>",
      "IP address, CIDR, DNS name, Service or realm; or pod/, service/, realm/, node/ or deployment/[NAMESPACE/]NAME; " +
        "with :PORT and /PROTOCOL",
    )
    .option("-n, --namespace <name>", "namespace of the pod (default: the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace")
    .option("--cluster-domain <name>", "domain of the cluster's DNS names", defaultClusterDomain)
    .action(run(async (session, options, pod, destination) => {
      using rest = await session.connect();
      const namespace = guestNamespaceOf(options, rest);
      const observer = new ReachObserver(rest);
      await observer.prepare(namespace);
      const question = {
        namespace,
        source: String(pod),
        destination: String(destination),
        domain: String(options.clusterDomain).toLowerCase().replace(/^\.|\.$/g, ""),
      };
      const { answer, deciding } = await observer.judge((facts) => judgeReach(facts, question)).catch(exitOnReachError);
      const remedy = await closedRemedy(session, rest, deciding);
      tellReach(session, remedy === "" ? answer : { ...answer, message: `${answer.message} ${remedy}` });
    }));

function exitOnReachError(error: unknown): never {
  if (!(error instanceof ReachError)) throw error;
  if (error.reason === "usage") throw usageError(error.message);
  throw error.reason === "forbidden" ? new Exit(exitCodes.forbidden, error.message) : no(error.message);
}

/** Number of flows that are listed, so that a large Service doesn't hide the answer. */
const MOST_FLOWS = 20;

function tellReach(session: Session, answer: ReachAnswer): void {
  const { allowed, message, flows } = answer;
  if (!session.data(answer)) {
    session.say(`${word(session, allowed)}  ${inLine(message)}`, 4);
    if (new Set(flows.map((flow) => flow.allowed)).size > 1) {
      for (const flow of flows.slice(0, MOST_FLOWS)) {
        session.say(`  ${word(session, flow.allowed)}  ${inLine(flowText(flow))}`, 4);
      }
      if (flows.length > MOST_FLOWS) session.say(`  and ${flows.length - MOST_FLOWS} more flows: use -o json`);
    }
  }
  if (allowed !== true) throw no();
}

function word({ colours: { green, red, yellow } }: Session, allowed: boolean | null): string {
  return allowed === null ? yellow("not judged") : allowed ? green("yes") : red("no");
}

const flowText = ({ from, to, via, port, protocol, message }: FlowAnswer): string =>
  `${from} → ${[via, to].filter(Boolean).join(" → ")}${port === null ? "" : ` ${port}/${protocol}`}: ${message}.`;
