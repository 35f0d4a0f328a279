import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { formatBytes, throwIfAborted } from '@commongrid/base';
import { costRow } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';
import { BcdbFolder } from '../src/config.ts';
import { diskUse } from './fifty/disk-use.ts';
import type { DiskUse } from './fifty/disk-use.ts';
import { Fleet } from './fifty/fleet.ts';
import type { Spread } from './fifty/fleet.ts';
import { GridServer } from './fifty/grid-server.ts';
import type { GridFacts } from './fifty/grid-server.ts';

/** Participants of a log, and how many of them keep a full copy where not all do. */
const participants = 100;
const fullCopies = 2;

/** Records from one checkpoint to the next: with ticks they stay at or below 1,000. */
const stepRecords = 990;

const quick = { records: 1_500, counts: { full: 2, heads: 4, own: 4 } } as const;
const whole = { records: 100_000, counts: { full: 3, heads: 98, own: 98 } } as const;

/** What one participant of each kind takes, in bytes. */
interface Takes {
  readonly full: Spread;
  readonly heads: Spread;
  readonly own: Spread;
}

/**
 * What a log costs its participants when all keep a full copy, and when two do: see the README here
 * for what is measured and what is worked out.
 */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-fifty-'));
  try {
    const rows = await measure(options, folder);
    return rows.filter(({ name }) => name.includes(options.only ?? ''));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { records, counts } = options.isQuick === true ? quick : whole;
  const ownerToken = randomBytes(32).toString('base64url');
  const dataDir = join(folder, 'server');
  await using server = await GridServer.start({ dataDir, ownerToken, participants });
  await using fleet = await Fleet.open({ folder, facts: server.facts, ownerToken, counts });
  let { size } = server.facts;
  await fleet.reach(size);
  while (size < records) {
    throwIfAborted(options.signal);
    const step = Math.min(stepRecords, records - size);
    size = await server.write(step);
    await fleet.reach(size);
    options.note(`${size} records`);
  }
  const sent: Takes = {
    full: fleet.sent('full'),
    heads: fleet.sent('heads'),
    own: fleet.sent('own'),
  };
  const packed = await packedPages(server.facts, ownerToken, size);
  const running = await storedBy(fleet, 'allocated');
  await fleet.close();
  const stored = await storedBy(fleet, 'allocated');
  const lengths = await storedBy(fleet, 'apparent');
  const parts = await partsOf(fleet.folderOf('full'));
  const projection = (await diskUse(new BcdbFolder(dataDir).projection)).allocated;
  return [
    timesRow('stored, the others keep heads', stored, 'heads', { must: 45, more: parts }),
    timesRow('sent, the others keep heads', sent, 'heads', { must: 45 }),
    timesRow('stored, the others keep their own records', stored, 'own', { must: 30 }),
    timesRow('sent, the others keep their own records', sent, 'own', { must: 30 }),
    timesRow('the third, by length of files', lengths, 'own'),
    timesRow('the third, while all run', running, 'own'),
    timesRow('the third, with projections in full copies', moved(stored, projection), 'own'),
    timesRow('the second, with pages compressed for full copies', moved(sent, -packed), 'heads'),
    timesRow('the fourth, with pages compressed for full copies', moved(sent, -packed), 'own'),
  ];
}

async function storedBy(fleet: Fleet, which: keyof DiskUse): Promise<Takes> {
  const full = await fleet.stored('full', which);
  const heads = await fleet.stored('heads', which);
  const own = await fleet.stored('own', which);
  return { full, heads, own };
}

/** How many times less it is where two keep a full copy. */
function timesRow(
  what: string,
  takes: Takes,
  kind: 'heads' | 'own',
  { must, more }: { readonly must?: number; readonly more?: string } = {},
): BenchRow {
  const light = participants - fullCopies;
  const [one, other] = [takes.full.middle, takes[kind].middle];
  const before = participants * one;
  const after = fullCopies * one + light * other;
  const formula = `A = ${participants} F, B = ${fullCopies} F + ${light} L`;
  const sizes = `F ${spreadText(takes.full)}, L ${spreadText(takes[kind])}`;
  const note = [formula, sizes, ...(more === undefined ? [] : [more])].join('; ');
  const sums = { ours: after / mebibyte, rival: before / mebibyte };
  return costRow({
    ...{ name: what, unit: 'MiB', ...sums, note },
    ...(must === undefined ? {} : { must }),
  });
}

const mebibyte = 2 ** 20;

function spreadText({ count, middle, least, most }: Spread): string {
  return `${formatBytes(middle)} (${count} measured, ${formatBytes(least)} to ${formatBytes(most)})`;
}

/** The same with something more, or less, for each full copy. */
function moved(takes: Takes, bytes: number): Takes {
  const { count, middle, least, most } = takes.full;
  return {
    ...takes,
    full: { count, middle: middle + bytes, least: least + bytes, most: most + bytes },
  };
}

async function partsOf(dataDir: string): Promise<string> {
  const { log, tree, state } = new BcdbFolder(dataDir);
  const uses = await Promise.all([log, tree, state].map((path) => diskUse(path)));
  const [ofLog, ofTree, ofState] = uses.map(({ allocated }) => formatBytes(allocated));
  return `of F log ${ofLog}, tree ${ofTree}, state ${ofState}`;
}

const compress = promisify(zstdCompress);

/** Bytes less that a full copy would receive if the server compressed pages of entries. */
async function packedPages({ port }: GridFacts, ownerToken: string, size: number): Promise<number> {
  let saved = 0;
  for (let from = 0; from < size; from += stepRecords) {
    const path = `/v1/entries?from=${from}&to=${Math.min(size, from + stepRecords)}`;
    const headers = { authorization: `Bearer ${ownerToken}` };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    const text = await answer.text();
    saved += Buffer.byteLength(text) - (await compress(text)).length;
  }
  return saved;
}
