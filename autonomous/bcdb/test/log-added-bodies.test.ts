import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { faultyFiles, PowerLossFiles } from '@commongrid/files/testing';
import { EmbeddedLog } from '../src/log/embedded/embedded-log.ts';
import type { StoredBody } from '../src/log/log-engine.ts';
import { batchAt, differences, entryAt, readAll } from '../src/testing/index.ts';

const log = Buffer.alloc(32, 3);
const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());
// Real syncs take most of the time, and prove nothing here.
const quick = faultyFiles(() => undefined);

function open(folder: string, files = quick): Promise<EmbeddedLog> {
  return EmbeddedLog.open({ folder, log, segmentBytes: 20_000, files });
}

function bodiesOf(from: number, to: number): readonly StoredBody[] {
  const found: StoredBody[] = [];
  for (let seq = from; seq < to; seq++) {
    const { body } = entryAt(seq);
    if (body !== undefined) found.push({ seq, body });
  }
  return found;
}

test('bodies that are put in are there or not at every loss of power, and the log is sound', async () => {
  await using temp = await tempFolder('bcdb-bodies');
  const live = path.join(temp.path, 'live');
  fs.mkdirSync(live);
  const disk = new PowerLossFiles({ root: live });
  {
    await using engine = await open(path.join(live, 'log'), disk.files);
    for (let size = 0; size < 200; size += 50) {
      const { from, entries, head } = batchAt(size, 50);
      const bare = entries.map(({ leaf }) => ({ leaf, body: undefined }));
      await engine.append({ from, entries: bare, head });
    }
    disk.mark(0);
    for (const end of [60, 130, 200]) {
      await engine.addBodies(bodiesOf(end - 60, end));
      disk.mark(end);
    }
  }
  const begin = disk.trace.findIndex(({ kind }) => kind === 'mark');
  for (let call = begin + 1; call <= disk.trace.length; call++) {
    const target = fs.mkdtempSync(path.join(temp.path, 'image-'));
    disk.crashImage(call, seededRandom(`${seed}/${call}`), target, false);
    await using engine = await open(path.join(target, 'log'));
    const where = `call ${call}, GRID_TEST_SEED=${seed}`;
    const found = await readAll(engine);
    assert.equal(found.length, 200, where);
    const promised = new Set<number>();
    for (const end of disk.marksBefore(call) as number[]) {
      for (const { seq } of bodiesOf(Math.max(0, end - 60), end)) promised.add(seq);
    }
    const missing = found.flatMap(({ seq, body }) => (body === undefined ? [seq] : []));
    assert.deepEqual(
      missing.filter((seq) => promised.has(seq)),
      [],
      where,
    );
    assert.deepEqual(differences(found, 0, new Set(missing)), [], where);
    for await (const problem of engine.verify()) assert.fail(`${where} ${problem.text}`);
    await engine.addBodies(bodiesOf(0, 200));
    assert.deepEqual(differences(await readAll(engine), 0), [], where);
    fs.rmSync(target, { recursive: true });
  }
});
