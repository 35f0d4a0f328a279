import type { DemoStep } from '../steps.ts';
import { placesOf } from './archive-contract.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { escrowsIn, locksOf, refundedIn, requireSums, shown } from './ledger.ts';

/** Each place is paid for once, though the bot of the buyer was killed between lock and money. */
export const paymentStep: DemoStep<ArchiveScene> = {
  name: 'payment',
  needs: ['negotiation'],
  async run(scene) {
    const { town, killed } = scene;
    const { id } = contractOf(scene);
    if (killed === undefined) throw new Error('the bot of the buyer was not killed');
    must(killed.locks > 0, 'it was killed before there was a lock');
    must(killed.escrows === 0, 'it was killed when it had paid already');
    const wanted = placesOf(scene.shards);
    const escrows = await town.until(`${wanted} places to be paid`, async () => {
      const own = (await escrowsIn(town)).filter(({ contract }) => contract === id);
      return own.length >= wanted && own;
    });
    const slots = new Map((await locksOf(town, id)).map((one) => [one.id as string, one.slot]));
    const refunded = await refundedIn(town);
    const paid = escrows
      .filter(({ lock }) => !refunded.has(lock))
      .map(({ lock }) => `${slots.get(lock)?.role}/${slots.get(lock)?.replica}`);
    must(paid.length === wanted, `${wanted} places were paid for ${paid.length} times`);
    must(new Set(paid).size === wanted, 'a place was paid for twice');
    const { buyer, held } = await requireSums(town);
    const when = `killed with ${killed.locks} locks and nothing paid`;
    return `${when}; then ${wanted} places paid once each; ${shown(held)} put aside and ${shown(buyer)} left are what was there`;
  },
};
