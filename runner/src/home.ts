import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import {
  delay,
  errorCode,
  GridError,
  isAtomicTemp,
  readTextIfThere,
  writeFileAtomic,
} from '@commongrid/base';

import type { GridErrorCode } from './errors.ts';

/** The format of GRID_HOME that this program writes. */
const homeVersion = 1;

/** Longest path of a socket that Linux takes, less the name of ours. */
const maxHomePathBytes = 80;

/**
 * The folder of one grid, GRID_HOME:
 *
 *     grid.json   marks the folder as ours, with the version of its layout
 *     identity/   secrets, one file each, readable by the owner only
 *     run/        lock, control socket, state and logs of the supervisor
 *     zdb/        data of Zero-DB
 *     bcdb/       data of BCDB
 *     s3/         tables of the S3 head; its data is with the backends
 *     hub/        images that the hub keeps for others
 *     flists/     images that were made here
 *     images/     content of images that are mounted, or were
 *     backends/   data of the Zero-DBs that storage is spread over, a folder each
 *     backends.json, layout.json   which these are, and how they are used
 *     node/       the node of this machine, where there is one: its key, state and workloads
 *     no-node     there where none is to run with the grid
 *     bots/       a folder for each 3Bot of this machine, and what those of the grid began with
 *     no-bots     there where none are to run with the grid
 *     front-door/ at which ports of this machine what contracts publish is reached
 *     deployed/   what opens solutions that were deployed, a folder each
 *     heads/      the newest heads of logs that commands saw, of databases elsewhere too, and whose turn it is to write
 */
export class GridHome {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get identity(): string {
    return join(this.path, 'identity');
  }

  get run(): string {
    return join(this.path, 'run');
  }

  /** Where Zero-DB keeps its segments. */
  get zdb(): string {
    return join(this.path, 'zdb');
  }

  get zdbPasswordFile(): string {
    return join(this.identity, 'zdb-admin-password');
  }

  /** Where BCDB keeps its log and what follows from it. */
  get bcdb(): string {
    return join(this.path, 'bcdb');
  }

  /** How the log of BCDB began: what everything in it is verified from. */
  get bcdbGenesisFile(): string {
    return join(this.bcdb, 'genesis.json');
  }

  /** Where the S3 head keeps its tables, and where commands reach it. */
  get s3(): string {
    return join(this.path, 's3');
  }

  /** Where the hub keeps images. */
  get hub(): string {
    return join(this.path, 'hub');
  }

  /** Where images are kept that were made here; there before a grid is, where it was asked for none. */
  get flists(): string {
    return join(this.path, 'flists');
  }

  /** Where content of mounted images is kept; the same. */
  get images(): string {
    return join(this.path, 'images');
  }

  /** Opens everything that S3 keeps: lost with it, all is lost. */
  get s3KeyFile(): string {
    return join(this.identity, 's3-key');
  }

  /** The Zero-DBs that storage is spread over. */
  get backendsFile(): string {
    return join(this.path, 'backends.json');
  }

  /** How they are used: what `grid up --shards` chose. */
  get layoutFile(): string {
    return join(this.path, 'layout.json');
  }

  /** Opens their namespaces. */
  get backendsPasswordFile(): string {
    return join(this.identity, 'backends-password');
  }

  /** Where the Zero-DB of this name keeps its segments. */
  backend(name: string): string {
    return join(this.path, 'backends', name);
  }

  /** Where the node of this machine is; there before a grid is. */
  get node(): string {
    return join(this.path, 'node');
  }

  /** Where the node takes orders: `nodeControlPath` of it, for those who load no more of nodes. */
  get nodeControlSocket(): string {
    return join(this.node, 'control.sock');
  }

  /** There where its owner wants no node to run with the grid. */
  get noNodeFile(): string {
    return join(this.path, 'no-node');
  }

  /** Port at which namespaces of workloads are, once there was one. */
  get nodeZdbPortFile(): string {
    return join(this.node, 'zdb-port');
  }

  /** Where 3Bots of this machine are, a folder each; there before a grid is, for one elsewhere. */
  get bots(): string {
    return join(this.path, 'bots');
  }

  /** There where its owner wants no bots to run with the grid. */
  get noBotsFile(): string {
    return join(this.path, 'no-bots');
  }

