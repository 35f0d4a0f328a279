import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';

import { AccessWire, frameBytesMax, frameKinds } from './access-wire.ts';

test('access wire gives the frames that were sent, however they are cut', async () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.integer({ min: 1, max: 50 })), async (sent, cuts) => {
      const bytes = Buffer.concat([
        Buffer.from('{"a":"ü"}\n'),
        ...sent.map((payload, kind) => frameOf(kind, payload.length, payload)),
      ]);
      const [near, far] = duplexPair();
      const wire = new AccessWire(near);
      const received = receive(wire);
      let start = 0;
      for (const cut of cuts) {
        far.write(bytes.subarray(start, start + cut));
        start += cut;
      }
      far.end(bytes.subarray(start));
      const { header, payloads } = await received;
      assert.deepEqual(header, { a: 'ü' });
      assert.deepEqual(
        payloads,
        sent.map((payload) => Buffer.from(payload)),
      );
    }),
  );
});

test('access wire refuses a frame that is too long, before it has come', async () => {
  const [near, far] = duplexPair();
  const wire = new AccessWire(near);
  far.write(frameOf(frameKinds.stdin, frameBytesMax + 1, Buffer.alloc(0)));
  await assert.rejects(wire.readFrame(), hasCode('NODE_ACCESS_INVALID'));
});

test('access wire tells a frame that broke off from an end', async () => {
  const [near, far] = duplexPair();
  const wire = new AccessWire(near);
  far.end(frameOf(frameKinds.stdin, 4, Buffer.from('abc')));
  await assert.rejects(wire.readFrame(), hasCode('NODE_ACCESS_LOST'));
});

test('access wire refuses a first line without end, and one that is no JSON', async () => {
  for (const text of ['x'.repeat(300 * 1024), '{"a":\n']) {
    const [near, far] = duplexPair();
    far.end(text);
    await assert.rejects(new AccessWire(near).readHeader(), hasCode('NODE_ACCESS_INVALID'));
  }
});

async function receive(wire: AccessWire): Promise<{ header: unknown; payloads: Buffer[] }> {
  const header = await wire.readHeader();
  const payloads: Buffer[] = [];
  for (let frame = await wire.readFrame(); frame !== undefined; frame = await wire.readFrame()) {
    assert.equal(frame.kind, payloads.length);
    payloads.push(Buffer.from(frame.payload));
  }
  return { header, payloads };
}

function frameOf(kind: number, sizeBytes: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32BE(sizeBytes, 1);
  return Buffer.concat([head, payload]);
}
