import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { realFiles } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import { frameEnd, frameLogId, hasFlag } from './format.ts';
import { decodeFrame } from './frame-codec.ts';
import { FrameWalker } from './frame-walker.ts';
import type { WalkedStretch } from './frame-walker.ts';
import { headPath, readHead } from './head-file.ts';
import type { LogProblem } from '../log-problem.ts';
import { firstOfName, segmentName } from './segment.ts';

export interface VerifyOptions {
  readonly folder: string;
  /** Hash of the genesis, 32 bytes. */
  readonly log: Uint8Array;
  readonly files?: Files;
  /** How far to look. Default: as far as the head file says. */
  readonly size?: number;
}

/**
 * Reads the files of a log from end to end and reports what is damaged or missing. It changes nothing
 * and needs no lock, so it also works on a folder that does not open. Signatures and tree hashes are
 * the caller's to check: this finds what disks do, not what people do.
 */
export async function* verifyLogFolder(options: VerifyOptions): AsyncGenerator<LogProblem> {
  const { folder, files = realFiles } = options;
  let size = options.size;
  if (size === undefined) {
    const head = readHead(files, folder);
    if (typeof head === 'string') {
      yield { seq: 0, end: 0, file: headPath(folder), offset: 0, text: `the head is ${head}` };
    } else if (head.isOtherLost) {
      yield { seq: 0, end: 0, file: headPath(folder), offset: 0, text: 'a slot is damaged' };
    }
    size = typeof head === 'string' ? Infinity : head.slot.head.size;
  }
  const firsts = files.readdirSync(folder).map(firstOfName);
  const sorted = firsts.filter((first) => first !== undefined).sort((a, b) => a - b);
  let reached = 0;
  for (const [i, first] of sorted.entries()) {
    if (first >= size) break;
    const file = join(folder, segmentName(first));
    if (first !== reached) {
      yield { seq: reached, end: first, file, offset: 0, text: 'entries before it are missing' };
    }
    reached = yield* verifySegment(files, options.log, {
      first,
      end: Math.min(size, sorted[i + 1] ?? size),
      file,
    });
  }
  if (reached < size && size !== Infinity) {
    const file = join(folder, segmentName(sorted.at(-1) ?? 0));
    yield { seq: reached, end: size, file, offset: 0, text: 'the last entries are missing' };
  }
}

interface SegmentRange {
  readonly first: number;
  /** Sequence where the next segment, or the log, says that this one ends. */
  readonly end: number;
  readonly file: string;
}

/** Returns the sequence after the last sound entry. */
async function* verifySegment(
  files: Files,
  log: Uint8Array,
  { first, end, file }: SegmentRange,
): AsyncGenerator<LogProblem, number> {
  const fd = files.openSync(file, 'r');
  try {
    const walker = new FrameWalker(files, fd, frameLogId(log));
    let reached = first;
    let badOffset: number | undefined;
    for (let found = walker.next(); found !== undefined; found = walker.next()) {
      // Walking is synchronous; other work gets its turn between two frames.
      await setImmediate();
      if (reached >= end && end !== Infinity) return reached;
      const next = soundFirst(found);
      if (next === undefined) {
        badOffset ??= found.offset;
        continue;
      }
      if (badOffset !== undefined || next !== reached) {
        const offset = badOffset ?? found.offset;
        yield { seq: reached, end: next, file, offset, text: 'entries are damaged' };
        badOffset = undefined;
      }
      reached = found.kind === 'frame' ? frameEnd(found.header) : reached;
    }
    return reached;
  } finally {
    files.closeSync(fd);
  }
}

/** The sequence at which sound entries go on; undefined where there are none. */
function soundFirst(found: WalkedStretch): number | undefined {
  if (found.kind === 'bad') return undefined;
  const { header, buffer, at } = found;
  if (hasFlag(header, 'seal')) return header.first;
  return decodeFrame(header, buffer, at) === undefined ? undefined : header.first;
}
