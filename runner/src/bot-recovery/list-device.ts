import { isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { SigningKey } from '@commongrid/crypto';
import { readEntry } from '@commongrid/threebot';

import { botUrl } from '../bot-record.ts';
import type { Bot } from '../bot-record.ts';
import { deviceEntry } from '../made-bot.ts';

/** How often the record is read again, where somebody else writes with the same words. */
const attemptsMax = 8;

/** What another machine with the same words may cause. */
const rivalry: ReadonlySet<string> = new Set([
  'BCDB_CONFLICT',
  'BCDB_COUNTER_GAP',
  'BCDB_EQUIVOCATION',
]);

export interface ListedDevice {
  /** Keys that this call ended, or an earlier one that was broken off. */
  readonly ended: readonly string[];
  /** Other devices that may still act for the bot. */
  readonly others: readonly string[];
}

/**
 * Lists a new device in the record of a bot and ends lost ones, as its root. Nothing is written where the
 * record says so already. Of two that do this at once each sees what the other one listed.
 */
export async function listDevice(
  client: BcdbClient,
  id: string,
  device: SigningKey,
  {
    lost,
    ending,
  }: { readonly lost: readonly string[]; readonly ending: 'retired' | 'compromised' },
): Promise<ListedDevice> {
  for (let attempt = 1; ; attempt++) {
    const minSeq = Math.max(0, (client.lastHead?.size ?? 0) - 1);
    const { version: prev, seq } = await client.get('grid', botUrl, id, { minSeq });
    const entry = await readEntry(client, id);
    const next = changed(entry.record, client.trust.log, device, { lost, ending });
    try {
      if (entry.seq !== seq) throw new RecordMoved();
      if (JSON.stringify(next) !== JSON.stringify(entry.record)) {
        const name = { ns: 'grid', op: 'put', url: botUrl, obj: id } as const;
        await client.write({ ...name, value: { ...next }, prev });
      }
      const live = next.keys.filter(({ key, ended }) => {
        return ended === undefined && key !== device.publicKey.text;
      });
      const listed = new Set(next.keys.map(({ key }) => String(key)));
      return { ended: lost.filter((key) => listed.has(key)), others: live.map(({ key }) => key) };
    } catch (error) {
      const isRival =
        error instanceof RecordMoved || (isGridError(error) && rivalry.has(error.code));
      if (!isRival || attempt >= attemptsMax) throw error;
      await client.checkpoint();
    }
  }
}

/** The record changed between two looks at it. */
class RecordMoved extends Error {}

function changed(
  record: Bot,
  log: string,
  device: SigningKey,
  {
    lost,
    ending,
  }: { readonly lost: readonly string[]; readonly ending: 'retired' | 'compromised' },
): Bot {
  const keys = record.keys.map((one) => {
    const isWorse =
      one.ended === undefined || (one.ended === 'retired' && ending === 'compromised');
    return lost.includes(one.key) && isWorse ? { ...one, ended: ending } : one;
  });
  const isListed = keys.some(({ key }) => key === device.publicKey.text);
  return isListed
    ? { ...record, keys }
    : { ...record, keys: [...keys, deviceEntry(device, log, record.id)] };
}
