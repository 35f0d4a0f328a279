import assert from 'node:assert/strict';
import { test } from 'node:test';

import { exitStatusOf } from './exit-status.ts';

test('codes of every package lead to the exit status that they mean', () => {
  const expected: [string, number][] = [
    ['GRID_USAGE', 2],
    ['GRID_SERVICE_UNKNOWN', 3],
    ['ZDB_CONFIG_INVALID', 2],
    ['BASE_FOLDER_LOCKED', 5],
    ['GRID_PORT_UNAVAILABLE', 5],
    ['RESP_CONNECT_FAILED', 6],
    ['BASE_QUEUE_FULL', 7],
    ['GRID_START_TIMEOUT', 8],
    ['GRID_INTERNAL', 1],
  ];
  for (const [code, status] of expected) assert.equal(exitStatusOf(code), status, code);
});
