import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError, type Random, reservePort, seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { ZdbServerOptions } from '../src/index.ts';
import { caughtUp, newest, openPeer, type Peer } from './support/replicated.ts';

const SMALL = { segmentBytes: 1024 * 1024, minReplicas: 1, minReplicasTimeoutMs: 100 };
const KEYS = 60;

/** What a key may hold: what was confirmed last, or what was tried since and may have been written. */
interface Expectation {
  confirmed: string | undefined;
  readonly tried: Set<string | undefined>;
}

/** Three servers; one is the master. Whatever happens, confirmed writes stay. */
class Trio implements AsyncDisposable {
  readonly #folder: string;
  readonly #random: Random;
  readonly #peers: Peer[] = [];
  readonly #expected = new Map<string, Expectation>();
  #master = 0;
  #term = 0;
  #count = 0;

  constructor(folder: string, random: Random) {
    this.#folder = folder;
    this.#random = random;
  }

  async open(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      const source = i === 0 ? {} : this.#following();
      const listen = [{ host: '127.0.0.1', port: await reservePort() }];
      this.#peers.push(await openPeer(`${this.#folder}/${i}`, { ...SMALL, ...source, listen }));
    }
  }

  #following(): Partial<ZdbServerOptions> {
    return { replicaOf: { host: '127.0.0.1', port: this.#peer(this.#master).port } };
  }

  #peer(i: number): Peer {
    return this.#peers[i] as Peer;
  }

  /** Closes a server and opens it again, at the same place. */
  async #restart(i: number): Promise<void> {
    const { port } = this.#peer(i);
    await this.#peer(i)[Symbol.asyncDispose]();
    const listen = [{ host: '127.0.0.1', port }];
    const source = i === this.#master ? {} : this.#following();
    this.#peers[i] = await openPeer(`${this.#folder}/${i}`, { ...SMALL, ...source, listen });
  }

  async step(): Promise<void> {
    const dice = this.#random.int(0, 100);
    if (dice < 60) await this.#write(this.#random.int(1, 60));
    else if (dice < 75) await this.#restart(this.#random.int(0, 3));
    else if (dice < 88) await this.#peer(this.#random.int(0, 3)).client.command(['COMPACT']);
    else await this.#promote();
  }

  async #write(count: number): Promise<void> {
    const { client } = this.#peer(this.#master);
    for (let i = 0; i < count; i++) {
      const key = `key${this.#random.int(0, KEYS)}`;
      const isDeletion = this.#random.int(0, 4) === 0;
      const value = isDeletion ? undefined : `${this.#count++} ${'.'.repeat(4000)}`;
      const expectation = this.#expected.get(key) ?? { confirmed: undefined, tried: new Set() };
      this.#expected.set(key, expectation);
      try {
        await client.command(value === undefined ? ['DEL', key] : ['SET', key, value]);
        expectation.confirmed = value;
        expectation.tried.clear();
      } catch (error) {
        if (!isGridError(error, 'RESP_REPLY_ERROR')) throw error;
        if (error.message !== 'Key not found') expectation.tried.add(value);
      }
    }
  }

  /** The replica that is ahead takes over while the old master goes on for a while. */
  async #promote(): Promise<void> {
    const others = [0, 1, 2].filter((i) => i !== this.#master);
    const [a = 0, b = 0] = others;
    const reached = (i: number): number => this.#peer(i).server.store.log.durableSequence;
    const next = reached(a) > reached(b) ? a : b;
    const old = this.#master;
    this.#term += this.#random.int(1, 4);
    await this.#peer(next).client.command(['PROMOTE', 'TERM', this.#term]);
    // Some writes that go to the wrong one: it has not heard yet, or refuses.
    await this.#write(this.#random.int(0, 5));
    this.#master = next;
    if (this.#random.int(0, 2) === 0) await this.#write(3);
    for (const i of [old, ...others.filter((one) => one !== next)]) await this.#restart(i);
  }

  /** All come together, and hold what they must. */
  async check(): Promise<void> {
    await this.#settle();
    const { store } = this.#peer(this.#master).server;
    const wanted = await newest(store);
    for (const { server } of this.#peers) assert.deepEqual(await newest(server.store), wanted);
    for (const [key, { confirmed, tried }] of this.#expected) {
      const reply = await this.#peer(this.#master).client.command(['GET', key]);
      const found = Buffer.isBuffer(reply) ? reply.toString() : undefined;
      assert.ok(found === confirmed || tried.has(found), `${key} is ${found?.slice(0, 8)}`);
    }
  }

  async #settle(): Promise<void> {
    const master = this.#peer(this.#master);
    const ready = async (): Promise<boolean> => {
      try {
        await master.client.command(['SET', 'settled', `${this.#count++}`]);
        return true;
      } catch {
        return false;
      }
    };
    await waitFor(ready, { timeoutMs: 60_000, what: 'a confirmed write' });
    for (const peer of this.#peers) await caughtUp(master.server, peer.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer[Symbol.asyncDispose]()));
  }
}

const given = Number(process.env['GRID_TEST_SEED'] ?? 0);
const rounds = process.env['GRID_TEST_LONG'] === '1' ? 60 : 2;
const seeds = given > 0 ? [given] : Array.from({ length: rounds }, (_, i) => i + 1);

for (const seed of seeds) {
  test(`three servers keep what they confirmed (GRID_TEST_SEED=${seed})`, async () => {
    await using folder = await tempFolder('trio');
    await using trio = new Trio(folder.path, seededRandom(seed));
    await trio.open();
    for (let i = 0; i < 20; i++) await trio.step();
    await trio.check();
  });
}
