/** One Go module under `modules/`: its go.mod and go.sum pin all code that is built. */
export interface ToolModule {
  /** Folder under `modules/`. */
  folder: string;
  /** `-X` settings of the linker: the version that a release has. */
  stamps: Record<string, string>;
  /** Cost of compiling all of its packages on two cores, in seconds: the first estimate of the time left. */
  compileSeconds: number;
  tools: Tool[];
}

/** One program of a module. */
export interface Tool {
  /** The lab's name for it. */
  name: string;
  package: string;
}

const KUBERNETES_STAMPS = Object.fromEntries(
  Object.entries({ gitVersion: "v1.34.4", gitMajor: "1", gitMinor: "34" })
    .map(([key, value]) => [`k8s.io/component-base/version.${key}`, value]),
);

const TAILSCALE_STAMPS = {
  "tailscale.com/version.shortStamp": "1.101.0",
  "tailscale.com/version.longStamp": "1.101.0",
};

/** Programs that the lab can build, by group, in build order. */
export const TOOLS = {
  kubernetes: {
    folder: "kubernetes",
    stamps: KUBERNETES_STAMPS,
    compileSeconds: 350,
    tools: [
      { name: "etcd", package: "go.etcd.io/etcd/server/v3" },
      { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" },
      { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" },
      { name: "kube-scheduler", package: "k8s.io/kubernetes/cmd/kube-scheduler" },
      { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" },
    ],
  },
  // The same module with the same stamps, so its programs are stored beside those of `kubernetes`, and share compiled
  // packages.
  node: {
    folder: "kubernetes",
    stamps: KUBERNETES_STAMPS,
    compileSeconds: 300,
    tools: [
      { name: "kubelet", package: "k8s.io/kubernetes/cmd/kubelet" },
      { name: "kube-proxy", package: "k8s.io/kubernetes/cmd/kube-proxy" },
      { name: "agnhost", package: "k8s.io/kubernetes/test/images/agnhost" },
    ],
  },
  dns: {
    folder: "coredns",
    stamps: {},
    compileSeconds: 110,
    tools: [{ name: "coredns", package: "github.com/coredns/coredns" }],
  },
  tailnet: {
    folder: "tailnet",
    stamps: TAILSCALE_STAMPS,
    compileSeconds: 190,
    tools: [
      { name: "headscale", package: "github.com/juanfont/headscale/cmd/headscale" },
      { name: "tailscale", package: "tailscale.com/cmd/tailscale" },
      { name: "tailscaled", package: "tailscale.com/cmd/tailscaled" },
    ],
  },
  // The same module with the same stamps: the program that runs tailscaled in the sidecar of the operator's pod.
  sidecar: {
    folder: "tailnet",
    stamps: TAILSCALE_STAMPS,
    compileSeconds: 50,
    tools: [{ name: "containerboot", package: "tailscale.com/cmd/containerboot" }],
  },
  "tailscale-stable": {
    folder: "tailscale-stable",
    stamps: { "tailscale.com/version.shortStamp": "1.98.10", "tailscale.com/version.longStamp": "1.98.10" },
    compileSeconds: 110,
    tools: [{ name: "tailscaled-stable", package: "tailscale.com/cmd/tailscaled" }],
  },
  policy: {
    folder: "cyclonus",
    stamps: {},
    compileSeconds: 60,
    tools: [{ name: "cyclonus", package: "github.com/mattfenwick/cyclonus/cmd/cyclonus" }],
  },
  "kube-router": {
    folder: "kube-router",
    stamps: {},
    compileSeconds: 75,
    tools: [{ name: "kube-router", package: "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router" }],
  },
  helm: {
    folder: "helm",
    // Without it cyclonus assumes Kubernetes 1.20.
    stamps: {
      "helm.sh/helm/v3/internal/version.version": "v3.22.0",
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": "34",
      "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": "1",
      "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": "34",
    },
    compileSeconds: 140,
    tools: [{ name: "helm", package: "helm.sh/helm/v3/cmd/helm" }],
  },
  // Programs of this folder itself, for pods of tests.
  "pod-programs": {
    folder: "pod-programs",
    // Another number builds them again.
    stamps: { "main.version": "1" },
    compileSeconds: 5,
    tools: [
      { name: "tar", package: "lab/pod-programs/tar" },
      { name: "cat", package: "lab/pod-programs/cat" },
    ],
  },
  kubeconform: {
    folder: "kubeconform",
    stamps: {},
    compileSeconds: 30,
    tools: [{ name: "kubeconform", package: "github.com/yannh/kubeconform/cmd/kubeconform" }],
  },
} satisfies Record<string, ToolModule>;

/**
 * Groups of programs. `kubernetes`: the control plane and kubectl; `node` and `dns`: the programs that run pods, and
 * their DNS; `tailnet`: headscale and tailscale; `tailscale-stable`: the daemon that users run today; `policy`:
 * cyclonus, an independent test of network policies; `kube-router`: enforces them on the node; `sidecar`: tailscale's
 * containerboot; `helm` and `kubeconform`: the chart and its manifests; `pod-programs`: `tar` and `cat` for pods of tests.
 */
export type ToolGroup = keyof typeof TOOLS;
