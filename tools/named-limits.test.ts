import assert from 'node:assert/strict';
import { test } from 'node:test';

import { limitsPage, namedLimitsOf } from './named-limits.ts';

const text = `
/** Events that wait;
 * more are dropped. */
const WEBHOOK_QUEUE_MAX = 1_000;

/** Longest text. */
export const maxTextBytes = 16 * 2 ** 20;
/** Room beside it. */
const REST_BYTES_MAX = 8 * 1024 * 1024 - 4096;
/** Longest pause. */
const PAUSE_MS_MAX = 2_000;
/** Made of others. */
const LINE_BYTES_MAX = Math.ceil(maxTextBytes / 3);
const maxMute = 4;
const other = 3;
`;

test('limits are read with their value and the comment above them', () => {
  assert.deepEqual(namedLimitsOf(text), [
    { name: 'WEBHOOK_QUEUE_MAX', value: '1,000', meaning: 'Events that wait; more are dropped.' },
    { name: 'maxTextBytes', value: '16 MiB', meaning: 'Longest text.' },
    { name: 'REST_BYTES_MAX', value: '8 MiB', meaning: 'Room beside it.' },
    { name: 'PAUSE_MS_MAX', value: '2 s', meaning: 'Longest pause.' },
    { name: 'LINE_BYTES_MAX', value: '`Math.ceil(maxTextBytes / 3)`', meaning: 'Made of others.' },
    { name: 'maxMute', value: '4', meaning: '' },
  ]);
});

test('the page of limits has a row for each, and none for tests', () => {
  const page = limitsPage([
    { path: 'low/store/src/send/queue.ts', text },
    { path: 'low/store/src/testing/faults.ts', text },
    { path: 'low/quiet/src/quiet.ts', text: '' },
  ]);
  assert.match(page, /^## low\/store$/m);
  assert.match(page, /^\| `maxTextBytes` \| 16 MiB \| Longest text\. \| `send\/queue\.ts` \|$/m);
  assert.doesNotMatch(page, /quiet|faults/);
});
