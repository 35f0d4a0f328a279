import { canonicalText } from '@commongrid/crypto';
import { anyNumber } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import { requireOwner } from '../../access/read-rights.ts';
import type { Command } from '../command.ts';
import type { Key, ObjectKey } from '../key.ts';
import { ReplyError } from '../reply-error.ts';
import type { Session } from '../session.ts';
import { readObject, removeObjects } from './hash.ts';
import { jsonOf, valueOf, writePayload } from './payload.ts';

/** Single objects, and schemas, as strings; and what is asked of any key. */
export const objectCommands: readonly Command[] = [
  {
    name: 'GET',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers the JSON of an object, or of the newest schema of a type.',
    run(session, request) {
      const key = session.objectKey(request, 1);
      return session.whenApplied(() => writePayload(session.reply, textOf(session, key)));
    },
  },
  {
    name: 'SET',
    least: 2,
    most: 2,
    isWrite: true,
    keys: [1, 1, 1],
    summary: 'Writes an object or defines a schema, signed by the owner: SET KEY JSON.',
    run: set,
  },
  {
    name: 'DEL',
    least: 1,
    most: anyNumber,
    isWrite: true,
    keys: [1, -1, 1],
    summary: 'Deletes objects; their versions stay in the log: DEL KEY....',
    run: remove,
  },
  {
    name: 'EXISTS',
    least: 1,
    most: anyNumber,
    keys: [1, -1, 1],
    summary: 'Answers how many of the keys there are.',
    async run(session, request) {
      const keys = keysOf(session, request);
      const { objects } = session.context;
      await objects.caughtUp(session.connection.signal);
      const types = await Promise.all(keys.map((key) => typeOf(session, key)));
      session.reply.integer(types.filter((type) => type !== 'none').length);
    },
  },
  {
    name: 'TYPE',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers hash for types, string for objects and schemas, stream for logs, or none.',
    async run(session, request) {
      const key = session.context.keys.get(request.latin1(1));
      const { objects } = session.context;
      await objects.caughtUp(session.connection.signal);
      session.reply.simple(key === undefined ? 'none' : await typeOf(session, key));
    },
  },
];

function textOf(session: Session, key: ObjectKey): string | Uint8Array | undefined {
  const { ns, url, obj } = key;
  if (key.kind === 'object') {
    return readObject(session, { kind: 'type', ns, url }, obj)?.payload;
  }
  const { rights, objects } = session.context;
  rights.requireRead(session.who, ns, url, obj);
  const schema = objects.schema(ns, obj);
  return schema === undefined ? undefined : canonicalText(schema);
}

async function set(session: Session, request: Request): Promise<void> {
  const { kind, ns, url, obj } = session.objectKey(request, 1);
  requireOwner(session.who);
  const { bcdb } = session.context;
  if (kind === 'schema') await bcdb.defineSchema(ns, obj, jsonOf(request, 2));
  else {
    const value = valueOf(session, { ns, url }, request, 2);
    await bcdb.write({ ns, op: 'put', url, obj, value });
  }
  session.reply.ok();
}

async function remove(session: Session, request: Request): Promise<void> {
  const keys = keysOf(session, request).map((key) => {
    if (key.kind === 'object' || key.kind === 'schema') return key;
    throw new ReplyError('ERR types and logs cannot be deleted, only objects: HDEL KEY ID');
  });
  const counts = await Promise.all(
    keys.map(({ ns, url, obj }) => removeObjects(session, ns, url, [obj])),
  );
  session.reply.integer(counts.reduce((sum, count) => sum + count, 0));
}

function keysOf(session: Session, request: Request): readonly Key[] {
  const keys: Key[] = [];
  for (let i = 1; i < request.argc; i++) keys.push(session.key(request, i));
  return keys;
}

/** What a key is; `none` when it is not there, or not for this reader. */
async function typeOf({ context, who }: Session, key: Key): Promise<string> {
  const { bcdb, rights, objects } = context;
  const { ns } = key;
  if (key.kind === 'log') {
    const isThere = ns === undefined || (bcdb.hasNamespace(ns) && rights.maySee(who, ns));
    return isThere ? 'stream' : 'none';
  }
  if (key.kind === 'type') {
    if (!rights.maySee(who, key.ns)) return 'none';
    if (bcdb.schemaOf(key.ns, key.url) !== undefined) return 'hash';
    return (await objects.types(key.ns)).includes(key.url) ? 'hash' : 'none';
  }
  const { url, obj } = key;
  const head = bcdb.state.head({ ns: key.ns, url, obj });
  if (!rights.mayRead(who, key.ns, url, obj)) return 'none';
  return head?.isLive === true ? 'string' : 'none';
}
