import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { closeOnce, delay } from '@commongrid/base';

/** How a hub answers: `stalled` begins no answer at all. */
export type HubPace = 'usual' | 'stalled' | { readonly bytesPerSecond: number };

/** Stands ahead of a hub, and makes some of its answers slow; has flists of its own, too. */
export class SlowHub implements AsyncDisposable {
  readonly url: string;
  readonly close: () => Promise<void>;
  /** What is asked for, by path. */
  paceOf: (path: string) => HubPace = () => 'usual';
  /** Paths that are asked for and get no answer. */
  readonly stalled = new Set<string>();
  /** Packed, by digest. */
  readonly flists = new Map<string, Buffer>();
  readonly #hub: string;
  readonly #closing = new AbortController();

  private constructor(hub: string, url: string, close: () => Promise<void>) {
    this.#hub = hub;
    this.url = url;
    this.close = closeOnce(async () => {
      this.#closing.abort();
      await close();
    });
  }

  static async open(hub: string): Promise<SlowHub> {
    const server = createServer((request, response) => void slow.#answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const slow = new SlowHub(hub, `http://127.0.0.1:${port}`, async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    });
    return slow;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const pace = this.paceOf(path);
    response.on('error', () => {});
    if (pace === 'stalled') {
      this.stalled.add(path);
      return;
    }
    try {
      const { status, body } = await this.#ask(request, path);
      response.writeHead(status, { 'content-length': body.length });
      await send(response, body, pace, this.#closing.signal);
      response.end();
    } catch {
      response.destroy();
    }
  }

  async #ask(
    request: IncomingMessage,
    path: string,
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    const own = this.flists.get(
      /^\/v1\/flists\/(?<digest>[0-9a-f]+)$/.exec(path)?.groups?.['digest'] ?? '',
    );
    if (own !== undefined) return { status: 200, body: own };
    const { method = 'GET' } = request;
    const asked = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    const answer = await fetch(`${this.#hub}${path}`, {
      ...{ method, headers: { 'content-type': 'application/octet-stream' } },
      ...(method === 'GET' ? {} : { body: asked }),
    });
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  }
}

const pieceMs = 100;

async function send(
  response: ServerResponse,
  body: Buffer,
  pace: Exclude<HubPace, 'stalled'>,
  signal: AbortSignal,
): Promise<void> {
  if (pace === 'usual') return void response.write(body);
  const pieceBytes = Math.ceil((pace.bytesPerSecond * pieceMs) / 1000);
  for (let at = 0; at < body.length; at += pieceBytes) {
    response.write(body.subarray(at, at + pieceBytes));
    await delay(pieceMs, { signal });
  }
}
