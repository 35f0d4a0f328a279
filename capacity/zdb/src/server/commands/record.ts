import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isGridError, largeMemory } from '@commongrid/base';
import type { Request } from '@commongrid/resp';
import { KEY_BYTES_MAX } from '../../engine/log/format.ts';
import type { CommandDefinition } from '../command.ts';
import { encodeCursor } from '../cursor.ts';
import { type FetchedRecord, letGo } from '../../engine/reading/record-reader.ts';
import type { ZdbErrorCode } from '../../errors.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Outcome, Session } from '../session.ts';

/** Questions about the record behind a key. */
export const recordCommands: readonly CommandDefinition[] = [
  {
    name: 'KEYCUR',
    access: 'read',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers the cursor of a key, from which SCAN and RSCAN go on.',
    run: cursorOfKey,
  },
  {
    name: 'CHECK',
    access: 'read',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary:
      'Reads the record of a key from disk and verifies it: 1 sound, 0 damaged, -1 unreadable.',
    run: check,
  },
  {
    name: 'DIGEST',
    access: 'read',
    least: 2,
    most: 4,
    keys: [1, 1, 1],
    summary:
      'Answers SHA-256(nonce, value) in hex: proof that the value is here. DIGEST key nonce [from to] ' +
      'leaves out these bytes of the value.',
    run: digest,
  },
];

/** Hashed in one turn. */
const DIGEST_STEP_BYTES = 1024 * 1024;
/** Longest nonce of DIGEST. */
const NONCE_BYTES_MAX = 1024;

function hasKey(session: Session, request: Request): boolean {
  const length = request.lengthOf(1);
  if (length > 0 && length <= KEY_BYTES_MAX) return true;
  session.refuse(length === 0 ? replyTexts.invalidArgument : replyTexts.invalidKey);
  return false;
}

function cursorOfKey(session: Session, request: Request): void | Promise<void> {
  if (!hasKey(session, request)) return undefined;
  return session.repeat('read', () => {
    const { store, namespace } = session;
    const found = session.lookup(request, 1);
    if (found === 'fault') return 'fault';
    const { reply } = session.connection;
    session.reveal();
    if (found === 'live') reply.bulk(encodeCursor(namespace, store.reader.sequence));
    else reply.nil();
    return 'done';
  });
}

/** Looks past every cache: what is asked is whether the disk still has it. */
async function check(session: Session, request: Request): Promise<void> {
  if (!hasKey(session, request)) return;
  const { store } = session;
  const { reply } = session.connection;
  let reading: Promise<FetchedRecord> | undefined;
  let unwritten = 0;
  const begin = (): Outcome => {
    const found = session.lookup(request, 1);
    if (found === 'fault') return 'fault';
    const { segment: slot, offset, lengths } = session.namespace.index;
    const segment = found === 'live' ? store.table.at(slot) : undefined;
    unwritten = 0;
    if (segment === undefined) reply.nil();
    else if (offset >= segment.writtenOffset) unwritten = store.reader.sequence;
    else reading = store.reader.fetch({ segment, offset, lengths });
    return 'done';
  };
  try {
    await session.repeat('read', begin);
    if (unwritten > 0) {
      await store.log.flush(unwritten);
      await session.repeat('read', begin);
    }
    if (reading === undefined) return;
    letGo(await reading);
    reply.integer(1);
  } catch (error) {
    if (isGridError<ZdbErrorCode>(error, 'ZDB_WRITE_FAILED')) {
      session.refuse(replyTexts.cannotWrite);
      return;
    }
    if (!isGridError<ZdbErrorCode>(error, 'ZDB_READ_FAILED')) throw error;
    reply.integer(error.cause === undefined ? 0 : -1);
  }
}

async function digest(session: Session, request: Request): Promise<void> {
  if (!hasKey(session, request)) return;
  if (request.lengthOf(2) > NONCE_BYTES_MAX) {
    session.refuse(replyTexts.invalidArgument);
    return;
  }
  const left = leftOut(request);
  if (left === undefined) {
    session.refuse(replyTexts.invalidArguments);
    return;
  }
  const hash = createHash('sha256').update(request.view(2));
  let rest: Buffer | undefined;
  let lent: Buffer | undefined;
  await session.repeat('read', () => {
    const found = session.lookup(request, 1);
    if (found === 'fault') return 'fault';
    session.reveal();
    if (found !== 'live') session.connection.reply.nil();
    else {
      const { reader } = session.store;
      rest = reader.isPrivate ? session.store.value() : Buffer.from(session.store.value());
      lent = reader.takeLent();
    }
    return 'done';
  });
  if (rest === undefined) return;
  for (const part of [rest.subarray(0, left.from), rest.subarray(left.to)]) {
    for (let at = 0; at < part.length; at += DIGEST_STEP_BYTES) {
      if (at > 0) await nextTurn();
      hash.update(part.subarray(at, at + DIGEST_STEP_BYTES));
    }
  }
  if (lent !== undefined) largeMemory.release(lent);
  session.connection.reply.bulkText(hash.digest('hex'));
}

/** What DIGEST leaves out; undefined when it is no stretch of a value. */
function leftOut(request: Request): { readonly from: number; readonly to: number } | undefined {
  if (request.argc === 3) return { from: 0, to: 0 };
  const from = request.integer(3) ?? -1;
  const to = request.argc > 4 ? (request.integer(4) ?? -1) : -1;
  return from < 0 || to < from ? undefined : { from, to };
}
