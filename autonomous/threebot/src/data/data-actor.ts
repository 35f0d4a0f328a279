import { actor } from '../actors/actor.ts';
import { addressMethods } from './address-methods.ts';
import { dataTables } from './data-book.ts';
import type { DataStore } from './data-store.ts';
import { objectMethods } from './object-methods.ts';
import { ownerMethods } from './owner-methods.ts';
import { rightsMethods } from './rights-methods.ts';
import type { RightsParts } from './rights-methods.ts';
import { recordMethods } from './record-methods.ts';
import type { Resolver } from './resolver.ts';

/**
 * The data of the owner, for himself, his apps and whom he shares it with: typed records in the database,
 * files in S3.
 */
export function dataActor(data: DataStore, resolver: Resolver, names: Omit<RightsParts, 'book'>) {
  const methods = {
    ...ownerMethods(data),
    ...addressMethods(resolver),
    ...rightsMethods({ book: data.book, ...names }),
    ...recordMethods(data),
    ...objectMethods(data),
  };
  return actor('data', methods, dataTables);
}
