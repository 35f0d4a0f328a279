import assert from 'node:assert/strict';
import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { parityRow, recoveryRows } from './cauchy-matrix.ts';
import { Mix, sharedMixer } from './shard-mixer.ts';
import type { ShardMixer } from './shard-mixer.ts';

/** Most shards of a chunk, data and parity: an index is one byte, and 255 is left for later. */
export const shardsMax = 255;
/** Recoveries that are kept: the shards of a dead backend are lost in many chunks alike. */
const recoveriesMax = 16;

/**
 * Reed-Solomon k + m: k data shards give m parity shards, and any k of all k + m give the others.
 * It says nothing about shards that are wrong: whoever reads shards checks their hashes first.
 *
 * Shards of a call have one length, whatever it is. Each byte of an output depends on the bytes at
 * the same place in the sources alone.
 */
export class ErasureCode {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly #mixer: ShardMixer;
  readonly #encoding: Mix;
  readonly #recoveries = new Map<string, Mix>();

  /** @throws ZSTOR_POLICY_INVALID unless k >= 1, m >= 1, k + m <= 255 */
  constructor(dataShards: number, parityShards: number, mixer: ShardMixer = sharedMixer()) {
    assertCode(dataShards, parityShards);
    this.dataShards = dataShards;
    this.parityShards = parityShards;
    this.#mixer = mixer;
    const rows = Array.from({ length: parityShards }, (_, parity) =>
      parityRow(dataShards, dataShards + parity),
    );
    this.#encoding = new Mix(rows);
  }

  get shardCount(): number {
    return this.dataShards + this.parityShards;
  }

  /**
   * The m parity shards of k data shards.
   * @param parity where to write them; new buffers if not given
   * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_SHARDS_UNEQUAL
   */
  encode(data: readonly Uint8Array[], parity?: readonly Uint8Array[]): readonly Uint8Array[] {
    if (data.length !== this.dataShards) throw this.#tooFew(data.length);
    return this.#run(this.#encoding, data, parity);
  }

  /**
   * Makes lost shards out of others: all that are lost, or one to repair.
   * @param shards by index; undefined where there is none
   * @param lost indexes of the shards to make, each once, undefined in `shards`
   * @param outputs where to write them; new buffers if not given
   * @returns the shards in the order of `lost`
   * @throws ZSTOR_SHARDS_TOO_FEW when fewer than k are there, ZSTOR_SHARDS_UNEQUAL
   */
  reconstruct(
    shards: readonly (Uint8Array | undefined)[],
    lost: readonly number[],
    outputs?: readonly Uint8Array[],
  ): readonly Uint8Array[] {
    const indexes = Array.from({ length: this.shardCount }, (_, index) => index);
    const present = indexes.filter((index) => shards[index] !== undefined);
    for (const index of lost) {
      const canBeMade = indexes.includes(index) && shards[index] === undefined;
      assert(canBeMade, `shard ${index} is one of the code, and lost`);
    }
    if (present.length < this.dataShards) throw this.#tooFew(present.length);
    const sources = present.slice(0, this.dataShards);
    const read = sources.flatMap((index) => shards[index] ?? []);
    return this.#run(this.#recovery(sources, lost), read, outputs);
  }

  #recovery(sources: readonly number[], lost: readonly number[]): Mix {
    const name = `${sources.join()}>${lost.join()}`;
    const known = this.#recoveries.get(name);
    if (known !== undefined) return known;
    const mix = new Mix(recoveryRows(this.dataShards, sources, lost));
    const [oldest] = this.#recoveries.keys();
    if (oldest !== undefined && this.#recoveries.size === recoveriesMax) {
      this.#recoveries.delete(oldest);
    }
    this.#recoveries.set(name, mix);
    return mix;
  }

  #run(
    mix: Mix,
    sources: readonly Uint8Array[],
    given?: readonly Uint8Array[],
  ): readonly Uint8Array[] {
    const lengthBytes = sources[0]?.length ?? 0;
    const outputs = given ?? newBuffers(mix.outputCount, lengthBytes);
    const all = [...sources, ...outputs];
    const isOneLength = all.every(({ length }) => length === lengthBytes);
    if (!isOneLength || outputs.length !== mix.outputCount) throw unequal(all);
    this.#mixer.run(mix, sources, outputs);
    return outputs;
  }

  #tooFew(count: number): GridError<ZstorErrorCode> {
    const { dataShards } = this;
    return new GridError('ZSTOR_SHARDS_TOO_FEW', `${count} shards are there, not ${dataShards}`, {
      hint: 'bring a backend back that holds another shard of this chunk',
      retryable: true,
      details: { count, dataShards },
    });
  }
}

/** @throws ZSTOR_POLICY_INVALID */
export function assertCode(dataShards: number, parityShards: number): void {
  const areWhole = Number.isInteger(dataShards) && Number.isInteger(parityShards);
  if (areWhole && dataShards >= 1 && parityShards >= 1 && dataShards + parityShards <= shardsMax) {
    return;
  }
  throw new GridError<ZstorErrorCode>(
    'ZSTOR_POLICY_INVALID',
    `there is no code of ${dataShards} data and ${parityShards} parity shards`,
    {
      hint: `give at least one of each, and ${shardsMax} in all at most`,
      details: { dataShards, parityShards },
    },
  );
}

function newBuffers(count: number, lengthBytes: number): Buffer[] {
  return Array.from({ length: count }, () => Buffer.allocUnsafeSlow(lengthBytes));
}

function unequal(buffers: readonly Uint8Array[]): GridError<ZstorErrorCode> {
  const lengths = [...new Set(buffers.map(({ length }) => length))];
  return new GridError(
    'ZSTOR_SHARDS_UNEQUAL',
    `${buffers.length} sources and outputs have lengths ${lengths.join(', ')}`,
    { details: { count: buffers.length, lengths } },
  );
}
