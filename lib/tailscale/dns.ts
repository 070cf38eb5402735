import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/** A type of records to ask for, of those that the daemon knows. */
export type DnsType = "A" | "AAAA" | "ALL" | "CNAME" | "MX" | "NS" | "PTR" | "SOA" | "SRV" | "TXT";

/** What the daemon's resolver answered. */
export interface DnsAnswer {
  /** The answer as it goes over the wire (RFC 1035), for a DNS library to read; its RCODE may well be an error. */
  message: Uint8Array<ArrayBuffer>;
  /** The servers that would be asked beyond the tailnet's own names. */
  resolvers: DnsResolver[];
}

/** A DNS server. Source: `dnstype.Resolver` of tailscale.com. Unknown fields are kept. */
export interface DnsResolver {
  /** An IP address, with a port or not, or the URL of DNS over HTTPS. */
  Addr?: string | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

const resolverSchema: z.ZodType<DnsResolver> = z.looseObject(
  { Addr: z.string().nullish() } satisfies SchemaShape<DnsResolver>,
);

const answerSchema = z.looseObject({ Bytes: z.base64().nullish(), Resolvers: z.array(resolverSchema).nullish() });

/** Source: `apitype.DNSQueryResponse` of tailscale.com; Go writes bytes in base64. */
export function dnsAnswerFrom(json: unknown): DnsAnswer {
  const { Bytes, Resolvers } = answerSchema.parse(json);
  return { message: Uint8Array.fromBase64(Bytes ?? ""), resolvers: Resolvers ?? [] };
}
