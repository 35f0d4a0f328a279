import { GridError, isGridError, systemRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { boxFromText, boxToText, openBox, sealBox } from '@commongrid/crypto';
import type { SealingKey, SealingPublicKey } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import type { ReadersRecord } from '../record/system-records.ts';
import type { EpochKey } from './sealed-payload.ts';

const keyBytes = 32;

/** A private namespace of one log. */
export interface PrivatePlace {
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly ns: string;
}

/**
 * The readers of a private namespace from now on, and the key that they share: the payload of the
 * next version of its `bcdb.readers.1` object, whose epoch is one more than the last. Whoever is left
 * out reads nothing that is written with the new key; what they could read before stays known to them.
 */
export async function makeReaders(
  place: PrivatePlace,
  epoch: number,
  readers: readonly SealingPublicKey[],
  random: Random = systemRandom,
): Promise<{ readonly record: ReadersRecord; readonly key: EpochKey }> {
  const key = random.bytes(keyBytes);
  const info = infoOf(place, epoch);
  const boxes = await Promise.all(
    readers.map(async (reader) => ({
      to: reader.text,
      box: boxToText(await sealBox(reader, key, { info })),
    })),
  );
  return { record: { epoch, boxes }, key: { epoch, key } };
}

/** The key of an epoch, for whom it was sealed; undefined for everybody else. */
export async function openReaders(
  place: PrivatePlace,
  { epoch, boxes }: ReadersRecord,
  reader: SealingKey,
): Promise<EpochKey | undefined> {
  const own = boxes.find(({ to }) => to === reader.publicKey.text);
  if (own === undefined) return undefined;
  try {
    const key = await openBox(reader, boxFromText(own.box), { info: infoOf(place, epoch) });
    if (key.length === keyBytes) return { epoch, key };
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw broken(place, epoch, error);
  }
  throw broken(place, epoch);
}

function infoOf({ log, ns }: PrivatePlace, epoch: number): Uint8Array {
  return new TextEncoder().encode(`commongrid/readers/1 ${log} ${ns} ${epoch}`);
}

function broken({ ns }: PrivatePlace, epoch: number, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SEALED_INVALID', `the key of ${ns} for epoch ${epoch} does not open`, {
    hint: 'have an admin seal a new key to the readers',
    details: { ns, epoch },
    cause,
  });
}