  /** Where a bot takes orders: `controlSocket` of its folder, for those who load no more of bots. */
  botControlSocket(name: string): string {
    return join(this.bots, name, 'control.sock');
  }

  /** Where the front door keeps which ports it gave to whom. */
  get frontDoor(): string {
    return join(this.path, 'front-door');
  }

  get frontDoorControlSocket(): string {
    return join(this.frontDoor, 'control.sock');
  }

  /** There once the bots of the grid have prices and money. */
  get marketFile(): string {
    return join(this.bots, 'market.json');
  }

  /** What opens solutions that were deployed from here, a folder each. */
  get deployed(): string {
    return join(this.path, 'deployed');
  }

  /** What the owner keeps of invitations of nodes. */
  get invites(): string {
    return join(this.identity, 'invites');
  }

  /** What commands remember of logs; there before a grid is, where databases elsewhere are used. */
  get heads(): string {
    return join(this.path, 'heads');
  }

  /** Where commands that write with a key wait for each other. @param key as text */
  keyTurn(key: string): string {
    return join(this.heads, 'turns', key);
  }

  /** The 24 words of the owner. He may take the file away: nothing here needs it. */
  get wordsFile(): string {
    return join(this.identity, 'recovery-words');
  }

  /** Encrypts what `grid backup` puts elsewhere, so that it asks for nothing. */
  get backupKeyFile(): string {
    return join(this.identity, 'backup-key');
  }

  /** The key with which BCDB signs for the owner. */
  get ownerKeyFile(): string {
    return join(this.identity, 'owner-key');
  }

  /** The key that signs releases of the software. He may take the file away: no service needs it. */
  get releaseKeyFile(): string {
    return join(this.identity, 'release-key');
  }

  /** What a program shows to BCDB to act as the owner. */
  get ownerTokenFile(): string {
    return join(this.identity, 'owner-token');
  }

  /** The log of a service or of the supervisor. */
  logOf(name: string): string {
    return join(this.run, `${name}.log`);
  }

  /**
   * Creates what is missing.
   * @throws GRID_HOME_UNUSABLE, GRID_HOME_FOREIGN, GRID_HOME_NEWER
   */
  async create(): Promise<void> {
    if (Buffer.byteLength(this.path) > maxHomePathBytes) {
      throw this.#unusable(`its path is longer than ${maxHomePathBytes} bytes`);
    }
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      if ((await this.#readMarker()) === undefined) await this.#claim();
      await chmod(this.path, 0o700);
      const { identity, run, zdb, bcdb, s3, hub } = this;
      for (const folder of [identity, run, zdb, bcdb, s3, hub, this.backend('')]) {
        await mkdir(folder, { recursive: true, mode: 0o700 });
      }
    } catch (error) {
      if (error instanceof GridError) throw error;
      throw this.#unusable(errorCode(error) ?? String(error), error);
    }
  }

  /** True when there is a grid in the folder. @throws GRID_HOME_UNUSABLE, GRID_HOME_NEWER */
  async exists(): Promise<boolean> {
    return (await this.#readMarker()) !== undefined;
  }

  /** Writes 32 random bytes as text unless the file is there already. */
  async createSecret(file: string, encoding: 'hex' | 'base64url'): Promise<void> {
    // One that is there and cannot be read is not lost: to make another would lose what it opens.
    if (((await readTextIfThere(file)) ?? '') !== '') return;
    await writeFileAtomic(file, `${randomBytes(32).toString(encoding)}\n`, { mode: 0o600 });
  }

  /**
   * Removes the grid, data and secrets included; files of others in the folder stay.
   * @throws GRID_FLIST_IN_USE while images are mounted, GRID_NODE_IN_USE while a node runs
   */
  async wipe(): Promise<void> {
    if (!(await this.exists())) return;
    await this.requireUnmounted();
    if (await hasMounts(this.node)) throw nodeInUse(this.node);
    // The marker goes last: a wipe that was cut off can be done again.
    const { zdb, bcdb, s3, hub, node, bots, flists, images, heads, frontDoor, deployed } = this;
    const data = [
      zdb,
      bcdb,
      s3,
      hub,
      node,
      bots,
      flists,
      images,
      this.backend(''),
      heads,
      frontDoor,
      deployed,
    ];
    const files = [this.backendsFile, this.layoutFile, this.noNodeFile, this.noBotsFile];
    const all = [...data, this.identity, this.run, ...files];
    for (const path of all) await rm(path, { recursive: true, force: true });
    await rm(this.#marker, { force: true });
    await rmdir(this.path).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EBUSY') throw error;
    });
  }

  get #marker(): string {
    return join(this.path, 'grid.json');
  }

