import { Type } from 'typebox';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { StoredEntry } from '../../log/log-engine.ts';
import { checkRecord } from '../../record/checked-record.ts';
import { gridNamespace } from '../../state/identities.ts';
import { toBase64url } from '../../tree/base64.ts';
import { parseTilePath } from '../../tree/tile-path.ts';
import type { Identity } from '../access/identity.ts';
import { encodeEntry } from '../record-text.ts';
import type { DoorContext } from './door-context.ts';
import { bytesReply, route } from './route.ts';
import type { Route } from './route.ts';
import { hash, keyText, proofReply, sequence, successionReply, time } from './shapes.ts';

/** Entries of one page; it ends earlier when it grows beyond `pageBytesMax`. */
const pageEntriesMax = 1000;

/** Bytes of leaves and bodies after which a page ends. */
const pageBytesMax = 8 << 20;

const entry = Type.Object({
  seq: sequence,
  /** Hash of the leaf: all that is said of a record that the reader may not read. */
  hash,
  leaf: Type.Optional(Type.String()),
  body: Type.Optional(Type.String()),
});

const botUrl = 'grid.bot.1';

const speaker = Type.Object({ id: Type.String(), name: Type.String(), role: Type.String() });

const page = Type.Object({ entries: Type.Array(entry), next: sequence, size: sequence });

/** The log itself: what everybody needs who verifies. */
export function logRoutes(context: DoorContext): readonly Route[] {
  return [
    ...publicRoutes(context),
    ...keyRoutes(context),
    ...entryRoutes(context),
    ...proofRoutes(context),
  ];
}

function publicRoutes({ bcdb }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/checkpoint',
      summary: 'Newest head, signed by the sequencer with the time (C2SP tlog-checkpoint)',
      media: 'text/plain; charset=utf-8',
      reply: Type.String(),
      handle: () => bcdb.checkpoint(),
    }),
    route({
      method: 'GET',
      path: '/tile/*path',
      summary: 'Hashes of the tree (C2SP tlog-tiles)',
      media: 'application/octet-stream',
      params: Type.Object({ path: Type.String({ maxLength: 64 }) }),
      reply: bytesReply,
      isImmutable: () => true,
      handle: ({ params }) => {
        const tile = parseTilePath(`tile/${params.path}`);
        if (tile === undefined || typeof tile.level !== 'number') throw noTile(params.path);
        return bcdb.tileBytes(tile.level, tile.index, tile.width);
      },
    }),
    route({
      method: 'GET',
      path: '/v1/log',
      summary: 'How the log began, its size and its time',
      reply: Type.Object({
        log: hash,
        genesis: Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
        size: sequence,
        root: hash,
        at: time,
      }),
      handle: () => ({
        log: bcdb.log,
        genesis: bcdb.genesis,
        size: bcdb.head.size,
        root: toBase64url(bcdb.head.root),
        at: bcdb.at,
      }),
    }),
    route({
      method: 'GET',
      path: '/v1/handovers',
      summary: 'Who sequenced the log: its genesis, and each handover to another key',
      reply: successionReply,
      handle: () => bcdb.succession,
    }),
    route({
      method: 'GET',
      path: '/v1/authors/:key',
      summary: 'Counter of the last record of a key; 0 when it has none',
      params: Type.Object({ key: keyText }),
      reply: Type.Object({ key: keyText, n: sequence }),
      handle: ({ params: { key } }) => ({ key, n: bcdb.lastN(key) }),
    }),
  ];
}

/** The phonebook by key: queries cannot find the keys that a bot lists. */
function keyRoutes({ bcdb, rights }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/keys/:key',
      summary: 'The bot for which a key speaks now, by what the phonebook says; none once it ended',
      params: Type.Object({ key: keyText }),
      reply: Type.Object({ key: keyText, bot: Type.Optional(speaker) }),
      handle: ({ who, params: { key } }) => {
        const bot = bcdb.speakerOf(key);
        if (bot === undefined) return { key };
        rights.requireRead(who, gridNamespace, botUrl, bot.id);
        return { key, bot };
      },
    }),
  ];
}

