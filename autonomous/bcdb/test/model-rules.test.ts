import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isGridError, seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { follow, sameState } from './support/notes.ts';
import { Town } from '../src/testing/feeds-town.ts';
import { PlainBots } from './support/plain-bots.ts';
import { PlainTalk, thingUrl } from './support/plain-talk.ts';
import type { Spoken } from './support/plain-talk.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());

/** Sequences of records that share a database, each in a namespace of its own. */
const talksPerDatabase = 10;
const databases = (isLong ? 600 : 200) / talksPerDatabase;
const bursts = 10;
const burstRecords = 8;

/** A run that has not met everything by then goes on, to three times as many databases at most. */
const databasesMax = 3 * databases;

/** What became of records and proposals, over all databases: a run that met little proves little. */
const met = new Set<string>();

function missed(): readonly string[] {
  return everything.filter((one) => !met.has(one));
}

test('database judges as a plain model does, and so do a replica and a verifier', async () => {
  const isEnough = (count: number): boolean => count >= databases && missed().length === 0;
  for (let index = 0; index < databasesMax && !isEnough(index); index++) {
    const name = `${seed}/${index}`;
    try {
      await runDatabase(seededRandom(name));
    } catch (error) {
      throw new Error(`database ${index}, GRID_TEST_SEED=${seed}`, { cause: error });
    }
  }
  assert.deepEqual(missed(), [], `GRID_TEST_SEED=${seed}`);
});

const everything = [
  ...['ok', 'ALREADY_VOTED', 'CIRCLE_CYCLE', 'CONFLICT', 'COUNTER_GAP', 'DENIED', 'KEY_ENDED'],
  ...['LAST_ADMIN', 'NOT_FOUND', 'NOT_SIGNER', 'POLICY_IMPOSSIBLE', 'POLICY_REQUIRED'],
  ...['PROPOSAL_CLOSED', 'PROPOSAL_STALE', 'REFERENCE_MISSING', 'SCHEMA_INCOMPATIBLE'],
  ...['SCHEMA_MISMATCH', 'SCHEMA_UNKNOWN', 'UNIQUE_TAKEN'],
  ...['open', 'effective', 'rejected', 'stale', 'expired'],
].map((name) => (name === name.toLowerCase() ? name : `BCDB_${name}`));

async function runDatabase(random: Random): Promise<void> {
  await using folder = await tempFolder('bcdb-model');
  const clock = new ManualClock(1_800_000_000_000);
  const owner = SigningKey.fromSeed(random.bytes(32));
  const dataDir = join(folder.path, 'data');
  {
    await using bcdb = await Bcdb.open({ dataDir, owner, clock, isOpen: true });
    const run = new Run(bcdb, clock, random);
    await run.start();
    for (let burst = 0; burst < bursts; burst++) await run.burst();
    await run.compareProjection();
    await using follower = await follow(join(folder.path, 'replica'), bcdb);
    await sameState(follower, bcdb);
  }
  const { fault, findings } = await verifyFolder(dataDir);
  assert.equal(fault, undefined, JSON.stringify(fault));
  assert.deepEqual(findings, []);
}

class Run {
  readonly #bcdb: Bcdb;
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly #talks: PlainTalk[] = [];
  readonly #bots: PlainBots[] = [];

  constructor(bcdb: Bcdb, clock: ManualClock, random: Random) {
    this.#bcdb = bcdb;
    this.#clock = clock;
    this.#random = random;
  }

