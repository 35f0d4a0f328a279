import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import type { ChunkPlace } from '../chunk/blob.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { codeBody, openChunk, repairShards, sealChunk } from '../chunk/chunk.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import { parseShardOf } from '../chunk/shard.ts';
import type { Shard, ShardAddress } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';

/** Memory of a pool; it moves from thread to thread and is never copied on the way. */
export type Memory = Uint8Array<ArrayBuffer>;

/** Shards of one chunk in `memory`, one value after the other. */
export interface ValuesInMemory {
  readonly addresses: readonly ShardAddress[];
  readonly valueBytes: number;
  readonly memory: Memory;
}

/** `memory` is lent for what is made: a thread has no memory of its own to give away. */
export interface SealRequest {
  readonly kind: 'seal';
  readonly policy: ChunkPolicy;
  readonly place: ChunkPlace;
  readonly chunkId: Uint8Array;
  readonly plaintext: Memory;
  readonly memory: Memory;
}

/** Makes shards of a body as it is. */
export interface CodeRequest {
  readonly kind: 'code';
  readonly code: Pick<ChunkPolicy, 'dataShards' | 'parityShards'>;
  readonly chunkId: Uint8Array;
  readonly body: Memory;
  readonly memory: Memory;
}

export interface OpenRequest {
  readonly kind: 'open';
  readonly place: ChunkPlace;
  readonly plaintextBytes: number;
  readonly values: ValuesInMemory;
  readonly memory: Memory;
}

/** Makes shards again that are lost, without any key. */
export interface RepairRequest {
  readonly kind: 'repair';
  readonly values: ValuesInMemory;
  readonly lost: readonly number[];
  readonly memory: Memory;
}

/** Bytes of a stream in their order, then its digest; or the end of one that nobody wants. */
export type HashRequest =
  | {
      readonly kind: 'hash';
      readonly stream: number;
      readonly isFirst: boolean;
      readonly bytes: Memory;
    }
  | { readonly kind: 'digest' | 'forget'; readonly stream: number };

export type CodingRequest = SealRequest | CodeRequest | OpenRequest | RepairRequest | HashRequest;

export interface CodingReply {
  /** What was made: shards, a plaintext, a digest. */
  readonly made?: Memory;
  /** Length of the body of a chunk that was sealed. */
  readonly bodyBytes?: number;
  /** What was read: it goes home. */
  readonly read?: Memory;
}

/** What a coding thread does, one request after the other. */
export class CodingWork {
  readonly #hashes = new Map<number, Hash>();

  run(request: CodingRequest): CodingReply {
    if (request.kind === 'seal') return seal(request);
    if (request.kind === 'code') return code(request);
    if (request.kind === 'open') return open(request);
    if (request.kind === 'repair') return repair(request);
    return this.#hash(request);
  }

  #hash(request: HashRequest): CodingReply {
    const { kind, stream } = request;
    if (kind === 'hash') {
      if (request.isFirst) this.#hashes.set(stream, createHash('md5'));
      this.#hashOf(stream).update(request.bytes);
      return { read: request.bytes };
    }
    const digest = kind === 'digest' ? this.#hashOf(stream).digest() : undefined;
    this.#hashes.delete(stream);
    return digest === undefined ? {} : { made: Uint8Array.from(digest) };
  }

  /** A thread that was started anew has no stream of the one before. */
  #hashOf(stream: number): Hash {
    const hash = this.#hashes.get(stream);
    if (hash !== undefined) return hash;
    throw threadEnded('the thread that hashed this stream has ended');
  }
}

function seal({ policy, place, chunkId, plaintext, memory }: SealRequest): CodingReply {
  sharedPool().give(memory);
  const sealed = sealChunk(policy, place, chunkId, plaintext);
  return { made: sealed.memory, bodyBytes: sealed.shards[0]?.bodyBytes ?? 0, read: plaintext };
}

function code(request: CodeRequest): CodingReply {
  sharedPool().give(request.memory);
  const { memory } = codeBody(request.code, request.chunkId, request.body);
  return { made: memory, read: request.body };
}

function open({ place, plaintextBytes, values, memory }: OpenRequest): CodingReply {
  sharedPool().give(memory);
  return { made: openChunk(place, plaintextBytes, shardsOf(values)), read: values.memory };
}

function repair({ values, lost, memory }: RepairRequest): CodingReply {
  sharedPool().give(memory);
  return { made: repairShards(shardsOf(values), lost).memory, read: values.memory };
}

function shardsOf({ addresses, valueBytes, memory }: ValuesInMemory): Shard[] {
  return addresses.map((address, at) =>
    parseShardOf(memory.subarray(at * valueBytes, (at + 1) * valueBytes), address),
  );
}

export function threadEnded(message: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_THREAD_ENDED', message, {
    hint: 'begin again with a new blob',
    retryable: true,
    cause,
  });
}
