import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from '@commongrid/base';
import { readUint53 } from '../engine/log/format.ts';

/**
 * Numbers of all segments that the log had when its newest checkpoint was written; undefined when no
 * checkpoint tells. Compaction removes checkpoints, so one that is there saw the last compaction.
 */
export function checkpointSegments(folder: string, logId: bigint): readonly number[] | undefined {
  const found = fs
    .readdirSync(folder)
    .filter((name) => /^checkpoint-\d+$/.test(name))
    .map((name) => readSegments(path.join(folder, name), logId))
    .filter((one) => one !== undefined);
  return found.toSorted((a, b) => Math.max(0, ...a) - Math.max(0, ...b)).at(-1);
}

function readSegments(file: string, logId: bigint): number[] | undefined {
  const fd = fs.openSync(file, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    fs.readSync(fd, head, 0, HEAD_BYTES, 0);
    const listBytes = head.readUInt32LE(12) * LINE_BYTES;
    if (head.toString('latin1', 0, 4) !== 'ZDBK' || head.readBigUInt64LE(16) !== logId) {
      return undefined;
    }
    if (HEAD_BYTES + listBytes > fs.fstatSync(fd).size) return undefined;
    const list = Buffer.alloc(listBytes);
    fs.readSync(fd, list, 0, listBytes, HEAD_BYTES);
    if (crc32(list, crc32(head.subarray(8))) !== head.readUInt32LE(4)) return undefined;
    const ids: number[] = [];
    for (let at = 0; at < listBytes; at += LINE_BYTES) ids.push(readUint53(list, at + 8));
    return ids;
  } finally {
    fs.closeSync(fd);
  }
}

const HEAD_BYTES = 32;
const LINE_BYTES = 16;
