import { anyNumber } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import { KEY_BYTES_MAX, keyLengthOf, recordBytes, valueLengthOf } from '../../engine/log/format.ts';
import { ENTRY_BYTES } from '../../engine/log/segment-index.ts';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Outcome, Session } from '../session.ts';
import { readFaultNow } from '../fault.ts';
import { answerValue } from './data.ts';

/** Commands on many keys. MSET and MDEL are done whole or not at all, also when the power fails. */
export const batchCommands: readonly CommandDefinition[] = [
  {
    name: 'MGET',
    access: 'read',
    least: 1,
    most: anyNumber,
    keys: [1, -1, 1],
    summary: 'Answers the values of keys.',
    run: getMany,
  },
  {
    name: 'MSET',
    access: 'write',
    least: 2,
    most: anyNumber,
    keys: [1, -1, 2],
    summary: 'Stores values under keys, all or none.',
    run: setMany,
  },
  {
    name: 'MDEL',
    access: 'write',
    least: 1,
    most: anyNumber,
    keys: [1, -1, 1],
    summary: 'Deletes keys, all or none; answers how many there were.',
    run: deleteMany,
  },
];

/** Records of one MSET or MDEL, with headers: they share one frame of the log. */
const BATCH_RECORD_BYTES_MAX = 8 * 1024 * 1024 - 4096;
/** Former records that one MSET or MDEL may need in memory at a time. */
const FETCHED_BYTES_MAX = 64 * 1024 * 1024;

/** MGET waits for its client while so much is unsent. */
const UNSENT_BYTES_MAX = 1024 * 1024;

const batchTooLarge = `A batch holds at most ${BATCH_RECORD_BYTES_MAX} bytes`;
const fetchedTooLarge = 'The former values are too large for one batch';

async function getMany(session: Session, request: Request): Promise<void> {
  if (!hasSoundKeys(session, request, 1)) return;
  const { connection } = session;
  connection.reply.array(request.argc - 1);
  for (let i = 1; i < request.argc; i++) {
    const attempt = (): Outcome => tryGetOne(session, request, i);
    if (attempt() !== 'done') await session.repeat('read', attempt);
    if (connection.pendingBytes <= UNSENT_BYTES_MAX) continue;
    connection.flush();
    await connection.drained();
  }
}

function tryGetOne(session: Session, request: Request, i: number): Outcome {
  const found = session.lookup(request, i);
  if (found === 'fault') return 'fault';
  session.reveal();
  if (found === 'live') answerValue(session, 0, session.store.valueLength);
  else session.connection.reply.nil();
  return 'done';
}

function setMany(session: Session, request: Request): Promise<void> | undefined {
  if (request.argc % 2 === 0) {
    session.refuse(replyTexts.unexpectedArguments);
    return undefined;
  }
  if (!hasSoundKeys(session, request, 2)) return undefined;
  if (session.namespace.settings.mode === 'seq') {
    session.refuse(replyTexts.updateOnly);
    return undefined;
  }
  if (session.namespace.settings.isWorm && hasRepeatedKey(request)) {
    session.refuse(replyTexts.worm);
    return undefined;
  }
  const timeSeconds = session.store.nowSeconds();
  return writeBatch(session, request, {
    step: 2,
    valueLength: (i) => request.lengthOf(i + 1),
    isDeletion: false,
    refusal: (isLive) =>
      isLive && session.namespace.settings.isWorm ? replyTexts.worm : undefined,
    write: (i) => {
      const { start, bytes } = request;
      const key = start[i] ?? 0;
      const value = start[i + 1] ?? 0;
      const [keyLength, length] = [request.lengthOf(i), request.lengthOf(i + 1)];
      const { store, namespace } = session;
      return store.set(namespace, bytes, key, keyLength, value, length, timeSeconds);
    },
    answer: () => session.connection.reply.ok(),
  });
}

