import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { delay, seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbFolder } from '../src/config.ts';
import { loadIdentity } from '../src/genesis-file.ts';
import { openLedger } from '../src/ledger/open-ledger.ts';
import { verifyState } from '../src/ledger/verify-state.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { nodePrimitives } from '../src/tree/node-primitives.ts';
import { Verifier } from '../src/tree/verifier.ts';
import type { VerifiedHead } from '../src/tree/verifier.ts';
import { keyOf } from './support/kill-lines.ts';
import type { Line, OpenEntry, Task } from './support/kill-lines.ts';

const rounds = process.env['GRID_TEST_LONG'] === '1' ? 300 : 40;
const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());
const child = join(import.meta.dirname, 'processes/killed-writers.ts');

/** What was promised to somebody, over all processes. */
class Promises {
  /** Version by sequence. */
  readonly taken = new Map<number, string>();
  readonly open = new Map<string, OpenEntry>();
  seen: VerifiedHead = { size: 0, root: '' };
  readonly #verifier = new Verifier(nodePrimitives);
  #genesis: Genesis | undefined;
  #log = '';

  hear(line: Line): void {
    switch (line.kind) {
      case 'sent':
        this.open.set(line.leaf, line);
        return;
      case 'taken':
        this.open.delete(line.leaf);
        this.#note(line.seq, line.version);
        assert.ok(line.size > line.seq, 'a receipt names a head that has the record');
        return;
      case 'refused':
        this.open.delete(line.leaf);
        assert.ok(expectedRefusals.has(line.code), `${line.writer}: ${line.code}`);
        return;
      case 'owner':
        this.#note(line.seq, line.version);
        return;
      case 'start':
        this.#see(line.checkpoint, line.proof);
        return;
      case 'checkpoint':
        this.#see(line.note);
    }
  }

  async trust(dataDir: string, owner = keyOf(seed, 'owner')): Promise<void> {
    await using bcdb = await Bcdb.open({ dataDir, owner });
    this.#genesis = bcdb.genesis;
    this.#log = bcdb.log;
  }

  #note(seq: number, version: string): void {
    assert.equal(this.taken.get(seq) ?? version, version, `two records were told to be ${seq}`);
    this.taken.set(seq, version);
  }

  /** Each checkpoint is a continuation of those before, at the start of a process with proof. */
  #see(note: string, proof?: readonly string[]): void {
    const sequencerKey = this.#genesis?.sequencer ?? '';
    const head = this.#verifier.verifyCheckpoint(note, { log: this.#log, sequencerKey });
    assert.ok(head.size >= this.seen.size, `the head went from ${this.seen.size} to ${head.size}`);
    if (proof !== undefined && this.seen.size > 0) {
      this.#verifier.verifyConsistency(this.seen, head, head.size === this.seen.size ? [] : proof);
    }
    this.seen = head;
  }
}

/** What others did in between, or what lay open while the process was dead. */
const expectedRefusals: ReadonlySet<string> = new Set([
  'BCDB_ALREADY_VOTED',
  'BCDB_CONFLICT',
  'BCDB_COUNTER_GAP',
  'BCDB_NOT_FOUND',
  'BCDB_PROPOSAL_CLOSED',
  'BCDB_PROPOSAL_STALE',
  'BCDB_RULE_BROKEN',
  'BCDB_UNIQUE_TAKEN',
]);

test('database that is killed keeps what it acknowledged, once, and its files agree', async () => {
  await using folder = await tempFolder('bcdb-kill');
  const dataDir = join(folder.path, 'data');
  const random = seededRandom(seed);
  const promises = new Promises();
  await promises.trust(dataDir);
  const context = `GRID_TEST_SEED=${seed}`;
  for (let round = 0; round < rounds; round++) {
    const task: Task = { round, seenSize: promises.seen.size, open: [...promises.open.values()] };
    try {
      await runAndKill(
        { dataDir, task, folder: folder.path, taken: random.int(0, 15), ms: random.int(0, 20) },
        promises,
      );
      if (round % 10 === 9) assert.deepEqual(await faultsOf(dataDir, promises), []);
    } catch (error) {
      throw new Error(`round ${round}, ${context}`, { cause: error });
    }
  }
  assert.deepEqual(await faultsOf(dataDir, promises), [], context);
  assert.ok(promises.taken.size > rounds * 5, `${promises.taken.size} were taken, ${context}`);
});

