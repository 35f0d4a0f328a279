import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** SHA-256 of a chunk. */
const hashBytes = 32;
/** Ahead of a chunk in the answer to a batch: its hash, and how long it is. */
const frameBytes = hashBytes + 4;
/** In place of a length: the hub does not have this chunk. */
const absentLength = 0xff_ff_ff_ff;

interface Tampering {
  chunk: string | undefined;
  changed: number;
}

/**
 * A mirror of a hub that hands on what is asked for, and changes a byte of one chunk: the first one that anybody
 * asked for. Whoever asks for that chunk again gets the wrong one again.
 */
export class TamperingMirror {
  /** Origin at which it is a hub. */
  readonly url: string;
  readonly #state: Tampering;

  private constructor(url: string, state: Tampering) {
    this.url = url;
    this.#state = state;
  }

  /** Lasts until the stack ends. @param hub origin of the true one @param host address where it listens */
  static async open(
    hub: string,
    host: string,
    stack: AsyncDisposableStack,
  ): Promise<TamperingMirror> {
    const state: Tampering = { chunk: undefined, changed: 0 };
    const server = createServer((from, to) => {
      handOn(hub, state, from, to).catch(() => to.destroy());
    });
    server.listen(0, host);
    await once(server, 'listening');
    stack.defer(async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    });
    const { port } = server.address() as AddressInfo;
    return new TamperingMirror(`http://${host}:${port}`, state);
  }

  /** The chunk that it changes, hex; undefined while nobody asked for any. */
  get chunk(): string | undefined {
    return this.#state.chunk;
  }

  /** How often it gave that one. */
  get changed(): number {
    return this.#state.changed;
  }
}

async function handOn(
  hub: string,
  state: Tampering,
  from: IncomingMessage,
  to: ServerResponse,
): Promise<void> {
  const body = await buffer(from);
  const { host: _its, ...headers } = from.headers;
  const asking = request(`${hub}${from.url}`, { method: from.method ?? 'GET', headers });
  asking.end(body);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const content = await buffer(answer);
  if (answer.statusCode === 200) {
    const [, single] = /^\/v1\/chunks\/([0-9a-f]{64})$/.exec(from.url ?? '') ?? [];
    const isBatch = from.method === 'POST' && from.url === '/v1/chunks';
    state.chunk ??= isBatch ? body.toString('hex', 0, hashBytes) : single;
    const place = isBatch ? placeIn(content, state.chunk) : single === state.chunk ? 0 : undefined;
    if (single !== undefined || isBatch) state.changed += change(content, place, isBatch);
  }
  to.writeHead(answer.statusCode ?? 502, answer.headers);
  to.end(content);
}

/** Where a chunk is in the answer to a batch; undefined where it is not. */
function placeIn(content: Buffer, chunk: string | undefined): number | undefined {
  for (let at = 0; at + frameBytes <= content.length;) {
    const lengthBytes = content.readUInt32BE(at + hashBytes);
    if (content.toString('hex', at, at + hashBytes) === chunk) {
      return lengthBytes === absentLength ? undefined : at;
    }
    at += frameBytes + (lengthBytes === absentLength ? 0 : lengthBytes);
  }
  return undefined;
}

/** Changes a byte in the middle of a chunk. @returns how many it changed */
function change(content: Buffer, place: number | undefined, isFramed: boolean): 0 | 1 {
  if (place === undefined) return 0;
  const start = isFramed ? place + frameBytes : place;
  const end = isFramed ? start + content.readUInt32BE(place + hashBytes) : content.length;
  const middle = (start + end) >> 1;
  content[middle] = (content[middle] ?? 0) ^ 0xff;
  return 1;
}
