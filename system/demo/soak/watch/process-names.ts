import { join } from 'node:path';

/** What belongs to a town. */
export interface TownFolders {
  /** Of the owner: database, hub, bots, front door. */
  readonly home: string;
  readonly machines: readonly { readonly name: string; readonly folder: string }[];
}

/** What a program of `grid` is called, by its first words. */
const programs: readonly (readonly [words: string, name: string])[] = [
  ['bcdb serve', 'database'],
  ['hub serve', 'hub'],
  ['zdb serve', 'Zero-DB'],
  ['node agent', 'agent'],
  ['node start', 'keeper'],
];

/** The same of programs that have a file of their own. */
const files: readonly (readonly [file: string, name: string])[] = [
  ['/front-door-process.ts', 'front door'],
  ['/image-service-process.ts', 'image service'],
  ['/fuse-holder-process.ts', 'image mounts'],
];

/**
 * What a process of a town is called: `database`, `agent of be-1`, `bot farmer-ch`.
 * @param words its command line
 * @returns undefined for what is none of the town, or does not live long
 */
export function nameOf(words: readonly string[], town: TownFolders): string | undefined {
  const where = placeOf(words, town);
  if (where === undefined) return undefined;
  const name = programOf(words);
  return name && `${name}${where}`;
}

function programOf(words: readonly string[]): string | undefined {
  const file = files.find(([path]) => words.some((word) => word.endsWith(path)));
  if (file !== undefined) return file[1];
  const rest = words.slice(words.findIndex((word) => word.endsWith('/main.ts')) + 1);
  if (rest.length === words.length) return undefined;
  const [first = '', second = '', third = ''] = rest;
  if (first === 'bot' && second === 'start') return `bot ${third}`;
  return programs.find(([known]) => known === `${first} ${second}`)?.[1];
}

/** ` of be-1` for a machine, nothing for the owner; undefined for what names no folder of the town. */
function placeOf(words: readonly string[], { home, machines }: TownFolders): string | undefined {
  const paths = words.map((word) =>
    word.startsWith('--') ? word.slice(word.indexOf('=') + 1) : word,
  );
  const isIn = (folder: string): boolean =>
    paths.some((path) => path === folder || path.startsWith(join(folder, '/')));
  const machine = machines.find(({ folder }) => isIn(folder));
  if (machine !== undefined) return ` of ${machine.name}`;
  return isIn(home) ? '' : undefined;
}
