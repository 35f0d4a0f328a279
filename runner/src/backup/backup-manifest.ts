import { hash } from 'node:crypto';

import { GridError } from '@commongrid/base';
import { PublicKey, signatureBytes } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Check } from 'typebox/value';

import type { GridErrorCode } from '../errors.ts';
import type { BackupKeys } from './backup-keys.ts';
import type { BackupPlace } from './backup-place.ts';
import { damaged, openObject, sealBytes, sealObject } from './sealed-object.ts';

/** Where manifests lie: a backup is there once its manifest is. */
const folder = 'backups';
const ending = '.manifest';
const domain = 'commongrid/backup/1';

/** Bytes of a manifest, unpacked: names of the chunks of 16 TiB. */
const manifestBytesMax = 256 * 2 ** 20;

/** What the name of a chunk takes in it, at least. */
const chunkNameBytes = 66;

const stored = {
  sizeBytes: Type.Integer({ minimum: 0 }),
  sha256: Type.String(),
  chunks: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' })),
};

const manifestShape = Type.Object(
  {
    schema: Type.Literal('grid.backup.1'),
    /** When it was made, by the clock of the machine, ms since 1970. */
    atMs: Type.Integer({ minimum: 0 }),
    /** Hash of the genesis. */
    log: Type.String(),
    /** Key of the owner, who signs. */
    owner: Type.String(),
    /** As given to `up`; null for the usual ports. */
    portBase: Type.Union([Type.Integer(), Type.Null()]),
    /** The backup of BCDB, and how many records it has. */
    ledger: Type.Object({ ...stored, records: Type.Integer({ minimum: 0 }) }),
    files: Type.Array(
      Type.Object({
        /** Relative to GRID_HOME, with slashes. */
        path: Type.String({ pattern: '^[^\\0]+$' }),
        mode: Type.Integer({ minimum: 0, maximum: 0o777 }),
        ...stored,
      }),
    ),
  },
  { additionalProperties: false },
);

/** What a backup has. */
export type BackupManifest = Static<typeof manifestShape>;

/** Names of the backups at a place, the newest first. */
export async function backupNames(place: BackupPlace): Promise<readonly string[]> {
  const names = (await place.list(folder)).filter((name) => nameShape.test(name));
  return names
    .map((name) => name.slice(0, -ending.length))
    .toSorted()
    .toReversed();
}

/** When a backup was made, ms since 1970. */
export function timeOf(name: string): number {
  return Date.parse(name.replace(/T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z.*/, 'T$1:$2:$3.$4Z'));
}

/**
 * Puts a manifest there: from then on there is a backup. Returns its name.
 * @throws GRID_BACKUP_TOO_LARGE for one that nobody would read
 */
export async function writeManifest(
  place: BackupPlace,
  keys: BackupKeys,
  manifest: BackupManifest,
  {
    owner,
    bytesMax = manifestBytesMax,
  }: { readonly owner: SigningKey; readonly bytesMax?: number },
): Promise<string> {
  const content = contentOf(manifest, bytesMax);
  const tail = hash('sha256', content, 'hex').slice(0, 8);
  const name = `${new Date(manifest.atMs).toISOString().replaceAll(/[:.]/g, '-')}-${tail}`;
  const path = pathOf(name);
  const sealed = await sealObject(keys.content, path, content);
  const signature = owner.sign(domain, hash('sha256', sealed, 'buffer'));
  await place.put(path, Buffer.concat([sealed, signature]));
  return name;
}

/**
 * @param owner the key that has to have signed; undefined where nobody knows, and having its secret has to do
 * @throws GRID_BACKUP_MISSING, GRID_BACKUP_DAMAGED
 */
export async function readManifest(
  place: BackupPlace,
  keys: BackupKeys,
  name: string,
  owner: string | undefined,
): Promise<BackupManifest> {
  const path = pathOf(name);
  const bytes = await place.get(path, manifestBytesMax + sealBytes + signatureBytes);
  if (bytes === undefined) throw missing(place, `no backup is called ${name}`);
  const end = Math.max(0, bytes.length - signatureBytes);
  const [sealed, signature] = [bytes.subarray(0, end), bytes.subarray(end)];
  const requireSigned = (by: string): void => {
    if (isSignedBy(by, sealed, signature)) return;
    throw damaged(path, 'the owner of the grid did not sign it');
  };
  // What somebody else wrote is not even unpacked, where it is known who had to.
  if (owner !== undefined) requireSigned(owner);
  const content = await openObject(keys.content, path, sealed, manifestBytesMax);
  const manifest = parsed(content);
  if (!Check(manifestShape, manifest)) throw damaged(path, 'it is of another version');
  requireSigned(manifest.owner);
  requireInside(path, manifest);
  return manifest;
}

/** From then on there is no such backup. @throws GRID_BACKUP_PLACE_FAILED */
export function removeManifest(place: BackupPlace, name: string): Promise<void> {
  return place.remove(pathOf(name));
}

/** @throws GRID_BACKUP_MISSING */
export async function newestBackup(place: BackupPlace): Promise<string> {
  const [newest] = await backupNames(place);
  if (newest === undefined) throw missing(place, 'there is no whole backup');
  return newest;
}

export function missing(place: BackupPlace, why: string): GridError<GridErrorCode> {
  return new GridError('GRID_BACKUP_MISSING', `${why} at ${place.name}`, {
    hint: 'grid backup PLACE --list shows what there is',
    details: { place: place.name },
  });
}

function contentOf(manifest: BackupManifest, bytesMax: number): Buffer {
  const { ledger, files } = manifest;
  // A text for which there is no room would be worse than none.
  const chunks = [ledger, ...files].reduce((sum, one) => sum + one.chunks.length, 0);
  const content =
    chunks * chunkNameBytes > bytesMax ? undefined : Buffer.from(JSON.stringify(manifest));
  if (content !== undefined && content.length <= bytesMax) return content;
  throw new GridError<GridErrorCode>(
    'GRID_BACKUP_TOO_LARGE',
    `the grid has too much for one backup: the list of its ${files.length} files and ${chunks} pieces would be longer than ${bytesMax} bytes`,
    {
      hint: 'take objects or images out of the grid that are kept elsewhere too',
      details: { files: files.length, chunks, bytesMax },
    },
  );
}

function parsed(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString('utf8'));
  } catch {
    return undefined;
  }
}

function isSignedBy(owner: string, sealed: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = PublicKey.fromText(owner);
    return key.verify(domain, hash('sha256', sealed, 'buffer'), signature);
  } catch {
    // No key, or no signature.
    return false;
  }
}

function requireInside(name: string, { files }: BackupManifest): void {
  for (const { path } of files) {
    const isOutside = path.split('/').some((part) => part === '' || part === '.' || part === '..');
    if (isOutside) throw damaged(name, `${path} lies outside of the grid`);
  }
}

function pathOf(name: string): string {
  return `${folder}/${name}${ending}`;
}

const nameShape = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z-[0-9a-f]{8}\.manifest$/;
