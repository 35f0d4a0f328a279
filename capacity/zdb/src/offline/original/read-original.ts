import fs from 'node:fs';
import path from 'node:path';
import { GridError } from '@commongrid/base';
import { readUpTo, realFiles } from '@commongrid/files';
import { VALUE_BYTES_MAX } from '../../engine/log/format.ts';
import type { ZdbErrorCode } from '../../errors.ts';
import { originalCrc32c } from './crc32c.ts';
import {
  DATA_ENTRY_BYTES,
  DATA_HEADER_BYTES,
  dataHeaderFault,
  decodeDataEntry,
  decodeIndexMode,
  decodeNamespace,
  ENTRY_DELETED,
  INDEX_ENTRY_BYTES,
  INDEX_HEADER_BYTES,
  NAMESPACE_FILE,
} from './format.ts';
import type { DataEntry, OriginalMode, OriginalNamespace } from './format.ts';

/** The two folders of an original 0-db. */
export interface OriginalFolders {
  readonly indexDir: string;
  readonly dataDir: string;
}

/** Something in the files that is not as it should be. */
export interface OriginalFinding {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** A torn tail is what an interrupted write leaves; the others are damage. */
  readonly what: 'torn-tail' | 'bad-entry' | 'bad-payload' | 'bad-header' | 'missing-file';
  readonly text: string;
  /** Hex digits. */
  readonly key?: string;
}

export interface OriginalSource {
  readonly settings: OriginalNamespace;
  readonly mode: OriginalMode;
  /** Next id of a sequential namespace. */
  readonly nextId: number;
  readonly dataFiles: readonly string[];
  readonly findings: readonly OriginalFinding[];
}

export interface OriginalEntry {
  readonly isDeletion: boolean;
  readonly timeSeconds: number;
  readonly key: Buffer;
  readonly value: Buffer;
  /** Bytes in the file. */
  readonly bytes: number;
  /** Its payload is not what its checksum says. */
  readonly isDamaged: boolean;
}

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Looks at both folders. @throws ZDB_ORIGINAL_CORRUPT when they are none of an original 0-db */
export function findNamespaces({ indexDir, dataDir }: OriginalFolders): OriginalSource[] {
  const found: OriginalSource[] = [];
  const names = fs.existsSync(indexDir) ? fs.readdirSync(indexDir).sort() : [];
  for (const name of names) {
    const file = path.join(indexDir, name, NAMESPACE_FILE);
    if (!fs.existsSync(file)) continue;
    const settings = decodeNamespace(fs.readFileSync(file));
    if (settings === undefined || settings.name !== name) {
      throw corrupt(`${file} is damaged or of another version`, file);
    }
    found.push(lookAt(settings, path.join(indexDir, name), path.join(dataDir, name)));
  }
  if (found.length === 0) throw corrupt(`${indexDir} holds no namespace of a 0-db`, indexDir);
  return found;
}

function lookAt(settings: OriginalNamespace, indexDir: string, dataDir: string): OriginalSource {
  const indexes = numbered(indexDir, 'i');
  const data = numbered(dataDir, 'd');
  const [first] = indexes.files;
  const mode = first === undefined ? undefined : decodeIndexMode(readStart(first));
  if (mode === undefined) throw corrupt(`${indexDir}/i0 is missing, damaged or newer`, indexDir);
  const slots = indexes.files.reduce((sum, file) => {
    const size = fs.statSync(file).size - INDEX_HEADER_BYTES;
    return sum + Math.max(0, Math.floor(size / (INDEX_ENTRY_BYTES + 8)));
  }, 0);
  return {
    settings,
    mode,
    nextId: mode === 'seq' ? slots : 0,
    dataFiles: data.files,
    findings: [...indexes.missing, ...data.missing].map((file) => {
      const text = `${file} is missing`;
      return { file, offset: 0, bytes: 0, what: 'missing-file', text } as const;
    }),
  };
}

