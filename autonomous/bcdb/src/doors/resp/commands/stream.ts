import { GridError } from '@commongrid/base';
import { anyNumber } from '@commongrid/resp';
import type { ReplyWriter, Request } from '@commongrid/resp';
import type { BcdbErrorCode } from '../../../errors.ts';
import type { StoredEntry } from '../../../log/log-engine.ts';
import type { Entry } from '../../../record/entry.ts';
import { splitLeaf } from '../../../record/entry.ts';
import { parseEnvelope } from '../../../record/envelope.ts';
import { logNamespace } from '../../../record/system-records.ts';
import type { Command } from '../command.ts';
import type { LogKey } from '../key.ts';
import { bytesOf, streamBytesMax, streamEntriesMax } from '../log-stream.ts';
import { notInteger, ReplyError, syntaxError } from '../reply-error.ts';
import type { Session } from '../session.ts';
import { rangeEnd, rangeStart, sequenceAfter, streamId } from '../stream-id.ts';

/** The log as a stream of signed records: fields `leaf` and, unless it was erased, `body`. */
export const streamCommands: readonly Command[] = [
  {
    name: 'XADD',
    least: 4,
    most: 6,
    isWrite: true,
    keys: [1, 1, 1],
    summary: 'Appends a signed record: XADD KEY * leaf BYTES [body BYTES].',
    run: add,
  },
  {
    name: 'XLEN',
    least: 1,
    most: 1,
    keys: [1, 1, 1],
    summary: 'Answers the number of records.',
    async run(session, request) {
      const { ns } = readableLog(session, request, 1);
      const { context, connection } = session;
      session.reply.integer(await context.stream.length(ns, connection.signal));
    },
  },
  rangeCommand('XRANGE', false),
  rangeCommand('XREVRANGE', true),
  {
    name: 'XREAD',
    least: 3,
    most: anyNumber,
    summary: 'Answers newer records: XREAD [COUNT N] [BLOCK MS] STREAMS KEY... ID....',
    run: read,
  },
];

/** Streams of one XREAD. */
const streamsMax = 64;

/** Longest BLOCK in milliseconds: what a timer can hold. 0 waits for as long as it takes. */
const blockMsMax = 2 ** 31 - 1;

async function add(session: Session, request: Request): Promise<void> {
  const { ns } = session.logKey(request, 1);
  if (!request.is(2, '*')) throw new ReplyError('ERR the log gives the id: it must be *');
  const entry = entryOf(request);
  if (ns !== undefined) requireNamespace(entry, ns);
  const { seq } = await session.context.bcdb.append(entry);
  session.reply.bulkText(streamId(seq));
}

function entryOf(request: Request): Entry {
  let leaf: Uint8Array | undefined;
  let body: Uint8Array | undefined;
  for (let i = 3; i < request.argc; i += 2) {
    if (i + 1 === request.argc) throw syntaxError();
    if (request.is(i, 'LEAF') && leaf === undefined) leaf = request.own(i + 1);
    else if (request.is(i, 'BODY') && body === undefined) body = request.own(i + 1);
    else throw syntaxError();
  }
  if (leaf === undefined) throw syntaxError();
  return { leaf, body };
}

/** A record goes to the stream of its own namespace. */
function requireNamespace({ leaf }: Entry, ns: string): void {
  const { envelope } = splitLeaf(leaf);
  const named = parseEnvelope(new TextDecoder().decode(envelope)).ns;
  if (named === ns) return;
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', `the record is one of ${named}:log`);
}

/** The stream that argument `i` names, if all of it may be read. */
function readableLog(session: Session, request: Request, i: number): LogKey {
  const key = session.logKey(request, i);
  requireReadable(session, key);
  return key;
}

function requireReadable({ context, who }: Session, { ns }: LogKey): void {
  // Genesis and ticks are open: whoever verifies needs them.
  if (ns === logNamespace) return;
  const { signers } = context.bcdb.genesis.admins;
  const isAdmin = who.kind === 'owner' || signers.includes(who.key);
  if (ns === undefined && isAdmin) return;
  // Nobody has rights in the namespace of the log itself, which stands for all of it here.
  context.rights.requireReadAll(who, ns ?? logNamespace);
}

function rangeCommand(name: string, isBackward: boolean): Command {
  const order = isBackward ? 'END START' : 'START END';
  return {
    name,
    least: 3,
    most: 5,
    keys: [1, 1, 1],
    summary: `Answers records between two ids: ${name} KEY ${order} [COUNT N].`,
    async run(session, request) {
      const { ns } = readableLog(session, request, 1);
      const from = rangeStart(request.latin1(isBackward ? 3 : 2));
      const to = rangeEnd(request.latin1(isBackward ? 2 : 3));
      const count = request.argc === 4 ? undefined : countOf(request, 4);
      const { context, connection, reply } = session;
      const range = { ns, from, to, count: count ?? streamEntriesMax, signal: connection.signal };
      const { stream } = context;
      const entries = isBackward ? await stream.backward(range) : await stream.forward(range);
      if (count === undefined) await requireAll(session, range, entries, isBackward);
      writeEntries(reply, entries);
    },
  };
}

