import type { WalkedRecord } from '@commongrid/bcdb/client';
import { namesIn, recordTypes } from '@commongrid/model';
import type { Moment } from '@commongrid/model';
import type { AuditInput } from './audit-report.ts';

/** A record that has to do with a contract, with what it says. */
export interface ScopedRecord extends Moment {
  readonly url: string;
  readonly obj: string;
  readonly op: string;
  readonly author: string;
  readonly version: string;
  readonly value: unknown;
}

/** What is said of a bot or node itself, wherever it takes part. */
const ofParties: ReadonlySet<string> = new Set([
  'grid.adoption.1',
  'grid.bot.1',
  'grid.node.1',
  'grid.presence.1',
  'grid.recovery.1',
  'grid.session.1',
]);

/**
 * The records that a contract rests on, out of those that a reader was told:
 *
 * 1. What names the contract, one of its workloads, or one of its locks.
 * 2. What is said of the bots and nodes that those records name or that signed them: their keys, and
 *    when nodes were heard of.
 */
export class AuditScope {
  /** In the order of the log, each once. */
  readonly records: readonly ScopedRecord[];
  /** Ids of the bots and nodes. */
  readonly parties: ReadonlySet<string>;

  private constructor(records: readonly ScopedRecord[], parties: ReadonlySet<string>) {
    this.records = records;
    this.parties = parties;
  }

  static of({ fold, records, contract }: AuditInput): AuditScope {
    const locks = new Set<string>();
    for (const lock of fold.objects('grid.lock.1')) {
      if (lock.contract === contract) locks.add(lock.id);
    }
    const isOwn = ({ obj, value }: ScopedRecord): boolean =>
      [...namesIn(obj), ...namesIn(value)].some(({ kind, id }) => {
        return kind === 'contract' ? id === contract : kind === 'lock' && locks.has(id);
      });
    const all = scoped(records);
    const own = new Set(all.filter(isOwn));
    const parties = new Set<string>();
    for (const { author, value } of own) {
      parties.add(fold.holderOf(author) ?? '');
      for (const { kind, id } of namesIn(value)) {
        if (kind === 'bot' || kind === 'node') parties.add(id);
        if (kind === 'key') parties.add(fold.holderOf(id) ?? '');
      }
    }
    const rests = all.filter((record) => own.has(record) || isOfParty(record, parties));
    return new AuditScope(rests, parties);
  }
}

/** About a party: the object is named by it, whoever else the record names. */
function isOfParty({ url, obj }: ScopedRecord, parties: ReadonlySet<string>): boolean {
  return ofParties.has(url) && namesIn(obj).some(({ id }) => parties.has(id));
}

/** Records that rules are about, by their place, and none twice. */
function scoped(records: readonly WalkedRecord[]): readonly ScopedRecord[] {
  const bySeq = new Map<number, readonly ScopedRecord[]>();
  for (const { seq, at, changes } of records) {
    const known = changes.filter(({ url }) => recordTypes.has(url));
    bySeq.set(
      seq,
      known.map(({ url, obj, op, author, version, value }) => {
        return { seq, at, url, obj, op, author, version, value };
      }),
    );
  }
  return [...bySeq.values()].flat().toSorted((a, b) => a.seq - b.seq);
}
