import { GridError } from '@commongrid/base';
import { heldBy } from '@commongrid/model';
import type { ContractId, EscrowState, GridFold, LedgerEntry, Lock } from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';

/** Money of a contract. Amounts are decimal texts of the smallest unit. */
export interface AuditedMoney {
  readonly totals: readonly MoneyTotal[];
  readonly escrows: readonly AuditedEscrow[];
  /** What moved the money of its escrows, in the order of the log. */
  readonly entries: readonly AuditedEntry[];
}

/** Always: funded = released + refunded + held. */
interface MoneyTotal {
  readonly currency: string;
  readonly funded: string;
  readonly released: string;
  readonly refunded: string;
  readonly held: string;
}

interface AuditedEscrow extends MoneyTotal {
  readonly lock: string;
  readonly node: string;
  readonly farmer: string;
  /** Account that paid. */
  readonly from: string;
  readonly price: Lock['price'];
  /** Healthy seconds that were paid. */
  readonly paidSeconds: number;
}

interface AuditedEntry {
  readonly seq: number;
  readonly at: number;
  readonly url: string;
  readonly obj: string;
  readonly postings: readonly {
    readonly account: string;
    readonly currency: string;
    readonly amount: string;
  }[];
}

/**
 * The statement of a contract: what its escrows were funded with, paid, gave back and hold, held to
 * the postings of the ledger to the last unit.
 * @throws AUDIT_MONEY_DIFFERS
 */
export function auditMoney(fold: GridFold, contract: ContractId): AuditedMoney {
  const locks = [...fold.objects('grid.lock.1')].filter((lock) => lock.contract === contract);
  const paid = locks.flatMap((lock) => {
    const escrow = fold.money('escrow', lock.id);
    return escrow === undefined ? [] : [{ lock, escrow }];
  });
  const ids = new Set<string>(paid.map(({ lock }) => lock.id));
  const entries = fold.entries().filter(({ postings }) => {
    return postings.some(({ account }) => ids.has(account));
  });
  for (const entry of entries) requireBalanced(entry);
  const escrows = paid
    .toSorted((a, b) => (a.lock.id < b.lock.id ? -1 : 1))
    .map(({ lock, escrow }) => auditedEscrow(lock, escrow, entries));
  return { totals: totalsOf(escrows), escrows, entries: entries.map(plainEntry) };
}

function auditedEscrow(
  { id, node, farmer, price }: Lock,
  escrow: EscrowState,
  entries: readonly LedgerEntry[],
): AuditedEscrow {
  const held = heldBy(escrow);
  const moved = { in: 0n, released: 0n, refunded: 0n };
  for (const { url, seq, postings } of entries) {
    for (const { account, currency, amount } of postings) {
      if (account !== id) continue;
      if (currency !== price.currency) throw differs(id, `record ${seq} moved another currency`);
      if (amount > 0n) moved.in += amount;
      else if (url === 'grid.refund.1') moved.refunded -= amount;
      else moved.released -= amount;
    }
  }
  const isSame =
    moved.in === BigInt(escrow.funded) &&
    moved.released === BigInt(escrow.released) &&
    moved.refunded === BigInt(escrow.refunded) &&
    moved.in - moved.released - moved.refunded === held;
  if (!isSame || held < 0n) throw differs(id, 'its escrow is not what the ledger moved');
  const { from, funded, released, refunded, paidSeconds } = escrow;
  return {
    ...{ lock: id, node, farmer, from, price, paidSeconds, currency: price.currency },
    ...{ funded, released, refunded, held: String(held) },
  };
}

/** Money comes from somewhere and goes somewhere. */
function requireBalanced({ seq, obj, postings }: LedgerEntry): void {
  const sums = new Map<string, bigint>();
  for (const { currency, amount } of postings) {
    sums.set(currency, (sums.get(currency) ?? 0n) + amount);
  }
  if ([...sums.values()].every((sum) => sum === 0n)) return;
  throw differs(obj, `the postings of record ${seq} do not sum to zero`);
}

function totalsOf(escrows: readonly AuditedEscrow[]): readonly MoneyTotal[] {
  const groups = Map.groupBy(escrows, ({ currency }) => currency);
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([currency, own]) => {
      const sum = (name: 'funded' | 'released' | 'refunded' | 'held'): string =>
        String(own.reduce((total, one) => total + BigInt(one[name]), 0n));
      const [funded, released, refunded, held] = [
        ...[sum('funded'), sum('released'), sum('refunded'), sum('held')],
      ] as [string, string, string, string];
      return { currency, funded, released, refunded, held };
    });
}

function plainEntry({ seq, at, url, obj, postings }: LedgerEntry): AuditedEntry {
  return {
    ...{ seq, at, url, obj },
    postings: postings.map(({ account, currency, amount }) => {
      return { account, currency, amount: String(amount) };
    }),
  };
}

function differs(lock: string, why: string): GridError<ContractErrorCode> {
  return new GridError('AUDIT_MONEY_DIFFERS', `the money of ${lock} does not add up: ${why}`, {
    hint: 'keep the file as evidence, and hold it against another copy of the log',
    details: { lock },
  });
}
