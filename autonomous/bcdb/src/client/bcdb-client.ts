import { GridError } from '@commongrid/base/browser';
import type { JsonValue } from '@commongrid/crypto';
import { encodeEntry } from '../doors/record-text.ts';
import type { EntryText } from '../doors/record-text.ts';
import type { BcdbErrorCode } from '../errors.ts';
import type { Entry } from '../record/entry.ts';
import { systemUrls } from '../record/system-urls.ts';
import { toBase64url } from '../tree/base64.ts';
import type { RecordProof } from '../tree/record-proof.ts';
import type { Trust, VerifiedHead } from '../tree/verifier.ts';
import type {
  CallOptions,
  ClientChange,
  ClientFind,
  ClientObject,
  ClientPage,
  ClientRows,
  ClientSearch,
  ProvenObject,
  ReadOptions,
  WatchedChange,
} from './client-types.ts';
import { ClientSession } from './client-session.ts';
import { HeadMemory } from './head-memory.ts';
import { HttpLink } from './http-link.ts';
import { readProof, readRecord } from './object-proof.ts';
import { PrivacyMemory } from './privacy-memory.ts';
import { RecordWriter } from './record-writer.ts';
import type { ClientReceipt, ClientStatement, KeyTurn, RecordAnswer } from './record-writer.ts';
import type { Signer } from './signer.ts';
import { successionPath } from './source-link.ts';
import { watchChanges } from './watch-changes.ts';
import type { WatchOptions } from './watch-changes.ts';
import { readError, replyInvalid } from './wire-error.ts';

export interface BcdbClientOptions {
  /** Address of the HTTP door: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The log and its sequencer's key, from a join token or a recovery card: never from the server. */
  readonly trust: Trust;
  /** Token of the owner: the server signs. */
  readonly token?: string;
  /** Key that signs here. Not together with `token`. */
  readonly key?: Signer;
  /**
   * Writes in place of this client where another process counts with the key now: two who count with one
   * key contradict each other. Gives undefined where there is none.
   */
  readonly writeElsewhere?: (
    statement: ClientStatement,
    signal: AbortSignal | undefined,
  ) => Promise<ClientReceipt | undefined>;
  /** Waits until no other process writes with the key. Without it there must be none. */
  readonly turn?: KeyTurn;
  /** The newest checkpoint seen in an earlier life: `lastCheckpoint`. */
  readonly lastCheckpoint?: string;
  /** How long one try of a request may take. Default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * A database over HTTP. What the server says about the log is verified: checkpoints are signed and
 * consistent with all seen before, proofs hold. What it answers to queries is its word; `prove`
 * holds single objects to the log.
 */
export class BcdbClient {
  readonly #link: HttpLink;
  readonly #heads: HeadMemory;
  readonly #privacy: PrivacyMemory;
  readonly #writer: RecordWriter | undefined;
  readonly #writeElsewhere: BcdbClientOptions['writeElsewhere'];
  #writtenSize = 0;
  /** What is from before a handover may have been given up by it. */
  #writtenTrust: Trust | undefined;

