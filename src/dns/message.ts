/** DNS messages (RFC 1035): encodes queries and interprets answers. Pure. */
import { Buffer } from "node:buffer";
// @ts-types="./dns_packet.d.ts"
import dnsPacket from "dns-packet";
import type { DecodedPacket, ResourceRecord } from "./dns_packet.d.ts";
import { canonicalAddress } from "./canonical_address.ts";
import { type IPFamily, LookupError, type LookupResult, type Missing } from "./lookup.ts";

/** A query, with the id that its answer must have. */
export interface Query {
  /** 16 bits. */
  id: number;
  name: string;
  family: IPFamily;
}

/** Maximum number of aliases before an address; more are a loop or as good as one. */
const maxAliases = 16;
/** TTL of a missing name if the answer has none (no SOA record). */
const missingTtlSeconds = 60;

/** Encodes a query for TCP, with its length in front. */
export function encodeQuery({ id, name, family }: Query): Uint8Array {
  return dnsPacket.streamEncode({
    type: "query",
    id,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: family }],
  });
}

/**
 * Reads the answer to a query from a message. Only records that lead from the name to an address count: its aliases
 * (CNAME) and the addresses of the last one. The TTL is the shortest of these records; if the name is missing, that
 * of the zone's SOA record (RFC 2308).
 *
 * @throws {LookupError} for anything but a reliable answer
 */
export function readAnswer(bytes: Uint8Array, query: Query): LookupResult {
  const message = decode(bytes);
  if (message.id !== query.id || message.type !== "response" || message.opcode !== "QUERY") {
    throw new LookupError("sent a message that doesn't answer the query");
  }
  if (message.rcode !== "NOERROR" && message.rcode !== "NXDOMAIN") throw new LookupError(`answers ${message.rcode}`);
  if (message.flag_tc) throw new LookupError("sent only part of its answer");
  const [question] = message.questions;
  const asked = question && same(question.name, query.name) && question.type === query.family && internet(question);
  if (!asked || message.questions.length !== 1) throw new LookupError("answers another query");

  const { owner, ttls } = followAliases(message.answers, query.name);
  const records = message.rcode === "NXDOMAIN"
    ? []
    : message.answers.filter((record) => record.type === query.family && internet(record) && same(record.name, owner));
  const addresses = new Set<string>();
  for (const record of records) {
    ttls.push(ttlOf(record));
    const address = canonicalAddress(String(record.data));
    if (address !== undefined) addresses.add(address);
  }
  if (addresses.size > 0) return { addresses: [...addresses], ttlMs: 1000 * Math.min(...ttls) };
  if (isReferral(message)) throw new LookupError("names other nameservers instead of an answer");
  const missing: Missing = message.rcode === "NXDOMAIN" ? "NXDOMAIN" : "NODATA";
  return { addresses: [], missing, ttlMs: 1000 * Math.min(...ttls, missingTtl(message.authorities)) };
}

function decode(bytes: Uint8Array): DecodedPacket {
  try {
    const message = dnsPacket.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    // The decoder accepts incomplete addresses and ignores bytes after the message.
    if (dnsPacket.decode.bytes === bytes.byteLength) return message;
  } catch { /* said below */ }
  throw new LookupError("sent an answer that can't be read");
}

function followAliases(records: readonly ResourceRecord[], name: string): { owner: string; ttls: number[] } {
  const aliases = new Map(
    records.filter((record) => record.type === "CNAME" && internet(record)).map((r) => [bare(r.name), r]),
  );
  const ttls: number[] = [];
  let owner = name;
  for (let alias = aliases.get(bare(owner)); alias; alias = aliases.get(bare(owner))) {
    if (ttls.length === maxAliases) throw new LookupError(`answers with more than ${maxAliases} aliases (CNAME)`);
    ttls.push(ttlOf(alias));
    owner = String(alias.data);
  }
  return { owner, ttls };
}

/**
 * True for the answer of a server that doesn't resolve for clients (RFC 2308, section 2.2), in contrast to one
 * without addresses.
 */
function isReferral({ rcode, answers, authorities }: DecodedPacket): boolean {
  const has = (type: string) => authorities.some((record) => record.type === type);
  return rcode === "NOERROR" && answers.length === 0 && has("NS") && !has("SOA");
}

function missingTtl(authorities: readonly ResourceRecord[]): number {
  const soa = authorities.find((record) => record.type === "SOA" && internet(record));
  if (!soa) return missingTtlSeconds;
  return Math.min(ttlOf(soa), (soa.data as { minimum: number }).minimum);
}

/** Returns the TTL; one with its highest bit set counts as 0 (RFC 2181). */
const ttlOf = ({ ttl = 0 }: ResourceRecord): number => ttl < 2 ** 31 ? ttl : 0;
const internet = (record: { class?: string }): boolean => record.class === "IN";
const bare = (name: string): string => name.replace(/\.$/, "").toLowerCase();
const same = (a: string, b: string): boolean => bare(a) === bare(b);
