/** The front's part on the tailnet: finds this node's place, listens there, and ends with the front. */
import { type Clock, sleep } from "../../../lib/clock/mod.ts";
import type { RestClient, ServerTime } from "../../../lib/kubernetes/mod.ts";
import { CertificateKeeper, LocalClient } from "../../../lib/tailscale/mod.ts";
import type { Settings } from "../../api/mod.ts";
import type { TailnetPlace } from "../../config.ts";
import { granteeNamed } from "../../controllers/grantees.ts";
import type { Stores } from "../../controllers/stores.ts";
import type { LocalRealm } from "../../core/facts.ts";
import { type Caller, callerOf } from "../../core/people/caller.ts";
import { strangerSentence } from "../../core/people/stranger.ts";
import type { TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import type { Handover } from "../handover.ts";
import { createPage } from "../page/lending_page.ts";
import { onPageChange, pageCallerOf, pageWorld } from "../page/page_world.ts";
import type { FrontMetrics } from "../front_metrics.ts";
import { accessLogLine, accessLogMessage } from "./access_log.ts";
import { AccessWatch } from "./access_watch.ts";
import { daemonConnectionCheck } from "./daemon_connection.ts";
import { dialApiServer, dialObstacle } from "./api_server_dial.ts";
import { IdentityWatch } from "./identity_watch.ts";
import { type NodePlace, nodePlace } from "./node_place.ts";
import { RealmTokens } from "./realm_tokens.ts";
import { SocketOwners, type TableReader } from "./socket_owners.ts";
import { Streams } from "./streams.ts";
import { TailnetServer } from "./tailnet_server.ts";
import { WhoIsGate } from "./whois_gate.ts";

export interface TailnetPartOptions {
  place: TailnetPlace;
  /** Socket of tailscaled. */
  socket: string;
  /** Reads the kernel's table of sockets. */
  socketTable: TableReader;
  stores: Stores;
  settings: Settings;
  local: () => LocalRealm;
  /** A client with the front's own credentials. */
  rest: RestClient;
  serverTime: ServerTime;
  /** Connection parameters of the API server. */
  api: () => Handover["api"];
  metrics: Pick<FrontMetrics, "tailnetAnswered" | "tailnetCut" | "tailnetRefused">;
  log: Record<"info" | "warn", (message: string, properties?: Record<string, unknown>) => void>;
  clock: Clock;
}

/** Interval of looks at the daemon's mode, name and addresses. */
const lookMs = 10_000;
/** The same while there is no place to listen. */
const retryMs = 1000;
/** Time for requests to finish; well within the pod's terminationGracePeriodSeconds. */
const graceMs = 3000;
/** Time to wait for a first certificate before plain HTTP is served. */
const certificateMs = 60_000;

const cantTellSentence =
  "The users of connections on 127.0.0.1 are unknown, because /proc/net/tcp can't be used. While other processes of this " +
  "machine connect often, new connections of guests are refused.";

export class TailnetPart {
  readonly #options: TailnetPartOptions;
  readonly #streams: Streams;
  readonly #access: AccessWatch;
  readonly #client: LocalClient;
  readonly #identities: IdentityWatch;
  readonly #certificates: CertificateKeeper;
  readonly #server: TailnetServer;
  /** Callers by identity, until a Realm or a SuperEntity changes. */
  #callers = new WeakMap<TailnetIdentity, Caller>();
  #place: NodePlace = { is: "closed", reason: "tailscaled has not reported its state yet" };
  #stopListening: (() => Promise<void>)[] = [];
  /** The last call of `#listen`. */
  #listening: Promise<void> = Promise.resolve();
  /** Addresses and certificate of the open listeners; empty: there is none. */
  #listensAt = "";
  /** Monotonic time from which plain HTTP is served without a certificate. */
  #plainFrom: number | undefined;
  #said: string | undefined;

  constructor(options: TailnetPartOptions) {
    this.#options = options;
    const { socket, stores, settings, local, rest, serverTime, api, metrics, log, clock } = options;
    this.#streams = new Streams((reason) => metrics.tailnetCut(reason));
    const skewMs = () => serverTime.skewMs() ?? 0;
    const access = new AccessWatch({ stores, settings, local, skewMs, clock }, () => this.#streams.realms);
    this.#access = access;
    for (const store of [stores.realms, stores.superEntities]) {
      store.subscribe(() => this.#callers = new WeakMap());
    }
    this.#client = new LocalClient({ socket });
    this.#identities = new IdentityWatch({ client: this.#client, clock });
    this.#certificates = new CertificateKeeper({ client: this.#client, clock });
    const gate = new WhoIsGate({ client: this.#client, clock, isFromDaemon: this.#daemonCheck() });
    const accountOf = (realm: string) => {
      const now = access.of(realm);
      return now.is === "open" ? now.account : undefined;
    };
    const page = createPage({
      world: () => pageWorld({ stores, local, clock }),
      subscribe: (listener) => onPageChange({ stores }, listener),
      clock,
    });
    const tokens = new RealmTokens({ rest, accountOf, clock });
    this.#server = new TailnetServer({
      ask: (address, signal) => gate.ask(address, signal),
      follow: (identity) => this.#identities.add(identity),
      onIdentity: (listener) => this.#identities.onChange(listener),
      callerOf: (identity) => this.#callerOf(identity),
      strangerSentence,
      access: (realm) => access.of(realm),
      onAccess: (listener) =>
        access.onChange((realms) => {
          for (const realm of realms) if (accountOf(realm) === undefined) tokens.drop(realm);
          listener(realms);
        }),
      opened: () => access.start(),
      grants: (realm) => stores.grants.index("grantee", realm).map(({ name }) => name),
      token: (realm, stableId, signal) => tokens.token(realm, stableId, signal),
      dropToken: (realm, stableId) => tokens.drop(realm, stableId),
      dial: (signal) => dialApiServer(api(), signal),
      apiHost: new URL(api().server).host,
      names: () => this.#place.is === "open" ? this.#place.names : new Set(),
      lender: () => {
        const here = local();
        return here.kind === "known" ? here.name : "";
      },
      streams: this.#streams,
      answered: (request) => {
        metrics.tailnetAnswered(request.realm, request.status);
        log.info(accessLogMessage, accessLogLine(request));
      },
      refused: metrics.tailnetRefused,
      page: (request, caller) => page(request, pageCallerOf(caller)),
    });
  }

  /** Returns the number of connections by realm. */
  connections(): Iterable<[realm: string, count: number]> {
    return this.#streams.counts();
  }

  /** Serves until the signal aborts, then lets requests finish. */
  async run(signal: AbortSignal): Promise<void> {
    const { api, log, clock } = this.#options;
    const obstacle = dialObstacle(api());
    if (obstacle !== undefined) log.warn("The tailnet server is closed: {reason}", { reason: obstacle });
    else {
      const watching = Promise.all([this.#identities.run(signal), this.#certificates.run(signal)]);
      this.#certificates.onChange(() => {
        if (this.#place.is !== "closed") void this.#listen();
      });
      while (!signal.aborted) {
        await this.#look(signal);
        await sleep(clock, this.#listensAt === "" ? retryMs : lookMs, signal);
      }
      await Promise.all([watching, this.#server.stop(graceMs)]);
    }
    await this.#listening;
    await this.#server.stop(0);
    this.#access[Symbol.dispose]();
    this.#client[Symbol.dispose]();
  }

  #daemonCheck(): ((port: number, signal: AbortSignal) => Promise<boolean>) | undefined {
    const { place: { at, port }, socket, socketTable, log, clock } = this.#options;
    if (at !== "loopback") return undefined;
    let isSaid = false;
    return daemonConnectionCheck({
      owners: new SocketOwners({ read: socketTable, port, clock }),
      socket,
      cantTell: () => {
        if (!isSaid) log.warn(cantTellSentence);
        isSaid = true;
      },
    });
  }

  #callerOf(identity: TailnetIdentity): Caller {
    const { stores, local } = this.#options;
    const known = this.#callers.get(identity);
    if (known) return known;
    const here = local();
    const caller = callerOf(identity, {
      realms: stores.realms.list(),
      entities: stores.superEntities.list().flatMap(({ name }) => {
        const grantee = granteeNamed({ stores, local }, name);
        return grantee?.entity ? grantee : [];
      }),
      localRealm: here.kind === "known" ? here.name : undefined,
    });
    this.#callers.set(identity, caller);
    return caller;
  }

  /** Asks the daemon where to listen. If it can't be asked, open ports stay. */
  async #look(signal: AbortSignal): Promise<void> {
    const { place } = this.#options;
    try {
      this.#place = nodePlace(place, await this.#client.status({ peers: false, signal }));
    } catch (error) {
      if (signal.aborted) return;
      const said = error instanceof Error ? error.message : String(error);
      if (this.#listensAt === "") this.#say(said.replace(/\.$/, ""));
      return;
    }
    if (this.#place.is !== "closed" && await this.#isCertificateAwaited(signal)) {
      this.#say(`it waits for the certificate of ${this.#place.dnsName}: ${this.#certificates.problem}`);
    } else await this.#listen();
  }

  /** Reports whether the tailnet has certificates and the first one may still come: the scheme should not change soon. */
  async #isCertificateAwaited(signal: AbortSignal): Promise<boolean> {
    if (this.#listensAt !== "" || this.#certificates.current) return false;
    const now = this.#options.clock.monotonic();
    this.#plainFrom ??= now + certificateMs;
    if (now >= this.#plainFrom) return false;
    const domains = await this.#client.certDomains({ signal }).catch(() => []);
    return domains.length > 0 && this.#certificates.current === undefined;
  }

  /** Listens as the place and the certificate are. Calls follow each other. Never rejects. */
  #listen(): Promise<void> {
    return this.#listening = this.#listening.then(() => this.#listenNow());
  }

  async #listenNow(): Promise<void> {
    const { place: { port }, log } = this.#options;
    if (this.#place.is === "closed") {
      await this.#close();
      return this.#say(this.#place.reason);
    }
    const { addresses, dnsName } = this.#place;
    const keys = this.#certificates.current;
    const at = [...addresses, keys?.certificate ?? ""].join();
    if (this.#listensAt === at) return;
    await this.#close();
    try {
      for (const hostname of addresses) this.#stopListening.push(this.#server.listen({ hostname, port }, keys).stop);
    } catch (error) {
      await this.#close();
      const said = error instanceof Error ? error.message : String(error);
      return this.#say(`port ${port} of ${addresses.join(" and ")} can't be opened: ${said.replace(/\.$/, "")}`);
    }
    this.#listensAt = at;
    this.#said = undefined;
    log.info("The tailnet server is at {url}, {encryption}.", {
      url: `${keys ? "https" : "http"}://${dnsName || addresses[0]}:${port}/k8s`,
      encryption: keys
        ? `with a certificate until ${keys.notAfter.toISOString()}`
        : "encrypted by the tailnet alone, which has no certificate for it",
    });
  }

  async #close(): Promise<void> {
    this.#listensAt = "";
    await Promise.all(this.#stopListening.splice(0).map((stop) => stop()));
  }

  #say(reason: string): void {
    if (reason === this.#said) return;
    this.#said = reason;
    this.#options.log.warn("The tailnet server is closed: {reason}.", { reason });
  }
}
