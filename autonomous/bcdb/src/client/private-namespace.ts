import { GridError, isGridError } from '@commongrid/base';
import { canonicalBytes, parseCanonical, SealingPublicKey } from '@commongrid/crypto';
import type { JsonValue, SealingKey } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { makeReaders, openReaders } from '../private/readers.ts';
import { epochOf, openPayload, sealPayload } from '../private/sealed-payload.ts';
import type { EpochKey, PayloadPlace } from '../private/sealed-payload.ts';
import type { ReadersRecord } from '../record/system-records.ts';
import { systemUrls } from '../record/system-records.ts';
import { fromBase64url } from '../tree/base64.ts';
import type { Trust } from '../tree/verifier.ts';
import type { BcdbClient } from './bcdb-client.ts';
import type {
  CallOptions,
  ClientChange,
  ClientFind,
  ClientObject,
  ClientPage,
  ReadOptions,
} from './client-types.ts';
import { ownValue } from './object-proof.ts';
import type { ClientReceipt } from './record-writer.ts';
import { replyInvalid } from './wire-error.ts';

/** How often a payload is sealed again because the readers changed meanwhile. */
const resealsMax = 8;

/** Keys of epochs that are kept at hand; of more the oldest is forgotten. */
const epochKeysMax = 10_000;

/** Versions of the readers that one request asks for, while the key of an old epoch is looked for. */
const readersPage = 16;

export interface PrivateNamespaceOptions {
  readonly client: BcdbClient;
  readonly ns: string;
  /** Key of the reader who acts here. */
  readonly key: SealingKey;
}

/** Who can open what is written from an epoch on. */
export interface Readers {
  /** Counts the changes of the readers: 1, 2, 3 … */
  readonly epoch: number;
  /** Sealing keys, `x25519:…`. */
  readonly readers: readonly string[];
}

export interface ReadersChange {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

export interface PrivatePut {
  readonly url: string;
  readonly obj: string;
  readonly value: JsonValue;
  /** Version that it follows. Default: the newest, whatever that is. */
  readonly prev?: string | undefined;
}

/**
 * A private namespace as one of its readers has it: payloads are sealed and opened here, the server
 * keeps what it cannot read.
 *
 * Each change of the readers makes a new key, sealed to each of them. Somebody new opens what is
 * written from then on; somebody removed opens nothing more, and keeps what he could open before.
 * The readers to whom something is sealed are taken from a record with its proof: a server cannot
 * pass off a key of its own without leaving a forged record in the log, where replicas refuse it.
 */
export class PrivateNamespace {
  readonly ns: string;
  readonly #client: BcdbClient;
  readonly #key: SealingKey;
  /** By epoch; undefined where this key is not among the readers. */
  readonly #epochs = new Map<number, OpenedEpoch | undefined>();
  #newest: Promise<ReadersRecord> | undefined;
  /** By which the keys and readers here were learned. */
  #trust: Trust;
  /** Record of the newest change of the readers that a refusal told of: older ones are not asked for. */
  #changedAt = 0;

  constructor({ client, ns, key }: PrivateNamespaceOptions) {
    this.ns = ns;
    this.#client = client;
    this.#key = key;
    this.#trust = client.trust;
  }

  /** Makes the namespace, with one admin and, so far, one reader: the key that acts here. */
  static async create(
    options: PrivateNamespaceOptions & { readonly admin: string },
    call: CallOptions = {},
  ): Promise<PrivateNamespace> {
    const { client, ns, admin } = options;
    const value = { grants: [{ to: admin, rights: ['admin'] }], isPrivate: true };
    const made = { ns, op: 'put', url: systemUrls.namespace, obj: 'namespace', value } as const;
    await client.write(made, call);
    const space = new PrivateNamespace(options);
    await space.changeReaders({}, call);
    return space;
  }

