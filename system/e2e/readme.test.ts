import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { root, run, TestGrid } from './grid-process.ts';

test('the tour of the README works as it is written', async () => {
  await using grid = await TestGrid.open();
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, tour = ''] = /## A tour[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme) ?? [];
  assert.match(tour, /^\.\/grid up/);
  const up = await grid.run('up', '--port-base', '0', '--json');
  const [, port = ''] = /127\.0\.0\.1:(\d+)/.exec(up.stdout) ?? [];
  const script = tour.replaceAll('/var/lib/grid', grid.home).replaceAll('-p 9900', `-p ${port}`);
  const env = { GRID_HOME: grid.home };
  const { status, stdout, stderr } = await run('sh', ['-euc', script], { cwd: root, env });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.deepEqual(stdout.match(/^hello$/gm), ['hello', 'hello']);
  assert.match(stdout, /^photos /m);
  assert.match(stdout, /the data stays/);
});
