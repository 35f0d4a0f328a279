import { setImmediate as nextTurn } from 'node:timers/promises';
import { anyNumber } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import type { ScanItem } from '../../engine/reading/history.ts';
import type { CommandDefinition } from '../command.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

/** Work of one SCAN, as in 0-db. */
const SLICE_MS = 2;
/** Most keys that one SCAN answers. */
const COUNT_MAX = 100_000;
const KSCAN_COUNT = 1000;

/** Walks over the keys of a namespace, in the order in which their values were written. */
export const scanCommands: readonly CommandDefinition[] = [
  scanCommand('SCAN', false),
  scanCommand('SCANX', false),
  scanCommand('RSCAN', true),
  {
    name: 'KSCAN',
    access: 'read',
    least: 1,
    most: anyNumber,
    summary: 'Answers keys that begin with a prefix: KSCAN prefix [cursor] [COUNT n].',
    run: scanKeys,
  },
];

interface ScanRequest {
  readonly from: number | undefined;
  readonly count: number;
  readonly prefix: Buffer | undefined;
}

function scanCommand(name: string, isBackward: boolean): CommandDefinition {
  const order = isBackward ? 'newest first' : 'oldest first';
  return {
    name,
    access: 'read',
    least: 0,
    most: anyNumber,
    summary: `Answers keys, ${order}: ${name} [cursor] [MATCH prefix*] [COUNT n].`,
    run: (session, request) => scan(session, request, isBackward),
  };
}

async function scan(session: Session, request: Request, isBackward: boolean): Promise<void> {
  const wanted = parse(session, request, 1);
  if (typeof wanted === 'string') return session.refuse(wanted);
  const page = await nextPage(session, wanted, isBackward);
  const problem = session.refusal('read');
  if (problem !== undefined) return session.refuse(problem);
  const { reply } = session.connection;
  session.reveal(session.namespace.lastSequence);
  if (page.items.length === 0 && page.isEnd) return session.refuse(replyTexts.noMoreData);
  reply.array(2);
  reply.bulk(encodeCursor(session.namespace, page.last));
  reply.array(page.items.length);
  for (const { key, valueLength, timeSeconds } of page.items) {
    reply.array(3);
    reply.bulk(key);
    reply.integer(valueLength);
    reply.integer(timeSeconds);
  }
  return undefined;
}

function nextPage(session: Session, { from, count, prefix }: ScanRequest, isBackward: boolean) {
  const { store, namespace } = session;
  return store.scan(namespace, {
    isBackward,
    budgetMs: SLICE_MS,
    limit: count,
    ...(prefix === undefined ? {} : { prefix }),
    ...(from === undefined ? {} : isBackward ? { before: from } : { after: from }),
  });
}

async function scanKeys(session: Session, request: Request): Promise<void> {
  const wanted = parse(session, request, 2);
  if (typeof wanted === 'string') return session.refuse(wanted);
  const { namespace } = session;
  const prefix = request.copy(1);
  const count = Math.min(wanted.count, KSCAN_COUNT);
  const found: ScanItem[] = [];
  let { from } = wanted;
  let isEnd = false;
  while (!isEnd && found.length < count) {
    const page = await nextPage(session, { from, prefix, count: count - found.length }, false);
    found.push(...page.items);
    from = page.last;
    isEnd = page.isEnd;
    await nextTurn();
    if (session.connection.isClosing) break;
  }
  const problem = session.refusal('read');
  if (problem !== undefined) return session.refuse(problem);
  const { reply } = session.connection;
  session.reveal(namespace.lastSequence);
  if (found.length === 0) return session.refuse(replyTexts.noKeysMatch);
  reply.array(2);
  if (isEnd || from === undefined) reply.bulkText('0');
  else reply.bulk(encodeCursor(namespace, from));
  reply.array(found.length);
  for (const { key } of found) reply.bulk(key);
  return undefined;
}

/** Reads cursor and options from argument `i` on; a text is the error. */
function parse(session: Session, request: Request, i: number): ScanRequest | string {
  let at = i;
  let from: number | undefined;
  let count = COUNT_MAX;
  let prefix: Buffer | undefined;
  if (at < request.argc && !isOption(request, at)) {
    const isStart = request.lengthOf(at) === 0 || request.is(at, '0');
    from = isStart ? undefined : decodeCursor(request, at, session.namespace);
    if (!isStart && from === undefined) return replyTexts.invalidCursor;
    at++;
  }
  for (; at < request.argc; at += 2) {
    if (at + 1 === request.argc) return replyTexts.invalidArguments;
    if (request.is(at, 'COUNT')) {
      const given = request.integer(at + 1);
      if (given === undefined || given < 1) return replyTexts.invalidArguments;
      count = Math.min(given, COUNT_MAX);
    } else if (request.is(at, 'MATCH')) {
      prefix = prefixOf(request, at + 1);
      if (prefix === undefined) return 'Only MATCH prefix* is supported';
    } else {
      return replyTexts.invalidArguments;
    }
  }
  return { from, count, prefix };
}

/** A cursor is longer than any option's name. */
function isOption(request: Request, i: number): boolean {
  return request.is(i, 'MATCH') || request.is(i, 'COUNT');
}

/** What stands before the one star at the end; undefined for any other pattern. */
function prefixOf(request: Request, i: number): Buffer | undefined {
  const pattern = request.copy(i);
  const star = pattern.indexOf('*');
  if (star !== pattern.length - 1 || /[?[\\]/.test(pattern.toString('latin1'))) return undefined;
  return pattern.subarray(0, star);
}
