/** Generates deploy/kustomize/base/guest-guards.yaml: the table of guards as ValidatingAdmissionPolicies. */
import { dump } from "js-yaml";
import { realmLabel, warnLabel } from "../../src/core/names.ts";
import type { Cel, Guard, Policy } from "./guard.ts";
import { quoted } from "./guard.ts";
import { warned } from "./guard_settings_cel.ts";
import { guardPolicies } from "./guards_table.ts";

const registration = "admissionregistration.k8s.io/v1";

/** The cluster's own controllers, with separate accounts or as one user, and the kubelets. */
const byController: Cel =
  "(request.userInfo.username in ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver'] || " +
  "request.userInfo.?groups.orValue([]).exists(group, group in ['system:nodes', 'system:serviceaccounts:kube-system']))";

/** Accounts outside guest namespaces, such as storage drivers and GitOps; except realm-*, which guests use. */
const byOthersAccount: Cel = "(request.userInfo.username.startsWith('system:serviceaccount:') && " +
  "!request.userInfo.username.startsWith('system:serviceaccount:guest-') && " +
  "!request.userInfo.username.startsWith('system:serviceaccount:keystone-system:realm-'))";

/** Returns the match condition. It reads only the user and the request, so no object can block a controller. */
function judged({ madeByControllers = [], guestsOnly }: Policy): Cel {
  if (guestsOnly) return `!(${byController} || ${byOthersAccount})`;
  const made = madeByControllers.length === 0
    ? "true"
    : `!(request.resource.resource in [${madeByControllers.map(quoted).join(", ")}] && ${byController})`;
  return `request.operation == 'CREATE' ? ${made} : !(${byController} || ${byOthersAccount})`;
}

/** Returns the name of the variable with a guard's offences. */
const variableOf = ({ name }: Guard): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

interface Variable {
  name: string;
  expression: Cel;
}

/** Returns the variables with the offences that a request adds; they are empty if a condition of `unless` is true. */
function offencesOf(guard: Guard, { names }: Policy, unless: readonly Cel[]): Variable[] {
  const name = variableOf(guard);
  const or = (conditions: readonly Cel[], expression: Cel) =>
    conditions.length === 0 ? expression : `${conditions.join(" || ")} ? [] : ${expression}`;
  return [
    { name: `${name}Before`, expression: or(["oldObject == null", ...unless], flat(guard.offences(names.before))) },
    {
      name,
      expression: `(${or(unless, flat(guard.offences(names.now)))}).map(found, found.filter(offence, ` +
        `!variables.${name}Before.exists(old, offence in old))).filter(found, found.size() > 0)`,
    },
  ];
}

/** Returns a policy's variables: with `warning` for the guards that only warn, else for the others. */
function variablesOf(policy: Policy, warning: boolean): Variable[] {
  const { guards, variables = [], size } = policy;
  const isSpecSame = { name: "isSpecSame", expression: "oldObject != null && variables.spec == variables.oldSpec" };
  const tooBig = size ? [{ name: "isTooBig", expression: `variables.${variableOf(size)}.size() > 0` }] : [];
  return [
    ...[warned(guards), ...variables].map(([name, expression]) => ({ name, expression: flat(expression) })),
    ...(guards.some(({ ofSpec }) => ofSpec) ? [isSpecSame] : []),
    ...(size ? offencesOf(size, policy, []) : []),
    ...tooBig,
    ...guards.filter((guard) => guard !== size).flatMap((guard) =>
      offencesOf(guard, policy, [
        ...(size ? ["variables.isTooBig"] : []),
        ...(guard.ofSpec ? ["variables.isSpecSame"] : []),
      ])
    ),
    // One validation for all guards: the API server type-checks each with all variables for each kind, which is slow.
    {
      name: "refusals",
      expression: guards.map((guard) => {
        const judges = warning ? `!(${isWarned(guard)})` : isWarned(guard);
        return `(${judges} || variables.${variableOf(guard)}.size() == 0 ? [] : [${messageOf(guard)}])`;
      }).join(" + "),
    },
  ];
}

const flat = (expression: Cel): Cel => expression.replace(/\s*\n\s*/g, " ");

const isWarned = ({ name }: Guard): Cel => `${quoted(name)} in variables.warned`;

