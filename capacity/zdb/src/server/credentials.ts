import { createHash, randomBytes } from 'node:crypto';
import { delay, equalBytes } from '@commongrid/base';
import type { Request } from '@commongrid/resp';
import type { CommandHandler } from './command.ts';
import { replyTexts } from './reply-texts.ts';
import type { Session } from './session.ts';

/** Wrong passwords and proofs of one connection: the last of them ends it. */
const FAILED_ATTEMPTS_MAX = 10;

/** SHA-1 as 40 hex digits. */
const PROOF_BYTES = 40;

/** Compares in constant time. */
export function isPassword(given: Uint8Array, password: string): boolean {
  return equalBytes(given, Buffer.from(password));
}

/** A nonce for one attempt of this session: 16 hex digits. */
export function newNonce(session: Session): string {
  session.nonce = randomBytes(8).toString('hex');
  return session.nonce;
}

/**
 * Checks argument `i`, sha1hex(nonce ":" password), against the nonce that the session asked for,
 * which is used up. Returns the error, or undefined when the proof is right.
 */
export function refusalOfProof(
  session: Session,
  request: Request,
  i: number,
  password: string,
): string | undefined {
  const { nonce } = session;
  session.nonce = undefined;
  if (nonce === undefined) {
    return 'No CHALLENGE requested, secure authentication not available';
  }
  if (request.lengthOf(i) !== PROOF_BYTES) return 'Invalid hash length';
  const expected = createHash('sha1').update(`${nonce}:${password}`).digest('hex');
  const given = Buffer.from(request.latin1(i).toLowerCase());
  return equalBytes(given, Buffer.from(expected)) ? undefined : replyTexts.accessDenied;
}

/** Answers an attempt that was refused. Who guesses wrong is slowed, and cut off in the end. */
export function refuseAttempt(session: Session, problem: string): void {
  const { stats, doorkeeper } = session.context;
  stats.unauthorized++;
  if (problem !== replyTexts.accessDenied) {
    session.refuse(problem);
    return;
  }
  doorkeeper.failures++;
  doorkeeper.pace.failed(session.address);
  session.failures++;
  if (session.failures < FAILED_ATTEMPTS_MAX) {
    session.refuse(problem);
    return;
  }
  session.refuse(replyTexts.tooManyAttempts);
  session.connection.close();
}

/**
 * A command that may show a password. After wrong ones from the same address it waits before it is
 * done, right or wrong: who does not wait for the answer learns nothing.
 */
export function atPace(
  showsPassword: (request: Request) => boolean,
  run: CommandHandler,
): CommandHandler {
  return (session, request) => {
    const pauseMs = session.context.doorkeeper.pace.pauseMs(session.address);
    if (pauseMs === 0 || !showsPassword(request)) return run(session, request);
    return runAfter(pauseMs, session, request, run);
  };
}

async function runAfter(
  pauseMs: number,
  session: Session,
  request: Request,
  run: CommandHandler,
): Promise<void> {
  const { connection, context } = session;
  session.isBusy = true;
  try {
    await delay(pauseMs, { clock: context.clock, signal: connection.signal });
  } catch {
    // The peer is gone, or the server closes.
    session.refuse(replyTexts.accessDenied);
    return;
  } finally {
    session.isBusy = false;
  }
  await run(session, request);
}
