import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { ManualClock } from '@commongrid/base/testing';

import { BodySource } from './body-source.ts';
import { progressMsMax } from './watch-client.ts';

suite('body source', () => {
  test('gives up on a client that drips, and not on one that makes progress', async () => {
    const { source, stream, clock } = opened();
    for (let round = 0; round < 5; round += 1) {
      const next = source.next();
      await clock.advance(progressMsMax - 1);
      stream.write(Buffer.alloc(16 << 10));
      assert.equal((await next)?.length, 16 << 10);
    }
    const first = source.next();
    await clock.advance(progressMsMax / 2);
    stream.write('x');
    assert.equal((await first)?.length, 1);
    const second = source.next();
    const refused = assert.rejects(second, { s3Code: 'RequestTimeout' });
    await clock.advance(progressMsMax / 2 + 1);
    await refused;
  });

  test('does not count the time in which nobody asks', async () => {
    const { source, stream, clock } = opened();
    stream.write('one');
    assert.equal(String(await source.next()), 'one');
    await clock.advance(progressMsMax * 10);
    const next = source.next();
    await clock.advance(progressMsMax / 2);
    stream.end('two');
    assert.equal(String(await next), 'two');
    assert.equal(await source.next(), undefined);
  });

  test('reads no further than its limit until a piece is taken', async () => {
    const { source, stream } = opened();
    const first = source.next();
    for (let piece = 0; piece < 20; piece += 1) stream.write(Buffer.alloc(64 << 10));
    await first;
    await turn();
    assert.ok(source.receivedBytes <= (256 + 128) << 10, String(source.receivedBytes));
    stream.end();
    let left = 19;
    while ((await source.next()) !== undefined) left -= 1;
    assert.equal(left, 0);
  });

  test('tells a body that broke off from one that ended', async () => {
    const { source, stream } = opened();
    const next = source.next();
    stream.destroy();
    await assert.rejects(next, { s3Code: 'IncompleteBody' });
    await assert.rejects(source.next(), { s3Code: 'IncompleteBody' });
  });
});

function opened(): {
  readonly source: BodySource;
  readonly stream: PassThrough;
  readonly clock: ManualClock;
} {
  const stream = new PassThrough();
  const clock = new ManualClock();
  const request = stream as unknown as IncomingMessage;
  return { source: new BodySource({ request, clock, askForBody: () => undefined }), stream, clock };
}
