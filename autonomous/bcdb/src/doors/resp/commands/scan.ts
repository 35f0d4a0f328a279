import { hash } from 'node:crypto';
import { anyNumber } from '@commongrid/resp';
import type { ReplyWriter, Request } from '@commongrid/resp';
import type { Command } from '../command.ts';
import { Glob } from '../glob.ts';
import { logKey, schemaKey, typeKey } from '../key.ts';
import { replyObjectsMax } from '../objects.ts';
import { cursorOf, placeOf } from '../scan-cursor.ts';
import type { Session } from '../session.ts';
import { readOptions } from './options.ts';
import { writePayload } from './payload.ts';

/** Walks over keys and over the objects of a type. Whatever is there all the time is answered. */
export const scanCommands: readonly Command[] = [
  {
    name: 'HSCAN',
    least: 2,
    most: 7,
    keys: [1, 1, 1],
    summary: 'Answers objects of a type: HSCAN KEY CURSOR [MATCH GLOB] [COUNT N] [NOVALUES].',
    run: scanObjects,
  },
  {
    name: 'SCAN',
    least: 1,
    most: anyNumber,
    summary: 'Answers keys: SCAN CURSOR [MATCH GLOB] [COUNT N] [TYPE hash|string|stream].',
    run: scanKeys,
  },
  {
    name: 'DBSIZE',
    least: 0,
    most: 0,
    summary: 'Answers the number of keys that SCAN would.',
    async run(session) {
      const places = await placesFor(session);
      session.reply.integer(places.reduce((sum, { keys }) => sum + keys.length, 0));
    },
  },
];

/** What a page holds when nothing is said, as in Redis. */
const countDefault = 10;

async function scanObjects(session: Session, request: Request): Promise<void> {
  const key = session.typeKey(request, 1);
  const cursor = cursorOf(request.latin1(2));
  const options = readOptions(request, 3, { MATCH: 'text', COUNT: 'count', NOVALUES: 'flag' });
  const glob = options.MATCH === undefined ? undefined : new Glob(options.MATCH);
  const count = Math.min(options.COUNT ?? countDefault, replyObjectsMax);
  const { context, reply, who, connection } = session;
  context.rights.requireReadAll(who, key.ns, key.url);
  const after = await placeOf(context.stream, key, cursor);
  await context.objects.caughtUp(connection.signal);
  const { rows, isEnd } = await context.objects.run(key.ns, key.url, after, count);
  context.rights.requireReadAll(who, key.ns, key.url);
  const found = glob === undefined ? rows : rows.filter(({ obj }) => glob.matches(obj));
  reply.array(2);
  reply.bulkText(String(isEnd ? 0 : (rows.at(-1)?.origin ?? 0)));
  reply.array(options.NOVALUES === true ? found.length : found.length * 2);
  for (const { obj, payload } of found) {
    reply.bulkText(obj);
    if (options.NOVALUES !== true) writePayload(reply, payload);
  }
}

/** A few keys that belong together, and where they stand in the order of SCAN. */
interface Place {
  /** Above 0, below 2^48. */
  readonly position: number;
  readonly keys: readonly { readonly key: string; readonly type: string }[];
}

async function scanKeys(session: Session, request: Request): Promise<void> {
  const cursor = cursorOf(request.latin1(1));
  const options = readOptions(request, 2, { MATCH: 'text', COUNT: 'count', TYPE: 'text' });
  const glob = options.MATCH === undefined ? undefined : new Glob(options.MATCH);
  const type = options.TYPE?.toLowerCase();
  const count = Math.min(options.COUNT ?? countDefault, replyObjectsMax);
  const rest = (await placesFor(session)).filter(({ position }) => position > cursor);
  let taken = Math.min(count, rest.length);
  // A cursor cannot stand between two of one position.
  while (taken < rest.length && rest[taken]?.position === rest[taken - 1]?.position) taken++;
  const next = taken < rest.length ? (rest[taken - 1]?.position ?? 0) : 0;
  const keys = rest
    .slice(0, taken)
    .flatMap((place) => place.keys)
    .filter((one) => type === undefined || one.type === type)
    .map(({ key }) => key)
    .filter((key) => glob?.matches(key) ?? true);
  writeKeys(session.reply, next, keys);
}

function writeKeys(reply: ReplyWriter, cursor: number, keys: readonly string[]): void {
  reply.array(2);
  reply.bulkText(String(cursor));
  reply.array(keys.length);
  for (const key of keys) reply.bulkText(key);
}

/** The keys that somebody may see, in an order that does not change when others come and go. */
async function placesFor({ context, who }: Session): Promise<readonly Place[]> {
  const { bcdb, rights, objects } = context;
  const places: Place[] = [];
  for (const ns of bcdb.state.namespaces()) {
    if (!rights.maySee(who, ns)) continue;
    places.push(placeWith([{ key: logKey(ns), type: 'stream' }]));
    for (const url of await objects.types(ns)) {
      const keys = [{ key: typeKey(ns, url), type: 'hash' }];
      const hasSchema = bcdb.schemaOf(ns, url) !== undefined;
      if (hasSchema) keys.push({ key: schemaKey(ns, url), type: 'string' });
      places.push(placeWith(keys));
    }
  }
  return places.toSorted((a, b) => a.position - b.position);
}

function placeWith(keys: Place['keys']): Place {
  const [first] = keys;
  const position = hash('sha256', first?.key ?? '', 'buffer').readUIntBE(0, 6);
  return { position: position + 1, keys };
}
