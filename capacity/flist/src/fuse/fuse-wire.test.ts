import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answerInit, inHeaderBytes, opcodes, parseRequest } from './fuse-wire.ts';

function initRequest(minor: number, flags: number, moreFlags: number): Buffer {
  const bytes = Buffer.alloc(inHeaderBytes + 64);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(opcodes.init, 4);
  bytes.writeBigUInt64LE(2n, 8);
  bytes.writeUInt32LE(7, inHeaderBytes);
  bytes.writeUInt32LE(minor, inHeaderBytes + 4);
  bytes.writeUInt32LE(flags >>> 0, inHeaderBytes + 12);
  bytes.writeUInt32LE(moreFlags, inHeaderBytes + 16);
  return bytes;
}

const all = 0xffff_ffff;

test('the first answer takes only flags that the kernel offers', () => {
  const offered = (1 << 0) | (1 << 17);
  const agreed = answerInit(parseRequest(initRequest(45, offered, all)));
  assert.equal(agreed?.answer.readBigUInt64LE(8), 2n);
  assert.equal(agreed?.answer.readUInt32LE(16 + 12), offered);
  assert.deepEqual(agreed?.session, { canResend: false });
});

test('what was not answered is asked for again only where the kernel can', () => {
  const canResend = (more: number): boolean | undefined =>
    answerInit(parseRequest(initRequest(40, all, more)))?.session.canResend;
  assert.equal(canResend(1 << 7), true);
  assert.equal(canResend(~(1 << 7) >>> 0), false);
});

test('a kernel whose protocol is too old is refused', () => {
  assert.equal(answerInit(parseRequest(initRequest(26, all, 0))), undefined);
});
