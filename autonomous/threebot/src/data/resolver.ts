import type { Static, TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { CallContext } from '../actors/actor.ts';
import type { Caller } from '../actors/caller.ts';
import type { MethodCaller } from '../actors/typed-client.ts';
import type { BotErrorCode } from '../errors.ts';
import type { BotEntry } from '../phonebook/bot-entry.ts';
import { mayReach, requireRight, rightPath } from './data-rights.ts';
import type { DataRight } from './data-rights.ts';
import { entryPage, found, removed, signedFileUrl, written } from './data-shapes.ts';
import type { DataStore, EntryPage, Found } from './data-store.ts';
import { urlSecondsDefault } from './files.ts';
import { filesRoot, parseGridAddress, splitDataPath } from './grid-address.ts';
import { objectUnknown } from './records.ts';

export interface ResolverOptions {
  /** Id of this bot. */
  readonly self: string;
  readonly data: DataStore;
  /** The bot of this name. @throws BOT_UNKNOWN */
  readonly named: (name: string) => Promise<BotEntry>;
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
}

/** An object of a bot, by the id of that. */
interface Place {
  readonly bot: string;
  readonly path: string;
}

type Written = Static<typeof written>;

/**
 * Follows addresses: to this bot itself, or over a link to the one that is named, which judges this bot. All
 * throw BOT_ADDRESS_INVALID, BOT_UNKNOWN, BOT_UNREACHABLE and BOT_NOT_PERMITTED.
 */
export class Resolver {
  readonly #o: ResolverOptions;

  constructor(options: ResolverOptions) {
    this.#o = options;
  }

  /** @throws BOT_OBJECT_UNKNOWN */
  async open(address: string, { caller, signal }: CallContext): Promise<Found> {
    const place = await this.#place(caller, 'read', address);
    const { path } = place;
    if (this.#isOwn(place)) return this.#o.data.resolve(caller, path, signal);
    return this.#ask(place, 'data.resolve', { path }, found, signal);
  }

  /** The same of what is right below. */
  async browse(
    address: string,
    cursor: string | undefined,
    { caller, signal }: CallContext,
  ): Promise<EntryPage> {
    const place = await this.#place(caller, 'read', address.replace(/\/$/, ''));
    const { path } = place;
    if (this.#isOwn(place)) return this.#o.data.list(caller, path, cursor, signal);
    const input = { path, ...(cursor === undefined ? {} : { cursor }) };
    return this.#ask(place, 'data.list', input, entryPage, signal);
  }

  /** Writes a record: a new one, or the next version. @throws BOT_OBJECT_UNKNOWN, BCDB_CONFLICT */
  async write(
    address: string,
    { value, prev }: { readonly value: JsonValue; readonly prev: string | undefined },
    { caller, signal }: CallContext,
  ): Promise<Written> {
    const place = await this.#place(caller, 'write', address);
    const name = recordAt(place.path);
    if (this.#isOwn(place)) {
      this.#o.data.require(caller, 'write', place.path);
      return this.#o.data.records.put(name, value, prev, signal);
    }
    const input = { ...name, value, ...(prev === undefined ? {} : { prev }) };
    return this.#ask(place, 'data.put', input, written, signal);
  }

  /** A URL to which a file can be sent by HTTP PUT for a while. @throws BOT_OBJECT_UNKNOWN */
  async writeUrl(
    address: string,
    { caller, signal }: CallContext,
  ): Promise<Static<typeof signedFileUrl>> {
    const place = await this.#place(caller, 'write', address);
    const path = fileAt(place.path);
    if (!this.#isOwn(place)) {
      return this.#ask(place, 'data.fileUrl', { path, method: 'PUT' }, signedFileUrl, signal);
    }
    this.#o.data.require(caller, 'write', place.path);
    return { url: this.#o.data.files.urlOf(path, 'PUT'), urlSeconds: urlSecondsDefault };
  }

  /** Removes a record, with all that it ever was where it is to be erased, or a file. */
  async remove(address: string, erase: boolean, { caller, signal }: CallContext): Promise<void> {
    const place = await this.#place(caller, 'write', address);
    const { data } = this.#o;
    const isOwn = this.#isOwn(place);
    if (isOwn) data.require(caller, 'write', place.path);
    if (splitDataPath(place.path).root === filesRoot) {
      const path = fileAt(place.path);
      if (isOwn) return data.files.remove(path, signal);
      await (await this.#o.linkTo(place.bot)).call('data.removeFile', { path }, { signal });
      return;
    }
    const name = recordAt(place.path);
    if (isOwn) await data.records.remove(name, erase, signal);
    else await this.#ask(place, 'data.remove', { ...name, erase }, removed, signal);
  }

  #isOwn({ bot }: Place): boolean {
    return bot === this.#o.self;
  }

  /** Whoever may use neither this bot nor anything by it learns nothing of names. */
  async #place(caller: Caller, right: DataRight, address: string): Promise<Place> {
    requireRight(caller.app !== undefined || caller.standing === 'owner', right, address);
    const { bot: named, path } = parseGridAddress(address);
    const bot = named.startsWith('bot:') ? named : (await this.#o.named(named)).id;
    const place = { bot, path };
    if (this.#isOwn(place)) return place;
    const rules = this.#o.data.book.rules();
    requireRight(mayReach(caller, right, place, rules), right, rightPath(place));
    return place;
  }

  async #ask<Shape extends TSchema>(
    { bot }: Place,
    method: string,
    input: object,
    shape: Shape,
    signal: AbortSignal,
  ): Promise<Static<Shape>> {
    const answer = await (await this.#o.linkTo(bot)).call(method, input, { signal });
    if (Check(shape, answer)) return answer;
    throw new GridError<BotErrorCode>('BOT_FRAME_INVALID', `${bot} answers what is no object`, {
      hint: 'both bots should be of one version',
      details: { bot },
    });
  }
}

function recordAt(path: string): { readonly collection: string; readonly id: string } {
  const { root, rest } = splitDataPath(path);
  if (rest === '' || root === filesRoot) throw objectUnknown(path);
  return { collection: root, id: rest };
}

function fileAt(path: string): string {
  const { root, rest } = splitDataPath(path);
  if (rest === '' || root !== filesRoot) throw objectUnknown(path);
  return rest;
}
