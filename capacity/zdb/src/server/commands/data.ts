import type { Request } from '@commongrid/resp';
import { KEY_BYTES_MAX, recordBytes, writeUint53 } from '../../engine/log/format.ts';
import { type Found, nobody } from '../../engine/records.ts';
import type { CommandDefinition } from '../command.ts';
import { SEQUENTIAL_KEY_BYTES, takeId } from '../sequential.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Outcome, Session } from '../session.ts';

/** From this size on a value is sent from where it was read to. */
const REFERENCE_BYTES_MIN = 16 * 1024;

/** SET, GET, DEL, EXISTS and the questions about one key's newest value. */
export const dataCommands: readonly CommandDefinition[] = [
  ...['SET', 'SETX'].map((name): CommandDefinition => ({
    name,
    run: set,
    access: 'write',
    least: 2,
    most: 3,
    keys: [1, 1, 1],
    summary: 'Stores a value; answers the key, or nil when it was stored already.',
  })),
  readCommand('GET', 'Answers the value of a key.', answerWhole),
  readCommand(
    'FETCH',
    'GET for those who verify the value themselves: that of a large record is not verified here.',
    answerWhole,
    (session, request) => session.lookupUnverified(request, 1),
  ),
  {
    ...readCommand('GETRANGE', 'Answers a part of a value: GETRANGE key first last.', answerRange),
    least: 3,
    most: 3,
  },
  readCommand('EXISTS', 'Tells whether a key has a value.', (session, _request, found) => {
    session.connection.reply.integer(found === 'live' ? 1 : 0);
  }),
  readCommand('LENGTH', 'Answers the size of a value in bytes.', (session, _request, found) => {
    if (found === 'live') session.connection.reply.integer(session.store.valueLength);
    else session.connection.reply.nil();
  }),
  readCommand('KEYTIME', 'Answers when a value was written.', (session, _request, found) => {
    if (found === 'live') session.connection.reply.integer(session.store.reader.timeSeconds);
    else session.connection.reply.nil();
  }),
  {
    name: 'DEL',
    run: remove,
    access: 'write',
    least: 1,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Deletes a key; its former values stay in the history.',
  },
];

type Answer = (session: Session, request: Request, found: Found) => void;

/** A command that looks up one key; `answer` is called while the reader holds the record. */
function readCommand(
  name: string,
  summary: string,
  answer: Answer,
  lookup = (session: Session, request: Request): Found => session.lookup(request, 1),
): CommandDefinition {
  function attempt(session: Session, request: Request): Outcome {
    const found = lookup(session, request);
    if (found === 'fault') return 'fault';
    session.reveal();
    answer(session, request, found);
    return 'done';
  }
  return {
    name,
    access: 'read',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary,
    run(session, request) {
      const length = request.length[1] ?? 0;
      if (length === 0 || length > KEY_BYTES_MAX) {
        session.refuse(length === 0 ? replyTexts.invalidArgument : replyTexts.invalidKey);
        return undefined;
      }
      if (attempt(session, request) === 'done') return undefined;
      return session.repeat('read', () => attempt(session, request));
    },
  };
}

function answerWhole(session: Session, _request: Request, found: Found): void {
  if (found === 'live') answerValue(session, 0, session.store.valueLength);
  else session.connection.reply.nil();
}

/** As in Redis: both ends are in it, negative ones count from the end, and beyond it is nothing. */
function answerRange(session: Session, request: Request, found: Found): void {
  const { store } = session;
  const { reply } = session.connection;
  const first = request.integer(2);
  const last = request.integer(3);
  if (first === undefined || last === undefined) return session.refuse(replyTexts.invalidArguments);
  if (found !== 'live') return reply.nil();
  const placeOf = (at: number): number => (at < 0 ? Math.max(0, store.valueLength + at) : at);
  const from = Math.min(placeOf(first), store.valueLength);
  const length = Math.max(0, Math.min(placeOf(last) + 1, store.valueLength) - from);
  answerValue(session, from, length);
}

/** Answers `length` bytes from `from` on of the value that was found; many are not copied. */
export function answerValue(session: Session, from: number, length: number): void {
  const { store, connection } = session;
  const { reader, valueStart, valueLength } = store;
  const start = valueStart + from;
  // What waits for the client counts with what is sent of it: a short part is no reason to keep all.
  const isMost = length >= REFERENCE_BYTES_MIN && length * 2 >= valueLength;
  if (isMost && reader.isPrivate) {
    connection.reply.bulkReference(reader.bytes.subarray(start, start + length), reader.takeLent());
  } else connection.reply.bulk(reader.bytes, start, length);
}