/** Files `d0`, `d1` ... and those between that are not there. */
function numbered(folder: string, letter: string): { files: string[]; missing: string[] } {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const numbers = names.flatMap((name) => {
    const [, digits] = new RegExp(`^${letter}(\\d{1,10})$`).exec(name) ?? [];
    return digits === undefined ? [] : [Number(digits)];
  });
  const there = new Set(numbers);
  const files: string[] = [];
  const missing: string[] = [];
  for (let number = 0; number <= Math.max(0, ...numbers); number++) {
    const file = path.join(folder, `${letter}${number}`);
    (there.has(number) ? files : missing).push(file);
  }
  return { files, missing };
}

function readStart(file: string): Buffer {
  const fd = fs.openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(INDEX_HEADER_BYTES);
    return bytes.subarray(0, readUpTo(realFiles, fd, bytes, 0, bytes.length, 0));
  } finally {
    fs.closeSync(fd);
  }
}

/** Reads the entries of one data file; stops at the first that cannot be one. */
export function* readDataFile(
  file: string,
  isLast: boolean,
  onFinding: (finding: OriginalFinding) => void,
): Generator<OriginalEntry> {
  const fd = fs.openSync(file, 'r');
  try {
    const size = fs.fstatSync(fd).size;
    let window = Buffer.alloc(0);
    let start = 0;
    const bring = (offset: number, length: number): number => {
      if (offset < start || offset + length > start + window.length) {
        const wanted = Math.min(Math.max(length, WINDOW_BYTES), size - offset);
        window = Buffer.allocUnsafeSlow(wanted);
        readUpTo(realFiles, fd, window, 0, wanted, offset);
        start = offset;
      }
      return offset - start;
    };
    const stop = (offset: number, what: OriginalFinding['what'], why: string): void => {
      const bytes = size - offset;
      onFinding({ file, offset, bytes, what, text: `${file} ${why} at offset ${offset}` });
    };
    const fileId = Number(path.basename(file).slice(1));
    if (size < DATA_HEADER_BYTES) return stop(0, isLast ? 'torn-tail' : 'bad-header', 'is cut off');
    bring(0, DATA_HEADER_BYTES);
    const fault = dataHeaderFault(window, fileId);
    if (fault !== undefined) return stop(0, 'bad-header', fault);
    for (let offset = DATA_HEADER_BYTES; offset < size;) {
      if (offset + DATA_ENTRY_BYTES > size) return stop(offset, tail(isLast), 'is cut off');
      const entry = decodeDataEntry(window, bring(offset, DATA_ENTRY_BYTES));
      if (isImpossible(entry)) return stop(offset, 'bad-entry', 'holds no entry');
      const { keyLength, valueLength, flags, timeSeconds } = entry;
      const bytes = DATA_ENTRY_BYTES + keyLength + valueLength;
      if (offset + bytes > size) return stop(offset, tail(isLast), 'is cut off');
      const keyAt = bring(offset, bytes) + DATA_ENTRY_BYTES;
      const key = window.subarray(keyAt, keyAt + keyLength);
      const value = window.subarray(keyAt + keyLength, keyAt + keyLength + valueLength);
      const isDeletion = (flags & ENTRY_DELETED) !== 0;
      const isDamaged = !isDeletion && originalCrc32c(value) !== entry.checksum;
      if (isDamaged) {
        const text = `${file} has a damaged payload at offset ${offset}`;
        onFinding({ file, offset, bytes, what: 'bad-payload', text, key: key.toString('hex') });
      }
      yield { isDeletion, timeSeconds, key, value, bytes, isDamaged };
      offset += bytes;
    }
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

function isImpossible({ keyLength, valueLength, flags }: DataEntry): boolean {
  return keyLength === 0 || valueLength > VALUE_BYTES_MAX || (flags & ~ENTRY_DELETED) !== 0;
}

function tail(isLast: boolean): OriginalFinding['what'] {
  return isLast ? 'torn-tail' : 'bad-entry';
}

function corrupt(message: string, file: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_ORIGINAL_CORRUPT', message, {
    hint: 'give the folders that 0-db was given as --index and --data',
    details: { file },
  });
}
