import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { root, run } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

function grid(...words: string[]): Promise<Ended> {
  return run(join(root, 'grid'), words);
}

test('grid without words shows its help', async () => {
  const { status, stdout } = await grid();
  assert.equal(status, 0);
  assert.match(stdout, /Usage: grid/);
});

test('an unknown command is a usage error with a next step, for people and programs', async () => {
  const { status, stdout, stderr } = await grid('pu', '--json');
  assert.equal(status, 2);
  assert.match(stderr, /^grid: GRID_USAGE: unknown command 'pu'.*\nnext: \.\/grid --help\n$/);
  const { schema, code } = JSON.parse(stdout) as { schema: string; code: string };
  assert.deepEqual([schema, code], ['grid.error.1', 'GRID_USAGE']);
});

test('a wrong word of a verb leads to the help of that verb', async () => {
  const { status, stderr } = await grid('s3', 'quota', 'photos', '5GiB');
  assert.equal(status, 2);
  assert.match(stderr, /\nnext: \.\/grid s3 quota --help\n$/);
});

test('a noun without a verb shows its help and fails', async () => {
  const { status, stderr } = await grid('zdb');
  assert.equal(status, 2);
  assert.match(stderr, /Usage: grid zdb/);
});

test('colours are for terminals only', async () => {
  const { stderr } = await grid('pu');
  assert.equal(stderr.includes('\u001b'), false);
});

test('grid explain tells what a code means', async () => {
  const { status, stdout } = await grid('explain', 'grid_port_unavailable');
  assert.equal(status, 0);
  assert.match(stdout, /^GRID_PORT_UNAVAILABLE: .*--port-base 0/);
  assert.equal((await grid('explain', 'NO_SUCH_CODE')).status, 3);
});

test('grid bench lists benchmarks and refuses an unknown one', async () => {
  const { stdout } = await grid('bench', '--json');
  const { benches } = JSON.parse(stdout) as { benches: string[] };
  assert.ok(benches.includes('zdb'));
  assert.equal((await grid('bench', 'nosuch')).status, 3);
});

test('grid test refuses a pattern that fits no file', async () => {
  const { status, stderr } = await grid('test', 'no-such-test-file');
  assert.equal(status, 3);
  assert.match(stderr, /GRID_TEST_NONE/);
});