  /** @throws BCDB_READERS_MISSING, BCDB_PROOF_INVALID */
  async readers(options: CallOptions = {}): Promise<Readers> {
    this.#newest = undefined;
    const { epoch, boxes } = await this.#newestReaders(options);
    return { epoch, readers: boxes.map(({ to }) => to) };
  }

  /**
   * Makes a new key for what is written from now on. The first time the key that acts here is among
   * its readers; later only whom `add` names comes in.
   * @throws BCDB_DENIED, BCDB_REQUEST_INVALID, CRYPTO_KEY_INVALID
   */
  async changeReaders(
    { add = [], remove = [] }: ReadersChange,
    options: CallOptions = {},
  ): Promise<Readers & { readonly receipt: ClientReceipt }> {
    const before = await this.#readersBefore(options);
    const wanted = new Set([...before.readers, ...add]);
    for (const one of remove) {
      if (!wanted.delete(one)) throw changeInvalid(this.ns, `${one} is no reader of ${this.ns}`);
    }
    if (wanted.size === 0) throw changeInvalid(this.ns, `nobody could read ${this.ns} any more`);
    const readers = [...wanted];
    const epoch = before.epoch + 1;
    const keys = readers.map((text) => SealingPublicKey.fromText(text));
    const { record, key } = await makeReaders(this.#place, epoch, keys);
    const receipt = await this.#client.write(
      {
        ns: this.ns,
        op: 'put',
        url: systemUrls.readers,
        obj: 'readers',
        value: { epoch, boxes: record.boxes.map(({ to, box }) => ({ to, box })) },
        ...(before.version === undefined ? {} : { prev: before.version }),
      },
      options,
    );
    this.#newest = undefined;
    const box = this.#ownBox(record);
    if (box !== undefined) this.#epochs.set(epoch, { box, key });
    return { epoch, readers, receipt };
  }

