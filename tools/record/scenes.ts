/** Scenes of the pictures of terminals: commands, typed on the cluster that the demo leaves. */

/** An answer to a question of a command: what is typed when the last line of the question matches. */
export type SceneAnswer = readonly [question: RegExp, typed: string];

export interface SceneStep {
  /** The command; several: the first one that this version has. */
  typed: string | readonly string[];
  /** True for Bob's terminal. */
  isBobs?: true;
  /** Exit codes that are expected; only 0 if absent. */
  codes?: readonly number[];
  /** Answers to its questions; Enter for all others. */
  answers?: readonly SceneAnswer[];
}

export interface Scene {
  /** Name of the picture in docs/images. */
  name: string;
  columns?: number;
  /** Command that is typed before, and not shown. */
  before?: string;
  steps: readonly SceneStep[];
}

/** Files in the folder of both terminals. */
export const sceneFiles: Readonly<Record<string, string>> = {
  "big.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: { name: big }
spec:
  replicas: 4
  selector: { matchLabels: { app: big } }
  template:
    metadata: { labels: { app: big } }
    spec:
      securityContext: { runAsNonRoot: true, runAsUser: 101, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: big
          image: nginxinc/nginx-unprivileged:1.29
          resources: { requests: { cpu: "1", memory: 512Mi }, limits: { cpu: "1", memory: 512Mi } }
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
`,
};

const grant = "alice-to-bob-compute";
const reason = '--reason "the disk is full"';

/** All scenes, in their order: each goes on where the one before it ended. */
export const scenes: readonly Scene[] = [
  {
    name: "grants",
    columns: 136,
    steps: [
      { typed: ["keystone grant list", "keystone grants"] },
      { typed: ["keystone realm list", "keystone realms"] },
    ],
  },
  {
    name: "kubectl",
    columns: 168,
    steps: [{ typed: "kubectl get grants,realms" }, { typed: "kubectl get grants -o wide" }],
  },
  {
    name: "describe",
    steps: [{ typed: `kubectl describe grant ${grant} | sed -n '/Conditions:/,/Guest Namespace:/p; /^Events:/,$p'` }],
  },
  { name: "would-fit", steps: [{ typed: "keystone would-fit -f big.yaml", isBobs: true, codes: [1] }] },
  {
    name: "restricted",
    steps: [
      { typed: "kubectl create deployment plain --image=nginx", isBobs: true },
      { typed: "keystone explain deployment plain", isBobs: true, codes: [1] },
    ],
  },
  {
    name: "form",
    steps: [{
      typed: "keystone grant create",
      answers: [
        [/CPU/, "1\r"],
        [/memory/i, "2Gi\r"],
        [/until when/i, "friday\r"],
        // The second choice: the internet.
        [/reach/i, "\x1b[B\r"],
        [/name of the grant/i, "weekend\r"],
        [/\bcreate\b/i, "y"],
      ],
    }],
  },
  {
    name: "revoke",
    steps: [
      {
        typed: [
          `keystone grant revoke ${grant} ${reason} --now --watch --yes`,
          `keystone grant revoke ${grant} ${reason} --yes`,
        ],
      },
      { typed: `keystone explain grant ${grant}`, codes: [0, 1] },
    ],
  },
  {
    name: "realm",
    before: "kubectl delete realm bob-home",
    steps: [{
      typed: "keystone realm add",
      answers: [
        // Above the default, public: partner.
        [/how far/i, "\x1b[A\r"],
        [/\b(add|create)\b/i, "y"],
      ],
    }],
  },
];