  async start(): Promise<void> {
    const town = await Town.found(this.#bcdb);
    for (let index = 0; index < talksPerDatabase; index++) {
      const people = Array.from({ length: 8 }, () => SigningKey.fromSeed(this.#random.bytes(32)));
      const talk = new PlainTalk(`s${index}`, people, this.#bcdb.log, this.#random);
      this.#talks.push(talk);
      // The last three are keys of one bot.
      this.#bots.push(new PlainBots(town, talk.model, `bot-${index}`, people.slice(5)));
    }
    await this.#settle();
    await this.#sendAll((talk, nextSeq) => talk.found(nextSeq));
  }

  /** Time passes; keys change; everybody speaks at once. */
  async burst(): Promise<void> {
    await this.#clock.advance(this.#random.int(1000, 4000));
    for (const bots of this.#bots) await bots.change(this.#random);
    await this.#settle();
    await this.#sendAll((talk, nextSeq) => take(burstRecords, () => talk.speak(nextSeq())));
    for (const talk of this.#talks) this.#compare(talk);
  }

  /** Everything on its way is done, and log time is that of the clock. */
  async #settle(): Promise<void> {
    const bcdb = this.#bcdb;
    const value = { grants: [{ to: bcdb.owner, rights: ['admin'] }] };
    const obj = 'namespace';
    // Far enough from the last tick for another one to come with the next record.
    this.#clock.jump(1000);
    await bcdb.write({ ns: 'barrier', op: 'put', url: systemUrls.namespace, obj, value });
    assert.equal(bcdb.at, this.#clock.nowMs());
    for (const { model } of this.#talks) model.tick(bcdb.at);
  }

  async #sendAll(
    speak: (talk: PlainTalk, nextSeq: () => number) => Iterable<Spoken>,
  ): Promise<void> {
    let size = this.#bcdb.head.size;
    const sent: { spoken: Spoken; seq: number; outcome: Promise<string> }[] = [];
    for (const talk of this.#talks) {
      for (const spoken of speak(talk, () => size)) {
        const seq = size;
        if (spoken.expected === 'ok') size++;
        sent.push({ spoken, seq, outcome: this.#append(spoken, seq) });
      }
    }
    for (const { spoken, outcome } of sent) {
      const actual = await outcome;
      assert.equal(actual, spoken.expected, JSON.stringify(spoken.said));
      met.add(actual);
    }
    assert.equal(this.#bcdb.head.size, size);
  }

  async #append({ entry, expected }: Spoken, expectedSeq: number): Promise<string> {
    try {
      const { seq } = await this.#bcdb.append(entry);
      return seq === expectedSeq || expected !== 'ok' ? 'ok' : `ok at ${seq}, not ${expectedSeq}`;
    } catch (error) {
      if (isGridError(error)) return error.code;
      throw error;
    }
  }

  #compare({ ns, model }: PlainTalk): void {
    const bcdb = this.#bcdb;
    for (const [name, held] of model.objects) {
      const [url = '', obj = ''] = name.split(' ');
      const head = bcdb.state.head({ ns, url, obj });
      assert.equal(head?.version, held.version, name);
      assert.equal(head.isLive, held.isLive, name);
    }
    for (const [obj, { status }] of model.proposals) {
      const name = { ns, url: systemUrls.proposal, obj };
      const kept = bcdb.state.document<{ readonly status: string }>(name);
      assert.equal(kept?.value.status, status, `proposal ${obj}`);
      met.add(status);
    }
    for (let count = 0; count < 10; count++) {
      const obj = `t${this.#random.int(0, 4)}`;
      const right = (['read', 'write', 'delete', 'admin'] as const)[count % 4] ?? 'read';
      const key = [...model.counters.keys()][count % model.counters.size] ?? '';
      const question = `${key} ${right} ${obj}`;
      const expected = model.may(key, right, thingUrl, obj);
      assert.equal(bcdb.may(ns, key, right, thingUrl, obj), expected, question);
      const op = right === 'delete' ? 'del' : 'put';
      const required = bcdb.policyFor({ ns, op, url: thingUrl, obj });
      const lines = model.linesFor(op, thingUrl, obj);
      assert.equal(required?.policySeq, lines?.seq, question);
      assert.deepEqual(
        required?.lines.map(({ role, min, signers }) => ({
          role,
          min,
          signers: [...signers].toSorted(),
        })),
        lines?.lines.map(({ role, min, signers }) => ({ role, min, signers: signers.toSorted() })),
      );
    }
  }

  async compareProjection(): Promise<void> {
    const { projection, head } = this.#bcdb;
    await projection.waitFor(head.size - 1);
    for (const { ns, model } of this.#talks) {
      for (const [name, { isLive, value }] of model.objects) {
        const [url = '', obj = ''] = name.split(' ');
        const found = projection.getNow(ns, url, obj);
        if (!isLive) assert.equal(found, undefined, name);
        else assert.deepEqual(JSON.parse(String(found?.payload)), value, name);
      }
      const live = model.all(thingUrl).length;
      assert.equal(await projection.count(ns, thingUrl), live);
    }
  }
}

function* take<T>(count: number, make: () => T): Generator<T> {
  for (let index = 0; index < count; index++) yield make();
}
