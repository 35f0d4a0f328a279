import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createLogger, isGridError, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbReplica } from '../src/bcdb-replica.ts';
import { BcdbFolder } from '../src/config.ts';
import { openLedger } from '../src/ledger/open-ledger.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import type { Entry } from '../src/record/entry.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { LocalSource } from '../src/testing/local-source.ts';
import { noteUrl, openNotes, signNote } from './support/notes.ts';

const timeoutMs = 60_000;

/** A source that leaves payloads out, or gives others in their place. */
class WithholdingSource extends LocalSource {
  readonly instead = new Map<number, Uint8Array | undefined>();
  /** How often a single record was asked for. */
  asked = 0;
  rounds = 0;

  override checkpoint(): Promise<string> {
    this.rounds++;
    return super.checkpoint();
  }

  override async *entries(from: number, to: number): AsyncGenerator<readonly Entry[]> {
    if (to === from + 1) this.asked++;
    let seq = from;
    for await (const group of super.entries(from, to)) {
      yield group.map((entry) => this.#shown(entry, seq++));
    }
  }

  #shown({ leaf, body }: Entry, seq: number): Entry {
    return { leaf, body: this.instead.has(seq) ? this.instead.get(seq) : body };
  }
}

interface World {
  readonly owner: SigningKey;
  /** Folder of the database. */
  readonly sequencerDir: string;
  readonly bcdb: Bcdb;
  readonly source: WithholdingSource;
  /** Folder of the copy. */
  readonly dataDir: string;
  /** What copies logged. */
  readonly lines: Record<string, unknown>[];
  readonly copy: () => Promise<BcdbReplica>;
}

async function openWorld(t: TestContext): Promise<World> {
  const ending = new AsyncDisposableStack();
  t.after(() => ending.disposeAsync());
  const { path } = ending.use(await tempFolder('bcdb-withheld'));
  const owner = SigningKey.generate();
  const sequencerDir = join(path, 'a');
  const bcdb = ending.use(await openNotes({ dataDir: sequencerDir, owner }));
  const source = new WithholdingSource(bcdb);
  const dataDir = join(path, 'b');
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const logger = createLogger('copy', { destination });
  const { genesis, log } = bcdb;
  const copy = async (): Promise<BcdbReplica> =>
    ending.use(
      await BcdbReplica.open({ dataDir, genesis, log, source, sequencer: 'http://a', logger }),
    );
  return { owner, sequencerDir, bcdb, source, dataDir, lines, copy };
}

async function put(bcdb: Bcdb, obj: string, value: JsonValue): Promise<number> {
  const { seq } = await bcdb.write({ ns: 'notes', op: 'put', url: noteUrl, obj, value });
  return seq;
}

async function erase(bcdb: Bcdb, obj: string): Promise<void> {
  await bcdb.write({ ns: 'notes', op: 'erase', url: noteUrl, obj });
}

/** What a copy with all records calls withheld, but for one that is withheld for certain. */
async function settled(copy: BcdbReplica, { bcdb, source }: World): Promise<readonly number[]> {
  const probe = await put(bcdb, 'probe', { text: 'probe' });
  source.instead.set(probe, undefined);
  await withholds(copy, (seqs) => seqs.includes(probe));
  return copy.copy.withheld.filter((seq) => seq !== probe);
}

async function withholds(
  copy: BcdbReplica,
  isSo: (seqs: readonly number[]) => boolean,
): Promise<void> {
  await waitFor(() => isSo(copy.copy.withheld), { what: 'what is withheld', timeoutMs });
}

async function bodyAt(copy: BcdbReplica, seq: number): Promise<Uint8Array | undefined> {
  for await (const [entry] of copy.read(seq, seq + 1)) return entry?.body;
  return undefined;
}

test('a payload that is withheld is told of and not taken for an erased one, also after a restart', async (t) => {
  const world = await openWorld(t);
  const { bcdb, source, lines } = world;
  await put(bcdb, 'a', { text: 'gone' });
  const seq = await put(bcdb, 'b', { text: 'kept from you' });
  await erase(bcdb, 'a');
  source.instead.set(seq, undefined);
  {
    await using copy = await world.copy();
    await withholds(copy, (seqs) => seqs.length > 0);
    assert.deepEqual(copy.copy.withheld, [seq]);
    assert.equal(copy.copy.halted, undefined);
    const told = lines.find(({ msg }) => msg === 'the source withholds payloads');
    assert.deepEqual(told?.['sequences'], [seq]);
    assert.equal((told['err'] as { code?: unknown }).code, 'BCDB_ENTRIES_WITHHELD');
    await waitFor(() => source.asked > 1, { what: 'two questions', timeoutMs });
    await put(bcdb, 'c', { text: 'it goes on' });
    await waitFor(() => copy.digest === bcdb.digest, { what: 'the same state', timeoutMs });
  }
  await using copy = await world.copy();
  await withholds(copy, (seqs) => seqs.length > 0);
  assert.deepEqual(copy.copy.withheld, [seq]);
  await erase(bcdb, 'b');
  await withholds(copy, (seqs) => seqs.length === 0);
});

