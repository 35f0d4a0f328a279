import type { ByteText } from './byte-text.ts';
import type { Directory, Inode, Xattr } from './inode.ts';
import { rootPath } from './resolve-path.ts';

/** What of an inode differs. `links`: of which path it is another name. */
export type ChangedPart =
  | 'kind'
  | 'content'
  | 'mode'
  | 'owner'
  | 'time'
  | 'xattrs'
  | 'target'
  | 'device'
  | 'links';

export type TreeChange =
  | { readonly change: 'added'; readonly path: ByteText; readonly after: Inode }
  | { readonly change: 'removed'; readonly path: ByteText; readonly before: Inode }
  | {
      readonly change: 'changed';
      readonly path: ByteText;
      readonly before: Inode;
      readonly after: Inode;
      /** At least one. */
      readonly parts: readonly ChangedPart[];
    };

/**
 * What differs from one tree to another, path by path, each folder before what is in it. Nothing
 * differs when, and only when, both have the same canonical bytes.
 */
export function* diffTrees(before: Directory, after: Directory): Generator<TreeChange, void, void> {
  const links = { before: new Map<Inode, ByteText>(), after: new Map<Inode, ByteText>() };
  yield* changeOf(rootPath, before, after, links);
  const open = [openPair('', before, after)];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const next = top.names.next();
    if (next.done === true) {
      open.pop();
      continue;
    }
    const path = `${top.prefix}${next.value}` as ByteText;
    const old = top.before?.get(next.value);
    const now = top.after?.get(next.value);
    yield* changeOf(path, old, now, links);
    if (old?.kind === 'directory' || now?.kind === 'directory') {
      open.push(openPair(`${path}/`, old, now));
    }
  }
}

interface OpenPair {
  readonly prefix: string;
  readonly before: Directory['entries'] | undefined;
  readonly after: Directory['entries'] | undefined;
  readonly names: Iterator<ByteText>;
}

interface FirstPaths {
  readonly before: Map<Inode, ByteText>;
  readonly after: Map<Inode, ByteText>;
}

function openPair(prefix: string, old: Inode | undefined, now: Inode | undefined): OpenPair {
  const before = old?.kind === 'directory' ? old.entries : undefined;
  const after = now?.kind === 'directory' ? now.entries : undefined;
  const both = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return { prefix, before, after, names: [...both].sort()[Symbol.iterator]() };
}

function* changeOf(
  path: ByteText,
  before: Inode | undefined,
  after: Inode | undefined,
  links: FirstPaths,
): Generator<TreeChange, void, void> {
  const first = firstPathOf(links.before, before, path);
  const isLinkKept = first === firstPathOf(links.after, after, path);
  if (before === undefined) {
    if (after !== undefined) yield { change: 'added', path, after };
    return;
  }
  if (after === undefined) {
    yield { change: 'removed', path, before };
    return;
  }
  const parts = changedParts(before, after);
  if (!isLinkKept) parts.push('links');
  if (parts.length > 0) yield { change: 'changed', path, before, after, parts };
}

/** Directories have one name, which is theirs. */
function firstPathOf(
  known: Map<Inode, ByteText>,
  inode: Inode | undefined,
  path: ByteText,
): ByteText {
  if (inode === undefined || inode.kind === 'directory') return path;
  const first = known.get(inode);
  if (first === undefined) known.set(inode, path);
  return first ?? path;
}

function changedParts(before: Inode, after: Inode): ChangedPart[] {
  const parts: ChangedPart[] = [];
  if (before.mode !== after.mode) parts.push('mode');
  if (before.uid !== after.uid || before.gid !== after.gid) parts.push('owner');
  if (before.mtimeNs !== after.mtimeNs) parts.push('time');
  if (!areSameXattrs(before.xattrs, after.xattrs)) parts.push('xattrs');
  const part = changedKind(before, after);
  if (part !== undefined) parts.unshift(part);
  return parts;
}

function changedKind(before: Inode, after: Inode): ChangedPart | undefined {
  switch (before.kind) {
    case 'file':
      if (after.kind !== before.kind) return 'kind';
      return before.sizeBytes === after.sizeBytes &&
        areSameBytes(before.chunkHashes, after.chunkHashes)
        ? undefined
        : 'content';
    case 'symlink':
      if (after.kind !== before.kind) return 'kind';
      return before.target === after.target ? undefined : 'target';
    case 'character-device':
    case 'block-device':
      if (after.kind !== before.kind) return 'kind';
      return before.major === after.major && before.minor === after.minor ? undefined : 'device';
    case 'directory':
    case 'fifo':
    default:
      return after.kind === before.kind ? undefined : 'kind';
  }
}

function areSameXattrs(before: readonly Xattr[], after: readonly Xattr[]): boolean {
  if (before.length !== after.length) return false;
  return before.every(({ name, value }, at) => {
    const other = after[at];
    return other !== undefined && other.name === name && areSameBytes(other.value, value);
  });
}

function areSameBytes(before: Uint8Array, after: Uint8Array): boolean {
  return Buffer.compare(before, after) === 0;
}
