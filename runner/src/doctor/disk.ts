import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { formatBytes } from '@commongrid/base';

import { bad, doubtful, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** Less free disk is told, bytes. */
const roomBytesMin = 2 * 2 ** 30;
/** With less the databases stop soon, bytes. */
const roomBytesNeeded = 256 * 2 ** 20;
/** Of the files that the file system can have, so many are to be free. */
const freeFilesShareMin = 0.02;
/** A sync of one block is told beyond this, ms: each commit waits for one. */
const syncMsMax = 20;
/** Beyond this a database is of little use, ms. */
const syncMsUsable = 250;
/** Blocks that are written and synced to measure that. */
const syncRounds = 15;
const blockBytes = 4096;

/** Room on the disk of a folder, which may be made later. */
export async function examineRoom(folder: string): Promise<readonly Diagnosis[]> {
  const { bavail, bsize, files, ffree } = await statfs(nearestThere(folder));
  const freeBytes = bavail * bsize;
  const says = `${formatBytes(freeBytes)} free for ${folder}`;
  const next = 'make room on that disk, or move the folder to another';
  const room =
    freeBytes < roomBytesNeeded
      ? bad('space', says, next)
      : freeBytes < roomBytesMin
        ? doubtful('space', says, next)
        : fine('space', says);
  // Some file systems make files as long as there is room, and say 0.
  if (files === 0) return [room];
  const filesSay = `${ffree} of ${files} are free`;
  const areFew = ffree < files * freeFilesShareMin;
  return [room, areFew ? doubtful('files', filesSay, 'remove files') : fine('files', filesSay)];
}

/** How long the disk of a folder takes to make a block durable. */
export async function examineSync(folder: string): Promise<Diagnosis> {
  const name = 'disk sync';
  const file = join(nearestThere(folder), `.doctor.${randomBytes(8).toString('hex')}.tmp`);
  const next = 'use a disk of its own, or one with a cache that survives a power loss';
  try {
    const takenMs = (await measureSyncs(file)).toSorted((a, b) => a - b);
    const medianMs = takenMs[Math.floor(takenMs.length / 2)] ?? 0;
    const slowestMs = takenMs.at(-1) ?? 0;
    const says = `${medianMs.toFixed(1)} ms a block, the slowest of ${syncRounds} ${slowestMs.toFixed(1)} ms`;
    if (medianMs > syncMsUsable) return bad(name, says, next);
    return medianMs > syncMsMax ? doubtful(name, says, next) : fine(name, says);
  } finally {
    await rm(file, { force: true });
  }
}

async function measureSyncs(file: string): Promise<readonly number[]> {
  const handle = await open(file, 'wx', 0o600);
  try {
    const block = Buffer.alloc(blockBytes, 1);
    const takenMs: number[] = [];
    for (let round = 0; round < syncRounds; round += 1) {
      const fromMs = performance.now();
      await handle.write(block, 0, blockBytes, round * blockBytes);
      await handle.datasync();
      takenMs.push(performance.now() - fromMs);
    }
    return takenMs;
  } finally {
    await handle.close();
  }
}

function nearestThere(path: string): string {
  return existsSync(path) || path === '/' ? path : nearestThere(dirname(path));
}
