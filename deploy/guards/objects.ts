/** Guards on Services, Secrets and ConfigMaps. */
import { deviceVariables } from "./devices.ts";
import { celList, type GuardAttack, type NameLists, type Policy, when } from "./guard.ts";
import { loadBalancerClasses } from "./guard_settings_cel.ts";

const plain = (object: string): NameLists => ({ object, template: "", spec: `${object}.spec`, containers: "" });
/** Number of ports of a Service; for each port the proxies of all nodes keep rules for every pod behind it. */
const mostPorts = 100;
const ports = (count: number) => ({
  ports: Array.from({ length: count }, (_, index) => ({ name: `p${index}`, port: index + 1 })),
});

/** Names for kinds without pods. */
const names = { now: plain("object"), before: plain("oldObject") };

export const servicesPolicy: Policy = {
  name: "keystone-guest-services",
  about: "Services whose effect reaches beyond the guest namespace.",
  resources: [{ apiGroups: [""], resources: ["services"] }],
  variables: [loadBalancerClasses],
  names,
  guards: [
    {
      name: "external-ips",
      since: 0,
      refuses: "`externalIPs` of a Service",
      why: "the Service would receive all traffic of the cluster to that address (CVE-2020-8554)",
      remedy:
        "Leave spec.externalIPs out; for a separate address use type LoadBalancer, if the grant has services.loadbalancers",
      at: "'spec.'",
      offences: ({ spec }) => `[${spec}.?externalIPs.orValue([]).map(ip, 'externalIPs has ' + ip)]`,
      attacks: [{
        title: "a Service that takes the addresses of others",
        object: { kinds: ["Service"], spec: { externalIPs: ["203.0.113.7"] } },
        says: /spec\.externalIPs has 203\.0\.113\.7/,
      }],
      ordinary: [{ title: "a Service", object: { kinds: ["Service"] } }],
    },
    {
      name: "external-name",
      since: 0,
      refuses: "Services of type `ExternalName`",
      why: "clients of this Service would be sent to a place that guests may not reach themselves",
      remedy: "Use that name directly; the grant must allow it as a destination",
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
      refuses: "`loadBalancerClass` of a Service, except the classes in `guards.loadBalancerClasses`",
      why:
        "a controller of that class could hand out addresses and names beyond the grant, such as nodes of the tailnet",
      remedy: "Leave it out; the owner can allow a class with the setting guards.loadBalancerClasses",
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
      why: "the proxies of all nodes keep rules for each port of each pod behind it, so all other Services would wait",
      remedy: "Use fewer; clients that know a pod's address, as from a headless Service, reach all of its ports",
      at: "'spec.'",
      offences: ({ spec }) =>
        when(
          `${spec}.?ports.orValue([]).size() > ${mostPorts}`,
          `'ports has ' + string(${spec}.ports.size()) + ' entries'`,
        ),
      attacks: [{
        title: "a Service with ten thousand ports",
        object: { kinds: ["Service"], spec: ports(10_000) },
        says: /spec\.ports has 10000 entries/,
      }],
      ordinary: [{
        title: "a Service with the allowed number of ports",
        object: { kinds: ["Service"], spec: ports(mostPorts) },
      }],
    },
  ],
};

export const secretsPolicy: Policy = {
  name: "keystone-guest-secrets",
  about: "Secrets: guests may write them but create no tokens. The type of a Secret can't be changed.",
  resources: [{ apiGroups: [""], resources: ["secrets"], operations: ["CREATE"] }],
  names,
  guards: [{
    name: "account-tokens",
    since: 0,
    refuses: "Secrets of type `kubernetes.io/service-account-token`",
    why: "the cluster would write a token into it that never expires and outlives the grant",
    remedy: "Use the token that is mounted into the pod by a projected volume",
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

/** Returns the data of a ConfigMap or Secret. */
const values = ({ object }: NameLists) => `dyn(${object}).?data.orValue({})`;

export const dataPolicy: Policy = {
  name: "keystone-guest-data",
  about: "ConfigMaps and Secrets: a container can use all of their keys as environment variables (envFrom).",
  resources: [{ apiGroups: [""], resources: ["configmaps", "secrets"] }],
  names,
  guards: [{
    name: "device-keys",
    refuses:
      "keys of ConfigMaps and Secrets that hand out devices as variables, such as `NVIDIA_VISIBLE_DEVICES`, except with the " +
      "value `none` or `void` in a ConfigMap",
    why:
      "a container with envFrom has it as a variable, and container runtimes hand out devices by it outside any quota",
    remedy: "Remove it; request granted devices with resources.limits",
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
        title: "a Secret that becomes the variable NVIDIA_VISIBLE_DEVICES",
        object: { kinds: ["Secret"], fields: { stringData: { NVIDIA_VISIBLE_DEVICES: "all" } } },
        says: /data has NVIDIA_VISIBLE_DEVICES/,
      },
    ],
    ordinary: [{
      title: "a ConfigMap with harmless variables",
      object: { kinds: ["ConfigMap"], fields: { data: { NVIDIA_VISIBLE_DEVICES: "void", CUDA_VISIBLE_DEVICES: "0" } } },
    }],
  }],
};
