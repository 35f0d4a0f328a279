import { GridError } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { ClientTlsOptions } from '@commongrid/resp';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';

export interface ZdbSourceOptions {
  readonly host: string;
  readonly port: number;
  readonly namespace: string;
  /** Of the namespace. */
  readonly password?: string;
  readonly tls?: ClientTlsOptions;
  /** For people and events. Default: `zdb://HOST:PORT/NAMESPACE`. */
  readonly name?: string;
}

/** Commands on the way at a time: their replies may lie in memory. */
const commandsMax = 16;

/** Chunks as values of a namespace of Zero-DB; also fills one. */
export class ZdbSource implements ChunkSource {
  readonly name: string;
  readonly #client: RespClient;

  /** Connects with the first command, and again after a connection was lost. */
  constructor(options: ZdbSourceOptions) {
    const { host, port, namespace, password, tls } = options;
    this.name = options.name ?? `zdb://${host}:${port}/${namespace}`;
    this.#client = new RespClient({
      host,
      port,
      ...(tls === undefined ? {} : { tls }),
      reconnect: true,
      setup: [['SELECT', namespace, ...(password === undefined ? [] : [password])]],
      maxReplyBytes: packedChunkBytesMax + 64,
    });
  }

  async *fetch(
    hashes: readonly ChunkHash[],
    signal: AbortSignal,
  ): AsyncGenerator<PackedChunk, void> {
    for (let at = 0; at < hashes.length; at += commandsMax) {
      const part = hashes.slice(at, at + commandsMax);
      const found = await Promise.all(part.map((hash) => this.#get(hash, signal)));
      for (const chunk of found) if (chunk !== undefined) yield chunk;
    }
  }

  /**
   * Writes a chunk, which nobody checks here.
   * @throws FLIST_SOURCE_FAILED (retryable)
   */
  async put(chunk: PackedChunk, signal?: AbortSignal): Promise<void> {
    await this.#command(['SET', keyOf(chunk.hash), bufferOf(chunk.packed)], signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  async #get(hash: ChunkHash, signal: AbortSignal): Promise<PackedChunk | undefined> {
    const reply = await this.#command(['GET', keyOf(hash)], signal);
    return Buffer.isBuffer(reply) ? { hash, packed: reply } : undefined;
  }

  async #command(args: readonly (string | Buffer)[], signal?: AbortSignal): Promise<unknown> {
    try {
      return await this.#client.command(args, { signal });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new GridError<FlistErrorCode>('FLIST_SOURCE_FAILED', `source ${this.name}: ${why}`, {
        hint: 'see that it runs, and that its address and password are right',
        retryable: true,
        details: { source: this.name },
        cause: error,
      });
    }
  }
}

const keyPrefix = Buffer.from('flist-chunk:');

function keyOf(hash: ChunkHash): Buffer {
  return Buffer.concat([keyPrefix, Buffer.from(hash, 'hex')]);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
