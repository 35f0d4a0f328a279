import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import type { Health } from '@commongrid/model';

import { probeHealth } from '../src/health/probe-health.ts';

const health: Health = {
  probe: 'http',
  port: 'web',
  everySeconds: 1,
  timeoutSeconds: 1,
  failures: 1,
  startSeconds: 1,
};
const { signal } = new AbortController();

async function listening(server: Server) {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => void sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function target(port: number, exec = async (): Promise<number> => 0) {
  return { address: '127.0.0.1', ports: new Map([['web', port]]), exec };
}

test('http probe goes by the status and follows nothing', async () => {
  let asked: string[] = [];
  const server = createHttpServer((request, response) => {
    asked.push(request.url ?? '');
    const status = Number(request.url?.slice(1));
    response.writeHead(status, { location: '/500' }).flushHeaders();
    // A body that does not end.
    if (status !== 204) response.write('x'.repeat(100_000));
  });
  await using web = await listening(server);
  for (const [status, isGood] of [
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [500, false],
  ] as const) {
    asked = [];
    const probed = probeHealth({ ...health, path: `/${status}` }, target(web.port), signal);
    if (isGood) await probed;
    else await assert.rejects(probed, hasCode('NODE_UNHEALTHY'));
    assert.deepEqual(asked, [`/${status}`]);
  }
});

test('http probe fails in time when there is no answer, or none that is HTTP', async () => {
  await using silent = await listening(createServer(() => {}));
  await assert.rejects(probeHealth(health, target(silent.port), signal), (error) => {
    assert.match(String(error), /1000 ms/);
    return hasCode('NODE_UNHEALTHY')(error);
  });
  const talk = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('220 hello\r\n');
  });
  await using other = await listening(talk);
  const probed = probeHealth(health, target(other.port), signal);
  await assert.rejects(probed, hasCode('NODE_UNHEALTHY'));
});

test('tcp probe asks for a connection alone', async () => {
  const tcp = { ...health, probe: 'tcp' } as const;
  const server = createServer((socket) => socket.on('error', () => {}));
  let port: number;
  {
    await using open = await listening(server);
    port = open.port;
    await probeHealth(tcp, target(port), signal);
  }
  await assert.rejects(probeHealth(tcp, target(port), signal), (error) => {
    assert.match(String(error), /nobody listens/);
    return hasCode('NODE_UNHEALTHY')(error);
  });
});

test('exec probe goes by the exit code, process probe asks nothing', async () => {
  const exec: Health = { ...health, probe: 'exec', command: ['check', '-q'] };
  const commands: string[] = [];
  let exitCode = 0;
  const run = async (command?: readonly string[]): Promise<number> => {
    commands.push((command ?? []).join(' '));
    return exitCode;
  };
  await probeHealth(exec, target(1, run), signal);
  exitCode = 3;
  await assert.rejects(probeHealth(exec, target(1, run), signal), /check -q ended with 3/);
  await probeHealth({ ...health, probe: 'process' }, target(1, run), signal);
  assert.deepEqual(commands, ['check -q', 'check -q']);
});

test('probe of a port that the container does not have is a fault of the contract', async () => {
  const probed = probeHealth({ ...health, port: 'api' }, target(1), signal);
  await assert.rejects(probed, hasCode('NODE_CONFIG_INVALID'));
});

test('probe ends when it is told to', async () => {
  const controller = new AbortController();
  const exec = (): Promise<number> => {
    controller.abort();
    return new Promise(() => {});
  };
  const probed = probeHealth({ ...health, probe: 'exec' }, target(1, exec), controller.signal);
  await assert.rejects(probed, hasCode('BASE_ABORTED'));
});
