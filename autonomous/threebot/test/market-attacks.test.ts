import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { GridError, isGridError, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { ContractId, Lock, LockId, NodeId } from '@commongrid/model';
import { promisedLock } from '../src/market/lock-check.ts';
import { lockOfSlot } from '../src/market/lock-of-slot.ts';
import type { Locked, Quote } from '../src/market/market-schema.ts';
import type { Market } from '../src/market/market.ts';
import { answersOf, directMarket } from './support/direct-market.ts';
import type { Answers, DirectMarketOptions } from './support/direct-market.ts';
import type { Self } from './support/grid.ts';
import { MarketScene, small } from './support/market-scene.ts';

const signal = new AbortController().signal;

interface Stage {
  readonly scene: MarketScene;
  readonly fern: Self;
  readonly bea: Self;
  readonly place: { readonly node: NodeId; readonly contract: ContractId };
}

async function stage(t: TestContext): Promise<Stage> {
  const scene = await MarketScene.open(t);
  const [fern, bea] = [await scene.grid.self('fern'), await scene.grid.self('bea')];
  const { node } = await scene.farmOf(fern);
  return { scene, fern, bea, place: { node, contract: await scene.contractOf(bea) } };
}

type Lie = (honest: Answers, method: string, input: unknown) => Promise<unknown>;

test('a farmer who lies, or is away, gets nothing, and the buyer hears why', async (t) => {
  const { scene, fern, bea, place } = await stage(t);
  const farmer = await directMarket(scene, fern);
  const honest = answersOf(farmer, bea.id);
  let lie: Lie = (truth, method, input) => truth(method, input);
  const liar: Answers = (method, input) => lie(honest, method, input);
  const buyer = await directMarket(scene, bea, liar);
  const hurried = await directMarket(scene, bea, liar, { answerMs: 100, seenMs: 300 });
  let replica = 0;
  const wish = (change: object = {}) =>
    scene.wish(bea, fern, place, { slot: { role: 'shard', replica: replica++ }, ...change });
  const refused = async (
    code: string,
    how: Lie,
    change: object = {},
    { locks } = buyer,
  ): Promise<void> => {
    lie = how;
    await assert.rejects(locks.obtain(wish(change), { signal }), hasCode(code), code);
  };
  const quoting =
    (change: (quote: Quote) => unknown, which = 'market.quote'): Lie =>
    async (truth, method, input) => {
      const answer = await truth(method, input);
      return method === which ? change(answer as Quote) : answer;
    };
  const slots = (change: object) => (quote: Quote) => ({
    ...quote,
    slots: quote.slots.map((slot) => ({ ...slot, ...change })),
  });
  const mismatch = 'MARKET_QUOTE_MISMATCH';
  await refused(
    mismatch,
    quoting(() => ({ id: 1 })),
  );
  await refused(
    mismatch,
    quoting((quote) => ({ ...quote, currency: 'TFT' })),
  );
  await refused(
    mismatch,
    quoting((quote) => ({ ...quote, untilMs: 1 })),
  );
  await refused(
    mismatch,
    quoting((quote) => ({ ...quote, contract: `contract:${'A'.repeat(43)}` })),
  );
  await refused(
    mismatch,
    quoting((quote) => ({ ...quote, disputeMs: 366 * 86_400_000 })),
  );
  await refused(
    mismatch,
    quoting((quote) => ({ ...quote, round: 2 })),
  );
  await refused(mismatch, quoting(slots({ node: scene.otherNode })));
  await refused(mismatch, quoting(slots({ replica: 99 })));
  await refused(mismatch, quoting(slots({ resources: { ...small, cpuMilli: 1 } })));
  // A counter makes nothing dearer, and changes nothing else.
  const low = { perMonthMax: 1_288n * 720n };
  await refused(mismatch, quoting(slots({ amount: '1401' }), 'market.counter'), low);
  await refused(mismatch, quoting(slots({ minFund: '9999999' }), 'market.counter'), low);
  const later = (quote: Quote) => ({ ...quote, disputeMs: quote.disputeMs + 1 });
  await refused(mismatch, quoting(later, 'market.counter'), low);
  // The id of a quote that somebody else gave.
  const [known] = buyer.transcripts.list({}).filter(({ step }) => step === 'quote');
  await refused(
    mismatch,
    quoting((quote) => ({ ...quote, id: known?.deal ?? '' })),
  );

  await refused('MARKET_FARMER_AWAY', () => Promise.reject(new GridError('BOT_LINK_LOST', 'gone')));
  await refused('MARKET_FARMER_AWAY', () => new Promise(() => {}), {}, hurried);
  // Locks that are not there, or are others.
  const cheat = (answer: (quote: Quote) => Promise<Locked>): Lie => {
    let last: Quote | undefined;
    return async (truth, method, input) => {
      if (method === 'market.lock' && last !== undefined) return answer(last);
      last = (await truth(method, input)) as Quote;
      return last;
    };
  };
  const said = (quote: Quote, lock: string): Locked => {
    const { role = '', replica: n = 0 } = quote.slots[0] ?? {};
    return {
      quote: quote.id,
      locks: [{ lock, role, replica: n }],
      expiresMs: Date.now() + 500_000,
    };
  };
  const parties = { logHash: scene.grid.trust.log, farmer: fern.id, buyer: bea.id };
  const promised = (quote: Quote) => promisedLock(quote, 0, parties);
  await refused(
    'MARKET_LOCK_MISMATCH',
    cheat(async (quote) => said(quote, `lock:${'A'.repeat(22)}`)),
  );
  const unseen = cheat(async (quote) => said(quote, promised(quote)));
  lie = unseen;
  const { contract, currency, untilMs, slot, node } = wish();
  const intent = { contract, currency, untilMs, slots: [{ ...slot, node, resources: small }] };
  const asked = await buyer.buyer.ask(fern.id, intent, signal);
  // Who took the quote looks for its lock in the log, and not for long.
  await assert.rejects(hurried.buyer.take(asked.id, signal), hasCode('MARKET_LOCK_UNSEEN'));
  const client = await scene.client(fern.device);
  const dearer = cheat(async (quote) => {
    const id = promised(quote);
    const lock = lockOfSlot(slots({ amount: '9000' })(quote), 0, {
      ...parties,
      expiresMs: Date.now() + 500_000,
    });
    const value = { ...lock, id };
    await client.write({ ns: 'grid', op: 'put', url: 'grid.lock.1', obj: id, value });
    return said(quote, id);
  });
  await refused('MARKET_LOCK_MISMATCH', dearer);
  // Whoever was lied to can show what was said.
  const steps = buyer.transcripts.list({}).map(({ step }) => step);
  assert.ok(steps.filter((step) => step === 'refusal').length >= 18);
  lie = (truth, method, input) => truth(method, input);
  assert.ok(await buyer.locks.obtain(wish(), { signal }), 'an honest answer is taken');
});

test('a farmer that dies between two locks makes the same ones when it is asked again', async (t) => {
  const { scene, fern, bea, place } = await stage(t);
  let locksWritten = 0;
  const use: DirectMarketOptions['use'] = (client) => {
    const write = client.write.bind(client);
    client.write = async (...args) => {
      const receipt = await write(...args);
      // It is in the log, and the process that wrote it does not hear of it.
      if (++locksWritten === 2) throw new GridError('BCDB_UNREACHABLE', 'the process is gone');
      return receipt;
    };
    return (work, stop) => work(client, stop);
  };
  const dying = await directMarket(scene, fern, undefined, { use });
  const { contract, untilMs } = scene.wish(bea, fern, place);
  const slots = [0, 1, 2].map((replica) => ({ role: 'shard', replica, resources: tiny }));
  const { id, round } = await dying.farmer.quote(
    { contract, currency: 'EUR', untilMs, slots },
    ...([bea.id, signal] as const),
  );
  const take = (market: Market) => market.farmer.lock({ quote: id, round }, bea.id, signal);
  await assert.rejects(take(dying), hasCode('BCDB_UNREACHABLE'));
  const before = await locksOf(scene);
  assert.equal(before.length, 2);

  const again = await directMarket(scene, fern);
  const { locks } = await take(again);
  const after = await locksOf(scene);
  assert.equal(after.length, 3);
  assert.deepEqual(new Set(locks.map(({ lock }) => lock)), new Set(after.map((lock) => lock.id)));
  assert.deepEqual(
    after.filter((lock) => before.some((one) => one.id === lock.id)),
    before,
  );
  assert.equal(new Set(after.map(({ expiresMs }) => expiresMs)).size, 1);
  assert.deepEqual((await take(again)).locks, locks);
});

test('a buyer that dies after it took a quote has one lock in the end', async (t) => {
  const { scene, fern, bea, place } = await stage(t);
  const farmer = await directMarket(scene, fern);
  const honest = answersOf(farmer, bea.id);
  const wish = scene.wish(bea, fern, place);
  const stop = new AbortController();
  const dying = await directMarket(scene, bea, async (method, input) => {
    const answer = await honest(method, input);
    if (method === 'market.lock') stop.abort();
    return answer;
  });
  await assert.rejects(dying.locks.obtain(wish, { signal: stop.signal }), hasCode('BASE_ABORTED'));
  // The farmer need not even be there: the log has the lock, and soon shows it to everybody.
  const again = await directMarket(scene, bea);
  const found = (): Promise<LockId | undefined> =>
    again.locks.obtain(wish, { signal }).catch((error: unknown) => {
      assert.ok(isGridError(error, 'MARKET_FARMER_AWAY'), String(error));
      return undefined;
    });
  const id = await waitFor(found, { timeoutMs: 30_000, what: 'the lock' });
  assert.deepEqual(
    (await locksOf(scene)).map((lock) => lock.id),
    [id],
  );

  // Before the farmer heard of it, he is asked again, and not for another quote.
  const second = { ...wish, slot: { role: 'shard', replica: 1 } };
  const cut = await directMarket(scene, bea, async (method, input) => {
    if (method === 'market.lock') throw new GridError('BOT_LINK_LOST', 'the link is gone');
    return honest(method, input);
  });
  await assert.rejects(cut.locks.obtain(second, { signal }), hasCode('MARKET_FARMER_AWAY'));
  const methods: string[] = [];
  const back = await directMarket(scene, bea, (method, input) => {
    methods.push(method);
    return honest(method, input);
  });
  const [one, two] = await Promise.all([
    back.locks.obtain(second, { signal }),
    back.locks.obtain(second, { signal }),
  ]);
  assert.deepEqual([one, methods], [two, ['market.lock']]);
});

test('a lock that was paid for is not given for another stay', async (t) => {
  const { scene, fern, bea, place } = await stage(t);
  const farmer = await directMarket(scene, fern);
  const buyer = await directMarket(scene, bea, answersOf(farmer, bea.id));
  const wish = scene.wish(bea, fern, place, { resources: tiny });
  const first = await buyer.locks.obtain(wish, { signal });
  assert.equal(await buyer.locks.obtain(wish, { signal }), first);
  await scene.pay(bea, place.contract, first);
  const second = await buyer.locks.obtain(wish, { signal });
  assert.notEqual(second, first);
  assert.equal(await buyer.locks.obtain(wish, { signal }), second);
});

test('rules of the log on locks have a meaning for the buyer', async (t) => {
  const { scene, fern, bea, place } = await stage(t);
  const contracts: ContractId[] = [];
  for (const name of ['one', 'two', 'three', 'four']) {
    contracts.push(await scene.contractOf(bea, name));
  }
  const farmer = await directMarket(scene, fern);
  const buyer = await directMarket(scene, bea, answersOf(farmer, bea.id));
  const obtain = (contract: ContractId): Promise<LockId> => {
    const wish = scene.wish(bea, fern, { ...place, contract }, { resources: tiny });
    return buyer.locks.obtain(wish, { signal });
  };
  for (const contract of contracts.slice(0, 3)) await obtain(contract);
  await assert.rejects(obtain(contracts[3] ?? place.contract), (error: unknown) => {
    assert.ok(isGridError(error, 'MARKET_LOCK_REFUSED'));
    assert.match(error.message, /unpaid locks of three contracts/);
    return error.details['rule'] === 'LOCK_UNPAID';
  });
});

const tiny = { ...small, cpuMilli: 100, memoryBytes: 2 ** 27, ssdBytes: 2 ** 30 };

async function locksOf(scene: MarketScene): Promise<readonly Lock[]> {
  const client = await scene.client(scene.reader);
  const { objects } = await client.find('grid', {
    ...{ url: 'grid.lock.1', minSeq: (client.lastHead?.size ?? 1) - 1 },
  });
  return objects.map(({ value }) => value as unknown as Lock);
}
