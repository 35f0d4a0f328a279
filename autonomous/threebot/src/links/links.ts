import type { TLSSocket } from 'node:tls';
import {
  closeOnce,
  GridError,
  isGridError,
  networkOf,
  silentLogger,
  withTimeout,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { WebSocket } from 'ws';
import { formerlyProvenCaller, provenCaller } from '../actors/caller.ts';
import type { Permission } from '../actors/caller.ts';
import type { Dispatcher } from '../actors/dispatcher.ts';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';
import { keyOfCertificate } from '../keys/certificate.ts';
import type { Credentials } from '../keys/certificate.ts';
import type { LogView } from '../log-view.ts';
import type { BotCounts } from '../metrics/bot-counts.ts';
import type { Gatekeeper } from '../phonebook/gatekeeper.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';
import { dial } from './dial.ts';
import { Greeting } from './greeting.ts';
import { GreetingRoom } from './greeting-room.ts';
import { Link } from './link.ts';
import type { EarlyMessage } from './link.ts';

export interface LinksOptions {
  /** Id of this bot. */
  readonly self: string;
  readonly credentials: Credentials;
  readonly view: LogView;
  readonly phonebook: Phonebook;
  readonly gatekeeper: Gatekeeper;
  readonly dispatcher: Dispatcher;
  readonly standingOf: (bot: string) => Permission;
  readonly limits: BotLimits;
  readonly counts: BotCounts;
  /** Called with the bot at the other end of each new link. */
  readonly onLink?: (bot: string) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** The links of a bot to others: those that it made, and those that came. */
export class Links implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #o: LinksOptions;
  readonly #logger: Logger;
  readonly #all = new Set<Link>();
  /** The newest link to a bot. */
  readonly #byBot = new Map<string, Link>();
  readonly #dialling = new Map<string, Promise<Link>>();
  /** Of links that are being made from here. */
  readonly #calling = new Set<WebSocket>();
  readonly #arriving: GreetingRoom;
  #isClosing = false;

  constructor(options: LinksOptions) {
    this.#o = options;
    this.#logger = options.logger ?? silentLogger;
    this.#arriving = new GreetingRoom(options.limits);
    this.close = closeOnce(async () => {
      this.#isClosing = true;
      for (const socket of this.#calling) socket.terminate();
      this.#arriving.clear();
      for (const link of this.#all) link.close();
      await Promise.all([...this.#all].map((link) => link.ended));
    });
  }

  get size(): number {
    return this.#all.size;
  }

  /** Connections that came and have not ended their greeting. */
  get arrivingCount(): number {
    return this.#arriving.size;
  }

  /**
   * The link to a bot; made when there is none. Who asks at the same time gets the same one.
   * @throws BOT_UNKNOWN, BOT_ADDRESS_MISSING, BOT_UNREACHABLE, BOT_KEY_WRONG, BOT_KEY_ENDED,
   *   BOT_RECORD_STALE, BOT_LOG_FORKED, and what the other side refuses with
   */
  to(bot: string): Promise<Link> {
    const link = this.#byBot.get(bot);
    if (link !== undefined && !link.isEnded) return Promise.resolve(link);
    const running = this.#dialling.get(bot);
    if (running !== undefined) return running;
    const dialling = this.#dial(bot).finally(() => this.#dialling.delete(bot));
    this.#dialling.set(bot, dialling);
    return dialling;
  }

  /** Takes a link that came, once its TLS is up. */
  async accept(socket: WebSocket, tls: TLSSocket): Promise<void> {
    const greeting = new Greeting(socket);
    const { limits, counts, clock } = this.#o;
    const address = networkOf(tls.remoteAddress ?? '');
    try {
      using _place = this.#arriving.enter(address, socket);
      this.#requireRoom();
      const key = keyOfCertificate(tls.getPeerX509Certificate());
      const { bot, own } = await withTimeout(() => this.#greeted(greeting, key, address), {
        ...{ timeoutMs: limits.greetingMs, what: 'the greeting of a bot' },
        ...(clock === undefined ? {} : { clock }),
      });
      this.#requireRoom();
      greeting.say(own);
      this.#add(socket, bot, greeting.release());
    } catch (error) {
      counts.linksRefused.add({ code: shown(error).code });
      if (!isGridError(error)) this.#logger.error({ err: error }, 'a link was not taken');
      if (socket.readyState === socket.OPEN) greeting.refuse(shown(error).toJSON());
      setTimeout(() => socket.terminate(), refusedMs).unref();
    }
  }

  /** Who calls, proven, and what is said to it. */
  async #greeted(greeting: Greeting, key: string | undefined, address: string) {
    const { view, limits } = this.#o;
    const hello = await greeting.first(limits.greetingMs);
    if (key === undefined) throw unproven();
    if (hello.log !== view.log) throw otherLog(hello.log);
    const bot = await this.#sender(key, address, hello.bot);
    await view.hear(hello.checkpoint);
    return { bot: { bot, key }, own: await this.#hello() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #dial(bot: string): Promise<Link> {
    this.#requireRoom();
    const { phonebook } = this.#o;
    const { addresses } = (await phonebook.knownBot(bot)).entry;
    try {
      return await this.#dialAny(bot, addresses);
    } catch (error) {
      // It may have moved just now.
      const now = await this.#addressesNow(bot, error);
      if (now.join(' ') === addresses.join(' ')) throw error;
      return this.#dialAny(bot, now);
    }
  }

  /** @throws why the bot was not reached, where the database does not answer */
  async #addressesNow(bot: string, why: unknown): Promise<readonly string[]> {
    try {
      return (await this.#o.phonebook.renewed(bot)).addresses;
    } catch (error) {
      throw isGridError(error, 'BOT_RECORD_STALE') ? why : error;
    }
  }

  async #dialAny(bot: string, addresses: readonly string[]): Promise<Link> {
    const direct = addresses.filter((address) => address.startsWith('wss://'));
    if (direct.length === 0) throw noAddress(bot);
    let last: unknown;
    for (const address of direct) {
      try {
        return await this.#dialAt(address, bot);
      } catch (error) {
        // What a bot that was proven says is its answer; another address may be of somebody else.
        last = error;
      }
    }
    throw last;
  }

  async #dialAt(address: string, bot: string): Promise<Link> {
    const { limits, credentials, phonebook, view } = this.#o;
    const { socket, key } = await dial(address, credentials, limits);
    const greeting = new Greeting(socket);
    this.#calling.add(socket);
    try {
      if (key === undefined) throw unproven();
      await phonebook.knownHolder(key, bot);
      greeting.say(await this.#hello());
      const hello = await greeting.first(limits.greetingMs);
      if (hello.log !== view.log) throw otherLog(hello.log);
      if (hello.bot !== bot) throw wrongBot(hello.bot);
      await view.hear(hello.checkpoint);
      return this.#add(socket, { bot, key }, greeting.release());
    } catch (error) {
      socket.terminate();
      throw error;
    } finally {
      this.#calling.delete(socket);
    }
  }

  #add(
    socket: WebSocket,
    peer: { readonly bot: string; readonly key: string },
    early: readonly EarlyMessage[],
  ): Link {
    const { limits, dispatcher, phonebook, standingOf, clock } = this.#o;
    const link: Link = new Link({
      ...{ socket, peer, limits, early },
      answer: async (method, input, signal) => {
        // A key that was ended speaks no more, on links that are there too.
        const { isOld } = await phonebook
          .knownHolder(peer.key, peer.bot)
          .catch((error: unknown) => {
            if (endsLink(error)) link.fail(error);
            throw error;
          });
        const caller = isOld
          ? formerlyProvenCaller(peer.bot, 'link')
          : provenCaller(peer.bot, standingOf(peer.bot), 'link');
        return dispatcher.call(method, input, caller, signal);
      },
      ...(clock === undefined ? {} : { clock }),
    });
    this.#all.add(link);
    this.#byBot.set(peer.bot, link);
    void this.#forget(link);
    if (this.#isClosing) link.close();
    else this.#o.onLink?.(peer.bot);
    return link;
  }

  /** Once it has ended. */
  async #forget(link: Link): Promise<void> {
    await link.ended;
    this.#all.delete(link);
    const { bot } = link.peer;
    if (this.#byBot.get(bot) === link) this.#byBot.delete(bot);
  }

  /** Id of the bot that says it is one. */
  async #sender(key: string, address: string, bot: string): Promise<string> {
    try {
      return (await this.#o.gatekeeper.holder(key, address, bot)).entry.id;
    } catch (error) {
      if (!isGridError(error, 'BOT_UNKNOWN')) throw error;
      throw new GridError<BotErrorCode>('BOT_SENDER_UNKNOWN', 'the phonebook does not know you', {
        hint: 'write your record first: grid bot init',
        cause: error,
      });
    }
  }

  async #hello() {
    const { self, view, limits } = this.#o;
    const signal = AbortSignal.timeout(limits.greetingMs);
    return { log: view.log, bot: self, checkpoint: await view.note(signal) };
  }

  #requireRoom(): void {
    const { linksMax } = this.#o.limits;
    if (this.#isClosing) throw new GridError('BASE_CLOSED', 'the bot is closing');
    if (this.#all.size + this.#calling.size < linksMax) return;
    throw new GridError<BotErrorCode>('BOT_BUSY', `there are ${linksMax} links`, {
      retryable: true,
      details: { linksMax },
    });
  }
}

/** How long one that is refused may take to read why, ms. */
const refusedMs = 2_000;

function endsLink(error: unknown): error is GridError {
  return isGridError(error, 'BOT_KEY_ENDED') || isGridError(error, 'BOT_KEY_WRONG');
}

function shown(error: unknown): GridError {
  if (isGridError(error)) return error;
  return new GridError<BotErrorCode>('BOT_INTERNAL', 'the link was not taken');
}

function unproven(): GridError<BotErrorCode> {
  return new GridError(
    'BOT_KEY_UNPROVEN',
    'the other side showed no certificate of an Ed25519 key',
    {
      hint: 'connect with the certificate of a key of the phonebook',
    },
  );
}

function otherLog(log: string): GridError<BotErrorCode> {
  return new GridError('BOT_OTHER_LOG', 'the other side lives by another log', {
    details: { log },
  });
}

function wrongBot(bot: string): GridError<BotErrorCode> {
  return new GridError('BOT_KEY_WRONG', 'another bot answered', { details: { bot } });
}

function noAddress(bot: string): GridError<BotErrorCode> {
  return new GridError('BOT_ADDRESS_MISSING', 'the record of the bot names no address of its own', {
    hint: 'let it start, or write to its mailbox',
    details: { bot },
  });
}
