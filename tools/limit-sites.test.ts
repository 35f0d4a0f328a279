import assert from 'node:assert/strict';
import { test } from 'node:test';

import { limitSitesOf, limitsReached } from './limit-sites.ts';

const queue = `
/** Events that wait. */
export const waitingMax = 3;
/** Words of a line. */
const wordsMax = 8;
export function push(list: number[], word: number): void {
  if (list.length >= waitingMax) {
    throw new Error('full');
  }
  if (word <= wordsMax) return;
  list.push(word > wordsMax ? 0 : word);
}
`;
const door = `import { push, waitingMax } from './queue.ts';
export const limits = { waitingMax };
while (list.length > waitingMax) list.shift();
`;
const files = [
  { path: 'low/store/src/queue.ts', text: queue },
  { path: 'low/store/src/door.ts', text: door },
  { path: 'low/store/src/other.ts', text: 'if (waitingMax > 2) run();' },
  { path: 'low/store/src/queue.test.ts', text: queue },
];

test('the part that is run beyond a limit is found, in each file that imports it', () => {
  const found = limitSitesOf(files).map(({ limit, path, offset }) => {
    const text = files.find((file) => file.path === path)?.text ?? '';
    return `${limit} ${text.slice(offset, offset + 9)}`;
  });
  assert.deepEqual(found, [
    'low/store/src/queue.ts: waitingMax throw new',
    'low/store/src/queue.ts: waitingMax list.shif',
    'low/store/src/queue.ts: wordsMax list.push',
    'low/store/src/queue.ts: wordsMax 0 : word)',
  ]);
});

test('a limit is reached when the innermost range around what is beyond it was run', () => {
  const sites = [{ limit: 'q.ts: waitingMax', path: 'q.ts', offset: 50 }];
  const covered = (count: number): string[] =>
    limitsReached(sites, 'q.ts', {
      url: 'file:///q.ts',
      functions: [
        {
          ranges: [
            { startOffset: 0, endOffset: 100, count: 7 },
            { startOffset: 40, endOffset: 60, count },
          ],
        },
      ],
    });
  assert.deepEqual(covered(1), ['q.ts: waitingMax']);
  assert.deepEqual(covered(0), []);
  assert.deepEqual(limitsReached(sites, 'other.ts', { url: '', functions: [] }), []);
});
