import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';

import { systemClock, waitFor } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';

import { S3Endpoint } from '../src/index.ts';
import type { Answered, S3Handler } from '../src/index.ts';

const mebibyte = 2 ** 20;
const waiting = { what: 'the other side', everyMs: 5, timeoutMs: 60_000 };
const get = 'GET /books/k HTTP/1.1\r\nhost: a\r\n\r\n';

suite('a connection', () => {
  test('is cut when garbage comes during an answer, and the answer gets no word more', async () => {
    const handler: S3Handler = async () => ({ body: answerOf(64 * mebibyte) });
    await withEndpoint(handler, async ({ port }) => {
      const client = await open(port);
      client.write(get);
      await once(client, 'readable');
      client.write('garbage\r\n\r\n');
      const text = await textUntilEnd(client);
      assert.match(text, /^HTTP\/1\.1 200 /);
      assert.equal(text.indexOf('HTTP/1.1 400'), -1);
    });
  });

  test('is cut when garbage follows a request that is not answered yet', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: S3Handler = async ({ payload }) => {
      while ((await payload.next()) !== undefined);
      await gate.promise;
      return {};
    };
    await withEndpoint(handler, async ({ port }, answers) => {
      const client = await open(port);
      client.write(
        'PUT /books/k HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhigarbage\r\n\r\n',
      );
      // A refusal would be taken for that of the object, which is kept.
      assert.equal(await textUntilEnd(client), '');
      gate.resolve();
      await waitFor(() => answers.length === 1, waiting);
    });
  });

  test('with chunks that are none gets an answer', async () => {
    const handler: S3Handler = async ({ payload }) => {
      while ((await payload.next()) !== undefined);
      return {};
    };
    await withEndpoint(handler, async ({ port }) => {
      const client = await open(port);
      client.write(
        'POST /books?delete HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      );
      assert.match(await textUntilEnd(client), /^HTTP\/1\.1 400 /);
    });
  });

  test('that was reset before it was looked at asks for nothing', async () => {
    let isAsked = false;
    const handler: S3Handler = async ({ remoteAddress }) => {
      // A policy that denies an address would not fit.
      isAsked ||= remoteAddress === '';
      return {};
    };
    await withEndpoint(handler, async ({ port }, answers) => {
      for (let count = 1; count <= 20; count += 1) {
        const client = await open(port);
        client.write('DELETE /books/k HTTP/1.1\r\nhost: a\r\n\r\n');
        client.resetAndDestroy();
        await waitFor(() => answers.length === count, waiting);
      }
      assert.equal(isAsked, false);
    });
  });

  test('with a slow reader stays as long as something is taken', async () => {
    const clock = new ManualClock();
    const sizeBytes = 96 * mebibyte;
    const handler: S3Handler = async () => ({ body: answerOf(sizeBytes) });
    await withEndpoint(
      handler,
      async ({ port }, answers) => {
        const client = await open(port);
        client.write(get);
        let takenBytes = 0;
        client.on('data', (data) => {
          takenBytes += data.length;
          if (takenBytes >= nextStop) client.pause();
        });
        let nextStop = 0;
        for (; nextStop < 64 * mebibyte; nextStop += 16 * mebibyte) {
          client.resume();
          await waitFor(() => takenBytes >= nextStop, waiting);
          await clock.advance(40_000);
        }
        nextStop = Number.POSITIVE_INFINITY;
        client.resume();
        await waitFor(() => answers.length === 1, waiting);
        assert.deepEqual([answers[0]?.failure, answers[0]?.sentBytes], [undefined, sizeBytes]);
        await waitFor(() => takenBytes > sizeBytes, waiting);
        client.destroy();
      },
      clock,
    );
  });
});

suite('what is told of a request', () => {
  test('has the time from its last byte to the first of its answer', async () => {
    const clock = new ManualClock();
    const read: string[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    async function* answer(): AsyncGenerator<string> {
      yield 'first';
      await gates[1]?.promise;
      yield 'second';
    }
    const handler: S3Handler = async ({ payload }) => {
      for await (const piece of payload) read.push(piece.toString());
      await gates[0]?.promise;
      return { body: answer(), objectBytes: 12_345 };
    };
    await withEndpoint(
      handler,
      async ({ port }, answers) => {
        const client = await open(port);
        client.write('PUT /books/k HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nsome');
        await waitFor(() => read.join('') === 'some', waiting);
        await clock.advance(1_000);
        client.write('more');
        await waitFor(() => read.join('') === 'somemore', waiting);
        await clock.advance(30);
        gates[0]?.resolve();
        await once(client, 'readable');
        await clock.advance(500);
        gates[1]?.resolve();
        await waitFor(() => answers.length === 1, waiting);
        const [{ turnAroundMs, tookMs, objectBytes, sentBytes } = assert.fail()] = answers;
        assert.deepEqual([turnAroundMs, tookMs, objectBytes, sentBytes], [30, 1_530, 12_345, 11]);
        client.destroy();
      },
      clock,
    );
  });
});

suite('while others wait for memory', () => {
  test('a reader that takes nothing is cut soon', async () => {
    const clock = new ManualClock();
    const handler: S3Handler = async () => ({ body: answerOf(64 * mebibyte) });
    await withEndpoint(
      handler,
      async ({ port }, answers) => {
        const client = await open(port);
        client.write(get);
        await once(client, 'readable');
        await waitFor(() => clock.timerCount > 0, waiting);
        await clock.advance(5_000);
        await waitFor(() => answers.length === 1, waiting);
        client.destroy();
      },
      clock,
      true,
    );
  });

  test('a body that does not come is refused soon', async () => {
    const clock = new ManualClock();
    const handler: S3Handler = async ({ payload }) => {
      while ((await payload.next()) !== undefined);
      return {};
    };
    await withEndpoint(
      handler,
      async ({ port }, answers) => {
        const client = await open(port);
        client.write('PUT /books/k HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\nsome');
        await waitFor(() => clock.timerCount > 0, waiting);
        await clock.advance(5_000);
        await once(client, 'readable');
        // Until then the rest of the body may come.
        await clock.advance(5_000);
        client.destroy();
        await waitFor(() => answers.length === 1, waiting);
        assert.equal(answers[0]?.s3Code, 'RequestTimeout');
      },
      clock,
      true,
    );
  });
});

/** One long piece. */
async function* answerOf(sizeBytes: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(sizeBytes, 'x');
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function textUntilEnd(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(parts).toString('latin1');
}

async function withEndpoint(
  handler: S3Handler,
  use: (endpoint: S3Endpoint, answers: Answered[]) => Promise<void>,
  clock: Clock = systemClock,
  isPressed = false,
): Promise<void> {
  const answers: Answered[] = [];
  await using endpoint = await S3Endpoint.open({
    ...{ port: 0, clock, handler, secretOf: () => undefined },
    isPressed: () => isPressed,
    onAnswer: (answered) => answers.push(answered),
  });
  await use(endpoint, answers);
}
