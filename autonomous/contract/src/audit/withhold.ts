import type { WalkedRecord } from '@commongrid/bcdb/client';
import type { JsonValue } from '@commongrid/crypto';
import { namesIn } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';

/** Records of a type like that say nothing of any contract but the one in their name. */
const ofWorkloads: ReadonlySet<string> = new Set([
  'grid.event.1',
  'grid.receipt.1',
  'grid.slice.1',
  'grid.tombstone.1',
]);

interface NamedRecord {
  readonly url: string;
  readonly obj: string;
}

/**
 * Which records have nothing to do with a contract, as their signed names show: those about workloads of
 * others. Their payloads need not be shown; that they are hidden rightly anybody can see.
 */
export function isOfOther(contract: ContractId): (record: NamedRecord) => boolean {
  return ({ url, obj }) => {
    if (!ofWorkloads.has(url)) return false;
    const named = namesIn(obj).filter(({ kind }) => kind === 'contract');
    return named.length > 0 && named.every(({ id }) => id !== contract);
  };
}

/** A reply with feeds without the payloads of records that may be withheld. */
export function withheldFrom(
  page: JsonValue,
  told: readonly WalkedRecord[],
  mayLack: (record: NamedRecord) => boolean,
): JsonValue {
  const hidden = new Set<number>();
  for (const { seq, changes } of told) if (changes.some(mayLack)) hidden.add(seq);
  const reply = page as unknown as Reply;
  const feeds = reply.feeds.map((feed) => {
    const items = feed.items.map((item) => {
      if (!hidden.has(item.record.seq)) return item;
      const { body: _body, ...record } = item.record;
      return { ...item, record };
    });
    return { ...feed, items };
  });
  return { ...reply, feeds };
}

/** The members of a reply that matter here; it was verified. */
interface Reply {
  readonly feeds: readonly {
    readonly items: readonly {
      readonly record: { readonly seq: number; readonly leaf: string; readonly body?: string };
    }[];
  }[];
}
