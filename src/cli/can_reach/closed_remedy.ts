/** Remedies for destinations that network policies close. */
import { cidr, parseRange, type Range } from "../../core/address.ts";
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { positionOf, specialRangesOf } from "../../core/network/special_ranges.ts";
import type { WayVerdict } from "../../core/reach/judge_ways.ts";
import { exceptionsOf } from "../../core/reach/reach.ts";
import { Observed } from "../observed.ts";
import type { Session } from "../session.ts";

const add = "Add the destination to spec.networkPolicy.allowedDestinations of a grant, with egressAllowed: true.";

/** Names the exception that closes an address, and the term of a grant that would open it, if there is one. */
export async function closedRemedy(session: Session, rest: RestClient, { denied, way }: WayVerdict): Promise<string> {
  if (!denied) return "";
  if (way.isLookup) return "Use its address, or a trust level with dns for the realm.";
  const { flow, reach } = denied;
  const [exception] = exceptionsOf(reach, flow);
  const hole = exception
    ? `${exception.policy.name} allows ${exception.cidr} except ${exception.except}, which contains ${flow.to.ip}. `
    : "";
  const address = parseRange(flow.to.ip);
  if (!address || way.isRealm) return `${hole}${add}`;
  const settings = await session.settings();
  const { ranges } = await new Observed(rest).cluster(settings);
  const { inside } = positionOf(address, specialRangesOf(ranges, settings.clusterRanges));
  return hole + ruleText(flow.to.ip, inside, way.isOfName ?? false);
}

function ruleText(ip: string, inside: readonly { range: Range; tier: string }[], isName: boolean): string {
  const by = inside.find(({ tier }) => tier === "protected");
  if (by) {
    return `${ip} lies in ${
      cidr(by.range)
    }, which no grant opens, except one to an internal realm that lists exactly ` +
      "this address in spec.networkPolicy.allowedDestinations.";
  }
  const narrowest = inside.at(-1);
  if (!narrowest) return add;
  return `${ip} lies in ${
    cidr(narrowest.range)
  }, which is private: internet, 0.0.0.0/0 and ::/0 never include it. Add ` +
    "the address, or a range with it, to spec.networkPolicy.allowedDestinations of a grant, with egressAllowed: true" +
    (isName ? "; or add its range to spec.networkPolicy.within of the grant." : ".");
}
