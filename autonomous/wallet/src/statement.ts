import type { AccountId, LedgerEntry, RecordOf } from '@commongrid/model';

/** One movement of one account. Amounts are whole numbers of the smallest unit. */
export interface StatementLine {
  /** Log time, milliseconds since 1970. */
  readonly at: number;
  /** Place of the record in the log. */
  readonly seq: number;
  /** What moved it: `transfer`, `settlement`, `escrow`, `release`, `refund`. */
  readonly kind: string;
  /** Id of the transfer or lock. */
  readonly about: string;
  readonly currency: string;
  /** Decimal; below zero where the account gives. */
  readonly amount: string;
  /** What the account has of the currency afterwards. */
  readonly balance: string;
  /** The other sides. */
  readonly with: readonly string[];
  readonly memo: string;
}

/** All movements of an account, in the order of the log; the last balances are the account's. */
export function statementOf(
  entries: readonly LedgerEntry[],
  account: AccountId,
): readonly StatementLine[] {
  const balances = new Map<string, bigint>();
  const lines: StatementLine[] = [];
  for (const { at, seq, url, obj, value, postings } of entries) {
    const others = postings.filter((one) => one.account !== account);
    for (const { currency, amount } of postings.filter((one) => one.account === account)) {
      const balance = (balances.get(currency) ?? 0n) + amount;
      balances.set(currency, balance);
      lines.push({
        ...{ at, seq, kind: url.split('.')[1] ?? url, about: obj, currency },
        ...{ amount: String(amount), balance: String(balance) },
        with: [...new Set(others.map((one) => one.account))],
        memo: url === 'grid.transfer.1' ? ((value as RecordOf<typeof url>).memo ?? '') : '',
      });
    }
  }
  return lines;
}

const columns = ['time', 'seq', 'kind', 'about', 'currency', 'amount', 'balance', 'with', 'memo'];

/** A statement as CSV (RFC 4180), with a line of names; times are ISO 8601, UTC. */
export function statementCsv(lines: readonly StatementLine[]): string {
  const rows = lines.map((line) => [
    ...[new Date(line.at).toISOString(), String(line.seq), line.kind, line.about, line.currency],
    ...[line.amount, line.balance, line.with.join(' '), harmless(line.memo)],
  ]);
  return [columns, ...rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
}

/** A memo is somebody else's text: a table program must not run it as a formula. */
function harmless(memo: string): string {
  return /^[=+\-@\t\r]/.test(memo) ? `'${memo}` : memo;
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
