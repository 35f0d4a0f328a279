import { GridError, isGridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import { PostgresSession } from './session.ts';

/** Where a log may be, and what is asked of the server. */
export interface PrimaryOptions {
  /** Connection strings of all servers, any of which may be the one that takes writes. */
  readonly urls: readonly string[];
  /** One server without a synchronous standby will do: what it loses is lost. */
  readonly single: boolean;
  /** A statement that lasts so long has its server asked whether it is still there, milliseconds. */
  readonly answerMs: number;
}

/** How many servers are asked at most. */
export const urlsMax = 16;

interface ServerState {
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  readonly isWaiting: boolean;
  readonly standbys: number;
}

/**
 * Connects to the server that takes writes.
 * @throws BCDB_LOG_NOT_DURABLE when it has no synchronous standby, BCDB_LOG_UNREACHABLE when there is
 * no such server
 */
export async function findPrimary(options: PrimaryOptions): Promise<PostgresSession> {
  const reasons: unknown[] = [];
  for (const url of options.urls) {
    const session = await open(url, options.answerMs, reasons);
    if (session === undefined) continue;
    try {
      const state = await stateOf(session);
      if (state.isStandby || state.isReadOnly) throw new Error('it takes no writes');
      if (!options.single && !(state.isWaiting && state.standbys > 0)) throw notDurable();
      return session;
    } catch (error) {
      await session.close();
      reasons.push(error);
    }
  }
  throw reasons.find((one) => isGridError(one)) ?? unreachable(reasons);
}

/** Undefined where there is no answer: the reason is noted. */
async function open(
  url: string,
  answerMs: number,
  reasons: unknown[],
): Promise<PostgresSession | undefined> {
  try {
    return await PostgresSession.open(url, answerMs);
  } catch (error) {
    reasons.push(error);
    return undefined;
  }
}

async function stateOf(session: PostgresSession): Promise<ServerState> {
  const text = `SELECT pg_is_in_recovery() AS "isStandby",
    current_setting('transaction_read_only') = 'on' AS "isReadOnly",
    current_setting('synchronous_standby_names') <> '' AS "isWaiting",
    (SELECT count(*)::int FROM pg_stat_replication
      WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')) AS standbys`;
  const { rows } = await session.query<ServerState & Record<string, unknown>>({ text });
  const [state] = rows;
  if (state === undefined) throw new Error('it tells nothing of its state');
  return state;
}

export function notDurable(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_NOT_DURABLE', 'PostgreSQL has no synchronous standby', {
    hint:
      'set synchronous_standby_names and start a standby (the log’s user needs pg_read_all_stats to ' +
      'see it), or open the log as single',
    retryable: true,
  });
}

/** No server could be used, for reasons that may pass. */
export function unreachable(reasons: readonly unknown[]): GridError<BcdbErrorCode> {
  const texts = reasons.map((one) => (one instanceof Error ? one.message : String(one)));
  return new GridError('BCDB_LOG_UNREACHABLE', `no server takes writes: ${texts.join('; ')}`, {
    hint: 'start PostgreSQL, or correct its address',
    retryable: true,
    cause: reasons[0],
  });
}