function set(session: Session, request: Request): void | Promise<void> {
  if (!mayDate(session, request, 3)) return undefined;
  const keyLength = request.length[1] ?? 0;
  if (keyLength > KEY_BYTES_MAX) {
    session.refuse(replyTexts.keyTooLarge);
    return undefined;
  }
  const isSequential = session.namespace.settings.mode === 'seq';
  if (keyLength === 0 && !isSequential) {
    session.refuse(replyTexts.keyNeeded);
    return undefined;
  }
  const attempt = isSequential ? trySequential : trySet;
  if (!session.context.pressure.isHigh && attempt(session, request) === 'done') return undefined;
  const bytes = recordBytes(Math.max(8, keyLength), request.length[2] ?? 0);
  return session.repeat('write', () => attempt(session, request), { bytes });
}

function trySet(session: Session, request: Request): Outcome {
  const { store, namespace } = session;
  const { bytes, start, length } = request;
  const keyStart = start[1] ?? 0;
  const keyLength = length[1] ?? 0;
  if (namespace.settings.isWorm) {
    const found = session.lookup(request, 1);
    if (found === 'fault') return 'fault';
    if (found === 'live') {
      session.reveal();
      session.refuse(replyTexts.worm);
      return 'done';
    }
  }
  const written = store.set(
    namespace,
    bytes,
    keyStart,
    keyLength,
    start[2] ?? 0,
    length[2] ?? 0,
    timeOf(session, request, 3),
    request.memory === undefined ? undefined : request,
  );
  if (written === 'fault' || written === 'full') return written;
  session.reveal();
  if (written === 'same') {
    session.connection.reply.nil();
    return 'done';
  }
  if (namespace.settings.maxBytes !== 0) session.context.quotas.written(namespace);
  session.connection.reply.bulk(bytes, keyStart, keyLength);
  return 'done';
}

/** Sequential mode: without a key the value gets the next id; a key must be an id in use. */
function trySequential(session: Session, request: Request): Outcome {
  if (request.lengthOf(1) === 0) return tryNextId(session, request);
  const found = session.lookup(request, 1);
  if (found === 'fault') return 'fault';
  if (found === 'live') return trySet(session, request);
  session.reveal();
  session.refuse(replyTexts.updateOnly);
  return 'done';
}

function tryNextId(session: Session, request: Request): Outcome {
  const { store, namespace } = session;
  const valueLength = request.length[2] ?? 0;
  const record = Buffer.allocUnsafe(SEQUENTIAL_KEY_BYTES + valueLength);
  writeUint53(record, namespace.nextId, 0);
  const valueStart = request.start[2] ?? 0;
  request.bytes.copy(record, SEQUENTIAL_KEY_BYTES, valueStart, valueStart + valueLength);
  const written = store.set(
    namespace,
    record,
    0,
    SEQUENTIAL_KEY_BYTES,
    SEQUENTIAL_KEY_BYTES,
    valueLength,
    timeOf(session, request, 3),
    nobody,
  );
  if (written === 'fault' || written === 'full') return written;
  if (written === 'same') throw new Error(`id ${namespace.nextId} was given out twice`);
  session.reveal();
  takeId(store, namespace);
  if (namespace.settings.maxBytes !== 0) session.context.quotas.written(namespace);
  session.connection.reply.bulk(record, 0, SEQUENTIAL_KEY_BYTES);
  return 'done';
}

function remove(session: Session, request: Request): void | Promise<void> {
  if (!mayDate(session, request, 2)) return undefined;
  const keyLength = request.length[1] ?? 0;
  if (keyLength === 0 || keyLength > KEY_BYTES_MAX) {
    session.refuse(keyLength === 0 ? replyTexts.invalidArgument : replyTexts.invalidKey);
    return undefined;
  }
  if (!session.context.pressure.isHigh && tryRemove(session, request) === 'done') return undefined;
  const bytes = recordBytes(keyLength, 0);
  return session.repeat('write', () => tryRemove(session, request), { bytes });
}

function tryRemove(session: Session, request: Request): Outcome {
  const { store, namespace } = session;
  if (namespace.settings.isWorm) {
    session.refuse(replyTexts.wormDelete);
    return 'done';
  }
  const removed = store.delete(
    namespace,
    request.bytes,
    request.start[1] ?? 0,
    request.length[1] ?? 0,
    timeOf(session, request, 2),
  );
  if (removed === 'fault' || removed === 'full') return removed;
  session.reveal();
  if (removed === 'missing') session.refuse(replyTexts.keyNotFound);
  else session.connection.reply.ok();
  return 'done';
}

/** A time of its own for the record, as argument `i`, is for administrators who copy data. */
function mayDate(session: Session, request: Request, i: number): boolean {
  if (request.argc <= i) return true;
  const seconds = request.integer(i);
  if (!session.isAdmin) session.refuse(replyTexts.permissionDenied);
  else if (seconds === undefined || seconds < 0 || seconds > 0xffffffff) {
    session.refuse(replyTexts.invalidArgument);
  } else return true;
  return false;
}

function timeOf(session: Session, request: Request, i: number): number {
  return (request.argc > i ? request.integer(i) : undefined) ?? session.store.nowSeconds();
}
