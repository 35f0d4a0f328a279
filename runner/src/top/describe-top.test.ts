import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeTop, fittingRows } from './describe-top.ts';

const plain = (text: string): string => text;
const style = { strong: plain, good: plain, bad: plain, faint: plain };

test('a frame that is higher than the terminal is cut, and says so', () => {
  assert.equal(fittingRows('a\nb\nc', 4), 'a\nb\nc');
  assert.equal(fittingRows('a\nb\nc', 3), 'a\n… 2 lines more: --once');
  assert.equal(fittingRows('a\nb', 1), '… 2 lines more: --once');
});

test('what could not be asked stands first, where no terminal cuts it', () => {
  const use = { restartCount: 0, cpuMs: 500, memoryBytes: 2 ** 20 };
  const service = { name: 'zdb', phase: 'running', ...use } as const;
  const frame = {
    ...{ atMs: 1_000, nodes: [], node: null, workloads: [], rents: [] },
    schema: 'grid.top.1',
    services: [service],
    unknown: ['node: it does not answer'],
  } as const;
  const former = { ...frame, atMs: 0, services: [{ ...service, cpuMs: 0 }] };
  assert.deepEqual(describeTop(frame, former, style).split('\n'), [
    'node: it does not answer',
    'grid at 1970-01-01T00:00:01.000Z',
    '  zdb  running  50%  1 MiB',
  ]);
});
