import { GridError, isGridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import { nameOfBackend } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import { keyPages } from '../backends/key-pages.ts';
import { ZdbBackend } from '../backends/zdb-backend.ts';
import type { ZstorErrorCode } from '../errors.ts';

/** An answer of a holder that takes longer is none. */
const answerTimeoutMs = 5_000;
/** To erase, a server rewrites the files that have the key. */
const eraseTimeoutMs = 5 * 60_000;
/** What is read from a holder at a time. */
const recordBytes = 256;

/** A namespace of a Zero-DB that keeps the sealed keys of buckets. */
export class KeyHolder implements AsyncDisposable {
  readonly name: string;
  readonly spec: BackendSpec;
  readonly #backend: ZdbBackend;

  /** @param spec with the namespace of the keys in the place of that of the shards */
  constructor(spec: BackendSpec, clock: Clock) {
    this.name = nameOfBackend(spec);
    this.spec = spec;
    this.#backend = new ZdbBackend({ no: 0, spec, clock, commandTimeoutMs: answerTimeoutMs });
  }

  /** It has not answered for a quarter of an hour. */
  get isLost(): boolean {
    return this.#backend.state === 'lost';
  }

  /** Throws as `Backend.get`. */
  get(no: number): Promise<Buffer | undefined> {
    return this.#backend.get(recordKey(no), recordBytes);
  }

  /** Numbers of all keys that it has. Throws as `Backend.get`. */
  async list(): Promise<readonly number[]> {
    const numbers: number[] = [];
    for await (const page of keyPages(this.#backend, 'K')) {
      for (const { key } of page) if (key.length === 5) numbers.push(key.readUInt32BE(1));
    }
    return numbers;
  }

  /** Throws as `Backend.put`. */
  put(no: number, record: Uint8Array): Promise<void> {
    return this.#backend.put(recordKey(no), record);
  }

  /**
   * Removes a key from every file of the server, and of those that copy it.
   * @throws ZSTOR_BACKEND_FAILED, ZSTOR_BACKEND_REFUSED
   */
  async erase(no: number): Promise<void> {
    const { host, port, namespace, password, adminPassword, tlsFingerprint } = this.spec;
    const signal = AbortSignal.timeout(eraseTimeoutMs);
    try {
      const client = await RespClient.connect({
        ...{ host, port },
        ...(tlsFingerprint === undefined ? {} : { tls: { fingerprint256: tlsFingerprint } }),
        ...(adminPassword === undefined ? {} : { password: adminPassword }),
        setup: [['SELECT', namespace, ...(password === undefined ? [] : [password])]],
        connectTimeoutMs: answerTimeoutMs,
        closeTimeoutMs: 1,
      });
      await using stack = new AsyncDisposableStack();
      stack.defer(() => client.close());
      await client.command(['ERASE', recordKey(no)], { signal });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const isAnswer = isGridError(cause, 'RESP_REPLY_ERROR');
      throw new GridError<ZstorErrorCode>(
        isAnswer ? 'ZSTOR_BACKEND_REFUSED' : 'ZSTOR_BACKEND_FAILED',
        `${this.name} did not erase key ${no}: ${why}`,
        {
          hint: 'see whether it is up; a server with an admin password asks for it to erase',
          retryable: true,
          details: { name: this.name, no },
          cause,
        },
      );
    }
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** `K`, number u32 big endian. */
function recordKey(no: number): Buffer {
  const key = Buffer.from('K....');
  key.writeUInt32BE(no, 1);
  return key;
}
