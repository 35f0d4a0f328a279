import type { ManualClock } from '@commongrid/base/testing';
import type { LockId } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import type { Bcdb } from '../bcdb.ts';
import { heartbeat } from '../presence/heartbeat.ts';
import { toBase64url } from '../tree/base64.ts';
import type { Citizen, Machine, Town } from './feeds-town.ts';

/** Time between two heartbeats of a node, ms: near enough to each other to be one presence. */
export const beatMs = 2000;

type Parties = { farmer: Citizen; buyer: Citizen } & Pick<
  (typeof examples)['grid.lock.1'],
  'contract' | 'node'
>;

/** A lock for replica 0: one EUR for 700 seconds, and no time for disputes. */
export async function offerPlace(
  town: Town,
  { farmer, buyer, contract, node }: Parties,
): Promise<LockId> {
  const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
  const id = fakeId.lock(1);
  await town.put('grid.lock.1', farmer.device, {
    ...{ ...example, id, contract, node, farmer: farmer.id, buyer: buyer.id },
    price: { amount: fakeId.amount(1), currency: 'EUR', perSeconds: 700 },
    ...{ minFund: fakeId.amount(10), disputeMs: 0 },
    expiresMs: town.bcdb.at + 600_000,
  });
  return id;
}

/** A heartbeat of the first session of a node; then time goes on. */
export async function beat(
  bcdb: Bcdb,
  clock: ManualClock,
  { id, key }: Machine,
  counter: number,
): Promise<void> {
  const { size, root } = bcdb.head;
  const checkpoint = { size, root: toBase64url(root) };
  const { epoch } = bcdb.presence;
  const bytes = heartbeat.sign(key, {
    ...{ log: bcdb.log, node: id, session: 1, boot: fakeId.nonce16(1), epoch, counter, checkpoint },
  });
  await bcdb.presence.heartbeat(bytes);
  await clock.advance(beatMs);
}
