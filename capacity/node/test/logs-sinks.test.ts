import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { BlockList } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';

import { waitFor } from '@commongrid/base';
import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';
import { RespServer } from '@commongrid/resp';

import { LogRing } from '../src/logs/log-ring.ts';
import { LogSinks, ringBytesOf } from '../src/logs/log-sinks.ts';
import { addressOf, nodeAddresses } from '../src/logs/sink-address.ts';
import { freePort } from './support/taken-ports.ts';

const stamp = '2026-11-21T22:26:27.123456789+00:00';
const workload = fakeId.workload(fakeId.contract(1), 'web', 0);
const anywhere = new BlockList();

interface Sent {
  readonly workload: string;
  readonly stream: string;
  readonly text: string;
}

/** Takes lines by POST, and answers what it is told to. */
async function httpSink() {
  const sent: Sent[] = [];
  const sink = { sent, status: 204, posts: 0 };
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      sink.posts++;
      if (sink.status === 204) sent.push(...linesIn(body));
      return response.writeHead(sink.status).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return Object.assign(sink, { port, [Symbol.asyncDispose]: close });
}

function linesIn(body: string): Sent[] {
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Sent => JSON.parse(line));
}

async function writtenLog() {
  await using stack = new AsyncDisposableStack();
  const temp = stack.use(await tempFolder('sinks'));
  const ring = stack.use(
    await LogRing.open({ folder: join(temp.path, 'log'), reopen: () => Promise.resolve(false) }),
  );
  const write = (...texts: string[]): Promise<void> =>
    appendFile(ring.path, texts.map((line) => `${stamp} stdout F ${line}\n`).join(''));
  const owned = stack.move();
  return {
    ring,
    folder: join(temp.path, 'sinks'),
    write,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Log = Awaited<ReturnType<typeof writtenLog>>;

function openSinks(log: Log, to: string, clock = new ManualClock()): Promise<LogSinks> {
  const kind = to.startsWith('redis') ? 'redis' : 'http';
  const { ring, folder } = log;
  return LogSinks.open({
    ring,
    folder,
    sinks: [{ kind, to }],
    workload,
    forbidden: anywhere,
    clock,
  });
}

const patience = { timeoutMs: 60_000, what: 'the lines at the sink' };

test('http sink gets each line once, also over a restart of the agent', async () => {
  await using log = await writtenLog();
  await using sink = await httpSink();
  const to = `http://127.0.0.1:${sink.port}/logs?a=b`;
  await log.write('one', 'two');
  {
    await using sinks = await openSinks(log, to);
    await waitFor(() => sink.sent.length === 2, patience);
    await sinks.close();
  }
  await log.write('three');
  await using sinks = await openSinks(log, to);
  await waitFor(() => sink.sent.length === 3, patience);
  await sinks.close();
  assert.deepEqual(
    sink.sent.map(({ text: line }) => line),
    ['one', 'two', 'three'],
  );
  assert.ok(sink.sent.every((line) => line.workload === workload && line.stream === 'stdout'));
});

test('http sink gets lines later when it is busy, and hears how many it missed when it fails', async () => {
  await using log = await writtenLog();
  await using sink = await httpSink();
  const clock = new ManualClock();
  sink.status = 503;
  await log.write('late');
  await using _sinks = await openSinks(log, `http://127.0.0.1:${sink.port}/`, clock);
  await waitFor(() => sink.posts === 1, patience);
  sink.status = 204;
  const moved = async (): Promise<boolean> => {
    await clock.advance(1_000);
    return sink.sent.length === 1;
  };
  await waitFor(moved, patience);
  sink.status = 500;
  await log.write('lost');
  await waitFor(() => clock.advance(1_000).then(() => sink.posts === 3), patience);
  sink.status = 204;
  await log.write('last');
  await waitFor(() => clock.advance(1_000).then(() => sink.sent.length === 3), patience);
  assert.deepEqual(
    sink.sent.map(({ stream, text: line }) => `${stream} ${line}`),
    ['stdout late', 'node lines that may not have arrived: 1', 'stdout last'],
  );
});

test('http sink that is away gets the lines also after a restart of the agent', async () => {
  await using log = await writtenLog();
  await using sink = await httpSink();
  const to = `http://127.0.0.1:${sink.port}/`;
  sink.status = 503;
  await log.write('one');
  const clock = new ManualClock();
  const first = await openSinks(log, to, clock);
  // Now it waits before it tries again.
  await waitFor(() => sink.posts === 1 && clock.timerCount === 1, patience);
  await first.close();
  sink.status = 204;
  await using _sinks = await openSinks(log, to);
  await waitFor(() => sink.sent.length === 1, patience);
});

test('http sink that is not there yet gets all lines once it is', async () => {
  await using log = await writtenLog();
  const port = await freePort();
  const clock = new ManualClock();
  await log.write('one');
  await using _sinks = await openSinks(log, `http://127.0.0.1:${port}/`, clock);
  const got: Sent[] = [];
  await using stack = new AsyncDisposableStack();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      got.push(...linesIn(body));
      return response.end();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await waitFor(() => clock.advance(1_000).then(() => got.length === 1), patience);
  assert.equal(got[0]?.text, 'one');
});

test('redis sink publishes each line on the channel of its address, with its password', async () => {
  await using log = await writtenLog();
  const requests: string[][] = [];
  await using server = await RespServer.open({
    listen: [{ host: '127.0.0.1', port: 0 }],
    onConnection: () => ({
      handle: (request, { reply }) => {
        requests.push(Array.from({ length: request.argc }, (_, i) => request.text(i)));
        reply.integer(1);
      },
    }),
  });
  const port = server.addresses[0]?.port;
  await log.write('one', 'two');
  await using sinks = await openSinks(log, `redis://:s%20x@127.0.0.1:${port}/my%2Fapp`);
  await waitFor(() => requests.length === 3, patience);
  await sinks.close();
  assert.deepEqual(requests[0], ['AUTH', 's x']);
  const published = requests.slice(1).map(([verb, channel, line = '']) => {
    const { text: words }: Sent = JSON.parse(line);
    return [verb, channel, words];
  });
  assert.deepEqual(published, [
    ['PUBLISH', 'my/app', 'one'],
    ['PUBLISH', 'my/app', 'two'],
  ]);
});

test('sink starts at the beginning of the log when its position is damaged', async () => {
  await using log = await writtenLog();
  await using sink = await httpSink();
  const to = `http://127.0.0.1:${sink.port}/`;
  await log.write('one');
  const first = await openSinks(log, to);
  await waitFor(() => sink.sent.length === 1, patience);
  await first.close();
  const [name = ''] = await readdir(log.folder);
  await writeFile(join(log.folder, name), 'nonsense');
  await using _sinks = await openSinks(log, to);
  await waitFor(() => sink.sent.length === 2, patience);
});

test('sink with an address of the machine or of tenants is refused, however it is written', async () => {
  const forbidden = nodeAddresses('10.9.0.0/16');
  const own = Object.values(networkInterfaces())
    .flat()
    .filter((one) => one?.family === 'IPv4');
  for (const to of [
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://0.0.0.0/',
    'http://169.254.169.254/latest',
    'http://2130706433/',
    'http://10.9.1.2/',
    'http://[::ffff:10.9.1.2]/',
    ...own.map((one) => `http://${one?.address}/`),
    ...own.map((one) => `http://[::ffff:${one?.address}]/`),
  ]) {
    await assert.rejects(addressOf(new URL(to), forbidden), hasCode('NODE_SINK_FORBIDDEN'), to);
  }
  assert.equal(await addressOf(new URL('http://192.0.2.7/'), forbidden), '192.0.2.7');
});

test('sink without a known kind of address is refused without showing it', async () => {
  await using log = await writtenLog();
  await assert.rejects(openSinks(log, 'ftp://me:secret@host/'), (error) => {
    assert.ok(!String(error).includes('secret'));
    return hasCode('NODE_CONFIG_INVALID')(error);
  });
});

test('size of a log is what its file sink says, within bounds', () => {
  const size = (sizeBytes: number): number => ringBytesOf([{ kind: 'file', sizeBytes }]);
  assert.equal(ringBytesOf([]), 8 * 2 ** 20);
  assert.equal(size(2 ** 20), 2 ** 20);
  assert.equal(size(1), 65_536);
  assert.equal(size(2 ** 50), 2 ** 30);
});
