/** Fields that Pod Security `restricted` requires of every pod, for those who write workloads without them. */
import { dump } from "js-yaml";
import { type Fields, itemsOf, partsOf, stringOf } from "./fields.ts";

/** Fields to set, as a part of a pod's spec. */
interface MissingFields {
  securityContext?: Fields;
  initContainers?: { name: string; securityContext: Fields }[];
  containers?: { name: string; securityContext: Fields }[];
}

const profiles = ["RuntimeDefault", "Localhost"];

/** Returns the path of the pod's spec in an object of a kind. */
const pathOf = (kind: unknown): readonly string[] =>
  kind === "Pod"
    ? ["spec"]
    : kind === "CronJob"
    ? ["spec", "jobTemplate", "spec", "template", "spec"]
    : ["spec", "template", "spec"];

/** Returns the pod's spec of a workload or pod. */
export const podSpecIn = (object: unknown): Fields =>
  partsOf(pathOf(partsOf(object).kind).reduce((at: unknown, key) => partsOf(at)[key], object));

/** Returns the fields that a pod lacks; empty if nothing can be met by setting a field. */
function missingFields(spec: Fields): MissingFields {
  if (itemsOf(spec.containers).length === 0) return {};
  // Windows has none of them but runAsNonRoot.
  const isLinux = partsOf(spec.os).name !== "windows";
  const pod = partsOf(spec.securityContext);
  const listed = (key: "initContainers" | "containers") => itemsOf(spec[key]).map(partsOf);
  const all = [...listed("initContainers"), ...listed("containers")].map(({ securityContext }) =>
    partsOf(securityContext)
  );
  const isWithoutRoot = pod.runAsNonRoot === true || all.every(({ runAsNonRoot }) => runAsNonRoot === true);
  const context = {
    ...(isWithoutRoot ? {} : { runAsNonRoot: true }),
    ...(pod.runAsUser === 0 ? { runAsUser: anyUser } : {}),
    ...(!isLinux || hasProfile(pod) || all.every(hasProfile) ? {} : { seccompProfile: { type: "RuntimeDefault" } }),
  };
  const containers = (key: "initContainers" | "containers") => {
    const lacking = listed(key).flatMap(({ name, securityContext }) => {
      const missing = missingInContainer(partsOf(securityContext), isLinux);
      return Object.keys(missing).length > 0 ? [{ name: stringOf(name), securityContext: missing }] : [];
    });
    return lacking.length > 0 ? { [key]: lacking } : {};
  };
  return {
    ...(Object.keys(context).length > 0 ? { securityContext: context } : {}),
    ...containers("initContainers"),
    ...containers("containers"),
  };
}

/** A user for images that name none. */
const anyUser = 1000;

const hasProfile = ({ seccompProfile }: Fields): boolean => profiles.includes(stringOf(partsOf(seccompProfile).type));

function missingInContainer(context: Fields, isLinux: boolean): Fields {
  const capabilities = partsOf(context.capabilities);
  const added = itemsOf(capabilities.add);
  const kept = added.filter((each) => each === "NET_BIND_SERVICE");
  return {
    ...(context.runAsNonRoot === false ? { runAsNonRoot: true } : {}),
    ...(context.runAsUser === 0 ? { runAsUser: anyUser } : {}),
    ...(!isLinux ? {} : {
      ...(context.privileged === true ? { privileged: false } : {}),
      ...(context.allowPrivilegeEscalation === false ? {} : { allowPrivilegeEscalation: false }),
      ...(itemsOf(capabilities.drop).includes("ALL") && kept.length === added.length ? {} : {
        capabilities: { drop: ["ALL"], ...(kept.length === added.length ? {} : { add: kept }) },
      }),
      ...(context.seccompProfile === undefined || hasProfile(context)
        ? {}
        : { seccompProfile: { type: "RuntimeDefault" } }),
    }),
  };
}

/** Advice for images that are made for root, which `runAsNonRoot` refuses when the container starts. */
const imageAdvice = (spec: Fields): string =>
  itemsOf(spec.containers).some((each) =>
      /^(docker\.io\/(library\/)?)?nginx(:|@|$)/.test(stringOf(partsOf(each).image))
    )
    ? "The image nginx runs as root: use nginxinc/nginx-unprivileged, which listens on port 8080"
    : "For an image made for root, also set securityContext.runAsUser, or use an image for other users";

/**
 * Returns the fields that an object lacks for `restricted` as YAML, from the object's top: to paste, or for
 * `kubectl patch --patch-file`. Undefined if none lacks.
 */
export function restrictedYaml(object: unknown): string | undefined {
  const spec = podSpecIn(object);
  const missing: unknown = missingFields(spec);
  if (Object.keys(partsOf(missing)).length === 0) return undefined;
  const tree = pathOf(partsOf(object).kind).toReversed().reduce((inner: unknown, key) => ({ [key]: inner }), missing);
  return `# ${imageAdvice(spec)}.\n${dump(tree, { flowLevel: -1 }).trimEnd()}`;
}

/** Returns the same in one line, for a warning; undefined if none lacks. */
export function restrictedSentence(object: unknown): string | undefined {
  const spec = podSpecIn(object);
  const missing = missingFields(spec);
  if (Object.keys(missing).length === 0) return undefined;
  const { kind, metadata } = partsOf(object);
  const at = pathOf(kind).join(".");
  const flow = (value: unknown) => dump(value, { flowLevel: 0, lineWidth: -1 }).trim();
  const parts = [
    ...(missing.securityContext ? [`${at}.securityContext: ${flow(missing.securityContext)}`] : []),
    ...(["initContainers", "containers"] as const).flatMap((key) =>
      (missing[key] ?? []).map(({ name, securityContext }) =>
        `${at}.${key}[${name}].securityContext: ${flow(securityContext)}`
      )
    ),
  ];
  const name = stringOf(partsOf(metadata).name);
  const which = name ? `${String(kind)} ${name}` : `This ${String(kind)}`;
  const what = kind === "Pod" ? "it" : "its pods";
  return `${which}: Pod Security restricted refuses ${what}. Set ${parts.join("; ")}. ${imageAdvice(spec)}.`;
}
