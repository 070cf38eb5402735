/** Writes deploy/kustomize/base/guest-guards.yaml: the table as ValidatingAdmissionPolicies, for the API server to judge. */
import { dump } from "js-yaml";
import { realmLabel, warnLabel } from "../../src/core/names.ts";
import type { Cel, Guard, Policy } from "./guard.ts";
import { quoted } from "./guard.ts";
import { warned } from "./guard_settings_cel.ts";
import { guardPolicies } from "./guards_table.ts";

const registration = "admissionregistration.k8s.io/v1";

/** The cluster's own controllers, each with an account of its own or all as one user, and the kubelets. */
const byController: Cel =
  "(request.userInfo.username in ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver'] || " +
  "request.userInfo.?groups.orValue([]).exists(group, group in ['system:nodes', 'system:serviceaccounts:kube-system']))";

/** Accounts of namespaces that aren't guests', such as storage drivers and GitOps; realm-* are people of realms. */
const byOthersAccount: Cel = "(request.userInfo.username.startsWith('system:serviceaccount:') && " +
  "!request.userInfo.username.startsWith('system:serviceaccount:guest-') && " +
  "!request.userInfo.username.startsWith('system:serviceaccount:keystone-system:realm-'))";

/** Whether a request is judged: by who makes it alone, so that nothing in an object can get in a controller's way. */
function judged({ madeByControllers = [], guestsOnly }: Policy): Cel {
  if (guestsOnly) return `!(${byController} || ${byOthersAccount})`;
  const made = madeByControllers.length === 0
    ? "true"
    : `!(request.resource.resource in [${madeByControllers.map(quoted).join(", ")}] && ${byController})`;
  return `request.operation == 'CREATE' ? ${made} : !(${byController} || ${byOthersAccount})`;
}

/** The variable that has a guard's offences. */
const variableOf = ({ name }: Guard): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

interface Variable {
  name: string;
  expression: Cel;
}

/** Offences that a request adds: `unless` there is nothing to look at. */
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

/** `warning`: what the guards that only warn have to say, else what the others refuse. */
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
    // One validation for all: the types of each are checked with all variables for each kind, which takes its time.
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

/** `warning`: those that only warn, as a policy of its own that selects the namespaces in which there are some. */
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
        // A message can't ask the authorizer, so it is asked here and not in a variable.
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
  // Parameters are looked up before matchConditions: without a quota even a controller's update would be refused. So
  // only what makes a pod depends on it, and all else where there is one.
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
# What guests may not ask for. An update is judged by what it adds: what an object had before can stay, be scaled, rolled
# back and deleted. Updates by the cluster's own controllers, kubelets and accounts of other namespaces aren't judged; pods
# are, whoever makes them. A guard in \`guards.warn\` of the operator's configuration only warns.
`;

/** The text of the file. */
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
