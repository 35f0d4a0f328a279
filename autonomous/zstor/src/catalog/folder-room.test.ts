import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '@commongrid/base';
import { FolderRoom } from './folder-room.ts';

const mebibyte = 2 ** 20;

test('the room of a folder is refused at its end, and given again', () => {
  let nowMs = 0;
  let freeBytes = 65 * mebibyte;
  const lines: string[] = [];
  const log = (_fields: unknown, message?: string): number => lines.push(message ?? '');
  const logger = { trace: log, debug: log, info: log, warn: log, error: log, child: () => logger };
  const room = new FolderRoom('/folder', {
    ...{ clock: { ...systemClock, monotonicMs: () => nowMs }, logger },
    freeBytesOf: () => freeBytes,
  });
  const refused = { code: 'ZSTOR_CATALOG_NO_ROOM' };
  room.require();
  room.require(mebibyte);
  assert.throws(() => room.require(mebibyte + 1), refused, 'what is reserved stays');
  room.require();
  freeBytes = 63 * mebibyte;
  room.require();
  nowMs += 100;
  assert.throws(() => room.require(), refused);
  assert.throws(() => room.require(), refused);
  freeBytes = 64 * mebibyte;
  nowMs += 100;
  room.require();
  assert.deepEqual(lines, ['the disk of the tables is full', 'the tables have room again']);
});
