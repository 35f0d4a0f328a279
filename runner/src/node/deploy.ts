import { isGridError, retry } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';

import { approvalHash, contractIdOf, sealSlice, sliceHash } from '@commongrid/model';
import type {
  BotId,
  Contract,
  ContractDraft,
  ContractId,
  LeaseName,
  Node,
  NodeId,
  Placement,
  PlacementItem,
  RecordOf,
  RecordUrl,
  WorkloadId,
} from '@commongrid/model';

/** How long what is signed here waits to take effect, ms. */
const signedForMs = 600_000;
/** This program acts once and does not stay: whoever comes next need not wait for long. */
const leaseTtlMs = 1_000;
/** Tries to take a lease that somebody holds. */
const leaseTriesMax = 20;

export interface DeployOptions {
  readonly client: BcdbClient;
  readonly log: string;
  readonly owner: BotId;
  /** Log time, ms since 1970. */
  readonly at: number;
}

/** A workload and the node that runs it. */
export interface PlacedWorkload {
  readonly workload: WorkloadId;
  readonly node: NodeId;
}

/**
 * Writes what makes a node run a contract: header, the owner's approval, the lease, slices with
 * secrets sealed to the nodes, and the placement. Replicas go round the nodes.
 */
export async function deploy(
  deployment: ContractDraft,
  nodes: readonly Node[],
  options: DeployOptions,
): Promise<readonly PlacedWorkload[]> {
  const { header, id, openings } = deployment;
  await put(options, 'grid.contract.1', id, header);
  await approve(options, id, 'provision', header.owner);
  const fence = await takeLease(options, header);
  const items: PlacementItem[] = [];
  const placed: PlacedWorkload[] = [];
  for (const opening of openings) {
    for (let replica = 0; replica < opening.role.replicas; replica++) {
      const node = nodes[replica % nodes.length];
      if (node === undefined) throw new Error('there is no node to place on');
      const slice = await sealSlice(deployment, opening, { node, replica, revision: 1 });
      await put(options, 'grid.slice.1', `${node.id}/${slice.workload}`, slice);
      const hash = sliceHash(slice);
      items.push({ role: opening.role.name, replica, node: node.id, slice: hash });
      placed.push({ workload: slice.workload, node: node.id });
    }
  }
  await place(options, id, { fence, revision: 1, items, reason: 'initial' });
  return placed;
}

/**
 * Writes what ends a contract for good: the owner's approval, a placement with nothing in it, and a
 * tombstone for each workload, by which nodes delete its data.
 */
export async function remove(
  id: ContractId,
  options: DeployOptions,
): Promise<readonly WorkloadId[]> {
  const { client } = options;
  const header = await current(client, 'grid.contract.1', id);
  const placement = await current(client, 'grid.placement.1', id);
  await approve(options, id, 'remove', header.owner);
  const fence = await takeLease(options, header);
  const revision = placement.revision + 1;
  await place(options, id, { fence, revision, items: [], reason: 'remove' });
  const workloads = placement.items.map(
    ({ role, replica }) => `${id}/${role}/${replica}` as WorkloadId,
  );
  for (const workload of workloads) {
    const value = { workload, revision: placement.revision, reason: 'removed' as const };
    await put(options, 'grid.tombstone.1', workload, value);
  }
  return workloads;
}

async function approve(
  options: DeployOptions,
  contract: ContractId,
  action: 'provision' | 'remove',
  signer: BotId,
): Promise<void> {
  const hash = approvalHash({ log: options.log, contract, action });
  await put(options, 'grid.approval.1', `${signer}/${hash}`, {
    ...{ contract, signer, role: 'owner', action, hash, verdict: 'approve' },
    expMs: options.at + signedForMs,
  });
}

/** Takes the contract's lease, from whoever just had it once that one's time is up. @returns the fence */
function takeLease(options: DeployOptions, header: Contract): Promise<number> {
  return retry(() => takeFreeLease(options, header), {
    ...{ attempts: leaseTriesMax, baseMs: leaseTtlMs / 4, factor: 1 },
    shouldRetry: (error) => isGridError(error, 'BCDB_LEASE_HELD'),
  });
}

async function takeFreeLease(options: DeployOptions, header: Contract): Promise<number> {
  const name = contractIdOf(header) as string as LeaseName;
  const former = await find(options.client, 'grid.lease.1', name);
  const fence = (former?.fence ?? 0) + 1;
  const [holder] = header.controllers;
  if (holder === undefined) throw new Error('a contract has a controller');
  await put(options, 'grid.lease.1', name, { name, holder, fence, ttlMs: leaseTtlMs });
  return fence;
}

async function place(
  options: DeployOptions,
  contract: ContractId,
  { fence, revision, items, reason }: Pick<Placement, 'fence' | 'revision' | 'items' | 'reason'>,
): Promise<void> {
  await put(options, 'grid.placement.1', contract, {
    ...{ contract, revision, fence, items, reason },
    lease: contract as string as LeaseName,
    expMs: options.at + signedForMs,
  });
}

async function put<Url extends RecordUrl>(
  { client }: DeployOptions,
  url: Url,
  obj: string,
  value: RecordOf<Url>,
): Promise<void> {
  await client.write({ ns: 'grid', op: 'put', url, obj, value });
}

async function current<Url extends RecordUrl>(
  client: BcdbClient,
  url: Url,
  obj: string,
): Promise<RecordOf<Url>> {
  const { value } = await client.get('grid', url, obj);
  return value as RecordOf<Url>;
}

/** Undefined when it never was. */
async function find<Url extends RecordUrl>(
  client: BcdbClient,
  url: Url,
  obj: string,
): Promise<RecordOf<Url> | undefined> {
  try {
    return await current(client, url, obj);
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}
