import { byteTextFrom, bytesOfText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { Directory, Inode } from '../tree/inode.ts';
import { blockBytes } from './erofs-inode.ts';

/** `struct erofs_dirent`: number of the inode, place of the name in the block, type. */
const entryBytes = 12;

const typeNumbers: Readonly<Record<Inode['kind'], number>> = {
  file: 1,
  directory: 2,
  'character-device': 3,
  'block-device': 4,
  fifo: 5,
  symlink: 7,
};

/** Where the kernel looks a directory up: itself, its parent, and what is in it. */
export interface DirectoryPlace {
  readonly directory: Directory;
  readonly parent: Directory;
}

type Entry = readonly [name: ByteText, inode: Inode];

/** Bytes of a directory's content: all blocks whole but the last. */
export function directoryBytes(place: DirectoryPlace): number {
  let blockCount = 0;
  let lastBytes = 0;
  for (const block of blocksOf(place)) {
    blockCount += 1;
    lastBytes = usedBytes(block);
  }
  return (blockCount - 1) * blockBytes + lastBytes;
}

/** The blocks, each of its whole size but the last. */
export function* encodeDirectory(
  place: DirectoryPlace,
  numberOf: (inode: Inode) => bigint,
): Generator<Buffer> {
  let behind: Buffer | undefined;
  for (const block of blocksOf(place)) {
    if (behind !== undefined) yield behind;
    behind = encodeBlock(block, numberOf);
  }
  if (behind !== undefined) yield behind.subarray(0, behind.length - paddingOf(behind));
}

/** Zeros behind the last name. Names have none. */
function paddingOf(block: Buffer): number {
  let end = block.length;
  while (block[end - 1] === 0) end -= 1;
  return block.length - end;
}

function encodeBlock(entries: readonly Entry[], numberOf: (inode: Inode) => bigint): Buffer {
  const block = Buffer.alloc(blockBytes);
  let nameAt = entries.length * entryBytes;
  for (const [index, [name, inode]] of entries.entries()) {
    const at = index * entryBytes;
    block.writeBigUInt64LE(numberOf(inode), at);
    block.writeUInt16LE(nameAt, at + 8);
    block.writeUInt8(typeNumbers[inode.kind], at + 10);
    block.set(bytesOfText(name), nameAt);
    nameAt += name.length;
  }
  return block;
}

/** As many entries as fit a block, in the order of their names, by which the kernel searches. */
function* blocksOf(place: DirectoryPlace): Generator<readonly Entry[]> {
  let block: Entry[] = [];
  let sizeBytes = 0;
  for (const entry of sortedEntries(place)) {
    const addedBytes = entryBytes + entry[0].length;
    if (sizeBytes + addedBytes > blockBytes) {
      yield block;
      block = [];
      sizeBytes = 0;
    }
    block.push(entry);
    sizeBytes += addedBytes;
  }
  yield block;
}

function usedBytes(block: readonly Entry[]): number {
  return block.reduce((sum, [name]) => sum + entryBytes + name.length, 0);
}

const selfName = byteTextFrom('.');
const parentName = byteTextFrom('..');

/** Names such as `!` and `-` come before the two dots, which are no exception to the order. */
function* sortedEntries({ directory, parent }: DirectoryPlace): Generator<Entry> {
  const dots: Entry[] = [
    [selfName, directory],
    [parentName, parent],
  ];
  for (const entry of directory.entries) {
    while (dots[0] !== undefined && dots[0][0] < entry[0]) {
      yield dots[0];
      dots.shift();
    }
    yield entry;
  }
  yield* dots;
}
