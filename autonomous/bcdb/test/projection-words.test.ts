import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { systemRandom } from '@commongrid/base';
import { Type } from 'typebox';
import { ProjectionReader } from '../src/projection/projection-reader.ts';
import { ProjectionWriter } from '../src/projection/projection-writer.ts';
import { verifyProjection } from '../src/projection/verify-projection.ts';
import { searchable, Text } from '../src/schema/fields.ts';
import { EffectLog, temporaryFolder } from './projection-fixture.ts';
import { wordyLog, wordyUrl } from './support/wordy-log.ts';

const killedProjection = join(import.meta.dirname, 'processes/killed-projection.ts');

test('words are merged a step at a time, and each step leaves all of them found', async () => {
  const log = new EffectLog();
  log.schema(wordyUrl, Type.Object({ name: searchable(Text()), note: searchable(Text()) }));
  for (let i = 0; i < 60; i++) {
    const words = Array.from({ length: 400 }, (_, k) => `w${(i * 7919 + k * 104_729) % 9973}`);
    log.put(wordyUrl, `p${i}`, { name: `person ${i}`, note: words.join(' ') });
  }
  await using folder = await temporaryFolder();
  {
    using writer = ProjectionWriter.open({ folder: folder.path });
    for (let at = 0; at < log.size; at++) writer.apply(log.batch(at, at + 1));
  }
  // The next process goes on with what the former one left.
  using writer = ProjectionWriter.open({ folder: folder.path });
  using reader = new ProjectionReader(folder.path);
  const search = (): string[] =>
    reader.search('home', { text: 'person', limit: 1000 }).rows.map(({ obj }) => obj);
  const found = search();
  assert.equal(found.length, 60);
  const before = partsOf(folder.path);
  assert.ok(before > 50, `${before} parts`);
  let steps = 0;
  while (writer.mergeText()) {
    steps++;
    assert.deepEqual(search(), found);
  }
  assert.ok(steps > 0);
  assert.ok(partsOf(folder.path) < 4, `${partsOf(folder.path)} parts`);
  assert.equal(writer.mergeText(), false);
  await verifyProjection({ folder: folder.path, ns: 'home', effects: log.read(0) });
});

test('a writer that is killed again and again comes to the files that the log makes', async (t) => {
  await using folder = await temporaryFolder();
  const log = wordyLog();
  let kills = 0;
  let reached = 0;
  for (let isDone = false; !isDone;) {
    const settlesAt = String(systemRandom.int(0, 30));
    const child = spawn(process.execPath, [killedProjection, folder.path, settlesAt], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let linesLeft = kills < 8 ? systemRandom.int(0, 150) : Number.POSITIVE_INFINITY;
    for await (const line of createInterface({ input: child.stdout })) {
      isDone ||= line === 'done';
      if (!isDone) reached = Math.max(reached, Number(line));
      if (--linesLeft < 0) child.kill('SIGKILL');
    }
    await ended;
    kills += isDone ? 0 : 1;
    using writer = ProjectionWriter.open({ folder: folder.path });
    assert.deepEqual(writer.findings, []);
    assert.ok(writer.size >= reached, 'what was applied stays');
  }
  t.diagnostic(`${kills} kills`);
  assert.equal(reached, log.size);
  await verifyProjection({ folder: folder.path, ns: 'home', effects: log.read(0, 50) });
});

/** Parts in which the words of the second type of a namespace lie. */
function partsOf(folder: string): number {
  using db = new DatabaseSync(join(folder, 'ns-home.db'), { readOnly: true });
  return Number(db.prepare('SELECT count(DISTINCT segid) AS n FROM _t2_idx').get()?.['n']);
}