function deleteMany(session: Session, request: Request): Promise<void> | undefined {
  if (!hasSoundKeys(session, request, 1)) return undefined;
  const timeSeconds = session.store.nowSeconds();
  return writeBatch(session, request, {
    step: 1,
    valueLength: () => 0,
    isDeletion: true,
    refusal: () => (session.namespace.settings.isWorm ? replyTexts.wormDelete : undefined),
    write: (i) => {
      const { store, namespace } = session;
      const start = request.start[i] ?? 0;
      return store.delete(namespace, request.bytes, start, request.lengthOf(i), timeSeconds);
    },
    answer: (written) => session.connection.reply.integer(written),
  });
}

interface BatchPlan {
  /** Arguments a key. */
  readonly step: 1 | 2;
  readonly valueLength: (i: number) => number;
  readonly isDeletion: boolean;
  readonly refusal: (isLive: boolean) => string | undefined;
  readonly write: (i: number) => 'written' | 'deleted' | 'same' | 'missing' | 'full' | 'fault';
  readonly answer: (written: number) => void;
}

async function writeBatch(session: Session, request: Request, plan: BatchPlan): Promise<void> {
  let bytes = 0;
  let count = 0;
  for (let i = 1; i < request.argc; i += plan.step) {
    bytes += recordBytes(request.lengthOf(i), plan.valueLength(i));
    count++;
  }
  if (bytes > BATCH_RECORD_BYTES_MAX) {
    session.refuse(batchTooLarge);
    return;
  }
  let fetchedBytes = 0;
  const attempt = (): Outcome => {
    const outcome = tryBatch(session, request, plan, { bytes, count });
    if (outcome !== 'fault') return outcome;
    const lengths = session.store.reader.fault?.lengths ?? 0;
    fetchedBytes += recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    if (fetchedBytes <= FETCHED_BYTES_MAX) return 'fault';
    session.refuse(fetchedTooLarge);
    return 'done';
  };
  await session.repeat('write', attempt, { bytes: bytes + count * ENTRY_BYTES, fetchedMax: count });
}

/** Looks at everything first; from the first write on nothing can be refused. */
function tryBatch(
  session: Session,
  request: Request,
  plan: BatchPlan,
  size: { readonly bytes: number; readonly count: number },
): Outcome {
  const { store, namespace } = session;
  for (let i = 1; i < request.argc; i += plan.step) {
    const found = session.lookup(request, i);
    if (found === 'fault') return 'fault';
    const problem = plan.refusal(found === 'live');
    if (problem === undefined) continue;
    session.reveal();
    session.refuse(problem);
    return 'done';
  }
  const { bytes, count } = size;
  if (!store.hasRoom(namespace, bytes + count * ENTRY_BYTES, plan.isDeletion)) return 'full';
  store.log.keepTogether(bytes, count);
  const written = store.withRoomGranted(() => writeAll(session, request, plan));
  if (namespace.settings.maxBytes !== 0) session.context.quotas.written(namespace);
  plan.answer(written);
  return 'done';
}

function writeAll(session: Session, request: Request, plan: BatchPlan): number {
  const { store } = session;
  let written = 0;
  for (let i = 1; i < request.argc; i += plan.step) {
    let result = plan.write(i);
    // The record was there a moment ago, and the cache has lost it since: it must be read now.
    while (result === 'fault')
      result = store.withFetched([readFaultNow(store)], () => plan.write(i));
    if (result === 'full') throw new Error('a batch that fits did not');
    if (result === 'written' || result === 'deleted') written++;
    session.reveal();
  }
  return written;
}

/** The second value of a key would replace the first one. */
function hasRepeatedKey(request: Request): boolean {
  const keys = new Set<string>();
  for (let i = 1; i < request.argc; i += 2) keys.add(request.latin1(i));
  return keys.size < (request.argc - 1) / 2;
}

function hasSoundKeys(session: Session, request: Request, step: number): boolean {
  for (let i = 1; i < request.argc; i += step) {
    const length = request.lengthOf(i);
    if (length > 0 && length <= KEY_BYTES_MAX) continue;
    session.refuse(length === 0 ? replyTexts.keyNeeded : replyTexts.keyTooLarge);
    return false;
  }
  return true;
}
