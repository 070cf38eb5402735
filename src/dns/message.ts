/** DNS messages (RFC 1035): the question as it is sent, and what an answer to it says. Pure. */
import { Buffer } from "node:buffer";
// @ts-types="./dns_packet.d.ts"
import dnsPacket from "dns-packet";
import type { DecodedPacket, ResourceRecord } from "./dns_packet.d.ts";
import { canonicalAddress } from "./canonical_address.ts";
import { type IPFamily, LookupError, type LookupResult, type Missing } from "./lookup.ts";

/** One question, under the id that its answer has to bear. */
export interface Query {
  /** 16 bits. */
  id: number;
  name: string;
  family: IPFamily;
}

/** More aliases on the way to an address than this are a loop, or as good as one. */
const maxAliases = 16;
/** For how long a name is missing when the answer doesn't say (no SOA record). */
const missingTtlSeconds = 60;

/** The question as TCP carries it, with its length in front. */
export function encodeQuery({ id, name, family }: Query): Uint8Array {
  return dnsPacket.streamEncode({
    type: "query",
    id,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: family }],
  });
}

/**
 * What a message says to the question. Only records that lead from the name to an address count: its aliases (CNAME)
 * and the addresses of the last of them. The TTL is the shortest on that way; when the name is missing, that of the
 * zone's SOA record (RFC 2308).
 *
 * @throws {LookupError} for anything that isn't an answer to rely on
 */
export function readAnswer(bytes: Uint8Array, query: Query): LookupResult {
  const message = decode(bytes);
  if (message.id !== query.id || message.type !== "response" || message.opcode !== "QUERY") {
    throw new LookupError("sent something that is no answer to the question");
  }
  if (message.rcode !== "NOERROR" && message.rcode !== "NXDOMAIN") throw new LookupError(`answers ${message.rcode}`);
  if (message.flag_tc) throw new LookupError("sent only a part of its answer");
  const [question] = message.questions;
  const asked = question && same(question.name, query.name) && question.type === query.family && internet(question);
  if (!asked || message.questions.length !== 1) throw new LookupError("answers another question");

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
    // The decoder reads an address that isn't all there, and doesn't mind what comes after the message.
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

/** Not a name without addresses, but a server that doesn't resolve for others (RFC 2308, section 2.2). */
function isReferral({ rcode, answers, authorities }: DecodedPacket): boolean {
  const has = (type: string) => authorities.some((record) => record.type === type);
  return rcode === "NOERROR" && answers.length === 0 && has("NS") && !has("SOA");
}

function missingTtl(authorities: readonly ResourceRecord[]): number {
  const soa = authorities.find((record) => record.type === "SOA" && internet(record));
  if (!soa) return missingTtlSeconds;
  return Math.min(ttlOf(soa), (soa.data as { minimum: number }).minimum);
}

/** A TTL with its highest bit set is none (RFC 2181). */
const ttlOf = ({ ttl = 0 }: ResourceRecord): number => ttl < 2 ** 31 ? ttl : 0;
const internet = (record: { class?: string }): boolean => record.class === "IN";
const bare = (name: string): string => name.replace(/\.$/, "").toLowerCase();
const same = (a: string, b: string): boolean => bare(a) === bare(b);