function entryRoutes(context: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/entries',
      summary: 'Records from a sequence on: in full where they may be read, else their hashes',
      query: Type.Object({ from: sequence, to: Type.Optional(sequence) }),
      reply: page,
      handle: async ({ who, query: { from, to } }) => {
        const { size } = context.bcdb.head;
        const end = Math.min(size, to ?? size, from + pageEntriesMax);
        const entries = await readPage(context, who, from, end);
        return { entries, next: from + entries.length, size };
      },
    }),
  ];
}

function proofRoutes({ bcdb, rights }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/proof/:seq',
      summary: 'Shows that a record is in the log',
      params: Type.Object({ seq: sequence }),
      reply: proofReply,
      handle: async ({ who, params: { seq } }) => {
        requireSeq(seq, bcdb.head.size);
        const { envelope } = checkRecord(await readOne(bcdb, seq), { mayBeErased: true });
        rights.requireRead(who, envelope.ns, envelope.url, envelope.obj);
        return bcdb.prove(seq);
      },
    }),
    route({
      method: 'GET',
      path: '/v1/head',
      summary: 'Newest head, and what shows that it continues the log of `from` records',
      query: Type.Object({ from: sequence }),
      reply: Type.Object({ checkpoint: Type.String(), consistency: Type.Array(hash) }),
      handle: ({ query: { from } }) => {
        const { head, note } = bcdb.signedHead();
        // A log that is shorter than it was shows it by its head.
        const path = from <= head.size ? bcdb.consistencyProof(from, head.size) : [];
        return { checkpoint: note, consistency: path.map(toBase64url) };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/consistency',
      summary: 'Shows that the log of one size begins with that of another',
      query: Type.Object({ from: sequence, to: sequence }),
      reply: Type.Object({ from: sequence, to: sequence, path: Type.Array(hash) }),
      handle: ({ query: { from, to } }) => {
        // What is beyond the head may be in the tree already, but is not durable yet.
        requireSeq(to - 1, bcdb.head.size);
        return { from, to, path: bcdb.consistencyProof(from, to).map(toBase64url) };
      },
    }),
  ];
}

async function readPage(
  { bcdb, rights }: DoorContext,
  who: Identity,
  from: number,
  to: number,
): Promise<EntryReply[]> {
  const entries: EntryReply[] = [];
  let bytes = 0;
  if (from >= to) return entries;
  for await (const group of bcdb.read(from, to)) {
    for (const stored of group) {
      const { envelope, version } = checkRecord(stored, { mayBeErased: true });
      const isOpen = rights.mayRead(who, envelope.ns, envelope.url, envelope.obj);
      const text = isOpen ? encodeEntry(stored) : {};
      entries.push({ seq: stored.seq, hash: version, ...text });
      bytes += stored.leaf.length + (isOpen ? (stored.body?.length ?? 0) : 0);
      if (bytes >= pageBytesMax) return entries;
    }
  }
  return entries;
}

interface EntryReply {
  readonly seq: number;
  readonly hash: string;
  readonly leaf?: string;
  readonly body?: string;
}

async function readOne(bcdb: DoorContext['bcdb'], seq: number): Promise<StoredEntry> {
  for await (const [stored] of bcdb.read(seq, seq + 1)) {
    if (stored !== undefined) return stored;
  }
  throw seqUnknown(seq);
}

function requireSeq(seq: number, size: number): void {
  if (seq >= size) throw seqUnknown(seq);
}

function seqUnknown(seq: number): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SEQ_UNKNOWN', `the log has no record ${seq} yet`);
}

function noTile(path: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_NOT_FOUND', `tile/${path} names no tile of hashes`, {
    hint: 'tile/LEVEL/x001/067, and .p/WIDTH behind it where it is not full',
  });
}
