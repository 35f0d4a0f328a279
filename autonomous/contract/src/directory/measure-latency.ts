import { connect } from 'node:net';

/** Nobody listens there on most machines, and a refusal takes as long as a welcome. */
const discardPort = 9;
/** Connections to an address that answers. */
const triesMax = 3;
const timeoutMsDefault = 1_000;

export interface LatencyOptions {
  /** For one try. Default 1 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * How long a packet takes to a node and back, ms: the least of three connections, which may be refused,
 * to the first of its addresses that answers. Undefined where none does.
 * @param addresses as the record of a node has them: `ip://192.0.2.7`, `tcp://192.0.2.7:9900`
 */
export async function measureLatency(
  addresses: readonly string[],
  options: LatencyOptions = {},
): Promise<number | undefined> {
  for (const address of addresses) {
    const url = URL.parse(address);
    if (url === null || url.hostname === '') continue;
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = url.port === '' ? discardPort : Number(url.port);
    let least: number | undefined;
    for (let tries = 0; tries < triesMax; tries++) {
      const tookMs = await roundTrip(host, port, options);
      if (tookMs === undefined) break;
      least = Math.min(tookMs, least ?? Infinity);
    }
    if (least !== undefined) return least;
  }
  return undefined;
}

function roundTrip(
  host: string,
  port: number,
  { timeoutMs = timeoutMsDefault, signal }: LatencyOptions,
): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const startedMs = performance.now();
  const socket = connect({ host, port, ...(signal === undefined ? {} : { signal }) });
  const end = (isThere: boolean) => (): void => {
    socket.destroy();
    resolve(isThere ? performance.now() - startedMs : undefined);
  };
  socket.setTimeout(timeoutMs, end(false));
  socket.once('connect', end(true));
  socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED')());
  return promise;
}
