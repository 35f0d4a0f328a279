import { shownText } from './byte-text.ts';
import type { ByteText } from './byte-text.ts';
import type { Directory, Inode } from './inode.ts';
import { walkTree } from './walk-tree.ts';

/**
 * A line for people for each name of a tree, as `tar -tv` writes them: mode, owner, size or device
 * number, time in UTC, path, and what a link leads to.
 */
export function* listLines(root: Directory): Generator<string, void, void> {
  const firstPaths = new Map<Inode, ByteText>();
  for (const { path, inode, isFirstName } of walkTree(root)) {
    const firstPath = isFirstName ? undefined : firstPaths.get(inode);
    if (isFirstName && inode.kind !== 'directory') firstPaths.set(inode, path);
    const shown = shownText(path) || '.';
    const link = firstPath === undefined ? '' : ` link to ${shownText(firstPath)}`;
    const target = inode.kind === 'symlink' ? ` -> ${shownText(inode.target)}` : '';
    const owner = `${inode.uid}/${inode.gid}`.padEnd(11);
    const size = sizeText(inode).padStart(11);
    yield `${modeText(inode)} ${owner} ${size} ${timeText(inode.mtimeNs)} ${shown}${target}${link}`;
  }
}

/** The kind and the permissions in ten characters, as `ls -l` writes them. */
export function modeText({ kind, mode }: Inode): string {
  const triples = [6, 3, 0].map((shift) => {
    const bits = mode >> shift;
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`;
  });
  const special = [mode & 0o4000 ? 's' : '', mode & 0o2000 ? 's' : '', mode & 0o1000 ? 't' : ''];
  const permissions = triples.map((triple, at) => {
    const letter = special[at] ?? '';
    if (letter === '') return triple;
    return `${triple.slice(0, 2)}${triple.endsWith('x') ? letter : letter.toUpperCase()}`;
  });
  return `${kindLetters[kind]}${permissions.join('')}`;
}

const kindLetters: Readonly<Record<Inode['kind'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
};

function sizeText(inode: Inode): string {
  if (inode.kind === 'file') return String(inode.sizeBytes);
  return 'major' in inode ? `${inode.major},${inode.minor}` : '0';
}

/** To the minute; as seconds since 1970 what has no year of four digits. */
function timeText(mtimeNs: bigint): string {
  const ms = Math.floor(Number(mtimeNs) / 1_000_000);
  const isPlain = ms >= firstPlainMs && ms < endPlainMs;
  if (!isPlain) return `@${mtimeNs / 1_000_000_000n}`.padEnd(16);
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

const firstPlainMs = Date.UTC(1000, 0);
const endPlainMs = Date.UTC(10_000, 0);
