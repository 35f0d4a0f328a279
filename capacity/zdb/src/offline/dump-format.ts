import { crc32, GridError } from '@commongrid/base';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../engine/log/format.ts';
import type { NamespaceSettings } from '../engine/namespace.ts';
import type { ZdbErrorCode } from '../errors.ts';

/*
 * A dump is a text file of lines, each one JSON object: head, namespaces, records in order of their
 * sequence, end. docs/formats/zdb-dump.md is the page of it.
 */

export const DUMP_VERSION = 1;

/** A value in base64, its key, and what stands around them. */
export const DUMP_LINE_BYTES_MAX = Math.ceil((VALUE_BYTES_MAX + KEY_BYTES_MAX) / 3) * 4 + 1024;

export interface DumpHead {
  readonly dump: 'commongrid-zdb';
  readonly version: number;
  /** False: only the newest value of each key. */
  readonly history: boolean;
}

export interface DumpNamespace {
  readonly settings: NamespaceSettings;
  /** Next id that sequential mode hands out. */
  readonly nextId: number;
  /** How many records of it follow. */
  readonly records: number;
}

export interface DumpRecord {
  readonly namespaceId: number;
  /** RecordKind. */
  readonly kind: number;
  readonly sequence: number;
  /** Sequence of the former version of the key, 0 = none. */
  readonly previous: number;
  readonly timeSeconds: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

export type DumpLine =
  | { readonly head: DumpHead }
  | { readonly namespace: DumpNamespace }
  | { readonly record: DumpRecord }
  | { readonly end: { readonly records: number; readonly sha256: string } };

/** One line, with its checksum and the line feed. */
export function encodeLine(line: DumpLine): Buffer {
  const text = JSON.stringify(plain(line)).slice(0, -1);
  const sum = crc32(Buffer.from(text)).toString(16).padStart(8, '0');
  return Buffer.from(`${text},"crc":"${sum}"}\n`);
}

function plain(line: DumpLine): object {
  if ('head' in line) return line.head;
  if (!('record' in line)) return line;
  const { namespaceId, kind, sequence, previous, timeSeconds, key, value } = line.record;
  return {
    seq: sequence,
    ns: namespaceId,
    kind,
    ...(previous === 0 ? {} : { prev: previous }),
    time: timeSeconds,
    key: key.toString('base64'),
    ...(kind === 1 ? { value: value.toString('base64') } : {}),
  };
}

/**
 * Reads one line, without its line feed.
 * @throws ZDB_DUMP_CORRUPT, ZDB_DUMP_NEWER
 */
export function decodeLine(bytes: Buffer, lineNumber: number): DumpLine {
  // `,"crc":"01234567"}`
  const body = bytes.subarray(0, -18);
  const [, sum] = /^,"crc":"([0-9a-f]{8})"\}$/.exec(bytes.toString('latin1', body.length)) ?? [];
  if (sum === undefined || Number.parseInt(sum, 16) !== crc32(body)) {
    throw dumpCorrupt(lineNumber, 'its checksum differs');
  }
  const fields = JSON.parse(`${body.toString()}}`) as Record<string, unknown>;
  if ('seq' in fields) return { record: toRecord(fields, lineNumber) };
  if ('namespace' in fields || 'end' in fields) return fields as unknown as DumpLine;
  const head = fields as unknown as DumpHead;
  if (head.dump !== 'commongrid-zdb') throw dumpCorrupt(lineNumber, 'it is no line of a dump');
  if (head.version > DUMP_VERSION) {
    throw new GridError<ZdbErrorCode>(
      'ZDB_DUMP_NEWER',
      `the dump has version ${head.version}; this program knows versions up to ${DUMP_VERSION}`,
      { hint: 'import it with the release that wrote it', details: { version: head.version } },
    );
  }
  return { head };
}

function toRecord(fields: Record<string, unknown>, lineNumber: number): DumpRecord {
  const { seq, ns, kind, prev = 0, time, key, value = '' } = fields;
  const numbers = [seq, ns, kind, prev, time];
  if (!numbers.every(Number.isSafeInteger) || typeof key !== 'string') {
    throw dumpCorrupt(lineNumber, 'a field is missing');
  }
  const [sequence = 0, namespaceId = 0, kindNumber = 0, previous = 0, timeSeconds = 0] =
    numbers as number[];
  return {
    namespaceId,
    kind: kindNumber,
    sequence,
    previous,
    timeSeconds,
    key: Buffer.from(key, 'base64'),
    value: Buffer.from(String(value), 'base64'),
  };
}

export function dumpCorrupt(lineNumber: number, why: string): GridError<ZdbErrorCode> {
  return new GridError(
    'ZDB_DUMP_CORRUPT',
    `line ${lineNumber} of the dump cannot be used: ${why}; nothing was imported`,
    { hint: 'copy the dump again, or export anew', details: { lineNumber } },
  );
}
