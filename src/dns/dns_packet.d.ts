// The used part of dns-packet, which has no types of its own.
import type { Buffer } from "node:buffer";

/** A question. */
export interface Question {
  name: string;
  type: string;
  class?: string;
}

/** A resource record; `data` is a text for A, AAAA and CNAME. */
export interface ResourceRecord {
  name: string;
  type: string;
  class?: string;
  /** Seconds; absent in an OPT record. */
  ttl?: number;
  data?: unknown;
}

/** A message to encode. */
export interface Packet {
  id: number;
  type: "query" | "response";
  flags: number;
  questions: Question[];
  answers?: ResourceRecord[];
  authorities?: ResourceRecord[];
  additionals?: ResourceRecord[];
}

/** A decoded message. */
export interface DecodedPacket extends Required<Packet> {
  opcode: string;
  rcode: string;
  flag_tc: boolean;
}

declare const dnsPacket: {
  readonly RECURSION_DESIRED: number;
  encode(packet: Packet): Buffer;
  /** Encodes with a length prefix, as over TCP. */
  streamEncode(packet: Packet): Buffer;
  /** Throws if the message can't be decoded; `bytes` is the number of bytes that the last call read. */
  readonly decode: { (bytes: Buffer): DecodedPacket; bytes: number };
};
export default dnsPacket;
