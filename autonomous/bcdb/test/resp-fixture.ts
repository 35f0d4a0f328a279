import { isGridError } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { RespClient } from '@commongrid/resp';
import type { Reply, RespArgument } from '@commongrid/resp';
import { Bcdb } from '../src/bcdb.ts';
import { authDomain, challengeMessage } from '../src/doors/access/challenge-message.ts';
import { RespDoor } from '../src/doors/resp/resp-door.ts';
import type { RespDoorOptions } from '../src/doors/resp/resp-door.ts';

export const ownerToken = 'T'.repeat(43);
export const contact = 'net.example.contact.1';
export const contacts = `people:data:${contact}`;
export const contactSchema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 100, 'x-bcdb': { index: true } },
    about: { type: 'string', maxLength: 1000, 'x-bcdb': { fts: true } },
  },
  required: ['name'],
};

/** A database with a type in a namespace, behind a Redis door on a free port. */
export class RespFixture implements AsyncDisposable {
  readonly bcdb: Bcdb;
  readonly door: RespDoor;
  readonly port: number;
  readonly #resources: AsyncDisposableStack;

  private constructor(bcdb: Bcdb, door: RespDoor, resources: AsyncDisposableStack) {
    this.bcdb = bcdb;
    this.door = door;
    this.port = door.addresses[0]?.port ?? 0;
    this.#resources = resources;
  }

  static async open(options: Partial<RespDoorOptions> = {}): Promise<RespFixture> {
    await using resources = new AsyncDisposableStack();
    const folder = resources.use(await tempFolder('bcdb-resp'));
    const owner = SigningKey.generate();
    const bcdb = resources.use(await Bcdb.open({ dataDir: folder.path, owner }));
    await bcdb.createNamespace('people');
    await bcdb.defineSchema('people', contact, contactSchema);
    const listen = [{ host: '127.0.0.1', port: 0 }];
    const door = resources.use(await RespDoor.open({ bcdb, listen, ownerToken, ...options }));
    return new RespFixture(bcdb, door, resources.move());
  }

  /** Someone who has not said who he is. */
  async stranger(): Promise<Asker> {
    const client = this.#resources.use(await RespClient.connect({ port: this.port }));
    return (...args) => ask(client, args);
  }

  async owner(): Promise<Asker> {
    const asker = await this.stranger();
    await asker('AUTH', ownerToken);
    return asker;
  }

  /** Someone who answered a challenge with this key. */
  async holder(key: SigningKey): Promise<Asker> {
    const asker = await this.stranger();
    const fields = (await asker('BCDB.CHALLENGE')) as readonly string[];
    const challenge = String(fields[fields.indexOf('challenge') + 1]);
    await asker('AUTH', key.publicKey.text, signedAnswer(this.bcdb, key, challenge));
    return asker;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

export function signedAnswer(bcdb: Bcdb, key: SigningKey, challenge: string): string {
  const { text } = key.publicKey;
  const message = challengeMessage({ challenge, door: 'redis', key: text, log: bcdb.log });
  return Buffer.from(key.sign(authDomain, message)).toString('base64url');
}

/** What came back, in values that compare with ease: errors as `-CODE`. */
export type Plain = string | number | null | readonly Plain[];

export type Asker = (...args: RespArgument[]) => Promise<Plain>;

async function ask(client: RespClient, args: readonly RespArgument[]): Promise<Plain> {
  try {
    return plain(await client.command(args));
  } catch (error) {
    if (isGridError(error, 'RESP_REPLY_ERROR')) return `-${error.message.split(' ')[0]}`;
    throw error;
  }
}

function plain(reply: Reply): Plain {
  if (reply === null || typeof reply === 'number' || typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  if (Array.isArray(reply)) return reply.map(plain);
  if (reply instanceof Map) return [...reply].flat().map(plain);
  return JSON.stringify(reply) ?? '';
}
