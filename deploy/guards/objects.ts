/** What Services and Secrets may not ask for. */
import { deviceVariables } from "./devices.ts";
import { celList, type GuardAttack, type NameLists, type Policy, when } from "./guard.ts";
import { loadBalancerClasses } from "./guard_settings_cel.ts";

const plain = (object: string): NameLists => ({ object, template: "", spec: `${object}.spec`, containers: "" });
/** Each costs the proxies of all nodes rules for every pod behind it. */
const mostPorts = 100;
const ports = (count: number) => ({
  ports: Array.from({ length: count }, (_, index) => ({ name: `p${index}`, port: index + 1 })),
});

/** Of kinds without pods. */
const names = { now: plain("object"), before: plain("oldObject") };

export const servicesPolicy: Policy = {
  name: "keystone-guest-services",
  about: "Services that reach beyond a guest namespace though they are written inside it.",
  resources: [{ apiGroups: [""], resources: ["services"] }],
  variables: [loadBalancerClasses],
  names,
  guards: [
    {
      name: "external-ips",
      since: 0,
      refuses: "`externalIPs` of a Service",
      why: "what anybody in the cluster sends to that address would come to this Service (CVE-2020-8554)",
      remedy:
        "Leave spec.externalIPs out; for an address of its own use type LoadBalancer, if the grant has services.loadbalancers",
      at: "'spec.'",
      offences: ({ spec }) => `[${spec}.?externalIPs.orValue([]).map(ip, 'externalIPs has ' + ip)]`,
      attacks: [{
        title: "a Service that takes others' addresses",
        object: { kinds: ["Service"], spec: { externalIPs: ["203.0.113.7"] } },
        says: /spec\.externalIPs has 203\.0\.113\.7/,
      }],
      ordinary: [{ title: "a Service", object: { kinds: ["Service"] } }],
    },
    {
      name: "external-name",
      since: 0,
      refuses: "Services of type `ExternalName`",
      why: "whoever asks for this Service would be led to a place that guests may not reach themselves",
      remedy: "Use that name itself; the grant has to allow it as a destination",
      at: "'spec.'",
      offences: ({ spec }) =>
        when(
          `${spec}.?type.orValue('') == 'ExternalName'`,
          `'type is ExternalName, for ' + ${spec}.?externalName.orValue('nothing')`,
        ),
      attacks: [{
        title: "an alias",
        object: { kinds: ["Service"], spec: { type: "ExternalName", externalName: "x.internal" } },
        says: /spec\.type is ExternalName, for x\.internal/,
      }],
      ordinary: [],
    },
    {
      name: "load-balancer-class",
      refuses: "`loadBalancerClass` of a Service, but those in `guards.loadBalancerClasses`",
      why:
        "a controller of that class could hand out addresses and names beyond the grant, such as nodes of the tailnet",
      remedy: "Leave it out; the owner can allow a class by the setting guards.loadBalancerClasses",
      settings: ["guards.loadBalancerClasses"],
      at: "'spec.'",
      offences: ({ spec }) =>
        when(
          `${spec}.?loadBalancerClass.orValue('') != '' && !(${spec}.loadBalancerClass in variables.loadBalancerClasses)`,
          `'loadBalancerClass is ' + ${spec}.loadBalancerClass`,
        ),
      attacks: [{
        title: "a Service that becomes a node of the tailnet",
        object: { kinds: ["Service"], spec: { type: "LoadBalancer", loadBalancerClass: "tailscale" } },
        says: /spec\.loadBalancerClass is tailscale/,
      }],
      ordinary: [{
        title: "a Service of a class that the owner allows",
        object: { kinds: ["Service"], spec: { type: "LoadBalancer", loadBalancerClass: "example.com/lan" } },
        settings: { "keystone.io/load-balancer-classes": "example.com/lan" },
      }],
    },
    {
      name: "service-ports",
      refuses: `more than ${mostPorts} ports of a Service`,
      why:
        "the proxies of all nodes keep rules for each port of each pod behind it, and would be late for every other Service",
      remedy: "Name fewer; whoever knows a pod's address, as by a headless Service, reaches all of its ports",
      at: "'spec.'",
      offences: ({ spec }) =>
        when(
          `${spec}.?ports.orValue([]).size() > ${mostPorts}`,
          `'ports has ' + string(${spec}.ports.size()) + ' entries'`,
        ),
      attacks: [{
        title: "a Service of ten thousand ports",
        object: { kinds: ["Service"], spec: ports(10_000) },
        says: /spec\.ports has 10000 entries/,
      }],
      ordinary: [{ title: "a Service of some ports", object: { kinds: ["Service"], spec: ports(mostPorts) } }],
    },
  ],
};