  /** @throws BCDB_NOT_READER, BCDB_READERS_MISSING, and what the server refuses with */
  async put(
    { url, obj, value, prev }: PrivatePut,
    options: CallOptions = {},
  ): Promise<ClientReceipt> {
    const plaintext = canonicalBytes(value);
    const place = { ...this.#place, url, obj };
    const follows = prev === undefined ? {} : { prev };
    for (let reseals = 0; ; reseals++) {
      const key = await this.#newestKey(options);
      const sealed = sealPayload(key, place, plaintext);
      try {
        const put = { ns: this.ns, op: 'put', url, obj, value: sealed, ...follows } as const;
        return await this.#client.write(put, options);
      } catch (error) {
        if (!isGridError(error, 'BCDB_READERS_CHANGED') || reseals >= resealsMax) throw error;
        this.#newest = undefined;
        this.#changedAt = Number(error.details['seq']) || 0;
      }
    }
  }

  /** @throws BCDB_NOT_FOUND, BCDB_NOT_READER, BCDB_SEALED_INVALID */
  async get(
    url: string,
    obj: string,
    options: ReadOptions & { readonly asOf?: number | string } = {},
  ): Promise<ClientObject> {
    const { signal } = options;
    return this.open(await this.#client.get(this.ns, url, obj, options), { signal });
  }

  /**
   * Versions of an object, the newest first. One of a time at which this key was no reader keeps its
   * `box` and has no `value`.
   * @throws BCDB_SEALED_INVALID
   */
  async history(
    url: string,
    obj: string,
    options: ReadOptions & { readonly before?: number; readonly limit?: number } = {},
  ): Promise<readonly ClientChange[]> {
    const changes = await this.#client.history(this.ns, url, obj, options);
    return this.openAll(changes, { signal: options.signal });
  }

  /** Objects of a type in the order of their ids; those that this key may not open keep their `box`. */
  async list(
    query: Pick<ClientFind, 'url' | 'limit' | 'cursor' | 'asOf' | 'minSeq'>,
    options: CallOptions = {},
  ): Promise<ClientPage> {
    const page = await this.#client.find(this.ns, query, options);
    return { ...page, objects: await this.openAll(page.objects, options) };
  }

  /** Objects of a type that meet a condition, tested here on each that can be opened. */
  async *find(
    url: string,
    test: (value: JsonValue, object: ClientObject) => boolean,
    { minSeq, signal }: ReadOptions = {},
  ): AsyncGenerator<ClientObject, void> {
    let cursor: string | undefined;
    do {
      const next = cursor === undefined ? {} : { cursor };
      const page = await this.list({ url, minSeq, ...next }, { signal });
      for (const object of page.objects) {
        if (object.value !== undefined && test(object.value, object)) yield object;
      }
      ({ cursor } = page);
    } while (cursor !== undefined);
  }

  /**
   * An object or version as the server gave it, opened; what has no box stays as it is.
   * @throws BCDB_NOT_READER, BCDB_SEALED_INVALID
   */
  async open<T extends ClientObject>(object: T, options: CallOptions = {}): Promise<T> {
    const { url, obj } = object;
    if (object.box === undefined) return object;
    const sealed = fromBase64url(object.box);
    if (sealed === undefined) throw replyInvalid('a box is no base64url');
    const payload = await this.#opened({ ...this.#place, url, obj }, sealed, options);
    const { box: _box, ...rest } = object;
    return { ...rest, value: parseCanonical(payload) } as unknown as T;
  }

  /** Those that this key may not open stay as they are, with their `box`. @throws BCDB_SEALED_INVALID */
  async openAll<T extends ClientObject>(
    objects: readonly T[],
    options: CallOptions = {},
  ): Promise<readonly T[]> {
    const opened: T[] = [];
    for (const object of objects) {
      try {
        opened.push(await this.open(object, options));
      } catch (error) {
        if (!isGridError(error, 'BCDB_NOT_READER')) throw error;
        opened.push(object);
      }
    }
    return opened;
  }

  get #place(): { readonly log: string; readonly ns: string } {
    return { log: this.#client.trust.log, ns: this.ns };
  }

  async #readersBefore(
    options: CallOptions,
  ): Promise<Readers & { readonly version: string | undefined }> {
    this.#forgetGivenUp();
    this.#newest = undefined;
    try {
      const proven = await this.#proven(options);
      const { epoch, boxes } = readersOf(ownValue(proven));
      return { epoch, readers: boxes.map(({ to }) => to), version: proven.version };
    } catch (error) {
      if (!isGridError(error, 'BCDB_NOT_FOUND')) throw error;
      return { epoch: 0, readers: [this.#key.publicKey.text], version: undefined };
    }
  }

  /** After a handover all of it may be of a branch that was given up, and epochs count anew. */
  #forgetGivenUp(): void {
    const { trust } = this.#client;
    if (trust === this.#trust) return;
    this.#trust = trust;
    this.#epochs.clear();
    this.#newest = undefined;
    this.#changedAt = 0;
  }

  #newestReaders(options: CallOptions): Promise<ReadersRecord> {
    this.#forgetGivenUp();
    if (this.#newest === undefined) {
      const asked = this.#proven(options).then((proven) => readersOf(ownValue(proven)));
      this.#newest = asked;
      // What failed is asked again.
      asked.catch(() => {
        if (this.#newest === asked) this.#newest = undefined;
      });
    }
    return this.#newest.catch((error: unknown) => {
      throw isGridError(error, 'BCDB_NOT_FOUND') ? readersMissing(this.ns) : error;
    });
  }

  #proven(options: CallOptions): ReturnType<BcdbClient['prove']> {
    const { lastHead, writtenSize } = this.#client;
    const known = Math.max(lastHead?.size ?? 0, writtenSize, this.#changedAt + 1);
    const fresh = { ...options, minSeq: Math.max(0, known - 1) };
    return this.#client.prove(this.ns, systemUrls.readers, 'readers', fresh);
  }

  async #newestKey(options: CallOptions): Promise<EpochKey> {
    const record = await this.#newestReaders(options);
    const key = await this.#remember(record);
    if (key === undefined) throw this.#notReader(record.epoch);
    return key;
  }