interface Life {
  readonly dataDir: string;
  readonly task: Task;
  readonly folder: string;
  /** Records that it takes before the end: how far it comes does not hang on the machine. */
  readonly taken: number;
  /** From then to the end: somewhere between two lines. */
  readonly ms: number;
}

async function runAndKill(life: Life, promises: Promises): Promise<void> {
  const { dataDir, task, folder } = life;
  const taskFile = join(folder, 'task.json');
  await writeFile(taskFile, JSON.stringify(task));
  const running = spawn(process.execPath, [child, dataDir, seed, taskFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const { stdout } = running;
    assert.ok(stdout !== null);
    const lines: Line[] = [];
    const reader = createInterface({ input: stdout });
    reader.on('line', (line) => lines.push(JSON.parse(line) as Line));
    const ended = once(reader, 'close');
    const isFarEnough = (): boolean => {
      const taken = lines.filter(({ kind }) => kind === 'taken');
      const isFar = lines.length > 0 && taken.length >= life.taken;
      return isFar || running.exitCode !== null;
    };
    await waitFor(isFarEnough, { what: 'the database to come far enough', timeoutMs: 60_000 });
    // The moment of death is what is random here: nothing can be waited for.
    await delay(life.ms);
    assert.equal(running.exitCode, null, 'the process ended by itself');
    await kill(running);
    await ended;
    for (const line of lines) promises.hear(line);
  } finally {
    await kill(running);
  }
}

async function kill(running: ChildProcess): Promise<void> {
  if (running.exitCode !== null || running.signalCode !== null) return;
  const ended = once(running, 'exit');
  running.kill('SIGKILL');
  await ended;
}

async function faultsOf(dataDir: string, promises: Promises): Promise<readonly string[]> {
  const faults: string[] = [];
  {
    await using bcdb = await Bcdb.open({ dataDir, owner: keyOf(seed, 'owner') });
    await bcdb.projection.waitFor(bcdb.head.size - 1);
    await bcdb.erased();
    faults.push(...(await logFaults(bcdb, promises)));
  }
  {
    await using opened = new AsyncDisposableStack();
    const folder = new BcdbFolder(dataDir);
    const { genesis } = await loadIdentity(folder);
    const { engine, hashes, ledger } = await openLedger({ folder, genesis, opened });
    await ledger.catchUp();
    const row = await verifyState({ file: folder.state, engine, hashes, genesis });
    if (row !== undefined) faults.push(`state: ${row}`);
  }
  const { fault, findings } = await verifyFolder(dataDir);
  if (fault !== undefined) faults.push(`record ${fault.seq}: ${fault.code} ${fault.message}`);
  return [...faults, ...findings];
}

/** Everything acknowledged is there, no record is there twice, and what was erased is gone. */
async function logFaults(bcdb: Bcdb, { taken }: Promises): Promise<readonly string[]> {
  const faults: string[] = [];
  const counters = new Map<string, number>();
  const bodies = new Map<string, number[]>();
  let size = 0;
  for await (const group of bcdb.read(0, bcdb.head.size)) {
    for (const entry of group) {
      const { envelope, version } = checkRecord(entry, { mayBeErased: true });
      const { author, n, op, url, obj } = envelope;
      const promised = taken.get(size) ?? version;
      if (promised !== version) faults.push(`${size} is not the record that was acknowledged`);
      const last = counters.get(author) ?? 0;
      if (n !== last + 1) faults.push(`${size}: record ${n} of ${author} after ${last}`);
      counters.set(author, n);
      const name = `${url} ${obj}`;
      if (op === 'put' && entry.body !== undefined) {
        bodies.set(name, [...(bodies.get(name) ?? []), size]);
      } else if (op === 'erase') {
        for (const seq of bodies.get(name) ?? []) faults.push(`${seq} was to be erased by ${size}`);
        bodies.delete(name);
      }
      size++;
    }
  }
  const lost = [...taken.keys()].filter((seq) => seq >= size);
  return [...faults, ...lost.map((seq) => `${seq} was acknowledged and is lost`)];
}
