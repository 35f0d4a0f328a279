import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { waitFor } from '@commongrid/base';

/** How an application of an image is started, and when it is healthy. */
export interface ImageStart {
  readonly image: 'python3' | 'nginx' | 'redis';
  /** What counts as healthy, for people. */
  readonly healthy: string;
  readonly must: number;
  readonly aim: number;
  /** Writes what the start needs into a mounted image. */
  readonly prepare?: (root: string, port: number) => Promise<void>;
  readonly command: (port: number) => readonly string[];
  readonly ask: (port: number) => Promise<boolean>;
}

export const imageStarts: readonly ImageStart[] = [
  {
    ...{ image: 'nginx', healthy: 'first HTTP 200', must: 8, aim: 10 },
    prepare: (root, port) =>
      writeFile(
        join(root, 'etc/nginx/sites-available/default'),
        `server { listen 127.0.0.1:${port}; root /var/www/html; index index.nginx-debian.html; }`,
      ),
    command: () => ['nginx', '-g', 'daemon off;'],
    ask: isOkay,
  },
  {
    ...{ image: 'python3', healthy: 'first HTTP 200 of http.server', must: 6, aim: 7 },
    command: (port) => ['python3', '-m', 'http.server', '--bind', '127.0.0.1', `${port}`],
    ask: isOkay,
  },
  {
    ...{ image: 'redis', healthy: 'first PONG', must: 6, aim: 7 },
    command: (port) => [
      ...['redis-server', '/etc/redis/redis.conf', '--daemonize', 'no'],
      ...['--bind', '127.0.0.1', '--port', `${port}`],
    ],
    ask: isPong,
  },
];

const startTimeoutMs = 60_000;

/** Starts an application in a mounted image, waits until it is healthy, and ends it. */
export async function startOnce(
  root: string,
  start: ImageStart,
  whenHealthy: () => Promise<void>,
): Promise<void> {
  const port = await freePort();
  await start.prepare?.(root, port);
  const child = spawn('chroot', [root, ...start.command(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => void (said += text.toString()));
  }
  const ended = once(child, 'exit');
  try {
    const isHealthy = async (): Promise<boolean> => {
      if (hasEnded(child)) throw new Error(`${start.image} ended: ${said}`);
      return start.ask(port);
    };
    const what = `${start.image}: ${start.healthy}`;
    await waitFor(isHealthy, { timeoutMs: startTimeoutMs, what, everyMs: 20 });
    await whenHealthy();
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function isOkay(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.status === 200;
}

async function isPong(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString() === '+PONG\r\n';
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
