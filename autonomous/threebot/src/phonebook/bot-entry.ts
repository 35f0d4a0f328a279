import { GridError } from '@commongrid/base';
import type { BcdbClient, ProvenObject } from '@commongrid/bcdb/client';
import { botIdOf, parse } from '@commongrid/model';
import type { BotId, BotKey, RecordOf } from '@commongrid/model';
import type { BotErrorCode } from '../errors.ts';

/** The type of the records of the phonebook. */
export const botUrl = 'grid.bot.1';

type BotRecord = RecordOf<typeof botUrl>;

/** What the phonebook says of a bot. */
export interface BotEntry {
  readonly id: BotId;
  readonly name: string;
  readonly keys: readonly BotKey[];
  readonly addresses: readonly string[];
  /** Place of the record in the log. */
  readonly seq: number;
  /** All that it says. */
  readonly record: BotRecord;
}

/**
 * Reads the newest record of a bot, as the log has it: its proof holds, and it is signed by the root
 * of the bot, or by a device. A device may change addresses only, so for the rest what the root said
 * last is asked for as well, and has to be the same.
 *
 * That there is no newer record is the word of the database; that a root which took the place of
 * another one did so rightly is what all full copies of the log watch over.
 * @throws BCDB_NOT_FOUND, BOT_RECORD_INVALID, and what `prove` throws
 */
export async function readEntry(
  client: BcdbClient,
  id: string,
  signal?: AbortSignal,
): Promise<BotEntry> {
  const proven = await client.prove('grid', botUrl, id, { signal });
  const record = recordOf(proven, id);
  const { author } = proven.envelope;
  if (author !== record.root) await requireRootsWord(client, record, author, signal);
  else if (record.rootProof === undefined && botIdOf(record.root) !== id) {
    throw invalid(id, 'its root is of another bot');
  }
  const { name, keys, addresses } = record;
  return { id: record.id, name, keys, addresses, seq: proven.seq, record };
}

/** The key as the bot lists it. @throws BOT_KEY_WRONG, BOT_KEY_ENDED */
export function requireKey({ id, name, keys }: BotEntry, key: string): BotKey {
  const listed = keys.find((one) => one.key === key);
  if (listed === undefined) {
    throw new GridError<BotErrorCode>('BOT_KEY_WRONG', `${name} does not list this key`, {
      hint: 'compare with the record of the bot; a new key counts once it is in the phonebook',
      details: { bot: id, key },
    });
  }
  if (listed.ended !== undefined) {
    throw new GridError<BotErrorCode>('BOT_KEY_ENDED', `${name} ended this key`, {
      hint: 'speak with a key that its record lists and did not end',
      details: { bot: id, key, ended: listed.ended },
    });
  }
  return listed;
}

/** What the root said last is the same but for what a device may say. */
async function requireRootsWord(
  client: BcdbClient,
  record: BotRecord,
  author: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const device = record.keys.find(({ key }) => key === author);
  if (device?.role !== 'device') throw invalid(record.id, 'a stranger signed it');
  let before: number | undefined;
  for (let page = 0; page < historyPagesMax; page++) {
    const versions = await client.history('grid', botUrl, record.id, {
      signal,
      ...(before === undefined ? {} : { before }),
    });
    const last = versions.find((version) => version.author === record.root);
    if (last !== undefined) {
      const proven = await client.proveRecord(last.origin, { signal });
      const said = recordOf(proven, record.id);
      if (proven.envelope.author === record.root && isSameButAddresses(said, record)) return;
      throw invalid(record.id, 'a device changed what is for the root to change');
    }
    before = versions.at(-1)?.seq;
    if (before === undefined) break;
  }
  throw invalid(record.id, 'its root is not found');
}

/** Pages of versions that are looked through for the last word of a root. */
const historyPagesMax = 50;

function isSameButAddresses(one: BotRecord, other: BotRecord): boolean {
  const rest = ({ addresses: _addresses, backup: _backup, ...others }: BotRecord): string =>
    JSON.stringify(Object.entries(others).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return rest(one) === rest(other);
}

function recordOf({ envelope, value }: ProvenObject, id: string): BotRecord {
  if (envelope.ns !== 'grid' || envelope.url !== botUrl || envelope.obj !== id) {
    throw invalid(id, 'it is about something else');
  }
  if (value === undefined) throw invalid(id, 'it came about by a proposal, or was taken back');
  const record = parse(botUrl, value);
  if (record.id !== id) throw invalid(id, 'it is of another bot');
  return record;
}

function invalid(id: string, why: string): GridError<BotErrorCode> {
  return new GridError('BOT_RECORD_INVALID', `the record of ${id} does not count: ${why}`, {
    hint: 'ask another copy of the log',
    details: { bot: id },
  });
}
