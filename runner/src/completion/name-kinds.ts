import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isGridError } from '@commongrid/base';
import { Option } from 'commander';
import type { Argument } from 'commander';

import { BotFolder } from '../commands/bot/bot-folder.ts';
import { parseBotName } from '../commands/bot/bot-options.ts';
import { GridHome } from '../home.ts';
import { NodeFolder } from '../node/node-folder.ts';
import { loadState } from '../supervisor/grid-state.ts';

/** Names that are in files of this machine: no server is asked. */
export type NameKind = 'bot' | 'contract' | 'described' | 'node' | 'service' | 'workload';

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
  ['contract-or-node', 'described'],
  ['node', 'node'],
  ['service', 'service'],
  ['workload', 'workload'],
]);

/** The names of a kind that the folder of a grid knows; none where there is no grid. */
export async function knownNames(homePath: string, kind: NameKind): Promise<readonly string[]> {
  const home = new GridHome(homePath);
  const names = await lookUp[kind](home);
  return [...new Set(names)].toSorted();
}

const lookUp: Readonly<Record<NameKind, (home: GridHome) => Promise<readonly string[]>>> = {
  bot: botsIn,
  contract: async (home) => (await keptContracts(home)).flatMap(contractNames),
  described: async (home) => {
    const all = await Promise.all([lookUp.contract(home), lookUp.node(home)]);
    return all.flat();
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
  workload: async (home) => (await keptContracts(home)).flatMap(workloadNames),
};

/** A contract that a bot here keeps the papers of. Whoever completes words does not check them. */
interface KeptContract {
  readonly id: string;
  readonly paper: {
    readonly header?: { readonly name?: unknown };
    readonly openings?: readonly { readonly role?: KeptRole }[];
  };
}

interface KeptRole {
  readonly name?: unknown;
  readonly replicas?: unknown;
}

async function keptContracts(home: GridHome): Promise<readonly KeptContract[]> {
  const bots = await botsIn(home);
  const kept = bots.map(async (name): Promise<readonly KeptContract[]> => {
    const folder = BotFolder.named(home.path, name).contracts;
    const ids = (await namesIn(folder)).flatMap(
      (file) => /^(contract:.+)\.json$/.exec(file)?.[1] ?? [],
    );
    return Promise.all(
      ids.map(async (id) => ({ id, paper: await readPaper(join(folder, `${id}.json`)) })),
    );
  });
  return (await Promise.all(kept)).flat();
}

async function readPaper(path: string): Promise<KeptContract['paper']> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    // It may be taken away, or be damaged: its id is a name all the same.
    return {};
  }
}

function contractNames({ id, paper }: KeptContract): readonly string[] {
  const name = paper.header?.name;
  return typeof name === 'string' ? [id, name] : [id];
}

/** The contract itself, its roles, and their replicas where there are several. */
function workloadNames(kept: KeptContract): readonly string[] {
  const roles = (Array.isArray(kept.paper.openings) ? kept.paper.openings : []).flatMap(
    ({ role }: { readonly role?: KeptRole }) => (typeof role?.name === 'string' ? [role] : []),
  );
  return contractNames(kept).flatMap((contract) => [
    contract,
    ...roles.flatMap(({ name, replicas }) => {
      const count = Number.isSafeInteger(replicas) ? Math.min(Number(replicas), replicasShown) : 0;
      const each = Array.from({ length: count }, (_, n) => `${contract}/${String(name)}/${n}`);
      return [`${contract}/${String(name)}`, ...each];
    }),
  ]);
}

/** Replicas of a role that are offered: nobody reads longer lists. */
const replicasShown = 32;

async function botsIn(home: GridHome): Promise<readonly string[]> {
  const names = await namesIn(home.bots);
  return names.filter((name) => BotFolder.named(home.path, name).isMade);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return existsSync(folder) ? readdir(folder) : [];
}
