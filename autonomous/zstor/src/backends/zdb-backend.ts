import { abortError, GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { Reply, RespArgument } from '@commongrid/resp';
import type { ZstorErrorCode } from '../errors.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import type { Backend, BackendEntry, BackendPlace, BackendState } from './backend.ts';
import { BackendHealth } from './backend-health.ts';
import { markerKey } from './backend-identity.ts';
import { nameOfBackend } from './backends-file.ts';
import type { BackendSpec } from './backends-file.ts';
import { Credit } from './credit.ts';
import { keyPageOf } from './key-pages.ts';
import type { KeyPage } from './key-pages.ts';
import { LatencyWindow } from './latency-window.ts';

/** Bytes under way to and from one backend; who comes later waits. */
const bytesUnderWayMax = 64 * 2 ** 20;
/** A command that is not answered in this time has failed, and its connection ends. */
const commandTimeoutMs = 10_000;
/** Commands without a reply, on one connection. */
const commandsMax = 4096;
/**
 * Room that is left alone. A full namespace cannot even be tidied quickly; and where the disk is shared
 * with the log, deletions need records in it.
 */
const reservedBytes = 64 * 2 ** 20;
/** Keys of one MDEL. */
const removalsMax = 1000;
/** Keys of one page. */
const pageKeysMax = 1000;
/** What Zero-DB answers behind the last key. */
const noMoreKeys = 'No more data';
/** Pages of damaged keys, of 100: a Zero-DB remembers 10,000. */
const damagedPagesMax = 100;
/** Latencies are forgotten when nothing was read for so long. */
const forgetReadsMs = 60_000;
/** Each command counts as so much at least, however little it carries. */
const commandBytesMin = 1024;

export interface ZdbBackendOptions {
  readonly no: number;
  readonly spec: BackendSpec;
  readonly clock?: Clock;
  /** Default 10 s. */
  readonly commandTimeoutMs?: number;
}

interface Question {
  readonly args: readonly RespArgument[];
  /** Bytes that it brings or fetches. */
  readonly bytes: number;
  readonly isWrite?: boolean;
}

/**
 * A backend behind one connection, on which commands follow each other without waiting. When one of
 * them is not answered in time the connection is given up: the values that were being sent are then
 * free, and nothing waits behind a server that is stuck.
 */
export class ZdbBackend implements Backend, AsyncDisposable {
  readonly no: number;
  readonly spec: BackendSpec;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #health = new BackendHealth();
  readonly #reads = new LatencyWindow();
  readonly #credit: Credit;
  /** Takes no new shards, because it is to be emptied. */
  isDraining = false;
  /** Belongs to somebody else, as its marker says: what it has is nobody's business here. */
  isForeign = false;
  #client: RespClient;
  #freeBytes = 0;
  #usedBytes = 0;
  #lastReadMs = 0;
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;

  constructor({ no, spec, clock = systemClock, commandTimeoutMs: timeoutMs }: ZdbBackendOptions) {
    this.no = no;
    this.spec = spec;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs ?? commandTimeoutMs;
    this.#client = this.#newClient();
    this.#credit = new Credit({
      totalBytes: bytesUnderWayMax,
      waitMs: this.#timeoutMs,
      refusal: () => this.#error('ZSTOR_BACKEND_BUSY', 'has too much under way'),
      clock,
    });
  }

  get place(): BackendPlace {
    return this.spec;
  }

  get isSpare(): boolean {
    return this.spec.isSpare;
  }

  /** What answers there and is not this backend is no answer. */
  get state(): BackendState {
    if (this.isForeign) return 'suspect';
    return this.#health.state(this.#clock.monotonicMs());
  }

  get isWritable(): boolean {
    if (this.isDraining || this.isForeign) return false;
    return this.#health.takesWrites(this.#clock.monotonicMs()) && this.#freeBytes > 0;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get readMs(): { readonly p50: number; readonly p95: number } {
    return this.#reads.percentilesMs;
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    const args = ['SET', bufferOf(key), bufferOf(value)];
    await this.#ask({ args, bytes: value.length, isWrite: true });
    this.#freeBytes = Math.max(0, this.#freeBytes - value.length);
  }

  async putAll(entries: readonly BackendEntry[]): Promise<void> {
    const [first] = entries;
    if (first === undefined) return;
    if (entries.length === 1) {
      await this.put(first.key, first.value);
      return;
    }
    const args: RespArgument[] = ['MSET'];
    let bytes = 0;
    for (const { key, value } of entries) {
      args.push(bufferOf(key), bufferOf(value));
      bytes += value.length;
    }
    await this.#ask({ args, bytes, isWrite: true });
    this.#freeBytes = Math.max(0, this.#freeBytes - bytes);
  }

  get(key: Uint8Array, sizeBytes: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    return this.#read({ args: ['FETCH', bufferOf(key)], bytes: sizeBytes }, signal);
  }

  getPart(
    key: Uint8Array,
    { from, bytes }: { readonly from: number; readonly bytes: number },
    signal?: AbortSignal,
  ): Promise<Buffer | undefined> {
    const args = ['GETRANGE', bufferOf(key), String(from), String(from + bytes - 1)];
    return this.#read({ args, bytes }, signal);
  }

  async #read(question: Question, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    const startedMs = this.#clock.monotonicMs();
    const asked = this.#ask(question);
    try {
      const reply = await (signal === undefined ? asked : abortable(asked, signal));
      this.#recordRead(startedMs);
      return Buffer.isBuffer(reply) ? reply : undefined;
    } catch (error) {
      // Given up on for being slow: it took that long at least.
      const takenMs = this.#clock.monotonicMs() - startedMs;
      if (signal?.aborted === true && takenMs > this.readMs.p95) this.#recordRead(startedMs);
      throw error;
    }
  }

  async digest(
    key: Uint8Array,
    nonce: Uint8Array,
    leftOut?: { readonly from: number; readonly to: number },
  ): Promise<Uint8Array | undefined> {
    const stretch = leftOut === undefined ? [] : [String(leftOut.from), String(leftOut.to)];
    const args = ['DIGEST', bufferOf(key), bufferOf(nonce), ...stretch];
    const reply = await this.#ask({ args, bytes: 0 });
    return Buffer.isBuffer(reply) ? Buffer.from(reply.toString('latin1'), 'hex') : undefined;
  }

  async damagedKeys(): Promise<readonly Uint8Array[]> {
    const keys: Buffer[] = [];
    for (let cursor = '0', page = 0; page < damagedPagesMax; page++) {
      const reply = await this.#ask({ args: ['SCRUB', 'BAD', cursor], bytes: 0 });
      const [next, rows] = Array.isArray(reply) ? reply : [];
      for (const row of Array.isArray(rows) ? rows : []) {
        const [namespace, key] = Array.isArray(row) ? row : [];
        const isOurs = String(namespace) === this.spec.namespace;
        if (isOurs && Buffer.isBuffer(key)) keys.push(Buffer.from(key));
      }
      cursor = Buffer.isBuffer(next) ? next.toString('latin1') : '0';
      if (cursor === '0') break;
    }
    return keys;
  }

  async remove(keys: readonly Uint8Array[]): Promise<number> {
    let count = 0;
    for (let at = 0; at < keys.length; at += removalsMax) {
      const some = keys.slice(at, at + removalsMax).map(bufferOf);
      count += Number(await this.#ask({ args: ['MDEL', ...some], bytes: 0, isWrite: true }));
    }
    return count;
  }

  async scan(prefix: string, cursor?: Uint8Array): Promise<KeyPage> {
    const match = prefix === '' ? [] : ['MATCH', `${prefix}*`];
    const from = cursor === undefined ? '0' : bufferOf(cursor);
    const args = ['SCAN', from, ...match, 'COUNT', String(pageKeysMax)];
    try {
      return keyPageOf(await this.#ask({ args, bytes: 0 }));
    } catch (error) {
      const { cause } = isGridError<ZstorErrorCode>(error, 'ZSTOR_BACKEND_REFUSED') ? error : {};
      if (!(cause instanceof Error && cause.message.includes(noMoreKeys))) throw error;
      return { keys: [], cursor: undefined };
    }
  }

  #recordRead(startedMs: number): void {
    this.#lastReadMs = this.#clock.monotonicMs();
    this.#reads.record(this.#lastReadMs - startedMs);
  }

  /** Asks whether it is there, and for its free space. @returns its marker. Throws as `get` */
  async probe(): Promise<Buffer | undefined> {
    const [info, marker] = await Promise.all([
      this.#ask({ args: ['NSINFO', this.spec.namespace], bytes: 0 }),
      this.#ask({ args: ['GET', markerKey], bytes: 0 }),
    ]);
    const room = roomIn(textOf(info));
    this.#freeBytes = room.freeBytes;
    this.#usedBytes = room.usedBytes;
    // One that was slow is not asked any more: after a while it gets another chance.
    if (this.#clock.monotonicMs() - this.#lastReadMs > forgetReadsMs) this.#reads.forget();
    return Buffer.isBuffer(marker) ? marker : undefined;
  }

  /** It is late: others are asked first until it answers. */
  suspect(): void {
    this.#health.failed(this.#clock.monotonicMs());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#client.close(), ...this.#ending]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask(question: Question): Promise<Reply> {
    const bytes = Math.max(question.bytes, commandBytesMin);
    const loan = this.#credit.tryTake(bytes) ?? (await this.#credit.take(bytes));
    const client = this.#client;
    let timer: Timer | undefined;
    try {
      // A timer that fires ends the connection, and that ends the command.
      timer = this.#clock.setTimer(this.#timeoutMs, () => this.#giveUp(client));
      const reply = await client.command(question.args);
      this.#health.answered();
      return reply;
    } catch (cause) {
      throw this.#failure(question, cause);
    } finally {
      timer?.cancel();
      loan.release();
    }
  }

  #failure({ args, isWrite = false }: Question, cause: unknown): GridError<ZstorErrorCode> {
    const nowMs = this.#clock.monotonicMs();
    const why = cause instanceof Error ? cause.message : String(cause);
    // An error as the answer to a command; one to AUTH or SELECT means that nothing works.
    if (isGridError(cause, 'RESP_REPLY_ERROR') && this.#client.isConnected) {
      this.#health.answered();
      if (isWrite) this.#health.refusedWrite(nowMs);
      return this.#error('ZSTOR_BACKEND_REFUSED', `refuses ${String(args[0])}: ${why}`, cause);
    }
    if (isGridError(cause, 'RESP_QUEUE_FULL')) {
      return this.#error('ZSTOR_BACKEND_BUSY', 'has too much under way', cause);
    }
    this.#health.failed(nowMs);
    return this.#error('ZSTOR_BACKEND_FAILED', `does not answer: ${why}`, cause);
  }

  /** Ends a connection at once. What was on its way has failed. */
  #giveUp(client: RespClient): void {
    if (client !== this.#client || this.#isClosed) return;
    this.#health.failed(this.#clock.monotonicMs());
    this.#client = this.#newClient();
    const ending = client.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #newClient(): RespClient {
    const { host, port, namespace, password, tlsFingerprint } = this.spec;
    const tls = tlsFingerprint === undefined ? {} : { tls: { fingerprint256: tlsFingerprint } };
    return new RespClient({
      host,
      port,
      ...tls,
      reconnect: true,
      setup: [['SELECT', namespace, ...(password === undefined ? [] : [password])]],
      connectTimeoutMs: Math.min(this.#timeoutMs, 5_000),
      // Nothing is waited for: whoever closes has ended its work, or wants it ended.
      closeTimeoutMs: 1,
      maxInFlight: commandsMax,
      // Whoever has used a shard may give it back; see `giveValue`.
      bulkMemory: (sizeBytes) => sharedPool().take(sizeBytes),
    });
  }

  #error(code: ZstorErrorCode, what: string, cause?: unknown): GridError<ZstorErrorCode> {
    const name = nameOfBackend(this.spec);
    return new GridError(code, `backend ${name} ${what}`, {
      hint: 'look at that server; others are used meanwhile',
      retryable: true,
      details: { no: this.no, name },
      cause,
    });
  }
}

async function abortable(asked: Promise<Reply>, signal: AbortSignal): Promise<Reply> {
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(abortError(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([asked, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Room for shards: that of the namespace, or of the disk where it has no quota. */
function roomIn(info: string): { readonly freeBytes: number; readonly usedBytes: number } {
  const field = (name: string): number => {
    const found = new RegExp(`^${name}: ?(\\d+)\\r?$`, 'm').exec(info)?.[1];
    return found === undefined ? Infinity : Number(found);
  };
  // What Zero-DB keeps for deletions; the original keeps nothing.
  const kept = field('data_disk_reserve_bytes');
  const diskBytes = field('data_disk_freespace_bytes') - (kept === Infinity ? 0 : kept);
  const free = Math.min(field('space_available'), diskBytes);
  const used = field('used_bytes');
  return {
    freeBytes: Number.isFinite(free) ? Math.max(0, free - reservedBytes) : 0,
    usedBytes: Number.isFinite(used) ? used : 0,
  };
}

function textOf(reply: Reply): string {
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  return typeof reply === 'string' ? reply : '';
}

function bufferOf(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
