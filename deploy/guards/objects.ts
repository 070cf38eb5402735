/** What Services and Secrets may not ask for. */
import { type Names, type Policy, when } from "./guard.ts";
import { loadBalancerClasses } from "./settings.ts";

const plain = (object: string): Names => ({ object, template: "", spec: `${object}.spec`, containers: "" });
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
  ],
};

export const secretsPolicy: Policy = {
  name: "keystone-guest-secrets",
  about: "Secrets: guests may write them but make no tokens. Their type can't be changed.",
  resources: [{ apiGroups: [""], resources: ["secrets"], operations: ["CREATE"] }],
  names,
  guards: [{
    name: "account-tokens",
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
