import { isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { parse } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import { botUrl } from './bot-entry.ts';

/** What a key of a device may say in the record of its bot. */
export type DeviceChange = Partial<Pick<RecordOf<typeof botUrl>, 'addresses' | 'backup'>>;

/** How often a record is read again that changed meanwhile. */
const attemptsMax = 5;

/**
 * Says something in the record of a bot, as a key of a device may. Nothing is written where the record says
 * so already.
 * @throws BCDB_NOT_FOUND where the bot has no record, and what `write` throws
 */
export async function changeOwnRecord(
  client: BcdbClient,
  id: string,
  change: DeviceChange,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const size = Math.max(client.lastHead?.size ?? 0, client.writtenSize);
    const minSeq = Math.max(0, size - 1);
    const current = await client.get('grid', botUrl, id, { minSeq, signal });
    const record: RecordOf<typeof botUrl> = parse(botUrl, current.value);
    const value = { ...record, ...change };
    if (JSON.stringify(value) === JSON.stringify(record)) return;
    try {
      // Another part of the bot may say something else at the same time: neither forgets the other.
      const prev = current.version;
      await client.write({ ns: 'grid', op: 'put', url: botUrl, obj: id, value, prev }, { signal });
      return;
    } catch (error) {
      if (attempt >= attemptsMax || !isGridError(error, 'BCDB_CONFLICT')) throw error;
    }
  }
}
