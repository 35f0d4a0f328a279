import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { decodeLine, DUMP_LINE_BYTES_MAX, dumpCorrupt } from './dump-format.ts';
import type { DumpLine } from './dump-format.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface DumpStep {
  readonly line: DumpLine;
  /** Bytes that the line takes in the file. */
  readonly bytes: number;
}

/**
 * Gives the lines of a dump, up to its end line. That all of them came, in order and undamaged, is
 * sure only once the iteration has ended: act on nothing for good before.
 * @throws ZDB_DUMP_CORRUPT, ZDB_DUMP_NEWER
 */
export async function* readDump(file: string): AsyncGenerator<DumpStep> {
  const hash = createHash('sha256');
  let lineNumber = 0;
  let records = 0;
  let isEnded = false;
  for await (const bytes of linesOf(file)) {
    lineNumber++;
    if (isEnded) throw dumpCorrupt(lineNumber, 'it stands behind the end');
    const line = decodeLine(bytes.subarray(0, -1), lineNumber);
    if ((lineNumber === 1) !== 'head' in line) throw dumpCorrupt(lineNumber, 'it is out of place');
    if ('record' in line) records++;
    if ('end' in line) {
      isEnded = true;
      if (line.end.records !== records || line.end.sha256 !== hash.digest('hex')) {
        throw dumpCorrupt(lineNumber, 'lines before it are missing or not the same');
      }
    } else {
      hash.update(bytes);
    }
    yield { line, bytes: bytes.length };
  }
  if (!isEnded) throw dumpCorrupt(lineNumber + 1, 'it is missing, the file was cut off');
}

/** Lines with their line feeds. */
async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let lineNumber = 1;
  for await (const piece of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
    const chunk = piece as Buffer;
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const tail = chunk.subarray(start, end + 1);
      yield restBytes === 0 ? tail : Buffer.concat([...rest, tail]);
      lineNumber++;
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
    }
    if (restBytes > DUMP_LINE_BYTES_MAX) throw dumpCorrupt(lineNumber, 'it is too long');
  }
  if (restBytes > 0) throw dumpCorrupt(lineNumber, 'it has no end');
}
