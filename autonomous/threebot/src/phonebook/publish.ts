import type { BcdbClient } from '@commongrid/bcdb/client';
import { parse } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import { botUrl } from './bot-entry.ts';

/**
 * Says in the record of a bot where it is; a key of a device may do that. Nothing is written where the
 * record says so already.
 * @throws BCDB_NOT_FOUND where the bot has no record, and what `write` throws
 */
export async function publishAddresses(
  client: BcdbClient,
  id: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const minSeq = (client.lastHead?.size ?? 0) - 1;
  const current = await client.get('grid', botUrl, id, { minSeq: Math.max(0, minSeq), signal });
  const record: RecordOf<typeof botUrl> = parse(botUrl, current.value);
  if (JSON.stringify(record.addresses) === JSON.stringify(addresses)) return;
  const value = { ...record, addresses: [...addresses] };
  await client.write({ ns: 'grid', op: 'put', url: botUrl, obj: id, value }, { signal });
}
