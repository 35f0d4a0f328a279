import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import { closeOnce, delay, silentLogger, systemClock } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import { dial, s3Standing, tcpStanding } from './dial.ts';
import type { AddressText } from './dial.ts';
import type { DoorCounts } from './door-counts.ts';
import { Joined } from './joined.ts';
import { againMs, Standings } from './standings.ts';
import { inOrder } from './target.ts';
import type { Target } from './target.ts';

/** Doors are on loopback alone. */
const host = '127.0.0.1';
/** Connections of one door; more are refused. */
export const connectionsPerDoorMax = 1_000;
/** How long a connection is held while no replica takes it, ms. */
const heldMsMax = 15_000;
/** Looks in a row at which a machine does not answer, or a head of S3 is gone, until its connections are cut. */
const missesMax = 2;
/** The same where the machine answers and nobody listens: a server that ends may finish what it began. */
const refusalsMax = 10;

export interface DoorOptions {
  readonly kind: 'tcp' | 's3';
  /** 0: any. */
  readonly port: number;
  readonly counts: DoorCounts;
  readonly logger?: Logger;
  /** Default `heldMsMax`. */
  readonly heldMs?: number;
}

/** A pair, and looks in a row at which its address did not do. */
interface Pair extends Pick<Joined, 'cut'> {
  readonly address: AddressText;
}

interface Misses {
  readonly away: number;
  readonly refused: number;
}

/**
 * One address of loopback for what a role of a contract publishes, wherever that runs.
 *
 * 1. A connection goes to one replica that takes it: the one that worked last, while it is ready. 2. While none does
 * it is held, and replicas are tried again; then it is ended. 3. Machines that are in use are looked at every second:
 * one without power sends no word of its end. Connections to what does not answer twice, or is placed elsewhere,
 * are cut, so that clients try again.
 */
export class Door implements AsyncDisposable {
  readonly kind: DoorOptions['kind'];
  readonly close: () => Promise<void>;
  readonly #server: Server;
  readonly #options: DoorOptions;
  readonly #logger: Logger;
  readonly #standings: Standings;
  readonly #closing = new AbortController();
  readonly #serving = new Set<Promise<void>>();
  readonly #pairs = new Set<Pair>();
  readonly #misses = new Map<AddressText, Misses>();
  #targets: readonly Target[] = [];
  #preferred: AddressText | undefined;
  #news = Promise.withResolvers<void>();
  #choosing: Promise<AddressText | undefined> | undefined;
  #pausing: Promise<void> | undefined;

