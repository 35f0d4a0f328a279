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

/** The buyer pays, and the farmer is gone: nothing is ever placed. */
export const abandonedStep: DemoStep<ArchiveScene> = {
  name: 'farmer gone',
  needs: ['payment'],
  async run(scene) {
    const { town } = scene;
    const farm = town.farms.at(-1);
    if (farm === undefined) throw new Error('the town has no farm');
    const { farmer } = farm;
    await farmer.setRules({ terms: { lockSeconds } });
    const { lock, amount } = await payFor(town, farm, await propose(town));
    await farmer.kill();
    scene.abandoned = { lock, amount, farmer, killedMs: performance.now() };
    await requireSums(town);
    return `${shown(amount)} put aside for a place of ${farmer.name}, who is killed then`;
  },
};

/** The farmer is there again, before machines are lost: what is lost may have to be bought of him. */
export const farmerBackStep: DemoStep<ArchiveScene> = {
  name: 'farmer back',
  async run({ town, abandoned }) {
    const farmer = town.farms.at(-1)?.farmer;
    if (farmer === undefined) throw new Error('the town has no farm');
    await farmer.setRules({});
    await farmer.start(town.signal);
    if (abandoned === undefined) return `${farmer.name} sells as before`;
    const away = ((performance.now() - abandoned.killedMs) / 1_000).toFixed(0);
    return `${farmer.name} is there again after ${away} s, and sells as before`;
  },
};

/**
 * What was paid for nothing comes back by itself. Other steps go on meanwhile: time alone makes it due, and the bot of the
 * buyer gives it back when it looks next.
 */
export const refundStep: DemoStep<ArchiveScene> = {
  name: 'refund',
  needs: ['farmer gone'],
  async run({ town, abandoned }) {
    if (abandoned === undefined) throw new Error('nothing was paid for nothing');
    const { lock, amount, farmer, killedMs } = abandoned;
    await town.until('the refund', async () => (await refundedIn(town)).has(lock));
    const took = ((performance.now() - killedMs) / 1_000).toFixed(0);
    await requireSums(town);
    return `${shown(amount)} were back when it was looked, ${took} s after ${farmer.name} was killed; nobody asked for them`;
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
