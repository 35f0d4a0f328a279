import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import {
  errorCode,
  GridError,
  readTextIfThere,
  syncFolder,
  writeFileAtomic,
} from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';

import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { keyText, readKeyFile, writeNewSecret } from '../../key-file.ts';
import { SeenHeads } from '../../seen-heads.ts';

/** What a bot has to know to start. */
export interface BotConfig {
  readonly id: string;
  readonly name: string;
  /** HTTP door of the database with the phonebook. */
  readonly url: string;
  readonly trust: { readonly log: string; readonly sequencerKey: string };
}

const schema = 'grid.bot.folder.1';

/**
 * The folder of one bot:
 *
 *     bot.json       who it is, and where its phonebook
 *     words          its 24 words, as long as its owner leaves them here
 *     device-key     the key that it acts with
 *     next-key       one that is about to take its place
 *     former-N-key   those before: they only open messages
 *     owner-token    who shows it is the owner
 *     heads/         the newest head of the log that it saw, and evidence
 *     data/          its tables
 *     feed/          what of the log concerns it
 *     contracts/     contracts that it controls, and their secrets
 *     stores/        backends files of stores that use namespaces of these contracts
 *     controller     what its controller saw and is in no record
 *     control.sock   where commands reach it
 */
export class BotFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** That of a name in a grid's home. */
  static named(home: string, name: string): BotFolder {
    return new BotFolder(join(new GridHome(home).bots, name));
  }

  get data(): string {
    return join(this.path, 'data');
  }

  get feed(): string {
    return join(this.path, 'feed');
  }

  get contracts(): string {
    return join(this.path, 'contracts');
  }

  get controllerFile(): string {
    return join(this.path, 'controller');
  }

  get stores(): string {
    return join(this.path, 'stores');
  }

  get controlSocket(): string {
    return join(this.path, 'control.sock');
  }

  get wordsFile(): string {
    return join(this.path, 'words');
  }

  get #configFile(): string {
    return join(this.path, 'bot.json');
  }

  get #deviceFile(): string {
    return join(this.path, 'device-key');
  }

  get #nextFile(): string {
    return join(this.path, 'next-key');
  }

  /** Whether there is a bot here. */
  get isMade(): boolean {
    return existsSync(this.#configFile);
  }

  heads(trust: BotConfig['trust']): SeenHeads {
    return new SeenHeads(new GridHome(this.path), trust);
  }

  /** @throws GRID_BOT_UNKNOWN, GRID_FILE_UNREADABLE */
  async config(): Promise<BotConfig> {
    const text = await readTextIfThere(this.#configFile);
    if (text === undefined) {
      throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', `there is no bot in ${this.path}`, {
        hint: 'grid bot init',
        details: { folder: this.path },
      });
    }
    try {
      const { schema: is, ...config } = JSON.parse(text) as BotConfig & {
        readonly schema: unknown;
      };
      if (is === schema) return config;
      throw new TypeError('it is of another version');
    } catch (cause) {
      throw new GridError<GridErrorCode>(
        'GRID_FILE_UNREADABLE',
        `cannot read ${this.#configFile}: ${cause instanceof Error ? cause.message : String(cause)}`,
        { hint: 'grid bot init writes it again', cause },
      );
    }
  }

  /** From now on there is a bot here. */
  async writeConfig(config: BotConfig): Promise<void> {
    const text = `${JSON.stringify({ schema, ...config }, undefined, 2)}\n`;
    await writeFileAtomic(this.#configFile, text, { mode: 0o600 });
  }

  /** The key that it acts with; made when there is none yet. */
  async makeDevice(): Promise<SigningKey> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    if (!existsSync(this.#deviceFile)) {
      await writeNewSecret(this.#deviceFile, keyText(SigningKey.generate()));
    }
    return readKeyFile(this.#deviceFile);
  }

  device(): Promise<SigningKey> {
    return readKeyFile(this.#deviceFile);
  }

  /** The key that is to take the place of the present one: that of a rotation that was broken off, or a new one. */
  async makeNext(): Promise<SigningKey> {
    if (!existsSync(this.#nextFile)) {
      await writeNewSecret(this.#nextFile, keyText(SigningKey.generate()));
    }
    return readKeyFile(this.#nextFile);
  }

  /** The next key is the one that the bot acts with. Broken off anywhere, the next call goes on. */
  async takeNext(): Promise<void> {
    const { publicKey } = await this.device();
    const [newest] = await this.formerKeys();
    // At no moment is there no key: the former has both names until the next one takes its place.
    if (newest?.publicKey.text !== publicKey.text) {
      const last = (await this.#formerFiles()).at(-1);
      const number = last === undefined ? 1 : formerNumber(last) + 1;
      await link(this.#deviceFile, join(this.path, `former-${number}-key`));
    }
    await rename(this.#nextFile, this.#deviceFile);
    await syncFolder(this.path);
  }

  /** Keys of before, the newest first. */
  async formerKeys(): Promise<readonly SigningKey[]> {
    const files = (await this.#formerFiles()).toReversed();
    return Promise.all(files.map((name) => readKeyFile(join(this.path, name))));
  }

  async ownerToken(): Promise<string> {
    const file = join(this.path, 'owner-token');
    if (!existsSync(file)) await writeNewSecret(file, randomBytes(32).toString('base64url'));
    return (await readFile(file, 'utf8')).trim();
  }

  async #formerFiles(): Promise<readonly string[]> {
    const names = (await readdir(this.path)).filter((name) => formerPattern.test(name));
    return names.toSorted((a, b) => formerNumber(a) - formerNumber(b));
  }
}

const formerPattern = /^former-(\d+)-key$/;

function formerNumber(name: string): number {
  return Number(formerPattern.exec(name)?.[1]);
}

/** The words of a file. @throws GRID_FILE_UNREADABLE */
export async function readWordsFile(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name the file with the 24 words of the bot: --words-file',
      details: { file },
      cause,
    });
  }
}
