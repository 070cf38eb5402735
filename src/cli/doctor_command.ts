import type { Command } from "commander";
import { systemClock } from "../../lib/clock/mod.ts";
import { isApiError, type RestClient, ServerTime } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { realmLabel, realmOfNamespace } from "../core/names.ts";
import { attackFindings } from "./doctor/attack_findings.ts";
import { capacityFindings } from "./doctor/capacity_findings.ts";
import { definitionFindings } from "./doctor/definition_findings.ts";
import { type DoctorFinding, fail, ok, unknown, warn } from "./doctor/doctor_finding.ts";
import { grantFindings, namespaceFindings } from "./doctor/grant_findings.ts";
import { guestFindings } from "./doctor/guest_findings.ts";
import { guardFindings, guardRevisionFindings, guardsHold, parameterFindings } from "./doctor/guard_findings.ts";
import { type InstallCommands, installCommands } from "./doctor/restore_command.ts";
import { enforcementFinding, rangeFinding } from "./doctor/network_findings.ts";
import { operatorFindings } from "./doctor/operator_findings.ts";
import { priorityFindings } from "./doctor/priority_findings.ts";
import { readInstalledObjects, unreadFindings } from "./doctor/read_installed.ts";
import { rightFindings } from "./doctor/right_findings.ts";
import { roleFindings, rolesHold } from "./doctor/role_findings.ts";
import { type ShippedManifests, shippedManifests } from "./doctor/shipped_manifests.ts";
import { storageFinding } from "./doctor/storage_findings.ts";
import { daemonFinding, realmFindings } from "./doctor/tailnet_findings.ts";
import { serviceFindings, webhookConfiguration, webhookFindings } from "./doctor/webhook_findings.ts";
import { workloadFindings } from "./doctor/workload_findings.ts";
import { no } from "./exit.ts";
import { isForbidden } from "./grant_summary.ts";
import { Observed } from "./observed.ts";
import { lossesByRollBack } from "./roll_back_command.ts";
import { wrappedCommand } from "./wrapped_text.ts";
import { type CommandAction, inLine, type Session, verb } from "./session.ts";

export const doctorCommand = (run: CommandAction): Command =>
  verb("doctor", "Check everything that Keystone needs, and show how to fix what is missing.", [
    "keystone doctor",
    "keystone doctor --ts-socket /var/run/tailscale/tailscaled.sock",
    "keystone doctor --roll-back",
    "keystone doctor -o json | jq '.checks[] | select(.status != \"ok\")'",
  ])
    .option("--ts-socket <path>", "socket of the operator's tailscaled (default: TS_SOCKET)")
    .option("--roll-back", "also what would open, end or be deleted if the previous version were installed again")
    .action(run(async (session, options) => {
      const time = new ServerTime(systemClock);
      const config = await session.clusterConfig();
      using rest = session.client(config, { onRequest: (record) => time.observe(record) });
      // If this request fails, so does every other.
      const { gitVersion } = await rest.performRequest({ method: "GET", path: "/version" }) as { gitVersion: string };
      const socket = options.tsSocket ?? (session.io.env("TS_SOCKET") || undefined);
      const settings = await session.settings();
      const checks = await findingsOf(
        {
          "the installation": () => installedFindings(rest, shippedManifests(), session.io.now()),
          "the operator": () => operatorFindings(rest, session.io.now()),
          "requests that guests may not make": () =>
            attackFindings(rest, config, (as) => session.client(as, { onWarning: () => {} })),
          "workloads": () => workloadFindings(rest),
          "the cluster's ranges": async () => {
            const seen = new Observed(rest);
            const facts = await seen.cluster(settings);
            return [rangeFinding(facts, seen.forbidden), ...capacityFindings(facts, await grantsIn(rest))];
          },
          "the database": async () => [await storageFinding(rest, settings, gitVersion)],
          "the network": () => Promise.resolve([enforcementFinding()]),
          "grants and realms": () => termFindings(rest, socket as string | undefined),
          ...(options.rollBack ? { "a roll-back": () => rollBackFindings(rest, session) } : {}),
        },
        rest,
        session.io.now(),
      );
      checks.unshift(clusterFinding(gitVersion, config.server));
      checks.push(clockFinding(time.skewMs()));
      if (!session.data({ checks })) {
        const { green, yellow, red, dim } = session.colours;
        const mark = { ok: green("ok  "), warn: yellow("warn"), fail: red("fail"), unknown: dim("?   ") };
        for (const { name, status, message, remedy } of checks) {
          session.say(`${mark[status]}  ${name}: ${inLine(message)}`, 6);
          if (remedy && isCommand(remedy)) session.say(`      → ${wrappedCommand(remedy, session.width - 8)}`);
          else if (remedy) session.say(`      → ${remedy}`, 2);
        }
      }
      if (checks.some(({ status }) => status === "fail")) throw no();
    }));

/** Reports whether a remedy is a command, which must work as it is printed. */
const isCommand = (remedy: string): boolean => /^(kubectl|helm|keystone) /.test(remedy) && !remedy.endsWith(".");

/** Returns the grants as far as the user may read them; another check says so if not. */
const grantsIn = (rest: RestClient): Promise<Grant[]> =>
  new KeystoneV1alpha1Api(rest).grants.all().catch((error) => {
    if (!isForbidden(error) && !isApiError(error, 404)) throw error;
    return [];
  });

/**
 * Makes the checks. Those that the user has no right to make share one finding. A guest, who may make hardly any, gets
 * those of the own namespace instead.
 */
