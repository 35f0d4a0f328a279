import { connect } from 'node:net';

export interface RawAnswer {
  /** 0 when no answer came, or none in time; -1 when nobody listened. */
  readonly status: number;
  readonly head: string;
  /** Bytes as latin1. */
  readonly body: string;
}

const answerMsMax = 60_000;

/**
 * Sends exactly these bytes over a connection of their own, and reads until the other side ends it:
 * the request has to ask for `connection: close`.
 */
export function exchange(
  port: number,
  bytes: Buffer | string,
  timeoutMs = answerMsMax,
): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<RawAnswer>();
  const socket = connect(port, '127.0.0.1');
  const parts: Buffer[] = [];
  let isRefused = false;
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.on('data', (part: Buffer) => parts.push(part));
  // A reset is an end too: what was sent behind the answer may cause it.
  socket.on('error', (error) => (isRefused = 'code' in error && error.code === 'ECONNREFUSED'));
  socket.on('close', () => {
    clearTimeout(timer);
    const answer = parse(Buffer.concat(parts).toString('latin1'));
    resolve(isRefused ? { ...answer, status: -1 } : answer);
  });
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return promise;
}

function parse(text: string): RawAnswer {
  const final = text.replace(/^HTTP\/1\.1 100 [^]*?\r\n\r\n/, '');
  const at = final.indexOf('\r\n\r\n');
  const head = at < 0 ? final : final.slice(0, at);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0);
  return { status, head, body: at < 0 ? '' : final.slice(at + 4) };
}
