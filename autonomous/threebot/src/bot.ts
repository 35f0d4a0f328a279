import { X509Certificate } from 'node:crypto';
import { closeOnce, silentLogger } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { ListenAddress } from '@commongrid/resp';
import type { Actor, Outgoing } from './actors/actor.ts';
import { provenCaller } from './actors/caller.ts';
import { actorClient } from './actors/typed-client.ts';
import type { ActorClient, CallOptions, MethodCaller } from './actors/typed-client.ts';
import type { BotOptions } from './bot-options.ts';
import { makeParts, startTasks } from './bot-parts.ts';
import type { Parts } from './bot-parts.ts';
import { HttpDoor, linkPath } from './doors/http-door.ts';
import { RespDoor } from './doors/resp-door.ts';
import type { Link } from './links/link.ts';
import type { Links } from './links/links.ts';
import type { LockMarket } from './market/lock-market.ts';
import { publishCounts } from './metrics/publish-counts.ts';
import type { NoticeBook } from './notices/notice-book.ts';
import { changeOwnRecord } from './phonebook/publish.ts';

/** Time for the database to take in where the bot is, ms. */
const publishMs = 60_000;

/** A running bot: its doors, its links to others, its mailbox. */
export class Bot implements AsyncDisposable {
  readonly id: string;
  readonly links: Links;
  readonly close: () => Promise<void>;
  readonly #parts: Parts;
  readonly #http: HttpDoor;
  readonly #resp: RespDoor | undefined;

  private constructor(
    parts: Parts,
    http: HttpDoor,
    resp: RespDoor | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.id = parts.id;
    this.links = parts.links;
    this.#parts = parts;
    this.#http = http;
    this.#resp = resp;
    this.close = closeOnce(() => stack.disposeAsync());
  }

  /** @throws BASE_FOLDER_LOCKED, BASE_LISTEN_FAILED, RESP_LISTEN_FAILED, BOT_ACTORS_INVALID */
  static async open(options: BotOptions): Promise<Bot> {
    await using stack = new AsyncDisposableStack();
    const parts = await makeParts(options, stack);
    const { id, logger = silentLogger, listen, redis } = options;
    const { dispatcher, links, phonebook, gatekeeper, people, limits } = parts;
    const { credentials, tokens, view } = parts;
    const shared = {
      ...{ self: id, dispatcher, phonebook, gatekeeper, credentials, tokens, limits, logger },
      standingOf: (bot: string) => people.standingOf(bot),
    };
    const http = stack.use(await HttpDoor.open({ ...shared, listen, links }));
    const resp =
      redis === undefined
        ? undefined
        : stack.use(await RespDoor.open({ ...shared, log: view.log, listen: redis }));
    startTasks(options, parts);
    if (options.registry !== undefined) {
      publishCounts(options.registry, { ...parts, nowMs: () => parts.clock.nowMs() });
    }
    return new Bot(parts, http, resp, stack.move());
  }

  /** Where links and HTTPS are: `wss://host:port/link`, as its record has it. */
  get address(): string {
    const { host, port } = this.#http;
    return `wss://${host.includes(':') ? `[${host}]` : host}:${port}${linkPath}`;
  }

  get httpAddress(): ListenAddress {
    return { host: this.#http.host, port: this.#http.port };
  }

  /** SHA-256 of its certificate, hex with colons: what clients compare that know no phonebook. */
  get fingerprint(): string {
    return new X509Certificate(this.#parts.credentials.cert).fingerprint256;
  }

  get redisAddress(): ListenAddress | undefined {
    return this.#resp?.address;
  }

  /**
   * Says in the phonebook where the bot is, and who keeps its messages meanwhile.
   * @param address default: that of its door
   */
  async publish(address = this.address, signal?: AbortSignal): Promise<void> {
    const { view, relays, id } = this.#parts;
    const addresses = [address, ...relays.map((relay) => `relay://${relay}`)];
    await view.use(
      (client, stop) => changeOwnRecord(client, id, { addresses }, stop),
      AbortSignal.any([AbortSignal.timeout(publishMs), ...(signal === undefined ? [] : [signal])]),
    );
  }

  /** A link to another bot. @throws see `Links.to` */
  linkTo(bot: string): Promise<Link> {
    return this.links.to(bot);
  }

  /** Methods of another bot as functions. A link is made when the first one is called. */
  client<A extends Actor>(actor: A, bot: string): ActorClient<A> {
    const caller: MethodCaller = {
      call: async (name: string, input: unknown, options?: CallOptions) =>
        (await this.links.to(bot)).call(name, input, options),
    };
    return actorClient(actor, caller);
  }

  /** Sends a message, now or when the other bot is back; it is on disk when this returns. Returns its id. */
  send(message: Outgoing): string {
    return this.#parts.runEffect(({ send }) => send(message));
  }

  /** Calls a method of this bot as its owner. @throws what the method is refused with */
  call(method: string, input: unknown, signal?: AbortSignal): Promise<unknown> {
    const { id, dispatcher } = this.#parts;
    return dispatcher.call(method, input, provenCaller(id, 'owner', 'control'), signal);
  }

  /**
   * Does something with the bot's connection to the database. What is written goes by the bot's key, so
   * whoever writes for the bot has to come by here: two who count with one key contradict each other.
   * @throws BOT_LOG_FORKED, BCDB_UNREACHABLE and what `work` throws
   */
  atLog<T>(
    work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#parts.view.use(work, signal);
  }

  /** Gets locks of farmers for contracts of this bot. */
  get lockMarket(): LockMarket {
    return this.#parts.market.locks;
  }

  /** What the bot tells its owner by itself, kept in its tables: for a `NoticeKeeper`. */
  get notices(): NoticeBook {
    return this.#parts.notices;
  }

  /** Messages that are not known to have come. */
  get letterCount(): number {
    return this.#parts.outbox.size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
