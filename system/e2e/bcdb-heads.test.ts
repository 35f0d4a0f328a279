import assert from 'node:assert/strict';
import { cp, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { root, run, TestGrid } from './grid-process.ts';

interface Failure {
  readonly code: string;
  readonly details: { readonly evidence: string; readonly seen: string; readonly shown: string };
}

interface Up {
  readonly services: Record<string, { readonly addresses: Record<string, string> }>;
}

/** A grid whose database is put back to an earlier state behind the back of its commands. */
async function gridThatWentBack(): Promise<TestGrid> {
  const grid = await TestGrid.open();
  const home = join(grid.home, 'bcdb');
  const copy = join(grid.home, 'run', 'copy');
  await grid.json('up', '--port-base', '0');
  await grid.json('bcdb', 'ns', 'create', 'early');
  await grid.json('down');
  await cp(home, copy, { recursive: true });
  await grid.json('up', '--port-base', '0');
  // What it wrote itself is all that this command saw of it.
  await grid.json('bcdb', 'ns', 'create', 'late');
  await grid.json('bcdb', 'ns', 'create', 'later');
  await grid.json('down');
  await rm(home, { recursive: true });
  await cp(copy, home, { recursive: true });
  await grid.json('up', '--port-base', '0');
  return grid;
}

async function failure(grid: TestGrid, ...words: string[]): Promise<Failure> {
  const { status, stdout } = await grid.run(...words, '--json');
  assert.notEqual(status, 0, stdout);
  return JSON.parse(stdout) as Failure;
}

/** Somebody who saw nothing of all that writes what he likes. */
async function writeAsOther(grid: TestGrid, names: readonly string[]): Promise<void> {
  const { services } = await grid.json<Up>('status');
  const far = [
    ...['--address', services['bcdb']?.addresses['bcdb-http'] ?? ''],
    ...['--genesis', join(grid.home, 'bcdb', 'genesis.json')],
    ...['--token-file', join(grid.home, 'identity', 'owner-token')],
  ];
  const env = { GRID_HOME: join(grid.home, 'others') };
  const made = names.map(async (name) => {
    const words = ['bcdb', 'ns', 'create', name, ...far];
    const { status, stderr } = await run(join(root, 'grid'), words, { env });
    assert.equal(status, 0, stderr);
  });
  await Promise.all(made);
}

test('commands notice a log that went back or on otherwise, until they are told to accept it', async () => {
  await using grid = await gridThatWentBack();
  const back = await failure(grid, 'bcdb', 'ns', 'list');
  assert.equal(back.code, 'BCDB_LOG_ROLLED_BACK');
  const { seen, shown, evidence } = back.details;
  const kept = JSON.parse(await readFile(evidence, 'utf8')) as Failure['details'];
  assert.deepEqual([kept.seen, kept.shown], [seen, shown]);
  assert.equal((await stat(evidence)).mode & 0o777, 0o600);
  // It grows beyond what was seen, and is another log nevertheless.
  await writeAsOther(grid, ['red', 'green', 'blue', 'gray', 'pink', 'gold']);
  const forked = await failure(grid, 'bcdb', 'ns', 'list');
  assert.equal(forked.code, 'BCDB_LOG_FORKED');
  assert.notEqual(forked.details.evidence, evidence);
  await grid.json('bcdb', 'checkpoint', '--accept');
  await grid.json('bcdb', 'ns', 'create', 'next');
  await stat(evidence);
});