/** Who names no count means all: part of it must not look like that. */
async function requireAll(
  { context }: Session,
  range: Parameters<Session['context']['stream']['forward']>[0],
  entries: readonly StoredEntry[],
  isBackward: boolean,
): Promise<void> {
  const last = entries.at(-1)?.seq;
  if (last === undefined) return;
  const rest = isBackward ? { ...range, to: last } : { ...range, from: last + 1 };
  const [more] = await context.stream.forward({ ...rest, count: 1 });
  if (more === undefined) return;
  throw new GridError<BcdbErrorCode>('BCDB_TOO_LARGE', 'the range is too long for one reply', {
    hint: `ask for it in parts, with COUNT ${streamEntriesMax} at most`,
  });
}

function countOf(request: Request, i: number): number {
  if (!request.is(i, 'COUNT') || i + 1 >= request.argc) throw syntaxError();
  const count = request.integer(i + 1);
  if (count === undefined || count < 0) throw notInteger();
  return Math.min(count, streamEntriesMax);
}

interface ReadRequest {
  readonly count: number;
  /** Undefined: answers at once. */
  readonly blockMs: number | undefined;
  readonly streams: readonly { readonly name: string; readonly key: LogKey; from: number }[];
}

async function read(session: Session, request: Request): Promise<void> {
  const { context, connection, reply } = session;
  const { streams, count, blockMs } = parseRead(session, request);
  const namespaces = streams.map(({ key }) => key.ns);
  using deadline = new Deadline(session, blockMs);
  for (;;) {
    const { size } = context.stream;
    const found: { readonly name: string; readonly entries: readonly StoredEntry[] }[] = [];
    let bytes = 0;
    for (const stream of streams) {
      // What has no room in this reply is in the next one.
      if (bytes >= streamBytesMax) break;
      const { ns } = stream.key;
      const range = { ns, from: stream.from, to: size, count, signal: connection.signal };
      const entries = await context.stream.forward(range);
      if (entries.length > 0) found.push({ name: stream.name, entries });
      bytes += bytesOf(entries);
      stream.from = Math.max(stream.from, size);
    }
    for (const { key } of streams) requireReadable(session, key);
    if (found.length > 0) {
      writeStreams(reply, found);
      return;
    }
    if (blockMs === undefined || !(await deadline.past(size, namespaces))) {
      reply.nilArray();
      return;
    }
  }
}

function parseRead(session: Session, request: Request): ReadRequest {
  let count = streamEntriesMax;
  let blockMs: number | undefined;
  let i = 1;
  for (; i < request.argc && !request.is(i, 'STREAMS'); i += 2) {
    if (request.is(i, 'BLOCK') && i + 1 < request.argc) {
      blockMs = request.integer(i + 1);
      if (blockMs === undefined || blockMs < 0 || blockMs > blockMsMax) {
        throw new ReplyError('ERR timeout is not an integer or out of range');
      }
    } else count = countOf(request, i);
  }
  const named = request.argc - i - 1;
  if (named < 2 || named % 2 !== 0 || named / 2 > streamsMax) throw syntaxError();
  const { size } = session.context.stream;
  const streams = Array.from({ length: named / 2 }, (_, k) => {
    const at = i + 1 + k;
    const id = request.latin1(at + named / 2);
    const from = id === '$' ? size : sequenceAfter(id);
    return { name: request.latin1(at), key: readableLog(session, request, at), from };
  });
  // As in Redis, where 0 stands for no limit.
  return { count: count === 0 ? streamEntriesMax : count, blockMs, streams };
}

/** How long one XREAD waits. */
class Deadline implements Disposable {
  readonly #session: Session;
  readonly #timeout = new AbortController();
  readonly #cancel: () => void;
  readonly #signal: AbortSignal;

  constructor(session: Session, blockMs: number | undefined) {
    this.#session = session;
    const { clock } = session.context;
    const isEndless = blockMs === undefined || blockMs === 0;
    const timer = isEndless
      ? undefined
      : clock.setTimer(blockMs, () => this.#timeout.abort(new Error('nothing came in time')));
    this.#cancel = () => timer?.cancel();
    this.#signal = AbortSignal.any([this.#timeout.signal, session.connection.signal]);
  }

  /** Waits for records at or above `size`; false when none came in time. */
  async past(size: number, namespaces: readonly (string | undefined)[]): Promise<boolean> {
    try {
      await this.#session.context.waiters.past(size, namespaces, this.#signal);
      return true;
    } catch (error) {
      if (this.#timeout.signal.aborted) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }
}

function writeStreams(
  reply: ReplyWriter,
  found: readonly { readonly name: string; readonly entries: readonly StoredEntry[] }[],
): void {
  // A map in RESP3; in RESP2 not a flat list, as maps are elsewhere, but pairs.
  if (reply.protocol === 3) reply.map(found.length);
  else reply.array(found.length);
  for (const { name, entries } of found) {
    if (reply.protocol === 2) reply.array(2);
    reply.bulkText(name);
    writeEntries(reply, entries);
  }
}

function writeEntries(reply: ReplyWriter, entries: readonly StoredEntry[]): void {
  reply.array(entries.length);
  for (const { seq, leaf, body } of entries) {
    reply.array(2);
    reply.bulkText(streamId(seq));
    reply.array(body === undefined ? 2 : 4);
    reply.bulkText('leaf');
    reply.bulk(leaf);
    if (body === undefined) continue;
    reply.bulkText('body');
    reply.bulk(body);
  }
}
