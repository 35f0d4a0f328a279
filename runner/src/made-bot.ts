import { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, isGridError } from '@commongrid/base';
import { rootKeyFromWords } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';

import { botUrl, listedKey, newBot } from './bot-record.ts';
import type { Bot } from './bot-record.ts';
import type { BotConfig, BotFolder } from './commands/bot/bot-folder.ts';
import type { GridErrorCode } from './errors.ts';
import { sealingKeyOf } from './key-file.ts';

/** Whose words a bot is made of, and where its phonebook is. */
export interface BotOrigin extends Pick<BotConfig, 'name' | 'url' | 'trust'> {
  readonly words: string;
}

/**
 * Makes a bot: the key in its folder, its record, then what it has to know to start. Broken off anywhere, the
 * same call goes on. The caller has the turn in the folder.
 * @throws GRID_BOT_EXISTS where the words are another bot, or one with other keys
 */
export async function makeBot(folder: BotFolder, origin: BotOrigin): Promise<BotConfig> {
  return settle(folder, origin, async (client, record, current) => {
    if (current === undefined) return write(client, record);
    const isOurs = current.keys.some(({ key }) => key === record.keys[0]?.key);
    if (isOurs && current.name === origin.name) return;
    throw exists(current);
  });
}

/**
 * Gives a bot a further key, with which the bot of this folder acts; a bot that has no record yet gets one. The
 * same call goes on where one was broken off. The caller has the turn of the words.
 */
export async function addBotDevice(folder: BotFolder, origin: BotOrigin): Promise<BotConfig> {
  return settle(folder, origin, async (client, record, current) => {
    if (current === undefined) return write(client, record);
    const [device] = record.keys;
    if (device === undefined || current.keys.some(({ key }) => key === device.key)) return;
    await write(client, { ...current, keys: [...current.keys, device] });
  });
}

async function settle(
  folder: BotFolder,
  { words, name, url, trust: { log, sequencerKey } }: BotOrigin,
  list: (client: BcdbClient, record: Bot, current: Bot | undefined) => Promise<void>,
): Promise<BotConfig> {
  const root = rootKeyFromWords(words);
  const device = await folder.makeDevice();
  await folder.ownerToken();
  const id = botIdOf(root.publicKey.text);
  const trust = { log, sequencerKey };
  const client = await BcdbClient.connect({ url, trust, key: root });
  const first = newBot(words, root, { name, device, log });
  const record = { ...first, keys: [deviceEntry(device, log, id)] };
  const current = await currentRecord(client, id);
  await list(client, record, current);
  const config = { id, name: current?.name ?? name, url, trust };
  await folder.writeConfig(config);
  return config;
}

/** A key of a device as the record lists it, with the half that messages are sealed to. */
export function deviceEntry(key: SigningKey, log: string, id: Bot['id']): Bot['keys'][number] {
  const seal = sealingKeyOf(key).publicKey.text as NonNullable<Bot['keys'][number]['seal']>;
  return { ...listedKey(key, log, id), seal };
}

/** The newest record of a bot; undefined when there is none. */
export async function currentRecord(client: BcdbClient, id: string): Promise<Bot | undefined> {
  try {
    const minSeq = Math.max(0, (client.lastHead?.size ?? 0) - 1);
    const { value } = await client.get('grid', botUrl, id, { minSeq });
    return value as unknown as Bot;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function write(client: BcdbClient, record: Bot): Promise<void> {
  const statement = { ns: 'grid', op: 'put', url: botUrl, obj: record.id } as const;
  await client.write({ ...statement, value: { ...record } });
}

function exists({ id, name }: Bot): GridError<GridErrorCode> {
  return new GridError('GRID_BOT_EXISTS', `these words are ${name} already`, {
    hint: 'name other words, or give it a further key: grid bcdb bot add-key',
    details: { id },
  });
}