test('a payload that was withheld and comes later is in the log, and all is judged anew', async (t) => {
  const world = await openWorld(t);
  const { bcdb, source, dataDir } = world;
  const seq = await put(bcdb, 'b', { text: 'kept from you', code: 'one' });
  await put(bcdb, 'c', { text: 'another', about: 'b' });
  const body = await readBody(bcdb, seq);
  source.instead.set(seq, undefined);
  {
    await using copy = await world.copy();
    await withholds(copy, (seqs) => seqs.length > 0);
    const wrong = new Uint8Array(body);
    wrong[20] = (wrong[20] ?? 0) ^ 1;
    source.instead.set(seq, wrong);
    const warning = (): boolean => world.lines.some(({ err }) => codeOf(err) === mismatch);
    await waitFor(warning, { what: 'a warning', timeoutMs });
    assert.equal(await bodyAt(copy, seq), undefined);
    source.instead.clear();
    const failure = await copy.failed;
    assert.equal(failure.code, 'BCDB_LOG_STOPPED');
    assert.ok(Buffer.from(body).equals((await bodyAt(copy, seq)) ?? new Uint8Array()));
    assert.ok(existsSync(new BcdbFolder(dataDir).stale));
  }
  {
    await using copy = await world.copy();
    assert.ok(!existsSync(new BcdbFolder(dataDir).stale));
    assert.deepEqual(await settled(copy, world), []);
    const found = await copy.projection.search('notes', { text: 'kept' });
    assert.deepEqual(
      found.rows.map(({ obj }) => obj),
      ['b'],
    );
  }
  const { fault, findings, erased } = await verifyFolder(dataDir);
  assert.deepEqual([fault, findings, erased], [undefined, [], 1]);
});

test('a record that breaks the rules does not hide behind a payload that is withheld', async (t) => {
  const world = await openWorld(t);
  const { bcdb, source, owner } = world;
  const { leaf, body } = signNote(bcdb, owner, { obj: 'bad', value: { text: 5 } });
  const seq = await smuggle(bcdb, world.sequencerDir, { leaf, body: undefined });
  await using open = await Bcdb.open({ dataDir: world.sequencerDir, owner });
  source.bcdb = open;
  await put(open, 'a', { text: 'behind it' });
  {
    await using copy = await world.copy();
    await withholds(copy, (seqs) => seqs.includes(seq));
    await ticked(open, open.head.size);
    await waitFor(() => copy.head.size === open.head.size, { what: 'the copy', timeoutMs });
    assert.equal(copy.copy.halted, undefined);
    source.instead.set(seq, body);
    await copy.failed;
  }
  await assert.rejects(world.copy(), { code: 'BCDB_STATE_DIFFERS' });
});

test('payloads that were erased are not withheld, whenever the erasure is known', async (t) => {
  const world = await openWorld(t);
  const { bcdb, source, lines } = world;
  const seq = await put(bcdb, 'a', { text: 'to be forgotten' });
  source.frozen = bcdb.checkpoint();
  // As a source is that carried out an erasure beyond the head which it shows.
  source.instead.set(seq, undefined);
  const first = await world.copy();
  await waitFor(() => first.head.size > seq, { what: 'the copy', timeoutMs });
  const rounds = source.rounds + 4;
  await waitFor(() => source.rounds > rounds, { what: 'rounds without a newer head', timeoutMs });
  await first.close();
  const copy = await world.copy();
  await erase(bcdb, 'a');
  source.frozen = undefined;
  assert.deepEqual(await settled(copy, world), []);
  const told = lines.flatMap(({ sequences }) => sequences ?? []);
  assert.ok(!told.includes(seq));
});

test('what all rules rest on is waited for, and nobody is accused', async (t) => {
  const world = await openWorld(t);
  const { bcdb, source } = world;
  const value = { members: [bcdb.owner] };
  const { seq } = await bcdb.write({
    ...{ ns: 'notes', op: 'put', url: systemUrls.circle, obj: 'c', value },
  });
  await put(bcdb, 'a', { text: 'behind it' });
  source.instead.set(seq, undefined);
  const copy = await world.copy();
  await withholds(copy, (seqs) => seqs.length > 0);
  assert.deepEqual(copy.copy.withheld, [seq]);
  assert.equal(copy.head.size, 0);
  source.instead.clear();
  await waitFor(() => copy.digest === bcdb.digest, { what: 'the same state', timeoutMs });
  await withholds(copy, (seqs) => seqs.length === 0);
  assert.equal(copy.copy.halted, undefined);
});

const mismatch = 'BCDB_BODY_MISMATCH';

function codeOf(err: unknown): string | undefined {
  return isGridError(err) ? err.code : (err as { code?: string } | undefined)?.code;
}

/** Puts a record into the log of a database, which is closed for it, whatever it holds. */
async function smuggle(bcdb: Bcdb, dataDir: string, entry: Entry): Promise<number> {
  const { genesis } = bcdb;
  await bcdb.close();
  await using opened = new AsyncDisposableStack();
  const { ledger } = await openLedger({ folder: new BcdbFolder(dataDir), genesis, opened });
  await ledger.catchUp();
  const batch = ledger.begin();
  batch.take(checkRecord(entry, { mayBeErased: true }));
  assert.deepEqual(batch.refused, []);
  await ledger.end(batch);
  return batch.from;
}

/** Waits for a tick at or above a sequence. */
async function ticked(bcdb: Bcdb, from: number): Promise<void> {
  let seq = from;
  await waitFor(
    async () => {
      await put(bcdb, `later${seq}`, { text: 'time passes' });
      for await (const group of bcdb.read(seq, bcdb.head.size)) {
        seq = (group.at(-1)?.seq ?? seq) + 1;
        if (group.some((entry) => checkRecord(entry).envelope.url === systemUrls.tick)) return true;
      }
      return false;
    },
    { what: 'a tick', timeoutMs, everyMs: 100 },
  );
}

async function readBody(bcdb: Bcdb, seq: number): Promise<Uint8Array> {
  for await (const [entry] of bcdb.read(seq, seq + 1)) return entry?.body ?? new Uint8Array();
  throw new Error('no such record');
}