  async #claim(): Promise<void> {
    const names = (await readdir(this.path)).filter(
      (name) => !isAtomicTemp(name) && !beforeGrid.has(name),
    );
    // Another `grid up` may have been faster with the same claim.
    if (names.length > 0 && !names.includes('grid.json')) {
      throw new GridError<GridErrorCode>(
        'GRID_HOME_FOREIGN',
        `${this.path} holds files that are not of a grid: ${names.slice(0, 3).join(', ')}`,
        { hint: 'set GRID_HOME to an empty or new folder', details: { home: this.path } },
      );
    }
    const marker = { schema: 'grid.home.1', version: homeVersion };
    await writeFileAtomic(this.#marker, `${JSON.stringify(marker)}\n`);
  }

  /**
   * Ready to be wiped: nothing is mounted whose content is here.
   * @throws GRID_FLIST_IN_USE
   */
  async requireUnmounted(): Promise<void> {
    // A service whose last mount was taken away ends soon.
    for (let looks = 1; await hasMounts(this.images); looks += 1) {
      if (looks < unmountLooksMax) await delay(unmountLookMs);
      else throw mounted(this.images);
    }
  }

  async #readMarker(): Promise<number | undefined> {
    let text: string;
    try {
      text = await readFile(this.#marker, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw this.#unusable(errorCode(error) ?? String(error), error);
    }
    const version = versionOf(text);
    if (version === undefined) throw this.#unusable('its grid.json is damaged');
    if (version > homeVersion) {
      throw new GridError<GridErrorCode>(
        'GRID_HOME_NEWER',
        `${this.path} has version ${version}; this grid knows up to ${homeVersion}`,
        { hint: 'use the newer grid', details: { home: this.path, version } },
      );
    }
    return version;
  }

  #unusable(why: string, cause?: unknown): GridError<GridErrorCode> {
    return new GridError('GRID_HOME_UNUSABLE', `cannot use ${this.path}: ${why}`, {
      hint: 'set GRID_HOME to a folder that you may write',
      details: { home: this.path },
      cause,
    });
  }
}

/** What may be in the folder before it is one of a grid: commands that need none put it there. */
const beforeGrid: ReadonlySet<string> = new Set([
  'lost+found',
  'deployed',
  'heads',
  'flists',
  'images',
  'node',
  'bots',
]);

/** Times that are looked whether nothing is mounted any more, and the pause between two of them. */
const unmountLooksMax = 20;
const unmountLookMs = 100;

/** As the system says: what runs there may not be ours. */
async function hasMounts(folder: string): Promise<boolean> {
  const path = await realpath(folder).catch(() => undefined);
  if (path === undefined) return false;
  // There a space and the like are written as octal numbers.
  const shown = path.replaceAll(/[\s\\]/g, (c) => `\\${octal(c)}`);
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return mounts.split('\n').some((line) => line.split(' ')[4]?.startsWith(`${shown}/`));
}

function octal(character: string): string {
  return character.charCodeAt(0).toString(8).padStart(3, '0');
}

function mounted(folder: string): GridError<GridErrorCode> {
  const message = `images are mounted whose content is in ${folder}`;
  return new GridError('GRID_FLIST_IN_USE', message, {
    hint: 'take them away first: ./grid flist ps',
    details: { folder },
  });
}

function nodeInUse(folder: string): GridError<GridErrorCode> {
  return new GridError('GRID_NODE_IN_USE', `a node runs in ${folder}`, {
    hint: 'end `grid node start` first, then ./grid down --wipe again',
    details: { folder },
  });
}

function versionOf(marker: string): number | undefined {
  try {
    const { version } = JSON.parse(marker) as { version?: unknown };
    return typeof version === 'number' ? version : undefined;
  } catch {
    return undefined;
  }
}
