import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { isName, nodeIdOf } from '@commongrid/model';
import type { FarmId, NodeId } from '@commongrid/model';

import type { LogTrust } from '../bcdb-trust.ts';
import type { GridErrorCode } from '../errors.ts';
import { keyText, readKeyFile, writeNewSecret } from '../key-file.ts';
import { turnIn } from '../turn-in.ts';
import { inviteProof, secretHashOf } from './join-token.ts';
import type { JoinToken } from './join-token.ts';

/** What a node was told when it joined: `node.json` in its folder. */
export interface NodeConfig {
  readonly schema: 'grid.node.config.1';
  readonly node: NodeId;
  readonly name: string;
  readonly farm: FarmId;
  readonly trust: LogTrust;
  readonly releaseKeys: readonly string[];
  readonly urls: readonly string[];
  readonly hubs: readonly string[];
  /** Proof of the invitation, for its record. */
  readonly invite: string;
  /** Disk for volumes, where it was chosen then. */
  readonly volumeBytes?: number;
}

/** Folder of one node: its key, and what it was told when it joined. */
export class NodeFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get keyFile(): string {
    return join(this.path, 'node-key');
  }

  get #configFile(): string {
    return join(this.path, 'node.json');
  }

  get hasJoined(): boolean {
    return existsSync(this.#configFile);
  }

  /** @throws GRID_NODE_NOT_JOINED, GRID_FILE_UNREADABLE */
  async read(): Promise<NodeConfig> {
    let text: string;
    try {
      text = await readFile(this.#configFile, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') throw notJoined(this.path);
      throw error;
    }
    try {
      const config: NodeConfig = JSON.parse(text);
      if (config.schema === 'grid.node.config.1') return config;
      throw new TypeError('it is of another version');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const message = `cannot read ${this.#configFile}: ${why}`;
      throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', message, { cause: error });
    }
  }

  key(): Promise<SigningKey> {
    return readKeyFile(this.keyFile);
  }

  /**
   * Makes the node of a token: its key, once, and what it has to know. The same token again comes to
   * the same. @throws GRID_NODE_JOINED where it has joined by another one
   */
  async join(
    token: JoinToken,
    name: string = nameOfMachine(),
    volumeBytes?: number,
  ): Promise<NodeConfig> {
    // The folder of one that runs is locked.
    if (this.hasJoined) return this.#joinAgain(token);
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await using _turn = await turnIn(this.path);
    if (this.hasJoined) return await this.#joinAgain(token);
    if (!existsSync(this.keyFile)) {
      await writeNewSecret(this.keyFile, keyText(SigningKey.generate()));
    }
    const node = nodeIdOf((await this.key()).publicKey.text);
    const { log, sequencer, farm, urls, hubs, releaseKeys, secret } = token;
    const invite = inviteProof(secretHashOf(secret), log, node);
    const config: NodeConfig = {
      ...{ schema: 'grid.node.config.1', node, name, farm, urls, hubs, releaseKeys, invite },
      trust: { log, sequencerKey: sequencer },
      ...(volumeBytes === undefined ? {} : { volumeBytes }),
    };
    const text = `${JSON.stringify(config, undefined, 2)}\n`;
    await writeFileAtomic(this.#configFile, text, { mode: 0o600 });
    return config;
  }

  async #joinAgain({ log, secret }: JoinToken): Promise<NodeConfig> {
    const former = await this.read();
    if (former.invite === inviteProof(secretHashOf(secret), log, former.node)) return former;
    throw joined(this.path, former);
  }
}

/** The host's name, as far as a node can be called that. */
export function nameOfMachine(host = hostname()): string {
  const name = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 32)
    .replaceAll(/^-+|-+$/g, '');
  return isName(name) ? name : 'node';
}

function notJoined(folder: string): GridError<GridErrorCode> {
  return new GridError('GRID_NODE_NOT_JOINED', `there is no node in ${folder}`, {
    hint: 'grid node join TOKEN; the owner of a farm makes the token: grid node invite',
    details: { folder },
  });
}

function joined(folder: string, { node, farm }: NodeConfig): GridError<GridErrorCode> {
  return new GridError(
    'GRID_NODE_JOINED',
    `${folder} is that of ${node}, which has joined ${farm}`,
    {
      hint: 'name another folder with --data; one node has one farm',
      details: { folder, node, farm },
    },
  );
}
