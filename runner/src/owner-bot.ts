import { BcdbClient } from '@commongrid/bcdb/client';
import { isGridError } from '@commongrid/base';
import { rootKeyFromWords } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';

import { trustOfGenesis } from './bcdb-trust.ts';
import { botUrl, newBot } from './bot-record.ts';
import type { GridHome } from './home.ts';
import { readKeyFile } from './key-file.ts';
import { readWords } from './owner-identity.ts';
import { turnIn } from './turn-in.ts';

/** Name of an owner who chose none. */
export const ownerNameDefault = 'owner';

/**
 * Writes the owner's digital self into the grid: the root key of the words says that the key with
 * which BCDB signs is one of his. Without the words nothing is done, nor when he is there already.
 * Any number of callers may do this at the same time: they take turns, since two records of one key
 * with one counter would be evidence against the owner.
 * Returns the id of the bot.
 */
export async function introduceOwner(
  home: GridHome,
  url: string,
  name: string,
): Promise<string | undefined> {
  const words = await readWords(home);
  if (words === undefined) return undefined;
  const root = rootKeyFromWords(words);
  const id = botIdOf(root.publicKey.text);
  await using _turn = await turnIn(home.identity);
  const trust = await trustOfGenesis(home.bcdbGenesisFile);
  const client = await BcdbClient.connect({ url, trust, key: root });
  if (await isIntroduced(client, id)) return id;
  const owner = await readKeyFile(home.ownerKeyFile);
  const value = newBot(words, root, { name, device: owner, log: trust.log });
  const put = { ns: 'grid', op: 'put', url: botUrl, obj: id } as const;
  const { seq } = await client.write({ ...put, value: { ...value } });
  // Whoever has the next turn has to see it.
  await client.get('grid', botUrl, id, { minSeq: seq });
  return id;
}

async function isIntroduced(client: BcdbClient, id: string): Promise<boolean> {
  try {
    await client.get('grid', botUrl, id);
    return true;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return false;
    throw error;
  }
}
