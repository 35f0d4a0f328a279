import { GridError, isGridError } from '@commongrid/base';
import type { RespClient } from '@commongrid/resp';

import type { NodeErrorCode } from '../errors.ts';
import { fieldsIn, textOf } from './zdb-fields.ts';

/** What a Zero-DB says of a namespace. */
export interface NamespaceFacts {
  readonly name: string;
  /** Whether it has a password; without one nobody was meant to get in. */
  readonly hasPassword: boolean;
  /** Nobody reads or writes. */
  readonly isFrozen: boolean;
  readonly usedBytes: number;
}

/** What it has to be. */
export interface NamespaceSettings {
  readonly mode: 'user' | 'seq';
  readonly sizeBytes: number;
  readonly isPublic: boolean;
  readonly password: string;
}

/** Longest password that a Zero-DB takes as a setting. */
const passwordBytesMax = 63;

/** Undefined when there is none of that name. */
export async function readNamespace(
  client: RespClient,
  name: string,
): Promise<NamespaceFacts | undefined> {
  try {
    const fields = fieldsIn(await client.command(['NSINFO', name]));
    return {
      name,
      hasPassword: fields.get('password') === 'yes',
      isFrozen: fields.get('frozen') === 'yes',
      usedBytes: Number(fields.get('used_bytes')),
    };
  } catch (error) {
    if (isGridError(error, 'RESP_REPLY_ERROR') && error.message === 'Namespace not found') {
      return undefined;
    }
    throw error;
  }
}

/** All of them, by their names. */
export async function listNamespaces(client: RespClient): Promise<readonly NamespaceFacts[]> {
  const reply = await client.command(['NSLIST']);
  const names = Array.isArray(reply) ? reply.map(textOf) : [];
  const all = await Promise.all(names.map((name) => readNamespace(client, name)));
  return all.filter((one) => one !== undefined);
}

/**
 * Makes it what it has to be. One that has no password stays frozen, and gets it last: without one it
 * is not finished. One that is new and cannot be so goes again.
 * @throws NODE_ZDB_INVALID, NODE_ZDB_REFUSED
 */
export async function makeNamespace(
  client: RespClient,
  name: string,
  { mode, sizeBytes, isPublic, password }: NamespaceSettings,
): Promise<void> {
  checkPassword(password);
  // To a Zero-DB 0 is no limit.
  if (sizeBytes < 1) throw invalid('a namespace needs a size');
  const found = await readNamespace(client, name);
  const isNew = found === undefined;
  if (found?.hasPassword !== true) {
    // Sent as one: there is no moment in which somebody else could write to it. After a loss of power it
    // may be there without the rest.
    const close = [setting(name, 'freeze', '1'), setting(name, 'public', '0')];
    await tell(client, isNew ? [['NSNEW', name], ...close] : close);
  }
  try {
    await tell(client, [
      setting(name, 'mode', mode),
      setting(name, 'maxsize', String(sizeBytes)),
      setting(name, 'public', isPublic ? '1' : '0'),
    ]);
  } catch (error) {
    if (isNew) await tell(client, [['NSDEL', name]]);
    throw error;
  }
  await tell(client, [setting(name, 'password', password)]);
}

/** Lets everybody in who may. @throws NODE_ZDB_INVALID when it is not finished */
export async function openNamespace(client: RespClient, name: string): Promise<void> {
  const facts = await readNamespace(client, name);
  if (facts?.hasPassword !== true) throw invalid(`the namespace ${name} has no password yet`);
  await tell(client, [setting(name, 'freeze', '0')]);
}

/** Lets nobody in, those who are in already included. */
export async function closeNamespace(client: RespClient, name: string): Promise<void> {
  if ((await readNamespace(client, name)) === undefined) return;
  await tell(client, [setting(name, 'freeze', '1')]);
}

/** The same, and forgets the password, which its owner brings again. */
export async function forgetPassword(client: RespClient, name: string): Promise<void> {
  await closeNamespace(client, name);
  const facts = await readNamespace(client, name);
  if (facts?.hasPassword !== true) return;
  await tell(client, [setting(name, 'public', '0'), setting(name, 'password', '*')]);
}

/** Deletes it with all that is in it. */
export async function deleteNamespace(client: RespClient, name: string): Promise<void> {
  if ((await readNamespace(client, name)) === undefined) return;
  await tell(client, [['NSDEL', name]]);
}

function setting(name: string, property: string, value: string): readonly string[] {
  return ['NSSET', name, property, value];
}

/** Sends all at once; waits for all. */
async function tell(client: RespClient, commands: readonly (readonly string[])[]): Promise<void> {
  const settled = await Promise.allSettled(commands.map((words) => client.command(words)));
  for (const [i, one] of settled.entries()) {
    if (one.status === 'fulfilled') continue;
    const { reason }: { reason: unknown } = one;
    if (!isGridError(reason, 'RESP_REPLY_ERROR')) throw reason;
    // Never the last word of it, which may be a password.
    const what = commands[i]?.slice(0, 3).join(' ');
    throw new GridError<NodeErrorCode>('NODE_ZDB_REFUSED', `${what}: ${reason.message}`, {
      retryable: true,
      cause: reason,
    });
  }
}

/** `*` would take the password away. */
function checkPassword(password: string): void {
  const sizeBytes = Buffer.byteLength(password);
  if (sizeBytes > 0 && sizeBytes <= passwordBytesMax && password !== '*') return;
  throw invalid(`the password of a namespace has 1 to ${passwordBytesMax} bytes, and is not *`);
}

/** The contract asks for what cannot be. */
export function invalid(message: string): GridError<NodeErrorCode> {
  return new GridError('NODE_ZDB_INVALID', message, { hint: 'correct the contract' });
}
