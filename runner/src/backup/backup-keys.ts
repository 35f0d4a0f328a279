import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';

import { GridError } from '@commongrid/base';
import {
  boxFromText,
  boxToText,
  deriveKey,
  openBox,
  SealingKey,
  sealBox,
  wordsToEntropy,
} from '@commongrid/crypto';
import type { SealingPublicKey } from '@commongrid/crypto';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Check } from 'typebox/value';

import type { GridErrorCode } from '../errors.ts';
import type { BackupPlace } from './backup-place.ts';

/** What a place says of itself: docs/formats/grid-backup.md. */
const placeFile = 'grid-backup.json';

/** Its bytes: 8 boxes take a few KiB. */
const placeBytesMax = 64 * 2 ** 10;

const boxShape = Type.Union([
  Type.Object(
    { kind: Type.Literal('words'), key: Type.String(), box: Type.String() },
    { additionalProperties: false },
  ),
  Type.Object(
    { kind: Type.Literal('passphrase'), salt: Type.String(), box: Type.String() },
    { additionalProperties: false },
  ),
]);

const placeShape = Type.Object(
  {
    schema: Type.Literal('grid.backup.place.1'),
    id: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    boxes: Type.Array(boxShape, { minItems: 1, maxItems: 8 }),
  },
  { additionalProperties: false },
);

type PlaceFacts = Static<typeof placeShape>;
type Box = Static<typeof boxShape>;

/** With what somebody opens backups. */
export type Opener =
  | { readonly kind: 'key'; readonly key: Uint8Array }
  | { readonly kind: 'words'; readonly words: string }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

/** The keys of a place, out of one secret. */
export class BackupKeys {
  /** Names the secret, and says nothing of it. */
  readonly id: string;
  /** Encrypts what is stored. */
  readonly content: Uint8Array;
  /** Makes names of chunks: who lacks it cannot tell whether a place has a certain content. */
  readonly names: Uint8Array;
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
    this.id = Buffer.from(deriveKey(secret, 'commongrid/backup-id/1')).toString('base64url');
    this.content = deriveKey(secret, 'commongrid/backup-content/1');
    this.names = deriveKey(secret, 'commongrid/backup-names/1');
  }

  /** The secret for whoever has the words that this key is derived from. */
  async sealTo(owner: SealingPublicKey): Promise<Box> {
    const box = await sealBox(owner, this.#secret, { info: infoOf(this.id) });
    return { kind: 'words', key: owner.text, box: boxToText(box) };
  }

  /** The secret for whoever knows a passphrase. */
  async lockBy(passphrase: string): Promise<Box> {
    const salt = randomBytes(16);
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', await stretched(passphrase, salt), nonce);
    cipher.setAAD(infoOf(this.id));
    const sealed = [nonce, cipher.update(this.#secret), cipher.final(), cipher.getAuthTag()];
    const box = Buffer.concat(sealed).toString('base64url');
    return { kind: 'passphrase', salt: salt.toString('base64url'), box };
  }
}

/**
 * What a place says of itself.
 * @returns undefined where nobody has put backups there yet
 * @throws GRID_BACKUP_FOREIGN where it has something else in it
 */
export async function readPlace(place: BackupPlace): Promise<PlaceFacts | undefined> {
  const bytes = await place.get(placeFile, placeBytesMax);
  if (bytes === undefined) {
    const [first] = await place.list('');
    if (first !== undefined) throw foreign(place, `it has something else in it, such as ${first}`);
    return undefined;
  }
  const facts = parsed(bytes);
  if (!Check(placeShape, facts)) {
    throw foreign(place, `its ${placeFile} is damaged, or of a newer grid`);
  }
  return facts;
}

/** Begins a place, or gives it one more way to be opened, which takes the place of a former one. */
export async function writePlace(
  place: BackupPlace,
  keys: BackupKeys,
  boxes: readonly Box[],
): Promise<void> {
  const facts: PlaceFacts = { schema: 'grid.backup.place.1', id: keys.id, boxes: [...boxes] };
  await place.put(placeFile, Buffer.from(`${JSON.stringify(facts)}\n`));
}

/** @throws GRID_BACKUP_LOCKED, GRID_BACKUP_FOREIGN for the key of another grid */
export async function openKeys(
  place: BackupPlace,
  { id, boxes }: PlaceFacts,
  opener: Opener,
): Promise<BackupKeys> {
  for (const secret of await secretsBy(opener, id, boxes)) {
    const keys = new BackupKeys(secret);
    if (keys.id === id) return keys;
  }
  if (opener.kind === 'key') throw foreign(place, 'its backups are of another grid');
  const what = opener.kind === 'words' ? 'these words do' : 'this passphrase does';
  const kinds = new Set(boxes.map(({ kind }) => kind));
  throw new GridError<GridErrorCode>(
    'GRID_BACKUP_LOCKED',
    `${what} not open the backups at ${place.name}`,
    {
      hint: `they open with ${[...kinds].map((kind) => `--${kind}-file`).join(' or ')}`,
      details: { place: place.name, kinds: [...kinds] },
    },
  );
}

/** Boxes that open; another key, a wrong passphrase or changed bytes open none. */
async function secretsBy(
  opener: Opener,
  id: string,
  boxes: readonly Box[],
): Promise<readonly Uint8Array[]> {
  if (opener.kind === 'key') return [opener.key];
  const found: Uint8Array[] = [];
  for (const box of boxes) {
    try {
      if (box.kind === 'words' && opener.kind === 'words') {
        const key = SealingKey.derive(wordsToEntropy(opener.words));
        found.push(await openBox(key, boxFromText(box.box), { info: infoOf(id) }));
      } else if (box.kind === 'passphrase' && opener.kind === 'passphrase') {
        found.push(await unlocked(opener.passphrase, box, id));
      }
    } catch {
      // The next one may be for this opener.
    }
  }
  return found;
}

async function unlocked(
  passphrase: string,
  box: Extract<Box, { readonly kind: 'passphrase' }>,
  id: string,
): Promise<Uint8Array> {
  const bytes = Buffer.from(box.box, 'base64url');
  const salt = Buffer.from(box.salt, 'base64url');
  const nonce = bytes.subarray(0, nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', await stretched(passphrase, salt), nonce);
  decipher.setAAD(infoOf(id)).setAuthTag(bytes.subarray(-tagBytes));
  const body = bytes.subarray(nonceBytes, -tagBytes);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}

/** Scrypt with 128 MiB: a guess takes a third of a second. Source of the figures: OWASP, for N = 2^17. */
function stretched(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  const cost = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 2 ** 20 };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, 32, cost, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function infoOf(id: string): Buffer {
  return Buffer.from(`commongrid/backup/1\0${id}`);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

function foreign(place: BackupPlace, why: string): GridError<GridErrorCode> {
  return new GridError(
    'GRID_BACKUP_FOREIGN',
    `${place.name} is not for backups of this grid: ${why}`,
    {
      hint: 'name an empty folder, or another prefix of the bucket',
      details: { place: place.name },
    },
  );
}

const nonceBytes = 12;
const tagBytes = 16;
