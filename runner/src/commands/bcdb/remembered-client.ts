import { BcdbClient } from '@commongrid/bcdb/client';
import type { BcdbClientOptions } from '@commongrid/bcdb/client';
import { errorCode, GridError, isGridError } from '@commongrid/base';

import type { CommandContext } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { isContradiction, SeenHeads } from '../../seen-heads.ts';

export interface RememberOptions {
  /** Whether what was seen before does not count: somebody decided that this log goes on. */
  readonly isAccepted?: boolean;
}

/**
 * Connects, and holds the head of the server against the newest that earlier commands saw. That costs
 * one more request when the log has grown meanwhile, two after something was written, and none
 * otherwise.
 * @throws BCDB_LOG_ROLLED_BACK, BCDB_LOG_FORKED, BCDB_HANDED_OVER, each with a file of evidence, and
 *   what `BcdbClient.connect` throws
 */
export async function connectRemembering(
  context: CommandContext,
  options: BcdbClientOptions,
  { isAccepted = false }: RememberOptions = {},
): Promise<BcdbClient> {
  const heads = new SeenHeads(new GridHome(context.environment.home), options.trust);
  const seen = isAccepted ? undefined : await heads.newest();
  const { trust } = options;
  try {
    const client = await BcdbClient.connect({
      ...options,
      ...(seen === undefined ? {} : { lastCheckpoint: seen.note }),
      ...(seen?.handovers === undefined ? {} : { trust: { ...trust, handovers: seen.handovers } }),
    });
    await keep(context, heads, client, isAccepted);
    context.afterwards.push(() => keepWritten(context, heads, client));
    return client;
  } catch (error) {
    throw isContradiction(error) ? await withEvidence(heads, error) : error;
  }
}

/** What a command wrote counts as seen: a head that covers it is kept too. */
async function keepWritten(
  context: CommandContext,
  heads: SeenHeads,
  client: BcdbClient,
): Promise<void> {
  if (client.writtenSize <= (client.lastHead?.size ?? 0)) return;
  try {
    await client.checkpoint();
    await keep(context, heads, client);
  } catch (error) {
    if (isContradiction(error)) throw await withEvidence(heads, error);
    // It was written, and said so: the next command sees the head that this one began with.
    if (!isGridError(error, 'BCDB_UNREACHABLE')) throw error;
  }
}

/** A folder that takes no writes is no reason to do nothing, but to say so. */
async function keep(
  context: CommandContext,
  heads: SeenHeads,
  { lastHead, lastCheckpoint, trust }: BcdbClient,
  isAccepted = false,
): Promise<void> {
  if (lastHead === undefined || lastCheckpoint === undefined) return;
  const { handovers } = trust;
  const { size } = lastHead;
  try {
    if (isAccepted) await heads.forget();
    await heads.keep({ size, note: lastCheckpoint, ...(handovers && { handovers }) });
  } catch (error) {
    if (isGridError(error)) throw error;
    const why = errorCode(error) ?? String(error);
    context.terminal.note(`the head of the log cannot be kept for the next command: ${why}`);
  }
}

async function withEvidence(heads: SeenHeads, error: GridError): Promise<GridError> {
  const file = await heads.keepEvidence(error).catch(() => undefined);
  const isHandover = error.code === 'BCDB_HANDED_OVER';
  // What was given up is told once.
  if (isHandover) await heads.forget();
  const next = isHandover
    ? 'do it again: what you wrote after the handover is not there any more'
    : 'find out why; if you restored a backup yourself: grid bcdb checkpoint --accept';
  const kept = file === undefined ? '' : `; what was seen and shown is kept in ${file}`;
  return new GridError(error.code, error.message, {
    hint: `${next}${kept}`,
    details: { ...error.details, ...(file === undefined ? {} : { evidence: file }) },
    cause: error,
  });
}
