import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { decodeFlist } from '../format/decode-flist.ts';
import { flistDigestOf, parseFlistDigest } from '../format/flist.ts';
import type { Flist, FlistDigest } from '../format/flist.ts';
import { unpackFlist } from '../format/pack-flist.ts';
import { DirectorySource } from '../sources/directory-source.ts';
import { fannedNames, fannedPath } from './fanned-folder.ts';

const flistEnding = '.flist';
const signatureEnding = '.json';

/**
 * What is in the folder of an FlistRepository, whoever writes it meanwhile: files come whole and are
 * never changed, so readers need no lock. A folder that is not there is empty.
 */
export class RepositoryReader extends DirectorySource {
  readonly #folder: string;

  constructor(folder: string, name = folder) {
    super(folder, name);
    this.#folder = folder;
  }

  /** Where an flist is, or would be. */
  flistPath(digest: FlistDigest): string {
    return `${fannedPath(join(this.#folder, 'flists'), digest)}${flistEnding}`;
  }

  /** Where the signatures of an flist are. */
  signatureFolder(digest: FlistDigest): string {
    return join(this.#folder, 'signatures', digest);
  }

  /** @throws FLIST_CORRUPT when the file is damaged: remove it and put it again */
  async getFlist(digest: FlistDigest): Promise<Flist | undefined> {
    const bytes = await this.getFlistBytes(digest);
    return bytes && decodeFlist(bytes);
  }

  /** Its canonical bytes. @throws FLIST_CORRUPT when the file is damaged */
  async getFlistBytes(digest: FlistDigest): Promise<Buffer | undefined> {
    const packed = await this.getPackedFlist(digest);
    if (packed === undefined) return undefined;
    const bytes = await unpackFlist(packed);
    if (flistDigestOf(bytes) === digest) return bytes;
    throw new GridError<FlistErrorCode>('FLIST_CORRUPT', `the file of flist ${digest} is damaged`, {
      hint: 'remove the flist and upload it again',
      details: { digest },
    });
  }

  /** As it is kept and sent: a zstd frame. Undefined when it is not there. */
  getPackedFlist(digest: FlistDigest): Promise<Buffer | undefined> {
    return ifThere(readFile(this.flistPath(digest)));
  }

  /** In the order of their digests. */
  async *listFlists(): AsyncGenerator<FlistDigest, void> {
    for await (const { name } of fannedNames(join(this.#folder, 'flists'))) {
      if (!name.endsWith(flistEnding)) continue;
      const digest = parseFlistDigest(name.slice(0, -flistEnding.length));
      if (digest !== undefined) yield digest;
    }
  }

  /** The signatures of an flist, by key. */
  async listSignatures(digest: FlistDigest): Promise<string[]> {
    const folder = this.signatureFolder(digest);
    const names = await this.signatureNames(digest);
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  }

  /** The names of their files. */
  async signatureNames(digest: FlistDigest): Promise<string[]> {
    const names = (await ifThere(readdir(this.signatureFolder(digest)))) ?? [];
    return names.filter((name) => name.endsWith(signatureEnding) && !name.startsWith('.')).sort();
  }
}

/** The file in which a signature by a key is. */
export function signatureName(key: string): string {
  const [, name] = /^ed25519:([\w-]{1,64})$/.exec(key) ?? [];
  if (name !== undefined) return `${name}${signatureEnding}`;
  throw new GridError<FlistErrorCode>('FLIST_SIGNATURE_INVALID', 'the signature is by no key');
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
