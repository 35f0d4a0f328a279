import type { AuditReport } from '@commongrid/contract';

import type { DemoTown } from '../demo-town.ts';
import { recordsOf, versionsOf } from '../records-of.ts';
import type { DemoStep } from '../steps.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { contractsOf, farmerLinesOf, paidByLock, placeOf, shown, statementOf } from './ledger.ts';
import { secondsHad } from './places-had.ts';

type Billed = AuditReport['money']['escrows'][number];

/**
 * The bill of all contracts: seconds times price of each lock is what the ledger says that its farmer got, to the last
 * unit, and what the buyer paid is that.
 */
export const billStep: DemoStep<ArchiveScene> = {
  name: 'bill',
  needs: ['removal'],
  async run({ town }) {
    const bill: Billed[] = [];
    for (const id of await contractsOf(town)) {
      const words = ['contract', 'audit', id];
      const { report } = await town.as<{ readonly report: AuditReport }>('buyer', ...words);
      bill.push(...report.money.escrows);
    }
    const earned = paidByLock(await farmerLinesOf(town));
    let [sum, held, seconds] = [0n, 0n, 0];
    for (const one of bill) {
      const due = dueFor(one);
      const got = earned.get(one.lock) ?? 0n;
      must(
        due === got,
        `${one.lock}: ${one.paidSeconds} s come to ${due}, and its farmer got ${got}`,
      );
      must(one.held === '0' || one.paidSeconds === 0, `${one.lock} holds ${one.held} yet`);
      sum += due;
      held += BigInt(one.held);
      seconds += one.paidSeconds;
    }
    must(sum > 0n, 'nobody earned anything');
    const known = new Set(bill.map(({ lock }) => lock));
    must(
      earned.keys().every((lock) => known.has(lock)),
      'a farmer got money of no contract',
    );
    const spent = await spentBy(town, known);
    must(spent === sum + held, `the buyer paid ${spent}, and farmers got ${sum}`);
    const notHad = await placesNotHad(town, bill);
    must(notHad.length === 0, `paid for and not had: ${notHad.join(', ')}`);
    const hours = (seconds / 3_600).toFixed(2);
    return {
      figure: `${bill.length} locks, ${hours} hours of places; seconds times price is ${shown(sum)}, as in the statements of ${town.farms.length} farmers and of the buyer`,
      measures: { paidForNothing: notHad.length },
    };
  },
};

/** What seconds of a lock come to, in whole units: what is less than one is not paid. */
function dueFor({ price, paidSeconds }: Billed): bigint {
  return (BigInt(price.amount) * BigInt(paidSeconds)) / BigInt(price.perSeconds);
}

/** A look at a phase, and what is counted in whole seconds, may be off by so much for each event of a place, s. */
const secondsPerEvent = 2;

/**
 * Places of which more seconds were paid than they were there, as the demo saw it: while their machines said so, and had
 * power. What was paid goes by what machines claim of themselves; when they had power they do not decide.
 */
async function placesNotHad(town: DemoTown, bill: readonly Billed[]): Promise<readonly string[]> {
  const locks = new Map(
    (await recordsOf(town, 'grid.lock.1')).map((one) => [one.id as string, one]),
  );
  const paid = new Map<string, number>();
  for (const { lock, paidSeconds } of bill) {
    const own = locks.get(lock);
    if (own === undefined) throw new Error(`${lock} is no lock`);
    if (paidSeconds > 0) paid.set(placeOf(own), (paid.get(placeOf(own)) ?? 0) + paidSeconds);
  }
  const cuts = new Map(town.nodes.map(({ id, powerCuts }) => [id, powerCuts]));
  const notHad = await Promise.all(
    [...paid].map(async ([place, seconds]) => {
      const [node = ''] = place.split('/');
      const events = await versionsOf(town, 'grid.event.1', place);
      const had = secondsHad(events, cuts.get(node) ?? [], Date.now());
      const most = had + secondsPerEvent * events.length;
      return seconds > most ? [`${place} (${seconds} s paid, ${had.toFixed(1)} s there)`] : [];
    }),
  );
  return notHad.flat();
}

/** What the buyer put aside for these locks, less what came back. */
async function spentBy(town: DemoTown, locks: ReadonlySet<string>): Promise<bigint> {
  const lines = await statementOf(town, 'buyer');
  const own = lines.filter(({ about }) => locks.has(about));
  return -own.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
}
