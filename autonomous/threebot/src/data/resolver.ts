import { Check } from 'typebox/value';
import { GridError } from '@commongrid/base';
import type { CallContext } from '../actors/actor.ts';
import type { MethodCaller } from '../actors/typed-client.ts';
import type { BotErrorCode } from '../errors.ts';
import type { BotEntry } from '../phonebook/bot-entry.ts';
import { entryPage, found } from './data-shapes.ts';
import type { DataStore, EntryPage, Found } from './data-store.ts';
import { parseGridAddress } from './grid-address.ts';

export interface ResolverOptions {
  /** Id of this bot. */
  readonly self: string;
  readonly data: DataStore;
  /** The bot of this name. @throws BOT_UNKNOWN */
  readonly named: (name: string) => Promise<BotEntry>;
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
}

/** Follows addresses: to this bot itself, or over a link to the one that is named. */
export class Resolver {
  readonly #o: ResolverOptions;

  constructor(options: ResolverOptions) {
    this.#o = options;
  }

  /** @throws BOT_ADDRESS_INVALID, BOT_UNKNOWN, BOT_UNREACHABLE, BOT_NOT_PERMITTED, BOT_OBJECT_UNKNOWN */
  async open(address: string, { caller, signal }: CallContext): Promise<Found> {
    const { bot, path } = await this.#place(address);
    if (bot === this.#o.self) return this.#o.data.resolve(caller, path, signal);
    const answer = await (await this.#o.linkTo(bot)).call('data.resolve', { path }, { signal });
    if (Check(found, answer)) return answer;
    throw strange(bot);
  }

  /** The same of what is right below. */
  async browse(
    address: string,
    cursor: string | undefined,
    { caller, signal }: CallContext,
  ): Promise<EntryPage> {
    const { bot, path } = await this.#place(address.replace(/\/$/, ''));
    if (bot === this.#o.self) return this.#o.data.list(caller, path, cursor, signal);
    const input = { path, ...(cursor === undefined ? {} : { cursor }) };
    const answer = await (await this.#o.linkTo(bot)).call('data.list', input, { signal });
    if (Check(entryPage, answer)) return answer;
    throw strange(bot);
  }

  async #place(address: string): Promise<{ readonly bot: string; readonly path: string }> {
    const { bot, path } = parseGridAddress(address);
    return { bot: bot.startsWith('bot:') ? bot : (await this.#o.named(bot)).id, path };
  }
}

function strange(bot: string): GridError<BotErrorCode> {
  return new GridError('BOT_FRAME_INVALID', `${bot} answers what is no object`, {
    hint: 'both bots should be of one version',
    details: { bot },
  });
}