async function findingsOf(
  checks: Readonly<Record<string, () => Promise<DoctorFinding[]>>>,
  rest: RestClient,
  now: number,
): Promise<DoctorFinding[]> {
  const forbidden: string[] = [];
  const found = (await Promise.all(
    Object.entries(checks).map(([what, check]) =>
      check().catch((error): DoctorFinding[] => {
        if (!isForbidden(error)) throw error;
        forbidden.push(what);
        return [];
      })
    ),
  )).flat();
  if (forbidden.length === 0) return found;
  const namespace = rest.defaultNamespace;
  const isGuest = forbidden.includes("grants and realms") && namespace !== undefined &&
    realmOfNamespace(namespace) !== undefined;
  return [
    ...(isGuest ? await guestFindings(rest, namespace, now) : []),
    ...found.filter(({ status }) => !isGuest || status !== "unknown"),
    unknown(
      "rbac",
      isGuest
        ? "You are a guest here: only your own namespace was checked."
        : `You have no right to check ${forbidden.join(", ")}.`,
      isGuest
        ? "For the whole installation, ask a cluster admin to run keystone doctor."
        : "Run keystone doctor as a cluster admin to include these checks. As a guest, set your context's namespace: " +
          "kubectl config set-context --current --namespace guest-REALM",
    ),
  ];
}

function clusterFinding(gitVersion: string, server: string): DoctorFinding {
  const [, minor] = /^v1\.(\d+)/.exec(gitVersion) ?? [];
  return Number(minor) >= 30
    ? ok("cluster", `Kubernetes ${gitVersion} at ${server}.`)
    : fail("cluster", `Kubernetes ${gitVersion} at ${server} is too old.`, "Upgrade to Kubernetes 1.30 or later.");
}

/** Compares everything that is installed with the shipped manifests. */
export async function installedFindings(
  rest: RestClient,
  { base, webhook, definitions }: ShippedManifests,
  now: number,
): Promise<DoctorFinding[]> {
  const [ofBase, ofDefinitions, readWebhook, configuration] = await Promise.all([
    readInstalledObjects(rest, base),
    readInstalledObjects(rest, definitions),
    readInstalledObjects(rest, webhook),
    webhookConfiguration(rest),
  ]);
  // Its manifests are applied before an operator registers it.
  const hasWebhook = configuration !== undefined || readWebhook.installed.some(({ live }) => live !== undefined);
  const ofWebhook = hasWebhook ? readWebhook : { installed: [], unread: [] };
  const commands: InstallCommands = installCommands([...ofBase.installed, ...ofDefinitions.installed]);
  const guards = [...guardFindings(ofBase.installed, commands), ...await namespacedGuardFindings(rest)];
  const roles = [
    ...roleFindings(ofBase.installed, commands.base),
    ...roleFindings(ofWebhook.installed, commands.webhook),
  ];
  const rights = await rightFindings(rest, [
    { installed: ofBase.installed, install: commands.base },
    { installed: ofWebhook.installed, install: commands.webhook },
  ]);
  const unread = [...ofBase.unread, ...ofDefinitions.unread, ...ofWebhook.unread];
  return [
    ...definitionFindings(ofDefinitions.installed, commands),
    ...(guards.length > 0 || unread.some(({ kind }) => kind.startsWith("Validating")) ? guards : [guardsHold()]),
    ...(roles.length > 0 || unread.some(({ kind }) => /Role/.test(kind)) ? roles : [rolesHold()]),
    ...rights,
    ...priorityFindings(ofBase.installed, commands),
    ...await webhookFindings(rest, configuration, { isInstalled: hasWebhook, now }),
    ...(configuration ? serviceFindings(configuration, ofWebhook.installed, commands.webhook) : []),
    ...unreadFindings(unread),
  ];
}

async function namespacedGuardFindings(rest: RestClient): Promise<DoctorFinding[]> {
  return [...await guardRevisionFindings(rest), ...await parameterFindings(rest)];
}

/** Reads the grants, realms and guest namespaces, and checks them. */
async function termFindings(rest: RestClient, socket: string | undefined): Promise<DoctorFinding[]> {
  const daemon = socket === undefined ? [] : [await daemonFinding(socket)];
  const api = new KeystoneV1alpha1Api(rest);
  try {
    const none = (error: unknown) => {
      if (!isForbidden(error) && !isApiError(error, 404)) throw error;
      return undefined;
    };
    const [grants, realms, superEntities, namespaces] = await Promise.all([
      api.grants.all(),
      api.realms.all(),
      api.superEntities.all().catch(none),
      new CoreV1Api(rest).namespaces.all({ labelSelector: realmLabel }),
    ]);
    return [
      ...daemon,
      ...(socket === undefined ? realmFindings(realms) : []),
      ...grantFindings(grants),
      ...(superEntities ? namespaceFindings(namespaces, { grants, realms, superEntities }) : []),
    ];
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return [
      ...daemon,
      warn("grants", "Grants can't exist yet: the custom resources are missing.", "kubectl apply -f crds/"),
    ];
  }
}

async function rollBackFindings(rest: RestClient, session: Session): Promise<DoctorFinding[]> {
  const losses = await lossesByRollBack(rest, await session.settings());
  if (losses.length === 0) return [ok("roll-back", "A roll-back would open, end or delete nothing.")];
  return losses.map(({ message, remedy }) => warn("roll-back", message, remedy));
}

function clockFinding(skewMs: number | undefined): DoctorFinding {
  return (skewMs ?? 0) === 0 ? ok("clocks", "This machine's clock and the API server's agree within 2 s.") : fail(
    "clocks",
    `The API server's clock is ${Math.abs(Math.round(skewMs! / 1000))} s ${
      skewMs! > 0 ? "ahead of" : "behind"
    } this machine's.`,
    "Synchronize both by NTP: while they differ, no grant ends for good.",
  );
}
