import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { errorCode, identityOf, terminate } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { examples, fakeId } from '@commongrid/model/testing';
import type { ZdbNamespace } from '@commongrid/model';
import { RespClient } from '@commongrid/resp';

import type { Assignment } from '../../src/assignment.ts';
import { shortIdOf } from '../../src/short-id.ts';
import type { ZdbDriverOptions, ZdbFacts } from '../../src/zdb/zdb-driver.ts';

const program = fileURLToPath(new URL('zdb-server-program.ts', import.meta.url));

/** A folder with room for the Zero-DBs of a node; those that run at the end are ended. */
export class ZdbPlace implements AsyncDisposable {
  readonly options: ZdbDriverOptions;
  readonly #folder: AsyncDisposable;

  constructor(path: string, folder: AsyncDisposable) {
    this.options = placeOptions(path);
    this.#folder = folder;
  }

  static async open(): Promise<ZdbPlace> {
    const folder = await tempFolder('zdb-place');
    return new ZdbPlace(folder.path, folder);
  }

  /** Number of the process that has the data of a disk; undefined when there is none. */
  async pid(disk: 'ssd' | 'hdd' = 'ssd'): Promise<number | undefined> {
    const path = join(this.options.disks[disk]?.dataDir ?? '', 'LOCK');
    const [digits] = /\d+/.exec(await readFile(path, 'utf8').catch(unlessMissing)) ?? [];
    if (digits === undefined || (await identityOf(Number(digits))) === undefined) return undefined;
    return Number(digits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const disk of ['ssd', 'hdd'] as const) {
      const pid = await this.pid(disk);
      const identity = pid === undefined ? undefined : await identityOf(pid);
      if (identity !== undefined) await terminate(identity, 2_000);
    }
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** What a driver over such a folder is opened with, in whichever process. */
export function placeOptions(path: string): ZdbDriverOptions {
  return {
    folder: join(path, 'node'),
    disks: { ssd: { dataDir: join(path, 'ssd') }, hdd: { dataDir: join(path, 'hdd') } },
    host: '127.0.0.1',
    command: [process.execPath, program],
  };
}

/** A namespace as a workload, the first one of its role unless another is named. */
export function zdbAssignment(
  zdb: Partial<ZdbNamespace> = {},
  { password = 'secret', replica = 0 } = {},
): Assignment {
  const contract = fakeId.contract(1);
  const id = fakeId.workload(contract, 'shard', replica);
  const full: ZdbNamespace = {
    mode: 'user',
    sizeBytes: 2 ** 20,
    disk: 'ssd',
    password: 'shard-password',
    isPublic: false,
    ...zdb,
  };
  const { role } = examples['grid.slice.1'].opening;
  return {
    id,
    key: shortIdOf(id),
    revision: 1,
    contract,
    tenant: fakeId.bot(1),
    role: { ...role, name: 'shard', workload: { kind: 'zdb', zdb: full } },
    replica,
    addresses: [],
    secrets: new Map([['shard-password', password]]),
    isElevated: false,
  };
}

/** A client of the namespace. */
export function enter(facts: ZdbFacts, password?: string): Promise<RespClient> {
  const { host, port, namespace, fingerprint } = facts;
  const select = ['SELECT', namespace, ...(password === undefined ? [] : [password])];
  return RespClient.connect({ host, port, tls: { fingerprint256: fingerprint }, setup: [select] });
}

function unlessMissing(error: unknown): string {
  if (errorCode(error) !== 'ENOENT') throw error;
  return '';
}