  /** @throws BCDB_NOT_READER, BCDB_SEALED_INVALID */
  async #opened(
    place: PayloadPlace,
    sealed: Uint8Array,
    options: CallOptions,
  ): Promise<Uint8Array> {
    this.#forgetGivenUp();
    const epoch = epochOf(sealed);
    const known = this.#epochs.get(epoch);
    try {
      if (known !== undefined) return openPayload(known.key, place, sealed);
    } catch (error) {
      if (!isGridError(error, 'BCDB_SEALED_INVALID')) throw error;
      // It may be of a branch of the log that was given up, or what a server made up.
      this.#epochs.delete(epoch);
    }
    const key = await this.#keyOf(epoch, options);
    if (key === undefined) throw this.#notReader(epoch);
    return openPayload(key, place, sealed);
  }

  /** The key of an epoch; undefined where this reader was not named. @throws BCDB_SEALED_INVALID */
  async #keyOf(epoch: number, options: CallOptions): Promise<EpochKey | undefined> {
    let before: number | undefined;
    while (!this.#epochs.has(epoch)) {
      const versions = await this.#client.history(this.ns, systemUrls.readers, 'readers', {
        signal: options.signal,
        limit: readersPage,
        ...(before === undefined ? {} : { before }),
      });
      for (const { value } of versions) await this.#remember(readersOf(value));
      before = versions.at(-1)?.seq;
      if (before === undefined) return undefined;
    }
    return this.#epochs.get(epoch)?.key;
  }

  /**
   * The key that a record has for this reader. One that came without a proof is never used in place of
   * that of a record which was proven: a server would know it.
   */
  async #remember(record: ReadersRecord): Promise<EpochKey | undefined> {
    const { epoch } = record;
    const box = this.#ownBox(record);
    const known = this.#epochs.get(epoch);
    if (known !== undefined && known.box === box) return known.key;
    const [oldest] = this.#epochs.keys();
    if (oldest !== undefined && this.#epochs.size >= epochKeysMax) this.#epochs.delete(oldest);
    const key = await openReaders(this.#place, record, this.#key);
    this.#epochs.set(epoch, key && box !== undefined ? { box, key } : undefined);
    return key;
  }

  #ownBox({ boxes }: ReadersRecord): string | undefined {
    return boxes.find(({ to }) => to === this.#key.publicKey.text)?.box;
  }

  #notReader(epoch: number): GridError<BcdbErrorCode> {
    const { ns } = this;
    const { text } = this.#key.publicKey;
    return new GridError('BCDB_NOT_READER', `${text} has no key of ${ns} for epoch ${epoch}`, {
      hint: `an admin gives it the next one: grid bcdb ns readers ${ns} --add ${text}`,
      details: { ns, epoch, key: text },
    });
  }
}

/** The key of an epoch, and the box that it came in. */
interface OpenedEpoch {
  readonly box: string;
  readonly key: EpochKey;
}

/** What a record of readers says; a proof shows who signed it, not its shape. */
function readersOf(value: JsonValue | undefined): ReadersRecord {
  const { epoch, boxes } = (value ?? {}) as Partial<ReadersRecord>;
  const isWhole =
    typeof epoch === 'number' &&
    Array.isArray(boxes) &&
    boxes.every(({ to, box }) => typeof to === 'string' && typeof box === 'string');
  if (isWhole) return { epoch, boxes };
  throw replyInvalid('this is no record of readers');
}

function readersMissing(ns: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_READERS_MISSING', `${ns} has no readers, or is not private`, {
    hint: `an admin names some: grid bcdb ns readers ${ns} --add KEY`,
    details: { ns },
  });
}

function changeInvalid(ns: string, message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_REQUEST_INVALID', message, {
    hint: `see who reads it: grid bcdb ns readers ${ns}`,
    details: { ns },
  });
}
