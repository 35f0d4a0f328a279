import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { epochOf } from '../private/sealed-payload.ts';
import type { NamespaceRecord, ReadersRecord } from '../record/system-records.ts';
import { systemUrls } from '../record/system-records.ts';
import { namespaceScope } from './access.ts';
import type { Change } from './change.ts';
import { refusal } from './refusal.ts';
import type { StateReader } from './state-view.ts';

/** Id of the one `bcdb.readers.1` object of a private namespace. */
export const readersObject = 'readers';

/** Whether payloads of a namespace are sealed. */
export function isPrivate(state: Pick<StateReader, 'document'>, ns: string): boolean {
  const name = { ns, url: systemUrls.namespace, obj: namespaceScope };
  return state.document<NamespaceRecord>(name)?.value.isPrivate === true;
}

/**
 * A private namespace takes no payload in the clear, whoever sends it, and none under a key that was
 * replaced: so whoever was removed from its readers opens nothing that came into the log after that.
 * @throws BCDB_NAMESPACE_PRIVATE, BCDB_NOT_SEALED, BCDB_READERS_MISSING, BCDB_READERS_CHANGED
 */
export function requireSealed(
  state: Pick<StateReader, 'document'>,
  { ns, payload, schema }: Pick<Change, 'ns' | 'payload' | 'schema'>,
): void {
  if (schema !== undefined) throw hasNoSchema(ns);
  // It was erased since.
  if (payload === undefined) return;
  const epoch = sealedEpoch(payload);
  if (epoch === undefined) throw notSealed(ns);
  const name = { ns, url: systemUrls.readers, obj: readersObject };
  const readers = state.document<ReadersRecord>(name);
  if (readers === undefined) {
    throw refusal('BCDB_READERS_MISSING', `nobody could read what is written in ${ns}`, {
      hint: `an admin names readers: grid bcdb ns readers ${ns} --add KEY`,
      details: { ns },
    });
  }
  const newest = readers.value.epoch;
  if (epoch === newest) return;
  throw refusal('BCDB_READERS_CHANGED', `${ns} is sealed with key ${newest} now, not ${epoch}`, {
    hint: 'read the readers again, seal with the newest key',
    details: { ns, expected: newest, actual: epoch, seq: readers.seq },
  });
}

/** Why a payload in the clear does not come in. */
export function notSealed(ns: string): GridError<BcdbErrorCode> {
  return refusal('BCDB_NOT_SEALED', `${ns} is private: it takes sealed payloads only`, {
    hint: 'write with grid bcdb put or the client library, as one of its readers',
    details: { ns },
  });
}

/** No schema can judge what nobody but readers sees. */
export function hasNoSchema(ns: string): GridError<BcdbErrorCode> {
  return refusal('BCDB_NAMESPACE_PRIVATE', `${ns} is private: no schema is checked there`, {
    hint: 'check values before they are sealed',
    details: { ns },
  });
}

function sealedEpoch(payload: Uint8Array): number | undefined {
  try {
    return epochOf(payload);
  } catch (error) {
    if (isGridError(error, 'BCDB_SEALED_INVALID')) return undefined;
    throw error;
  }
}
