// What is used of dns-packet, which comes without types.
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

/** A message as it is written. */
export interface Packet {
  id: number;
  type: "query" | "response";
  flags: number;
  questions: Question[];
  answers?: ResourceRecord[];
  authorities?: ResourceRecord[];
  additionals?: ResourceRecord[];
}

/** A message as it is read. */
export interface DecodedPacket extends Required<Packet> {
  opcode: string;
  rcode: string;
  flag_tc: boolean;
}

declare const dnsPacket: {
  readonly RECURSION_DESIRED: number;
  encode(packet: Packet): Buffer;
  /** With the length of the message before it, as over TCP. */
  streamEncode(packet: Packet): Buffer;
  /** Throws when it can't be read; `bytes` says how much the last call read. */
  readonly decode: { (bytes: Buffer): DecodedPacket; bytes: number };
};
export default dnsPacket;
