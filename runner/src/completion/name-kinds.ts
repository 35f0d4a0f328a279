import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';

import { isGridError } from '@commongrid/base';
import { Option } from 'commander';
import type { Argument } from 'commander';

import { BotFolder } from '../commands/bot/bot-folder.ts';
import { parseBotName } from '../commands/bot/bot-options.ts';
import { GridHome } from '../home.ts';
import { NodeFolder } from '../node/node-folder.ts';
import { loadState } from '../supervisor/grid-state.ts';

/** Names that are in files of this machine: no server is asked. */
export type NameKind = 'bot' | 'contract' | 'node' | 'service';

/** What stands for the value of an option or argument in its help: `file` of `--data <file>`. */
export function valueWordOf(taker: Option | Argument): string {
  if (!(taker instanceof Option)) return taker.name();
  return /[<[]([\w-]+)/.exec(taker.flags)?.[1] ?? '';
}

/** What an option or argument names, where that is known. */
export function nameKindOf(taker: Option | Argument): NameKind | undefined {
  // Bots are told from other names by how they are read.
  return taker.parseArg === parseBotName ? 'bot' : kindByWord.get(valueWordOf(taker));
}

const kindByWord: ReadonlyMap<string, NameKind> = new Map([
  ['bot', 'bot'],
  ['contract', 'contract'],
  ['node', 'node'],
  ['service', 'service'],
]);

/** The names of a kind that the folder of a grid knows; none where there is no grid. */
export async function knownNames(homePath: string, kind: NameKind): Promise<readonly string[]> {
  const home = new GridHome(homePath);
  const names = await lookUp[kind](home);
  return [...new Set(names)].toSorted();
}

const lookUp: Readonly<Record<NameKind, (home: GridHome) => Promise<readonly string[]>>> = {
  bot: botsIn,
  contract: async (home) => {
    const bots = await botsIn(home);
    const folders = bots.map((name) => BotFolder.named(home.path, name).contracts);
    const files = (await Promise.all(folders.map(namesIn))).flat();
    return files.flatMap((file) => /^(contract:.+)\.json$/.exec(file)?.[1] ?? []);
  },
  node: async (home) => {
    try {
      const { node, name } = await new NodeFolder(home.node).read();
      return [name, node];
    } catch (error) {
      if (isGridError(error)) return [];
      throw error;
    }
  },
  service: async (home) => Object.keys((await loadState(home))?.services ?? {}),
};

async function botsIn(home: GridHome): Promise<readonly string[]> {
  const names = await namesIn(home.bots);
  return names.filter((name) => BotFolder.named(home.path, name).isMade);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return existsSync(folder) ? readdir(folder) : [];
}
