import type { AuditReport } from '@commongrid/contract';

import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { contractsOf, shown } from './ledger.ts';

type Billed = AuditReport['money']['escrows'][number];

interface StatementLine {
  readonly kind: string;
  /** Of money that was earned or put aside: the lock. */
  readonly about: string;
  readonly amount: string;
}

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
    const earned = new Map<string, bigint>();
    for (const { farmer } of town.farms) {
      for (const { kind, about, amount } of await statementOf(town, farmer.name)) {
        if (kind === 'release') earned.set(about, (earned.get(about) ?? 0n) + BigInt(amount));
      }
    }
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
    const paidForNothing = bill.filter((one) => isForNothing(one)).length;
    must(paidForNothing === 0, `${paidForNothing} places were paid and not had`);
    const hours = (seconds / 3_600).toFixed(2);
    return {
      figure: `${bill.length} locks, ${hours} hours of places; seconds times price is ${shown(sum)}, as in the statements of ${town.farms.length} farmers and of the buyer`,
      measures: { paidForNothing },
    };
  },
};

/** What seconds of a lock come to, in whole units: what is less than one is not paid. */
function dueFor({ price, paidSeconds }: Billed): bigint {
  return (BigInt(price.amount) * BigInt(paidSeconds)) / BigInt(price.perSeconds);
}

/** Whether money went to a farmer for a place that was never there. */
function isForNothing({ released, paidSeconds }: Billed): boolean {
  return BigInt(released) > 0n && paidSeconds === 0;
}

async function statementOf(town: DemoTown, bot: string): Promise<readonly StatementLine[]> {
  const words = ['wallet', 'statement'];
  return (await town.as<{ readonly lines: readonly StatementLine[] }>(bot, ...words)).lines;
}

/** What the buyer put aside for these locks, less what came back. */
async function spentBy(town: DemoTown, locks: ReadonlySet<string>): Promise<bigint> {
  const lines = await statementOf(town, 'buyer');
  const own = lines.filter(({ about }) => locks.has(about));
  return -own.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
}