  private constructor(server: Server, options: DoorOptions) {
    this.#server = server;
    this.#options = options;
    this.kind = options.kind;
    this.#logger = options.logger ?? silentLogger;
    const mustSay = options.kind === 's3';
    this.#standings = new Standings({ ask: mustSay ? s3Standing : tcpStanding, mustSay });
    server.on('connection', (client) => this.#accept(client));
    this.close = closeOnce(async () => {
      const closed = once(server, 'close');
      server.close();
      this.#closing.abort();
      for (const pair of this.#pairs) pair.cut();
      await Promise.all(this.#serving);
      await closed;
    });
  }

  /** Rejects with the error of the system where the port is not to be had. */
  static async open(options: DoorOptions): Promise<Door> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.listen({ host, port: options.port, exclusive: true });
    await once(server, 'listening');
    return new Door(server, options);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): AddressText {
    return `${host}:${this.port}`;
  }

  /** Where the last connection went; undefined before one did. */
  get active(): AddressText | undefined {
    return this.#preferred;
  }

  /** Connections that are open, those that are held among them. */
  get connections(): number {
    return this.#serving.size;
  }

  /** Says where replicas are now. Connections to others are cut once one of these takes connections. */
  lead(targets: readonly Target[]): void {
    this.#targets = targets;
    const used = [...this.#pairs].map(({ address }) => address);
    this.#standings.keep(new Set([...used, ...targets.map(({ address }) => address)]));
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** Looks at the machines that connections are open to; to be called every second. */
  async look(): Promise<void> {
    const used = new Set([...this.#pairs].map(({ address }) => address));
    for (const address of this.#misses.keys()) {
      if (!used.has(address)) this.#misses.delete(address);
    }
    await Promise.all([...used].map((address) => this.#lookAt(address)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    const { counts } = this.#options;
    if (this.#serving.size >= connectionsPerDoorMax || !counts.enter()) {
      counts.refused += 1;
      client.destroy();
      return;
    }
    const serving = this.#serve(client).finally(() => {
      counts.leave();
      this.#serving.delete(serving);
    });
    this.#serving.add(serving);
  }

  /** Never throws: sockets tell of their errors. */
  async #serve(client: Socket): Promise<void> {
    const over = new AbortController();
    client.once('close', () => over.abort());
    const signal = AbortSignal.any([over.signal, this.#closing.signal]);
    const reached = await this.#reach(signal);
    if (reached === undefined) {
      if (!signal.aborted) this.#options.counts.unserved += 1;
      client.destroy();
      return;
    }
    const { replica, address } = reached;
    const joined = new Joined(client, replica);
    const pair = { address, cut: () => joined.cut() };
    this.#pairs.add(pair);
    await joined.closed;
    this.#pairs.delete(pair);
  }

  async #reach(
    signal: AbortSignal,
  ): Promise<{ readonly replica: Socket; readonly address: AddressText } | undefined> {
    const untilMs = systemClock.monotonicMs() + (this.#options.heldMs ?? heldMsMax);
    while (!signal.aborted) {
      const news = this.#news.promise;
      const address = await this.#choice();
      if (address !== undefined) {
        const replica = await dial(address, signal);
        if (typeof replica !== 'string') {
          this.#prefer(address);
          return { replica, address };
        }
        this.#standings.learn(address, replica);
        continue;
      }
      if (systemClock.monotonicMs() >= untilMs) return undefined;
      await Promise.race([this.#pause(), news]);
    }
    return undefined;
  }

  /** For all that wait together: of connections that are held there may be many. */
  #choice(): Promise<AddressText | undefined> {
    this.#choosing ??= this.#choose().finally(() => {
      this.#choosing = undefined;
    });
    return this.#choosing;
  }

  /** The same; ends early when the door closes. */
  #pause(): Promise<void> {
    this.#pausing ??= delay(againMs, { signal: this.#closing.signal })
      .catch(() => undefined)
      .finally(() => {
        this.#pausing = undefined;
      });
    return this.#pausing;
  }

  /** One that takes connections, by what is known, else by what they answer; undefined where none does. */
  async #choose(): Promise<AddressText | undefined> {
    const addresses = inOrder(this.#targets, this.#preferred).map((one) => one.address);
    const [first] = addresses;
    // Nobody waits for it while another one does; it is used again once it answers.
    if (first !== undefined && !this.#standings.isGood(first)) void this.#standings.lately(first);
    const good = addresses.find((one) => this.#standings.isGood(one));
    if (good !== undefined) return good;
    // Where one is silent the others are asked again meanwhile; the next call waits for its answer too.
    const soon = this.#pause().then(() => undefined);
    const serving = await Promise.race([this.#firstServing(addresses), soon]);
    if (serving !== undefined) return serving;
    // Nobody took its place: it is only slow to say that it serves.
    return addresses.find((one) => one === this.#preferred && this.#standings.last(one) === 'busy');
  }

  async #firstServing(addresses: readonly AddressText[]): Promise<AddressText | undefined> {
    const asked = addresses.map(async (address) => {
      if ((await this.#standings.lately(address)) === 'serves') return address;
      throw new Error(`${address} does not serve`);
    });
    return Promise.any(asked).catch(() => undefined);
  }

  #prefer(address: AddressText): void {
    if (address === this.#preferred) return;
    const former = this.#preferred;
    this.#preferred = address;
    this.#logger.info({ door: this.port, address, former }, 'connections go there now');
  }

  async #lookAt(address: AddressText): Promise<void> {
    const isMeant = this.#targets.some((one) => one.address === address);
    const standing = await this.#standings.ask(address);
    const { away = 0, refused = 0 } = this.#misses.get(address) ?? {};
    const isRefused = standing === 'refused' && this.kind === 'tcp';
    const isAway = standing === 'silent' || (standing === 'refused' && !isRefused);
    const misses = { away: isAway ? away + 1 : 0, refused: isRefused ? refused + 1 : 0 };
    this.#misses.set(address, misses);
    // A head that says that it does not serve, or nothing, may do so again: it is left for one that does.
    const isDoubtful = !isMeant || standing === 'busy' || standing === 'idle';
    if (misses.away >= missesMax || misses.refused >= refusalsMax) this.#cut(address, standing);
    else if (isDoubtful && (await this.#isServedBeside(address)))
      this.#cut(address, isMeant ? 'another one serves' : 'it is placed elsewhere');
  }

  async #isServedBeside(address: AddressText): Promise<boolean> {
    const others = inOrder(this.#targets, undefined).map((one) => one.address);
    return (await this.#firstServing(others.filter((one) => one !== address))) !== undefined;
  }

  #cut(address: AddressText, why: string): void {
    const pairs = [...this.#pairs].filter((one) => one.address === address);
    if (pairs.length === 0) return;
    const fields = { door: this.port, address, why, connections: pairs.length };
    this.#logger.warn(fields, 'connections are cut');
    this.#options.counts.cut += pairs.length;
    for (const pair of pairs) {
      this.#pairs.delete(pair);
      pair.cut();
    }
  }
}
