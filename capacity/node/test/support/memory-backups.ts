import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../../src/errors.ts';
import type { BackupTarget } from '../../src/ports.ts';

/** Backups in memory, which tests may damage. */
export class MemoryBackups implements BackupTarget {
  readonly kept = new Map<string, Buffer>();

  async put(name: string, content: Readable): Promise<void> {
    this.kept.set(name, await buffer(content));
  }

  get(name: string): Promise<Readable> {
    const found = this.kept.get(name);
    if (found !== undefined) return Promise.resolve(Readable.from(pieces(found)));
    const unknown = new GridError<NodeErrorCode>('NODE_BACKUP_UNKNOWN', `no backup ${name}`);
    return Promise.reject(unknown);
  }

  list(prefix: string): Promise<readonly string[]> {
    return Promise.resolve([...this.kept.keys()].filter((name) => name.startsWith(prefix)));
  }

  delete(name: string): Promise<void> {
    this.kept.delete(name);
    return Promise.resolve();
  }
}

const pieceBytes = 65_536;

function* pieces(content: Buffer): Generator<Buffer> {
  for (let from = 0; from < content.length; from += pieceBytes) {
    yield content.subarray(from, from + pieceBytes);
  }
}
