import { crc32 } from 'node:zlib';
import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { type Files, readWhole, replaceFile } from '@commongrid/files';
import { FORMAT_VERSION } from './format.ts';

/** What a segment's line in the manifest says. */
export interface ManifestSegment {
  readonly id: number;
  /** Its number in index slots. */
  readonly slot: number;
  readonly firstSequence: number;
  /** The rest only of sealed segments. */
  readonly lastSequence?: number;
  readonly bytes?: number;
  readonly records?: number;
  /** Namespace number -> [records, bytes, values]. */
  readonly shares?: Readonly<Record<string, readonly [number, number, number]>>;
}

/** A stretch of the log that could not be read at a start. */
export interface Quarantine {
  readonly segmentId: number;
  readonly offset: number;
  readonly bytes: number;
  readonly foundMs: number;
}

/** The root of a data folder: names every file that belongs to the store. */
export interface Manifest {
  readonly version: number;
  /** Identity of the log, 16 hex digits. */
  readonly logId: string;
  /** Secret of the key hash, 16 hex digits. */
  readonly hashSecret: string;
  readonly nextSegmentId: number;
  /** In order of the log. */
  readonly segments: readonly ManifestSegment[];
  /** Number of the checkpoint file, 0 = none. */
  readonly checkpoint: number;
  readonly quarantine: readonly Quarantine[];
  /** The log had reached this sequence, on disk, when this was written. */
  readonly durableAtLeast: number;
  /** Largest sequence that a compaction looked at when it decided what to drop. */
  readonly compactedThrough: number;
  /** Largest sequence of a deletion that a compaction dropped. */
  readonly deletionsDroppedThrough: number;
  /** Every erasure up to this sequence has been carried out; missing = all that are on disk. */
  readonly erasedThrough?: number;
  /** When the last scrub of all segments ended, ms since 1970; missing = never. */
  readonly scrubbedMs?: number;
  /** By this time nothing is older than it is: see AgeClock. Missing = not known. */
  readonly believedMs?: number;
  /** Sequential namespaces: number -> next id (deletions of the highest id may have been dropped). */
  readonly nextIds: Readonly<Record<string, number>>;
}

export const MANIFEST_NAME = 'manifest';
const HEAD = 'commongrid-zdb-manifest';

export function encodeManifest(manifest: Manifest): Buffer {
  const body = JSON.stringify(manifest);
  const sum = crc32(Buffer.from(body)).toString(16).padStart(8, '0');
  return Buffer.from(`${HEAD} ${manifest.version} ${sum}\n${body}\n`);
}

/** @throws GridError ZDB_MANIFEST_CORRUPT, ZDB_FORMAT_NEWER */
export function decodeManifest(bytes: Buffer, path: string): Manifest {
  const text = bytes.toString('utf8');
  const match = /^commongrid-zdb-manifest (\d+) ([0-9a-f]{8})\n(.*)\n$/.exec(text);
  const version = Number(match?.[1]);
  if (match !== null && version > FORMAT_VERSION) {
    throw new GridError<ZdbErrorCode>(
      'ZDB_FORMAT_NEWER',
      `${path} has format version ${version}; this program knows versions up to ${FORMAT_VERSION}`,
      { hint: 'run the newer release that wrote it', details: { path, version } },
    );
  }
  const body = match?.[3] ?? '';
  const isSound = crc32(Buffer.from(body)) === Number.parseInt(match?.[2] ?? '', 16);
  const manifest = isSound ? (JSON.parse(body) as Manifest) : undefined;
  // The version stands in front too, where an older release finds it; the checksum covers the other.
  if (manifest === undefined || manifest.version !== version) {
    throw new GridError<ZdbErrorCode>('ZDB_MANIFEST_CORRUPT', `${path} is damaged`, {
      hint: 'grid zdb repair --data DIR rebuilds it from the segments',
      details: { path },
    });
  }
  return manifest;
}

export function readManifest(files: Files, path: string): Manifest | undefined {
  return files.existsSync(path) ? decodeManifest(readWhole(files, path), path) : undefined;
}

export function saveManifest(files: Files, path: string, manifest: Manifest): void {
  replaceFile(files, path, encodeManifest(manifest));
}
