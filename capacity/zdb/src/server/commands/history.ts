import type { Request } from '@commongrid/resp';
import { KEY_BYTES_MAX, readUint53, writeUint53 } from '../../engine/log/format.ts';
import type { StoredRecord } from '../../engine/reading/history.ts';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

/** Former versions of a key; compaction keeps those that the namespace's policy names. */
export const historyCommands: readonly CommandDefinition[] = [
  {
    name: 'HISTORY',
    access: 'read',
    least: 1,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Answers a version of a key and the token of the one before: HISTORY key [token].',
    run: history,
  },
];

/** A token is the sequence of a version, little endian. */
const TOKEN_BYTES = 8;

async function history(session: Session, request: Request): Promise<void> {
  const length = request.lengthOf(1);
  if (length === 0 || length > KEY_BYTES_MAX) {
    return session.refuse('Invalid arguments (invalid key)');
  }
  if (request.argc === 3 && request.lengthOf(2) !== TOKEN_BYTES) {
    return session.refuse('Invalid arguments (index query)');
  }
  const sequence =
    request.argc === 3 ? readUint53(request.view(2), 0) : await newestSequence(session, request);
  if (session.hasFailed) return undefined;
  if (sequence === undefined) return session.refuse(replyTexts.keyNotFound);
  const record = sequence === 0 ? undefined : await versionAt(session, request, sequence);
  const problem = session.refusal('read');
  if (problem !== undefined) return session.refuse(problem);
  if (record === undefined) return session.refuse(replyTexts.noHistory);
  return answer(session, record);
}

/** Sequence of the newest version, a deletion included. */
async function newestSequence(session: Session, request: Request): Promise<number | undefined> {
  let sequence: number | undefined;
  await session.repeat('read', () => {
    const found = session.lookup(request, 1);
    if (found === 'fault') return 'fault';
    if (found !== 'absent') sequence = session.store.reader.sequence;
    return 'done';
  });
  return sequence;
}

/** A token is good for the key that it was given for, and shows nothing of others. */
async function versionAt(
  session: Session,
  request: Request,
  sequence: number,
): Promise<StoredRecord | undefined> {
  const record = await session.store.recordAt(sequence);
  if (record?.namespaceId !== session.namespace.id) return undefined;
  return record.key.equals(request.view(1)) ? record : undefined;
}

function answer(session: Session, record: StoredRecord): void {
  const { reply } = session.connection;
  session.reveal(record.sequence);
  reply.array(3);
  if (record.previous === 0) {
    reply.nil();
  } else {
    const token = Buffer.alloc(TOKEN_BYTES);
    writeUint53(token, record.previous, 0);
    reply.bulk(token);
  }
  reply.bulkText(String(record.timeSeconds));
  if (record.isDeletion) reply.nil();
  else reply.bulk(record.value);
}
