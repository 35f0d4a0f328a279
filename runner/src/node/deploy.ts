import { isFateOpen } from '@commongrid/bcdb/client';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { delay, GridError, isGridError, systemClock } from '@commongrid/base';
import { approvalHash } from '@commongrid/model';
import type {
  BotId,
  ContractDraft,
  ContractId,
  NodeId,
  RecordOf,
  RecordUrl,
  WorkloadId,
} from '@commongrid/model';

import type { ContractStanding } from '../bot-service/contracts-actor.ts';
import type { GridErrorCode } from '../errors.ts';

/** How long what is signed here waits to take effect, ms. */
const signedForMs = 600_000;
/** From one look at the log to the next. */
const lookEveryMs = 100;
/** A controller that says for so long what it waits for is believed: nodes may just have come up. */
const blockedForMs = 15_000;

export interface SignOptions {
  readonly client: BcdbClient;
  readonly log: string;
  readonly owner: BotId;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Called where the log took nothing and takes nothing any more, before that is thrown. */
  readonly onRefused?: () => void;
}

/** A workload and the node that runs it. */
export interface PlacedWorkload {
  readonly workload: WorkloadId;
  readonly node: NodeId;
}

export interface AwaitOptions {
  readonly client: BcdbClient;
  /** How whoever controls the contract sees it. */
  readonly standing: () => Promise<ContractStanding>;
  /** Goes on waiting whatever it is blocked by. */
  readonly isPatient: boolean;
  readonly signal: AbortSignal;
}

/** Writes a contract and the owner's approval: from then on its controller places it. */
export async function signContract(
  { id, header }: Pick<ContractDraft, 'id' | 'header'>,
  options: SignOptions,
): Promise<void> {
  try {
    await put(options, 'grid.contract.1', id, header);
  } catch (error) {
    // What a database says of itself; whoever writes for a bot may be lost as well.
    const isAnswer = isGridError(error) && error.code.startsWith('BCDB_');
    if (isAnswer && !isFateOpen(error)) options.onRefused?.();
    throw error;
  }
  await approve(options, id, 'provision');
}

/**
 * Writes the owner's approval that a contract ends: its controller takes away all of it. Nothing is
 * written where that is agreed already.
 */
export async function signRemoval(id: ContractId, options: SignOptions): Promise<void> {
  try {
    await approve(options, id, 'remove');
  } catch (error) {
    const isRule = isGridError(error, 'BCDB_RULE_BROKEN');
    if (!isRule || error.details['rule'] !== 'APPROVAL_SETTLED') throw error;
  }
}

/**
 * Waits until all replicas of a contract have a place.
 * @param count of all of its replicas
 * @throws GRID_DEPLOY_BLOCKED
 */
export async function placesOf(
  id: ContractId,
  count: number,
  options: AwaitOptions,
): Promise<readonly PlacedWorkload[]> {
  const look = async (): Promise<readonly PlacedWorkload[] | undefined> => {
    const items = (await newest(options.client, 'grid.placement.1', id))?.items ?? [];
    if (items.length < count) return undefined;
    return items.map(({ role, replica, node }) => {
      return { workload: `${id}/${role}/${replica}` as WorkloadId, node };
    });
  };
  return untilSeen(look, id, options);
}

/**
 * Waits until a contract that is to end has ended: nothing of it is placed, and its data may go.
 * @throws GRID_DEPLOY_BLOCKED
 */
export async function endOf(
  id: ContractId,
  workloads: readonly WorkloadId[],
  options: AwaitOptions,
): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const placement = await newest(options.client, 'grid.placement.1', id);
    if (placement !== undefined && placement.items.length > 0) return undefined;
    for (const workload of workloads) {
      const tombstone = await newest(options.client, 'grid.tombstone.1', workload);
      if (tombstone?.reason !== 'removed') return undefined;
    }
    return true;
  };
  await untilSeen(look, id, options);
}

async function untilSeen<T>(
  look: () => Promise<T | undefined>,
  id: ContractId,
  { standing, isPatient, signal }: AwaitOptions,
): Promise<T> {
  let blockedSinceMs: number | undefined;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    const { blocked } = await standing();
    const isBlocked = blocked.some(({ code }) => code !== 'HEAL_LEASE_TAKEN');
    blockedSinceMs = isBlocked ? (blockedSinceMs ?? performance.now()) : undefined;
    const isOver = performance.now() - (blockedSinceMs ?? Infinity) > blockedForMs;
    if (signal.aborted || (isOver && !isPatient)) throw stuck(id, blocked);
    await delay(lookEveryMs, { signal }).catch(() => undefined);
  }
}

function stuck(id: ContractId, blocked: ContractStanding['blocked']): GridError<GridErrorCode> {
  const why = blocked.map(({ code, message }) => `${code}: ${message}`).join('; ');
  const message = `it does not go on: ${why || 'its controller needs more time'}`;
  return new GridError('GRID_DEPLOY_BLOCKED', message, {
    hint: `${blocked[0]?.hint ?? 'wait longer'}; to give it up: grid contract remove ${id}`,
    details: { contract: id, blocked: blocked.map(({ code }) => code) },
  });
}

async function approve(
  options: SignOptions,
  contract: ContractId,
  action: 'provision' | 'remove',
): Promise<void> {
  const { log, owner, at } = options;
  const hash = approvalHash({ log, contract, action });
  await put(options, 'grid.approval.1', `${owner}/${hash}`, {
    ...{ contract, signer: owner, role: 'owner', action, hash, verdict: 'approve' },
    // The time of a log in which nothing is written stands still until this is.
    expMs: Math.max(at, systemClock.nowMs()) + signedForMs,
  });
}

async function put<Url extends RecordUrl>(
  { client }: SignOptions,
  url: Url,
  obj: string,
  value: RecordOf<Url>,
): Promise<void> {
  await client.write({ ns: 'grid', op: 'put', url, obj, value });
}

/** Undefined when it never was. */
async function newest<Url extends RecordUrl>(
  client: BcdbClient,
  url: Url,
  obj: string,
): Promise<RecordOf<Url> | undefined> {
  try {
    return (await client.get('grid', url, obj)).value as RecordOf<Url>;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}
