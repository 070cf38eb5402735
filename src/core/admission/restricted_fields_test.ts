import assert from "node:assert/strict";
import { load } from "js-yaml";
import { restrictedSentence, restrictedYaml } from "./restricted_fields.ts";

const podContext = { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } };
const containerContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
const deployment = (spec: unknown) => ({ kind: "Deployment", metadata: { name: "web" }, spec: { template: { spec } } });
const lacking = (spec: unknown) =>
  // deno-lint-ignore no-explicit-any
  (load(restrictedYaml(deployment(spec)) ?? "{}") as any).spec?.template.spec;

const cases: [string, unknown, unknown][] = [
  [
    "no field is set: all of pod and containers",
    { containers: [{ name: "web" }], initContainers: [{ name: "first" }] },
    {
      securityContext: podContext,
      initContainers: [{ name: "first", securityContext: containerContext }],
      containers: [{ name: "web", securityContext: containerContext }],
    },
  ],
  [
    "one container is complete: only the other",
    { securityContext: podContext, containers: [{ name: "a", securityContext: containerContext }, { name: "b" }] },
    { containers: [{ name: "b", securityContext: containerContext }] },
  ],
  [
    "the pod's fields are set in each container: none of the pod",
    { containers: [{ name: "a", securityContext: { ...containerContext, ...podContext } }] },
    undefined,
  ],
  [
    "a field contradicts: it is set as well",
    {
      securityContext: { ...podContext, runAsUser: 0 },
      containers: [{
        name: "a",
        securityContext: {
          ...containerContext,
          privileged: true,
          runAsNonRoot: false,
          runAsUser: 0,
          seccompProfile: { type: "Unconfined" },
          capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_BIND_SERVICE"] },
        },
      }],
    },
    {
      securityContext: { runAsUser: 1000 },
      containers: [{
        name: "a",
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          privileged: false,
          capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
          seccompProfile: { type: "RuntimeDefault" },
        },
      }],
    },
  ],
  ["a pod of Windows: runAsNonRoot only", { os: { name: "windows" }, containers: [{ name: "a" }] }, {
    securityContext: { runAsNonRoot: true },
  }],
  ["no spec that could be read: the pod's fields", "nonsense", undefined],
];
for (const [that, spec, expected] of cases) {
  Deno.test(`fields for restricted: ${that}`, () => assert.deepEqual(lacking(spec), expected));
}

Deno.test("fields for restricted: the YAML begins at the top of its kind", () => {
  const spec = { containers: [{ name: "a" }] };
  assert.match(restrictedYaml({ kind: "Pod", spec })!, /^spec:\n {2}securityContext:/m);
  assert.match(
    restrictedYaml({ kind: "CronJob", spec: { jobTemplate: { spec: { template: { spec } } } } })!,
    /^spec:\n {2}jobTemplate:\n {4}spec:\n {6}template:\n {8}spec:\n {10}securityContext:/m,
  );
});

Deno.test("fields for restricted: the sentence has all of them in one line, and a way out for the image", () => {
  const said = restrictedSentence(deployment({ containers: [{ name: "web", image: "nginx:1.29" }] }));
  assert.equal(
    said,
    "Deployment web: Pod Security restricted refuses its pods. Set spec.template.spec.securityContext: " +
      "{runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}; spec.template.spec.containers[web].securityContext: " +
      "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}. The image nginx runs as root: use " +
      "nginxinc/nginx-unprivileged, which listens on port 8080.",
  );
  assert.match(
    restrictedSentence({ kind: "Pod", spec: { containers: [{ name: "a", image: "example.com/nginx-like:1" }] } })!,
    /^This Pod: Pod Security restricted refuses it\. .*For an image made for root, also set securityContext\.runAsUser/,
  );
});
