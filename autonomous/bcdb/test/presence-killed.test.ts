import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAtomicTemp, waitFor } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import type { RecordOf } from '@commongrid/model';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbFolder } from '../src/config.ts';
import { PresenceFile } from '../src/presence/presence-file.ts';
import type { UnloggedPresence } from '../src/presence/presence-file.ts';
import { keyOf } from './support/kill-lines.ts';

const startMs = 1_800_000_000_000;
const owner = keyOf('presence', 'owner');
const child = join(import.meta.dirname, 'processes/beating-node.ts');

/** Runs a sequencer until it kept this much presence of its node, and kills it. */
async function killAfter(dataDir: string, keptMs: number): Promise<UnloggedPresence> {
  const { presence } = new BcdbFolder(dataDir);
  const running = spawn(process.execPath, [child, dataDir, String(startMs)], { stdio: 'inherit' });
  const exited = once(running, 'exit');
  try {
    const isLong = async (): Promise<boolean> => {
      assert.equal(running.exitCode, null, 'it runs');
      const [, toMs = 0] = spanOf((await keptIn(presence))[0]);
      return toMs >= startMs + keptMs;
    };
    await waitFor(isLong, { what: 'presence on the disk', timeoutMs: 60_000 });
  } finally {
    running.kill('SIGKILL');
  }
  const [, signal] = (await exited) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', 'it ran until it was killed');
  const [last] = await keptIn(presence);
  assert.ok(last !== undefined);
  return last;
}

async function keptIn(file: string): Promise<readonly UnloggedPresence[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.trimEnd().split('\n').slice(1, -1);
  return lines.map((line) => JSON.parse(line) as UnloggedPresence);
}

function spanOf(kept: UnloggedPresence | undefined): readonly [number?, number?] {
  const [first, last] = [kept?.runs[0], kept?.runs.at(-1)];
  return first === undefined || last === undefined ? [] : [first[1], last[2]];
}

function summaryOf(bcdb: Bcdb, node: string): RecordOf<'grid.presence.1'> | undefined {
  const name = { ns: 'grid', url: 'grid.presence.1', obj: node };
  return bcdb.state.document<RecordOf<'grid.presence.1'>>(name)?.value;
}

test('what a killed sequencer kept of presence is in the next summary', async () => {
  await using folder = await tempFolder();
  const dataDir = folder.path;
  const kept = await killAfter(dataDir, 60_000);
  const [fromMs = 0, toMs = 0] = spanOf(kept);
  assert.equal(kept.runs.length, 1, 'it beat without a gap');
  const { presence } = new BcdbFolder(dataDir);
  const half = join(dataDir, `.presence.jsonl.${'0'.repeat(16)}.tmp`);
  await writeFile(half, 'what a killed process leaves');
  // Killed again before anything was logged: it is still there.
  const clock = new ManualClock(toMs + 600_000);
  const again = await Bcdb.open({ dataDir, owner, clock });
  assert.equal(summaryOf(again, kept.node), undefined);
  assert.deepEqual(await keptIn(presence), [kept]);
  assert.deepEqual((await readdir(dataDir)).filter(isAtomicTemp), []);
  // The summary comes when it had been due before.
  await clock.advance(kept.due - clock.nowMs() + 2000);
  const logged = await waitFor(() => summaryOf(again, kept.node), {
    what: 'the summary',
    timeoutMs: 60_000,
  });
  assert.deepEqual([logged.fromMs, logged.toMs, logged.gaps], [fromMs, toMs, []]);
  await again.close();
  await using last = await Bcdb.open({ dataDir, owner, clock });
  await clock.advance(3_700_000);
  assert.deepEqual(summaryOf(last, kept.node), logged, 'it is told once');
});

test('a damaged file of presence is reported, and nothing of it counts', async () => {
  await using folder = await tempFolder();
  const dataDir = folder.path;
  const kept = await killAfter(dataDir, 20_000);
  const { presence } = new BcdbFolder(dataDir);
  const text = await readFile(presence, 'utf8');
  const later = text.replace(String(kept.runs[0]?.[2]), String((kept.runs[0]?.[2] ?? 0) + 1));
  const header = text.replace('"log":"', '"log":"A');
  const log = (JSON.parse(text.split('\n', 1)[0] ?? '') as { readonly log: string }).log;
  const errors: unknown[] = [];
  const logger = { error: (facts: unknown) => errors.push(facts) } as unknown as Logger;
  assert.deepEqual(await PresenceFile.read(presence, log, logger), [kept]);
  for (const damaged of [
    header,
    text.slice(0, -1),
    text.slice(0, 40),
    '',
    '\n',
    text + text,
    later,
  ]) {
    await writeFile(presence, damaged);
    assert.deepEqual(await PresenceFile.read(presence, log, logger), [], damaged);
    assert.deepEqual(errors.splice(0), [{ file: presence }]);
  }
  await using bcdb = await Bcdb.open({ dataDir, owner, logger, clock: new ManualClock(kept.due) });
  assert.deepEqual(errors, [{ file: presence }]);
  await bcdb.close();
  await using after = await Bcdb.open({ dataDir, owner });
  assert.equal(summaryOf(after, kept.node), undefined);
});
