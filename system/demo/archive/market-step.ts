import { isGridError } from '@commongrid/base';
import { lockTtlMsMax } from '@commongrid/model';

import { farmerWithoutNodes } from '../demo-town.ts';
import type { DemoTown, TownFarm } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { money } from '../town-plan.ts';
import { placesOf } from './archive-contract.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { buyerAnswers, killBuyer } from './buyer-service.ts';
import { escrowsIn, locksOf } from './ledger.ts';

/** What a bot keeps of what was said. */
interface Said {
  readonly deal: string;
  readonly step: string;
  readonly body: { readonly slots?: readonly { readonly amount: string }[] };
}

/**
 * The bot of the buyer asks the farmers, bargains with the one that wants more than its farm says, and gets locks.
 * One farmer stands still meanwhile: so no agreement is complete, and nothing can be paid, when the bot of the buyer
 * is killed after the first lock. Then it goes on by itself.
 */
export const marketStep: DemoStep<ArchiveScene> = {
  name: 'negotiation',
  needs: ['signatures'],
  async run(scene) {
    const { town } = scene;
    const { id } = contractOf(scene);
    const [dear, slow] = town.farms;
    if (dear === undefined || slow === undefined) throw new Error('the town has no two farms');
    const startedMs = Date.now();
    slow.farmer.freeze();
    try {
      scene.killed = await killAfterLock(scene);
    } finally {
      slow.farmer.thaw();
    }
    await buyerAnswers(town);
    const refusal = await declineOf(town, id);
    const wanted = placesOf(scene.shards);
    const locks = await town.until(`${wanted} places to be locked`, async () => {
      const all = await locksOf(town, id);
      const slots = new Set(all.map(({ slot }) => `${slot.role}/${slot.replica}`));
      return slots.size === wanted && all;
    });
    const farms = new Set(locks.map(({ farmer }) => farmer)).size;
    const isBound = locks.every(({ expiresMs }) => {
      return expiresMs > startedMs && expiresMs <= Date.now() + lockTtlMsMax;
    });
    must(isBound, 'a lock waits for its money for longer than it may');
    const deal = await bargainOf(town, dear);
    return `${wanted} places locked by ${farms} farmers; ${farmerWithoutNodes} declined (${refusal}); ${deal}`;
  },
};

/** Starts the bot of the buyer, and kills it once a lock is in the log. @returns what the log has then */
async function killAfterLock(
  scene: ArchiveScene,
): Promise<{ readonly locks: number; readonly escrows: number }> {
  const { town } = scene;
  const { id } = contractOf(scene);
  // It may ask farmers before this command ends, and ends before it is ready: so nobody waits for one or the other.
  const starting = town.grid.run('up');
  await town.until('a first lock', async () => (await locksOf(town, id)).length > 0);
  await killBuyer(town);
  const [locks, escrows] = [await locksOf(town, id), await escrowsIn(town)];
  await starting;
  return { locks: locks.length, escrows: escrows.length };
}

/** Asks the farmer that has no machine. @returns the code of its refusal @throws when it offers something */
async function declineOf(town: DemoTown, contract: string): Promise<string> {
  const resources = { cpuMilli: 0, memoryBytes: 0, ssdBytes: 2 ** 27, hddBytes: 0, ipv4: 0 };
  const intent = {
    ...{ contract, currency: money.code, untilMs: Date.now() + 3_600_000 },
    slots: [{ role: 'shards', replica: 0, resources }],
  };
  try {
    const input = { farmer: town.bot(farmerWithoutNodes), intent };
    await town.buyer.call('market.ask', input, town.signal);
  } catch (error) {
    if (isGridError(error) && error.code.startsWith('MARKET_')) return error.code;
    throw error;
  }
  throw new Error(`${farmerWithoutNodes} offers what it does not have`);
}

/** A deal in which the price came down. @throws when there is none, or the two bots remember different words */
async function bargainOf(town: DemoTown, { farmer }: TownFarm): Promise<string> {
  const lately = await saidBy(town, farmer.name);
  const own = [...Map.groupBy(lately, ({ deal }) => deal).values()];
  const bargain = own.find((all) => {
    const steps = all.map(({ step }) => step);
    return steps.includes('counter') && steps.includes('locked');
  });
  if (bargain === undefined) throw new Error(`nobody bargained with ${farmer.name}`);
  const quote = bargain[0]?.deal;
  const deal = await saidBy(town, farmer.name, quote);
  const its = await saidBy(town, 'buyer', quote);
  // What follows may be said again, or lack an answer, since the buyer was killed meanwhile.
  const words = (all: readonly Said[]): string => {
    const steps = all.map(({ step }) => step);
    return steps.slice(0, steps.indexOf('accept')).join(' ');
  };
  must(
    its.some(({ step }) => step === 'accept'),
    'the buyer does not remember that it accepted',
  );
  must(words(its) === words(deal), `the bots remember "${words(its)}" and "${words(deal)}"`);
  const prices = deal
    .filter(({ step }) => step === 'quote')
    .map(({ body }) => {
      return Number(body.slots?.[0]?.amount);
    });
  const [first = 0, last = 0] = [prices[0], prices.at(-1)];
  must(last < first, `the price of ${first} became ${last}`);
  const counters = deal.filter(({ step }) => step === 'counter').length;
  const down = ((1 - last / first) * 100).toFixed(1);
  return `${farmer.name} came ${down} % down in ${counters} counters, in both transcripts`;
}

/** Without a deal as many of the newest as an answer holds. */
async function saidBy(town: DemoTown, bot: string, deal?: string): Promise<readonly Said[]> {
  const words = ['market', 'transcripts', bot, ...(deal === undefined ? [] : ['--deal', deal])];
  return (await town.grid.json<{ readonly steps: readonly Said[] }>(...words)).steps;
}