  private constructor(options: BcdbClientOptions) {
    const { url, trust, token, key, lastCheckpoint, timeoutMs = 30_000 } = options;
    const session = new ClientSession({ token, key, log: trust.log });
    this.#link = new HttpLink({
      url,
      timeoutMs,
      authorize: () => session.authorization(this.#link),
      renew: () => session.renew(),
    });
    this.#heads = new HeadMemory({
      trust,
      lastNote: lastCheckpoint,
      consistency: (from, to, signal) => this.#consistency(from, to, signal),
      succession: (signal) => this.#link.json(successionPath, { signal, isPublic: true }),
    });
    this.#privacy = new PrivacyMemory({
      trust: () => this.trust,
      prove: (ns, wait) => this.#proveNamespace(ns, wait),
    });
    this.#writeElsewhere = options.writeElsewhere;
    if (key === undefined) return;
    this.#writer = new RecordWriter({
      signer: key,
      log: trust.log,
      lastN: () => this.lastN(key.publicKey.text),
      seen: () => this.lastHead,
      send: (records) => this.#send(records),
      turn: options.turn,
    });
  }

  /**
   * Connects, and holds the server's newest checkpoint against the trust and what was seen before.
   * @throws BCDB_UNREACHABLE, BCDB_OTHER_LOG, BCDB_CHECKPOINT_UNSIGNED, BCDB_LOG_FORKED,
   * BCDB_LOG_ROLLED_BACK
   */
  static async connect(options: BcdbClientOptions): Promise<BcdbClient> {
    if (options.token !== undefined && options.key !== undefined) {
      throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', 'a token or a key, not both');
    }
    const client = new BcdbClient(options);
    await client.checkpoint(options);
    return client;
  }

  /** What it was given, with the handovers that it has learned since: to be kept like that. */
  get trust(): Trust {
    return this.#heads.trust;
  }

  /** The newest checkpoint seen, to be kept and given to the next connection. */
  get lastCheckpoint(): string | undefined {
    return this.#heads.last?.note;
  }

  /** The newest head seen, verified: that of `lastCheckpoint`. */
  get lastHead(): VerifiedHead | undefined {
    return this.#heads.last?.head;
  }

  /** Size that a log with all that was written here, since the last handover, has at least. */
  get writtenSize(): number {
    return this.#writtenTrust === this.trust ? this.#writtenSize : 0;
  }

  /** The newest head, verified. @throws BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK */
  async checkpoint({ signal }: CallOptions = {}): Promise<VerifiedHead> {
    const before = this.#heads.last;
    const note = await this.#link.text('/checkpoint', { signal, isPublic: true });
    return this.#heads.accept(note, before, signal);
  }

  /**
   * Holds a checkpoint that somebody else was shown against what this server shows: two people compare
   * what they see.
   * @returns false while this server is not that far; ask again later
   * @throws BCDB_LOG_FORKED, BCDB_CHECKPOINT_UNSIGNED, BCDB_NOTE_INVALID, BCDB_OTHER_LOG
   */
  async compare(note: string, { signal }: CallOptions = {}): Promise<boolean> {
    if (await this.#heads.compare(note, signal)) return true;
    await this.checkpoint({ signal });
    return this.#heads.compare(note, signal);
  }

  /** Counter of the last record of a key. */
  async lastN(key: string, { signal }: CallOptions = {}): Promise<number> {
    const { n } = await this.#link.json<{ readonly n: number }>(`/v1/authors/${key}`, {
      signal,
      isPublic: true,
    });
    return n;
  }

  /** Appends a record that somebody signed; may be called again with the same one. */
  async append(entry: Entry, { signal }: CallOptions = {}): Promise<ClientReceipt> {
    const [answer] = await this.#send([encodeEntry(entry)], signal);
    if (answer === undefined) throw replyInvalid('there is no answer to the record');
    if ('error' in answer) throw answer.error;
    return this.#written(answer.receipt);
  }

  /**
   * Writes: signed here with a key, or by the server for its owner. After BCDB_UNREACHABLE it is not
   * known whether it was written.
   */
  async write(statement: ClientStatement, { signal }: CallOptions = {}): Promise<ClientReceipt> {
    const elsewhere = await this.#writeElsewhere?.(statement, signal);
    const receipt =
      elsewhere ??
      (await (this.#writer === undefined
        ? this.#writeAsOwner(statement, signal)
        : this.#writer.write(statement, signal)));
    return this.#written(receipt);
  }

  /** @throws BCDB_NOT_FOUND */
  get(
    ns: string,
    url: string,
    obj: string,
    {
      asOf,
      signal,
      minSeq = this.#seenSeq(),
    }: ReadOptions & {
      readonly asOf?: number | string;
    } = {},
  ): Promise<ClientObject> {
    const path = objectPath('objects', ns, url, obj, { asOf, minSeq });
    return this.#link.json(path, { signal });
  }

  /** Versions of an object, the newest first. */
  async history(
    ns: string,
    url: string,
    obj: string,
    options: ReadOptions & { readonly before?: number; readonly limit?: number } = {},
  ): Promise<readonly ClientChange[]> {
    const { signal, minSeq = this.#seenSeq(), ...query } = options;
    const path = objectPath('history', ns, url, obj, { ...query, minSeq });
    const answer = await this.#link.json<{ readonly versions: readonly ClientChange[] }>(path, {
      signal,
    });
    return answer.versions;
  }

  /**
   * Whether payloads of a namespace have to be sealed before they are written (`PrivateNamespace`), as
   * a record of it in the log shows; types of BCDB itself never are. Ask before a value leaves this
   * machine: the server refuses it in the clear, but has seen it then.
   * @throws BCDB_DENIED, BCDB_NAMESPACE_UNKNOWN, BCDB_NOT_FOUND, and what `prove` throws
   */
  isPrivate(ns: string, { signal }: CallOptions = {}): Promise<boolean> {
    return this.#privacy.isPrivate(ns, signal);
  }

  find(ns: string, query: ClientFind, options: CallOptions = {}): Promise<ClientPage> {
    return this.#ask(ns, 'find', { minSeq: this.#seenSeq(), ...query }, options);
  }

  search(ns: string, query: ClientSearch, options: CallOptions = {}): Promise<ClientPage> {
    return this.#ask(ns, 'search', { minSeq: this.#seenSeq(), ...query }, options);
  }

  /** One reading statement. */
  sql(
    ns: string,
    sql: string,
    parameters: readonly JsonValue[] = [],
    { minSeq = this.#seenSeq(), signal }: ReadOptions = {},
  ): Promise<ClientRows> {
    return this.#ask(ns, 'sql', { sql, parameters, minSeq }, { signal });
  }

  /**
   * The newest version of an object with proof that it is in the log, as its author signed it. That
   * there is no newer one is the server's word. With `isOwn` versions that came about by proposals are
   * passed over.
   * @throws BCDB_NOT_FOUND, BCDB_PROOF_INVALID, BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK
   */
  async prove(
    ns: string,
    url: string,
    obj: string,
    { minSeq = this.#seenSeq(), isOwn, signal }: ReadOptions & { readonly isOwn?: boolean } = {},
  ): Promise<ProvenObject> {
    const before = this.#heads.last;
    const path = objectPath('proof', ns, url, obj, { minSeq, own: isOwn });
    const proof = await this.#link.json<RecordProof>(path, { signal });
    const proven = readProof(proof, this.trust, { ns, url, obj });
    await this.#heads.accept(proof.checkpoint, before, signal);
    return proven;
  }

  /** A record at its place in the log, as its author signed it. @throws BCDB_PROOF_INVALID, BCDB_LOG_FORKED */
  async proveRecord(seq: number, { signal }: CallOptions = {}): Promise<ProvenObject> {
    const before = this.#heads.last;
    const proof = await this.#link.json<RecordProof>(`/v1/proof/${seq}`, { signal });
    const proven = readRecord(proof, this.trust);
    await this.#heads.accept(proof.checkpoint, before, signal);
    return proven;
  }

  /**
   * What a route of the door that has no method here answers to GET: docs/formats/bcdb-http.md. It
   * is the server's word.
   */
  read<T>(path: string, { signal }: CallOptions = {}): Promise<T> {
    return this.#link.json(path, { signal });
  }

  /**
   * Changes of a namespace as they come, from now on, or after a place; goes on by itself after a
   * lost connection. Ends with the signal, by BASE_ABORTED.
   */
  watch(ns: string, options: WatchOptions = {}): AsyncGenerator<WatchedChange, void> {
    return watchChanges(this.#link, ns, options);
  }

  #proveNamespace(ns: string, signal: AbortSignal | undefined): Promise<ProvenObject> {
    return this.prove(ns, systemUrls.namespace, 'namespace', { isOwn: true, signal });
  }

  /** The newest record that is known here: answers of the server may be from before what it wrote last. */
  #seenSeq(): number | undefined {
    const size = Math.max(this.lastHead?.size ?? 0, this.writtenSize);
    return size === 0 ? undefined : size - 1;
  }

  #written(receipt: ClientReceipt): ClientReceipt {
    this.#writtenSize = Math.max(this.writtenSize, receipt.seq + 1);
    this.#writtenTrust = this.trust;
    return receipt;
  }

  async #writeAsOwner(
    { ns, op, url, obj, value, prev }: ClientStatement,
    signal: AbortSignal | undefined,
  ): Promise<ClientReceipt> {
    const isSealed = value instanceof Uint8Array;
    const query = {
      prev,
      ...(op === 'erase' ? { erase: true } : {}),
      ...(isSealed ? { sealed: true } : {}),
    };
    const path = objectPath('objects', ns, url, obj, query);
    return this.#link.json(path, {
      method: op === 'put' ? 'PUT' : 'DELETE',
      ...(op === 'put' ? { body: isSealed ? toBase64url(value) : value } : {}),
      signal,
    });
  }

  #ask<T>(ns: string, what: string, body: object, { signal }: CallOptions): Promise<T> {
    return this.#link.json(`/v1/namespaces/${encodeURIComponent(ns)}/${what}`, {
      method: 'POST',
      body,
      signal,
      isIdempotent: true,
    });
  }

  async #send(
    records: readonly EntryText[],
    signal?: AbortSignal,
  ): Promise<readonly RecordAnswer[]> {
    const { answers } = await this.#link.json<{ readonly answers: readonly AnswerText[] }>(
      '/v1/records',
      { method: 'POST', body: { records }, signal, isIdempotent: true, isPublic: true },
    );
    if (answers.length !== records.length) throw replyInvalid('not one answer for each record');
    return answers.map(readAnswer);
  }

  async #consistency(
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly string[]> {
    const path = `/v1/consistency?from=${from}&to=${to}`;
    const options = { signal, isPublic: true };
    return (await this.#link.json<{ readonly path: readonly string[] }>(path, options)).path;
  }
}

interface AnswerText {
  readonly receipt?: ClientReceipt;
  readonly error?: unknown;
}

function readAnswer({ receipt, error }: AnswerText): RecordAnswer {
  if (receipt !== undefined) return { receipt };
  return { error: readError(error) ?? replyInvalid('neither a receipt nor an error') };
}

/** `/v1/namespaces/NS/objects/URL/ID?…`; an id is one part, or `a/../b` would be another. */
function objectPath(
  what: 'objects' | 'history' | 'proof',
  ns: string,
  url: string,
  obj: string,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const path = [ns, what, url, obj].map(encodeURIComponent).join('/');
  return `/v1/namespaces/${path}?${parameters.toString()}`;
}
