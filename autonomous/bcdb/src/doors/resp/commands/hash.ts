import { GridError, isGridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { anyNumber } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import type { OwnerReceipt } from '../../../database.ts';
import type { BcdbErrorCode } from '../../../errors.ts';
import type { ObjectVersion } from '../../../projection/object-row.ts';
import { requireOwner } from '../../access/read-rights.ts';
import type { Command } from '../command.ts';
import type { TypeKey } from '../key.ts';
import { replyBytesMax, replyObjectsMax } from '../objects.ts';
import { ReplyError } from '../reply-error.ts';
import type { Session } from '../session.ts';
import { valueOf, writePayload } from './payload.ts';

/** A type as a hash: its fields are the ids of the objects, the values their JSON. */
export const hashCommands: readonly Command[] = [
  {
    name: 'HSET',
    least: 3,
    most: anyNumber,
    isWrite: true,
    keys: [1, 1, 1],
    summary: 'Writes objects, signed by the owner: HSET KEY ID|new JSON [ID|new JSON...].',
    run: set,
  },
  {
    name: 'HDEL',
    least: 2,
    most: anyNumber,
    isWrite: true,
    keys: [1, 1, 1],
    summary: 'Deletes objects; their versions stay in the log: HDEL KEY ID....',
    run: remove,
  },
  {
    name: 'HGET',
    least: 2,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Answers the JSON of an object.',
    run(session, request) {
      const key = session.typeKey(request, 1);
      const obj = request.latin1(2);
      return session.whenApplied(() => {
        writePayload(session.reply, readObject(session, key, obj)?.payload);
      });
    },
  },
  {
    name: 'HMGET',
    least: 2,
    most: anyNumber,
    keys: [1, 1, 1],
    summary: 'Answers the JSON of some objects: HMGET KEY ID....',
    run: getMany,
  },
  {
    name: 'HEXISTS',
    least: 2,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Answers whether there is such an object.',
    run(session, request) {
      const key = session.typeKey(request, 1);
      const obj = request.latin1(2);
      return session.whenApplied(() => {
        session.reply.integer(readObject(session, key, obj) === undefined ? 0 : 1);
      });
    },
  },
  {
    name: 'HLEN',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers the number of objects.',
    async run(session, request) {
      const { ns, url } = session.typeKey(request, 1);
      const { objects, rights } = session.context;
      rights.requireReadAll(session.who, ns, url);
      await objects.caughtUp(session.connection.signal);
      const count = await objects.count(ns, url);
      rights.requireReadAll(session.who, ns, url);
      session.reply.integer(count);
    },
  },
  {
    name: 'HKEYS',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers the ids of all objects, if one reply can hold them.',
    async run(session, request) {
      const rows = await readAll(session, session.typeKey(request, 1));
      session.reply.array(rows.length);
      for (const { obj } of rows) session.reply.bulkText(obj);
    },
  },
  {
    name: 'HGETALL',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers all objects with their ids, if one reply can hold them.',
    async run(session, request) {
      const rows = await readAll(session, session.typeKey(request, 1));
      session.reply.map(rows.length);
      for (const { obj, payload } of rows) {
        session.reply.bulkText(obj);
        writePayload(session.reply, payload);
      }
    },
  },
];

/** Stands for an id that is chosen here. */
const newId = 'new';

/** The current version of an object, if it may be read. */
export function readObject(
  { context, who }: Session,
  { ns, url }: TypeKey,
  obj: string,
): ObjectVersion | undefined {
  context.rights.requireRead(who, ns, url, obj);
  return context.objects.get(ns, url, obj);
}

/** 128 random bits in hex. */
function randomId(random: Random): string {
  return random.bytes(16).toHex();
}

async function set(session: Session, request: Request): Promise<void> {
  const { ns, url } = session.typeKey(request, 1);
  if (request.argc % 2 !== 0) {
    throw new ReplyError("ERR wrong number of arguments for 'hset' command");
  }
  requireOwner(session.who);
  const made: string[] = [];
  const objects: { readonly obj: string; readonly value: ReturnType<typeof valueOf> }[] = [];
  for (let i = 2; i < request.argc; i += 2) {
    let obj = request.latin1(i);
    if (obj === newId) {
      obj = randomId(session.context.random);
      made.push(obj);
    }
    objects.push({ obj, value: valueOf(session, { ns, url }, request, i + 1) });
  }
  const { bcdb } = session.context;
  const receipts = await allWritten(
    objects.map(({ obj, value }) => bcdb.write({ ns, op: 'put', url, obj, value })),
  );
  const [only] = made;
  if (only === undefined) {
    session.reply.integer(receipts.filter(({ wasLive }) => !wasLive).length);
  } else if (made.length === 1) session.reply.bulkText(only);
  else {
    session.reply.array(made.length);
    for (const obj of made) session.reply.bulkText(obj);
  }
}

/**
 * What became of all of some records. They are appended one by one: when one is refused, the others
 * stay, and the error says how many.
 */
async function allWritten(writes: readonly Promise<OwnerReceipt>[]): Promise<OwnerReceipt[]> {
  const settled = await Promise.allSettled(writes);
  const done = settled.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed === undefined) return done;
  const error: unknown = failed.reason;
  if (done.length === 0 || !isGridError(error)) throw error;
  throw new GridError(error.code, `${error.message}; ${done.length} others were written`, {
    hint: error.hint,
    retryable: error.retryable,
    details: error.details,
    cause: error,
  });
}

async function remove(session: Session, request: Request): Promise<void> {
  const { ns, url } = session.typeKey(request, 1);
  const ids: string[] = [];
  for (let i = 2; i < request.argc; i++) ids.push(request.latin1(i));
  session.reply.integer(await removeObjects(session, ns, url, ids));
}

/** Deletes objects in the name of the owner. Returns how many there were. */
export async function removeObjects(
  { context, who }: Session,
  ns: string,
  url: string,
  ids: readonly string[],
): Promise<number> {
  requireOwner(who);
  const removals = ids.map(async (obj) => {
    try {
      await context.bcdb.write({ ns, op: 'del', url, obj });
      return 1;
    } catch (error) {
      if (isGridError<BcdbErrorCode>(error, 'BCDB_NOT_FOUND')) return 0;
      throw error;
    }
  });
  const settled = await Promise.allSettled(removals);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return settled.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
}

function getMany(session: Session, request: Request): void | Promise<void> {
  const key = session.typeKey(request, 1);
  return session.whenApplied(() => {
    const payloads: ObjectVersion['payload'][] = [];
    let bytes = 0;
    for (let i = 2; i < request.argc; i++) {
      const payload = readObject(session, key, request.latin1(i))?.payload;
      bytes += payload?.length ?? 0;
      if (bytes > replyBytesMax) throw tooLarge('HMGET of fewer objects');
      payloads.push(payload);
    }
    session.reply.array(payloads.length);
    for (const payload of payloads) writePayload(session.reply, payload);
  });
}

async function readAll(
  { context, who, connection }: Session,
  { ns, url }: TypeKey,
): Promise<readonly ObjectVersion[]> {
  const { objects, rights } = context;
  rights.requireReadAll(who, ns, url);
  await objects.caughtUp(connection.signal);
  const { rows, isEnd } = await objects.run(ns, url, '', replyObjectsMax);
  rights.requireReadAll(who, ns, url);
  if (isEnd) return rows;
  throw tooLarge('HSCAN');
}

function tooLarge(instead: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_TOO_LARGE', 'one reply cannot hold all of this', {
    hint: `use ${instead}`,
  });
}
