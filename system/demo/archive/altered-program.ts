import { open, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { sumOfFile } from '../data/real-files.ts';
import type { DemoNode } from '../demo-node.ts';

/** What has a disk. */
type Machine = Pick<DemoNode, 'folder'>;

/** A program of an image that somebody changed where a machine keeps it. */
export interface AlteredProgram {
  readonly node: Machine;
  /** Its file on the disk of the machine. */
  readonly path: string;
  /** SHA-256 of what the image says, hex. */
  readonly sha256: string;
}

/** The file in which a machine keeps content of an image whole, by SHA-256 of that; undefined where there is none. */
export async function storedFile(
  node: Machine,
  sha256: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const folder = join(imagesOf(node), 'objects');
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await sumOfFile(path, signal)).sha256 === sha256) return path;
  }
  return undefined;
}

/** Changes one bit in the middle of a file, whose size stays as it is. */
export async function alterFile(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  const at = Math.floor(size / 2);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  await file.write(byte, 0, 1, at);
}

/** Whether the machine noted that a file of its images had other bytes than it should, and was removed. */
export async function isNoted({ node, path }: AlteredProgram): Promise<boolean> {
  const lines = (await readFile(join(imagesOf(node), 'service.log'), 'utf8')).split('\n');
  return lines.some((line) => {
    return line.includes(`"${basename(path)}"`) && line.includes('was damaged and is removed');
  });
}

/** Where a machine keeps images. */
function imagesOf({ folder }: Machine): string {
  return join(folder, 'machine', 'images');
}
