import fs from 'node:fs';
import path from 'node:path';
import type { Files } from '@commongrid/files';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../engine/log/format.ts';
import type { SegmentHeader } from '../engine/log/format.ts';

/** The machine's files, opened for reading whatever is asked: a job on them changes nothing. */
export const readOnlyFiles: Files = {
  ...fs,
  openSync: (target) => fs.openSync(target, 'r'),
};

/** Number of a segment file; undefined for other names. */
function segmentIdOf(name: string): number | undefined {
  const [, digits] = /^segment-(\d{12,})\.log$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** Segment files of a folder, in order of their numbers. */
export function segmentFiles(folder: string): { id: number; path: string; bytes: number }[] {
  return fs
    .readdirSync(folder)
    .flatMap((name) => {
      const id = segmentIdOf(name);
      if (id === undefined) return [];
      const file = path.join(folder, name);
      return [{ id, path: file, bytes: fs.statSync(file).size }];
    })
    .sort((a, b) => a.id - b.id);
}

/** Undefined when it is damaged. */
export function readHeader(file: string): SegmentHeader | undefined {
  const fd = fs.openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
    fs.readSync(fd, bytes, 0, bytes.length, 0);
    return decodeSegmentHeader(bytes);
  } finally {
    fs.closeSync(fd);
  }
}
