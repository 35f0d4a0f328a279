import { connect } from 'node:net';

/** Nobody listens there on most machines, and a refusal is an answer. */
const discardPort = 9;
/** Addresses of one node that are tried. */
const addressesMax = 8;
/** For all addresses of a node together, ms. */
const timeoutMsDefault = 2_000;

/** What a machine that is there answers with, though nobody listens. */
const answers: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET']);

export interface ProbeOptions {
  /** For all addresses together, ms. Default 2 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Whether a machine answers from here at any of its addresses, be it with a refusal: then it is there,
 * whatever the database hears of it.
 * @param addresses as the record of a node has them: `ip://192.0.2.7`, `tcp://192.0.2.7:9900`
 */
export async function probeNode(
  addresses: readonly string[],
  { timeoutMs = timeoutMsDefault, signal }: ProbeOptions = {},
): Promise<boolean> {
  const over = new AbortController();
  const signals = [over.signal, AbortSignal.timeout(timeoutMs)];
  const end = AbortSignal.any(signal === undefined ? signals : [...signals, signal]);
  // Its Zero-DBs are at the same addresses, or on a loopback that is not that of this machine.
  const own = addresses.filter((address) => !address.startsWith('zdbs:'));
  const tries = own.slice(0, addressesMax).map(async (address) => {
    if (!(await isThere(address, end))) throw new Error(`${address} does not answer`);
  });
  try {
    await Promise.any(tries);
    return true;
  } catch {
    return false;
  } finally {
    over.abort();
  }
}

function isThere(address: string, signal: AbortSignal): Promise<boolean> {
  const url = URL.parse(address);
  if (url === null || url.hostname === '' || signal.aborted) return Promise.resolve(false);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? discardPort : Number(url.port);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, signal });
  const end = (answered: boolean): void => {
    socket.destroy();
    resolve(answered);
  };
  socket.once('connect', () => end(true));
  socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => end(answers.has(code)));
  return promise;
}