export const secretsPolicy: Policy = {
  name: "keystone-guest-secrets",
  about: "Secrets: guests may write them but make no tokens. Their type can't be changed.",
  resources: [{ apiGroups: [""], resources: ["secrets"], operations: ["CREATE"] }],
  names,
  guards: [{
    name: "account-tokens",
    since: 0,
    refuses: "Secrets of type `kubernetes.io/service-account-token`",
    why: "the cluster would put a token into it that never expires and outlasts the grant",
    remedy: "Use the token that a pod gets mounted, from a volume of type projected",
    at: "''",
    offences: ({ object }) =>
      when(
        `${object}.?type.orValue('') == 'kubernetes.io/service-account-token'`,
        "'type is kubernetes.io/service-account-token'",
      ),
    attacks: [{
      title: "a token that never expires",
      object: {
        kinds: ["Secret"],
        fields: { type: "kubernetes.io/service-account-token" },
        metadata: { annotations: { "kubernetes.io/service-account.name": "default" } },
      },
      says: /type is kubernetes\.io\/service-account-token/,
    }],
    ordinary: [{ title: "a Secret", object: { kinds: ["Secret"] } }],
  }],
};

/** By which a container takes all keys of a ConfigMap or Secret as variables. */
const values = ({ object }: NameLists) => `dyn(${object}).?data.orValue({})`;

export const dataPolicy: Policy = {
  name: "keystone-guest-data",
  about: "ConfigMaps and Secrets: a container can take all that is in them as its variables (envFrom).",
  resources: [{ apiGroups: [""], resources: ["configmaps", "secrets"] }],
  names,
  guards: [{
    name: "device-keys",
    refuses:
      "keys of ConfigMaps and Secrets that hand out devices as variables, such as `NVIDIA_VISIBLE_DEVICES`, unless they are " +
      "`none` or `void` in a ConfigMap",
    why:
      "a container with envFrom has them as variables, by which container runtimes hand out devices beside every quota",
    remedy: "Take it out; devices that a grant names are asked for by resources.limits",
    at: "''",
    offences: (judged) =>
      `[${celList(deviceVariables)}.filter(name, ${values(judged)}[?name].hasValue() &&
        !(string(${values(judged)}[?name].orValue('')) in ['none', 'void'])).map(name, 'data has ' + name)]`,
    attacks: [
      ...["NVIDIA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES"].map((name): GuardAttack => ({
        title: `a ConfigMap that becomes the variable ${name}`,
        object: { kinds: ["ConfigMap"], fields: { data: { [name]: "all" } } },
        says: new RegExp(`data has ${name}`),
      })),
      {
        title: "a Secret that becomes such a variable",
        object: { kinds: ["Secret"], fields: { stringData: { NVIDIA_VISIBLE_DEVICES: "all" } } },
        says: /data has NVIDIA_VISIBLE_DEVICES/,
      },
    ],
    ordinary: [{
      title: "a ConfigMap of variables",
      object: { kinds: ["ConfigMap"], fields: { data: { NVIDIA_VISIBLE_DEVICES: "void", CUDA_VISIBLE_DEVICES: "0" } } },
    }],
  }],
};
