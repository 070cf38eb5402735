import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/** Types of records that the daemon can query. */
export type DnsType = "A" | "AAAA" | "ALL" | "CNAME" | "MX" | "NS" | "PTR" | "SOA" | "SRV" | "TXT";

/** An answer of the daemon's resolver. */
export interface DnsAnswer {
  /** The answer in wire format (RFC 1035), for a DNS library; its RCODE may be an error. */
  message: Uint8Array<ArrayBuffer>;
  /** Servers for names outside the tailnet. */
  resolvers: DnsResolver[];
}

/** A DNS server. Source: `dnstype.Resolver` of tailscale.com. Unknown fields are kept. */
export interface DnsResolver {
  /** An IP address with or without a port, or a URL of DNS over HTTPS. */
  Addr?: string | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

const resolverSchema: z.ZodType<DnsResolver> = z.looseObject(
  { Addr: z.string().nullish() } satisfies SchemaShape<DnsResolver>,
);

const answerSchema = z.looseObject({ Bytes: z.base64().nullish(), Resolvers: z.array(resolverSchema).nullish() });

/** Reads a response. Source: `apitype.DNSQueryResponse` of tailscale.com; Go encodes bytes in base64. */
export function dnsAnswerFrom(json: unknown): DnsAnswer {
  const { Bytes, Resolvers } = answerSchema.parse(json);
  return { message: Uint8Array.fromBase64(Bytes ?? ""), resolvers: Resolvers ?? [] };
}
