import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { BcdbServer } from '@commongrid/bcdb';
import type { Bcdb } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';
import { Bot } from '../../src/index.ts';
import type { BotOptions } from '../../src/index.ts';
import { KeptHeads } from './kept-heads.ts';
import { firstRecord, listedKey, makePhonebook, sealingKeyOf } from './phonebook-records.ts';
import type { BotRecord } from './phonebook-records.ts';

/** The keys of a bot, before and after it has a record. */
export interface Self {
  readonly id: string;
  readonly name: string;
  readonly root: SigningKey;
  readonly device: SigningKey;
}

/** A database with the phonebook, over HTTP, for one test. */
export class Grid {
  readonly folder: string;
  readonly #owner: SigningKey;
  readonly #stack: AsyncDisposableStack;
  #server: BcdbServer;

  private constructor(
    server: BcdbServer,
    owner: SigningKey,
    folder: string,
    stack: AsyncDisposableStack,
  ) {
    this.#server = server;
    this.#owner = owner;
    this.folder = folder;
    this.#stack = stack;
  }

  static async open(t: TestContext): Promise<Grid> {
    const stack = new AsyncDisposableStack();
    t.after(() => stack.disposeAsync());
    const folder = stack.use(await tempFolder('threebot')).path;
    const owner = SigningKey.generate();
    const server = stack.use(await serve(join(folder, 'bcdb'), owner, makePhonebook));
    return new Grid(server, owner, folder, stack);
  }

  get bcdb(): Bcdb {
    return this.#server.bcdb;
  }

  get url(): string {
    const { host, port } = this.#server.httpAddress;
    return `http://${host}:${port}`;
  }

  get trust(): { readonly log: string; readonly sequencerKey: string } {
    return { log: this.bcdb.log, sequencerKey: this.bcdb.sequencer };
  }

  stopDatabase(): Promise<void> {
    return this.#server.close();
  }

  /** Goes on with the database, and with a copy of it that its sequencer signs as well. */
  async fork(): Promise<BcdbServer> {
    await this.stopDatabase();
    const [folder, copy] = [join(this.folder, 'bcdb'), join(this.folder, 'fork')];
    await cp(folder, copy, { recursive: true });
    this.#server = this.#stack.use(await serve(folder, this.#owner));
    return this.#stack.use(await serve(copy, this.#owner));
  }

  /** A bot with a record that lists one device. */
  async self(name: string): Promise<Self> {
    const [root, device] = [SigningKey.generate(), SigningKey.generate()];
    const self = { id: botIdOf(root.publicKey.text), name, root, device };
    await this.write(root, this.recordOf(self));
    return self;
  }

  recordOf(self: Self, changes: Partial<BotRecord> = {}): BotRecord {
    return { ...firstRecord(this.trust.log, self), ...changes };
  }

  /** A key as a bot lists it. */
  listed(key: SigningKey, id: string): BotRecord['keys'][number] {
    return listedKey(this.trust.log, key, id);
  }

  /** Writes a record of a bot, signed by one of its keys. */
  async write(key: SigningKey, value: BotRecord): Promise<void> {
    const client = await BcdbClient.connect({ url: this.url, trust: this.trust, key });
    const name = { ns: 'grid', url: 'grid.bot.1', obj: value.id };
    await client.write({ ...name, op: 'put', value: { ...value } });
  }

  /** A running bot whose record says where it is; it ends with the test. */
  async bot(self: Self, options: Partial<BotOptions> = {}): Promise<Bot> {
    const bot = await Bot.open(this.optionsOf(self, options));
    this.#stack.use(bot);
    await bot.publish();
    return bot;
  }

  /** The tables of a bot, beside the process that holds them. */
  tables(name: string): DatabaseSync {
    return new DatabaseSync(join(this.folder, name, 'bot.sqlite'), { readOnly: true });
  }

  optionsOf(self: Self, options: Partial<BotOptions> = {}): BotOptions {
    const folder = join(this.folder, self.name);
    return {
      ...{ folder, id: self.id, key: self.device, url: this.url, trust: this.trust },
      sealingKeys: [sealingKeyOf(self.device)],
      heads: new KeptHeads(folder),
      ownerToken: ownerTokenOf(self),
      listen: { host: '127.0.0.1', port: 0 },
      ...options,
    };
  }
}

export function ownerTokenOf({ device }: Self): string {
  return Buffer.from(device.publicKey.bytes).toString('base64url');
}

function serve(
  dataDir: string,
  owner: SigningKey,
  beforeDoors?: (bcdb: Bcdb) => Promise<void>,
): Promise<BcdbServer> {
  return BcdbServer.open({
    ...{ dataDir, owner, http: { host: '127.0.0.1', port: 0 } },
    ...(beforeDoors === undefined ? {} : { beforeDoors }),
  });
}
