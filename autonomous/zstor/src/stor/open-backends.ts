import type { Clock, Logger } from '@commongrid/base';
import { Markers } from '../backends/backend-identity.ts';
import { BackendPool } from '../backends/backend-pool.ts';
import { nameOfBackend } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findBackend, hasBackends, numberBackend, settleBackend } from './backend-tables.ts';

/**
 * The backends, under the numbers that the tables and their markers give them. While this head does not serve those
 * that are new have none, and it is not settled which is which: `reload` does that once it serves.
 */
export async function openBackends({
  catalog,
  specs,
  metadataKey,
  ...options
}: {
  readonly catalog: Catalog;
  readonly specs: readonly BackendSpec[];
  readonly metadataKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<BackendPool> {
  const markers = new Markers(metadataKey);
  const opened: { pool?: BackendPool } = {};
  const listed = new Set(specs.map(nameOfBackend));
  const isListed = (name: string): boolean => opened.pool?.has(name) ?? listed.has(name);
  const seen = new Map<string, number>();
  const mayBe = (name: string, no: number): boolean =>
    isListed(name) && (seen.get(name) ?? no) === no;
  const settle = (name: string, no: number, marker?: Buffer): Promise<number | undefined> => {
    const read = marker === undefined ? undefined : markers.read(marker);
    if (read?.isOfStore === false) return Promise.resolve(undefined);
    const found = read?.no;
    if (found !== undefined) seen.set(name, found);
    return catalog.write((db) => settleBackend(db, { name, no, found, mayBe }));
  };
  opened.pool = await BackendPool.open(specs, {
    ...options,
    numberOf: (spec) => numberIn(catalog, spec),
    identity: { markerOf: (no) => markers.of(no), settle },
  });
  return opened.pool;
}

async function numberIn(catalog: Catalog, spec: BackendSpec): Promise<number | undefined> {
  const name = nameOfBackend(spec);
  const known = catalog.read((db) => (hasBackends(db) ? findBackend(db, name) : undefined));
  if (known !== undefined || !catalog.isServing) return known;
  return catalog.write((db) => numberBackend(db, name));
}