const messageOf = (guard: Guard): Cel =>
  `${guard.at ?? "variables.at"} + variables.${variableOf(guard)}[0][0] + ${
    quoted(`: ${guard.why}. ${guard.remedy} (guard ${guard.name})`)
  }`;

const metadata = (name: string) => ({ name, labels: { "app.kubernetes.io/part-of": "keystone" } });

const matching = ({ resources }: Policy, operations?: string[]) =>
  resources.map((rule) => ({
    apiGroups: rule.apiGroups,
    apiVersions: rule.apiVersions ?? ["v1"],
    operations: operations ?? rule.operations ?? ["CREATE", "UPDATE"],
    resources: rule.resources,
  }));

/** Returns a policy; with `warning` the separate one of the guards that only warn, for namespaces that have any. */
function policyOf(policy: Policy, warning: boolean) {
  return {
    apiVersion: registration,
    kind: "ValidatingAdmissionPolicy",
    metadata: metadata(warning ? `${policy.name}-warnings` : policy.name),
    spec: {
      failurePolicy: warning ? "Ignore" : "Fail",
      ...(policy.quota ? { paramKind: { apiVersion: "v1", kind: "ResourceQuota" } } : {}),
      matchConstraints: {
        namespaceSelector: {
          matchExpressions: [{ key: warning ? warnLabel : realmLabel, operator: "Exists" }],
        },
        resourceRules: matching(policy),
      },
      matchConditions: [{ name: "is-judged", expression: judged(policy) }],
      variables: variablesOf(policy, warning),
      validations: [{
        // A message expression can't use the authorizer, and it uses the variables. So it is used here.
        expression: `variables.refusals.size() == 0${policy.unless ? ` || (${policy.unless})` : ""}`,
        messageExpression: warning ? "variables.refusals.join('; ')" : "variables.refusals[0]",
      }],
    },
  };
}

function bindingsOf(policy: Policy, warning: boolean) {
  const name = warning ? `${policy.name}-warnings` : policy.name;
  const binding = (suffix: string, spec: object) => ({
    apiVersion: registration,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: metadata(`${name}${suffix}`),
    spec: { policyName: name, validationActions: warning ? ["Warn", "Audit"] : ["Deny"], ...spec },
  });
  if (!policy.quota) return [binding("", {})];
  // The API server looks up parameters before it checks matchConditions, so without a quota it would refuse even a
  // controller's update. Therefore only the creation of pods requires the quota.
  if (policy.quota === "where there is one") {
    return [binding("", { paramRef: { name: "keystone", parameterNotFoundAction: "Allow" } })];
  }
  const pods = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] };
  const templates = matching(policy).map((rule) => ({
    ...rule,
    resources: rule.resources.filter((resource) => !resource.startsWith("pods")),
  }));
  return [
    binding("", {
      paramRef: { name: "keystone", parameterNotFoundAction: warning ? "Allow" : "Deny" },
      matchResources: { resourceRules: [pods] },
    }),
    binding("-in-templates", {
      paramRef: { name: "keystone", parameterNotFoundAction: "Allow" },
      matchResources: { resourceRules: templates },
    }),
  ];
}

const heading =
  `# Generated by \`deno task gen\` from deploy/guards: change it there. The page docs/guards.md has the reasons.
#
# Guards on requests in guest namespaces. Of an update only the additions are checked: an object that was refused today can
# stay, be scaled, rolled back and deleted. Updates by the cluster's own controllers, kubelets and accounts of other
# namespaces are not checked; new pods always are. A guard in \`guards.warn\` of the operator's configuration only warns.
`;

/** Returns the text of the file. */
export function guestGuards(): string {
  const documents = guardPolicies.flatMap((policy) => [
    comment(policy.about) + yaml(policyOf(policy, false)),
    ...bindingsOf(policy, false).map(yaml),
    yaml(policyOf(policy, true)),
    ...bindingsOf(policy, true).map(yaml),
  ]);
  return heading + documents.join("---\n");
}

const yaml = (object: object): string => dump(object, { lineWidth: 120, noRefs: true });

function comment(text: string): string {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    if (`${lines.at(-1)} ${word}`.length > 117) lines.push("");
    lines.push(`${lines.pop()} ${word}`);
  }
  return lines.map((line) => `#${line}\n`).join("");
}
