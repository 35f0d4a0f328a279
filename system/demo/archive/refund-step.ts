import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { ContractId, LockId } from '@commongrid/model';

import type { DemoTown, TownFarm } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { money } from '../town-plan.ts';
import { idleContract } from './archive-contract.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { refundedIn, requireSums, shown } from './ledger.ts';

interface Quote {
  readonly id: string;
  readonly slots: readonly { readonly minFund: string }[];
}

/** How long the lock waits for its money, s: when that is over what was paid and never placed goes back. */
const lockSeconds = 30;

/** The buyer pays, the farmer is gone, nothing is ever placed: the money comes back by itself. */
export const refundStep: DemoStep<ArchiveScene> = {
  name: 'refund',
  needs: ['payment'],
  async run({ town }) {
    const farm = town.farms.at(-1);
    if (farm === undefined) throw new Error('the town has no farm');
    await farm.farmer.setRules({ terms: { lockSeconds } });
    const { lock, amount } = await payFor(town, farm, await propose(town));
    await farm.farmer.kill();
    const startedMs = performance.now();
    const { held } = await requireSums(town);
    // Time makes it due, and news let bots look: this is one, of another currency.
    await town.until('the end of the lock', async () => {
      return performance.now() - startedMs > lockSeconds * 1_000;
    });
    await town.grid.json('wallet', 'send', 'buyer', '1', 'GRD');
    await town.until('the refund', async () => (await refundedIn(town)).has(lock));
    const took = ((performance.now() - startedMs) / 1_000).toFixed(0);
    const after = await requireSums(town);
    if (held - after.held !== amount)
      throw new Error(`${held - after.held} of ${amount} came back`);
    await farm.farmer.setRules({});
    await farm.farmer.start(town.signal);
    return `${shown(amount)} came back ${took} s after ${farm.farmer.name} was killed, ${lockSeconds} s after the lock`;
  },
};

/** @returns a contract that its owner agreed to, and that nobody places */
async function propose(town: DemoTown): Promise<ContractId> {
  const source = join(town.grid.home, 'idle.json');
  const built = join(town.grid.home, 'idle.built.json');
  await writeFile(source, JSON.stringify(idleContract()));
  const words = ['contract', 'build', source, '--output', built];
  const { contract } = await town.as<{ readonly contract: ContractId }>('buyer', ...words);
  await town.as('buyer', 'contract', 'propose', built);
  await town.as('buyer', 'contract', 'sign', contract, '--yes');
  return contract;
}

/** A lock of a farm, and money for it. */
async function payFor(
  town: DemoTown,
  { farmer: seller, nodes }: TownFarm,
  contract: ContractId,
): Promise<{ readonly lock: LockId; readonly amount: bigint }> {
  const [node] = nodes;
  const resources = { cpuMilli: 0, memoryBytes: 0, ssdBytes: 2 ** 27, hddBytes: 0, ipv4: 0 };
  const intent = {
    ...{ contract, currency: money.code, untilMs: Date.now() + 3_600_000 },
    slots: [{ role: 'spare', replica: 0, node: node?.id, resources }],
  };
  const farmer = town.bot(seller.name);
  const quote = await town.buyer.call<Quote>('market.ask', { farmer, intent }, town.signal);
  const input = { quote: quote.id };
  const [lock] = await town.buyer.call<readonly { readonly id: LockId }[]>(
    ...(['market.take', input, town.signal] as const),
  );
  if (lock === undefined) throw new Error('a quote of one place led to no lock');
  const amount = quote.slots[0]?.minFund ?? '0';
  const escrow = {
    ...{ lock: lock.id, contract, from: town.bot('buyer'), currency: money.code, amount },
    expMs: Date.now() + 600_000,
  };
  const statement = { ns: 'wallet', op: 'put', url: 'grid.escrow.1', obj: lock.id };
  await town.buyer.write({ ...statement, value: escrow }, town.signal);
  return { lock: lock.id, amount: BigInt(amount) };
}
