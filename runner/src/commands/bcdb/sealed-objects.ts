import { PrivateNamespace } from '@commongrid/bcdb/client';
import type { ClientObject, ClientReceipt, PrivatePut } from '@commongrid/bcdb/client';

import type { Connection } from './connection.ts';
import type { ImportedChange } from './import-writer.ts';

/** A private namespace, as the holder of the key that acts here. @throws GRID_KEY_MISSING */
export async function privateNamespace(
  { client, sealingKey }: Connection,
  ns: string,
): Promise<PrivateNamespace> {
  return new PrivateNamespace({ client, ns, key: await sealingKey() });
}

/** Whether what is written there has to be sealed before it leaves this machine. */
export async function isSealed({ client }: Connection, ns: string, url: string): Promise<boolean> {
  return !url.startsWith('bcdb.') && (await client.isPrivate(ns));
}

/** Writes an object; where the namespace is private it is sealed before it leaves this machine. */
export async function putObject(
  connection: Connection,
  ns: string,
  put: PrivatePut,
): Promise<ClientReceipt> {
  const { url, obj, value, prev } = put;
  const { client } = connection;
  if (await isSealed(connection, ns, url)) {
    return (await privateNamespace(connection, ns)).put(put);
  }
  const follows = prev === undefined ? {} : { prev };
  return client.write({ ns, op: 'put', url, obj, value, ...follows });
}

/** Writes many changes of one namespace, of which it is asked once whether it is private. */
export async function changeWriter(
  connection: Connection,
  ns: string,
): Promise<(change: ImportedChange) => Promise<ClientReceipt>> {
  const { client } = connection;
  const space = (await client.isPrivate(ns)) ? await privateNamespace(connection, ns) : undefined;
  return ({ op, url, obj, value }) => {
    if (space !== undefined && value !== undefined && !url.startsWith('bcdb.')) {
      return space.put({ url, obj, value });
    }
    return client.write({ ns, op, url, obj, ...(value === undefined ? {} : { value }) });
  };
}

/** An object as the server gave it, opened if it is sealed. @throws BCDB_NOT_READER */
export async function openObject<T extends ClientObject>(
  connection: Connection,
  ns: string,
  object: T,
): Promise<T> {
  if (object.box === undefined) return object;
  return (await privateNamespace(connection, ns)).open(object);
}

/** Objects as the server gave them; those that the key here does not open stay sealed. */
export async function openObjects<T extends ClientObject>(
  connection: Connection,
  ns: string,
  objects: readonly T[],
): Promise<readonly T[]> {
  if (objects.every(({ box }) => box === undefined)) return objects;
  return (await privateNamespace(connection, ns)).openAll(objects);
}

/** The value of an object in one line. */
export function valueText({ value, box }: ClientObject): string {
  if (value !== undefined) return JSON.stringify(value);
  return box === undefined ? '' : '(sealed to others)';
}
