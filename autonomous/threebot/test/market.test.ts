import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isGridError, waitFor, writeFileAtomic } from '@commongrid/base';
import type { LockWish } from '@commongrid/contract';
import { hasCode } from '@commongrid/base/testing';
import type { ContractId, LockId, NodeId } from '@commongrid/model';
import type { Bot } from '../src/index.ts';
import type { Quote } from '../src/market/market-schema.ts';
import type { TranscriptStep } from '../src/market/transcripts.ts';
import type { Self } from './support/grid.ts';
import { MarketScene, nodeCapacity, small } from './support/market-scene.ts';

const never = new AbortController().signal;

interface Stage {
  readonly scene: MarketScene;
  readonly farmer: { readonly self: Self; readonly bot: Bot };
  readonly buyer: { readonly self: Self; readonly bot: Bot };
  readonly place: { readonly node: NodeId; readonly contract: ContractId };
}

/** A farmer with a node, and a buyer with a contract. */
async function stage(t: TestContext, rules?: object): Promise<Stage> {
  const scene = await MarketScene.open(t);
  const [fern, bea] = [await scene.grid.self('fern'), await scene.grid.self('bea')];
  const { node } = await scene.farmOf(fern);
  const contract = await scene.contractOf(bea);
  const farmer = { self: fern, bot: await scene.grid.bot(fern) };
  if (rules !== undefined) await scene.rules(fern, rules);
  const buyer = { self: bea, bot: await scene.grid.bot(bea) };
  return { scene, farmer, buyer, place: { node, contract } };
}

async function steps(bot: Bot, side: string): Promise<readonly string[]> {
  const all = (await bot.call('market.transcripts', {})) as TranscriptStep[];
  assert.ok(all.every((one) => one.side === side));
  return all.map(({ step }) => step).toReversed();
}

test('a farmer without rules sells by the prices of the farm, once for one wish', async (t) => {
  const { scene, farmer, buyer, place } = await stage(t);
  const wish = scene.wish(buyer.self, farmer.self, place);
  const id = await buyer.bot.lockMarket.obtain(wish, { signal: never });
  const lock = await scene.lock(id);
  assert.deepEqual(
    [lock.price, lock.minFund, lock.node, lock.contract, lock.slot, lock.resources],
    [
      { amount: '1400', currency: 'EUR', perSeconds: 3_600 },
      ...[String(1400 * 24), place.node, place.contract, wish.slot, small],
    ],
  );
  assert.deepEqual([lock.farmer, lock.buyer], [farmer.self.id, buyer.self.id]);
  assert.equal(await buyer.bot.lockMarket.obtain(wish, { signal: never }), id, 'asked again');
  const said = ['intent', 'quote', 'accept', 'locked'];
  assert.deepEqual(await steps(farmer.bot, 'farmer'), said);
  assert.deepEqual(await steps(buyer.bot, 'buyer'), said);
});

test('the rules of a farmer hold at once, and the former ones while a file is broken', async (t) => {
  const { scene, farmer, buyer, place } = await stage(t);
  const { self, bot } = farmer;
  const wish = scene.wish(buyer.self, self, place);
  const intent = (change: object = {}, slot: object = {}) => ({
    ...{ contract: wish.contract, currency: 'EUR', untilMs: wish.untilMs },
    slots: [{ ...wish.slot, resources: small, ...slot }],
    ...change,
  });
  const ask = (wanted: object) =>
    buyer.bot.call('market.ask', { farmer: self.id, intent: wanted }) as Promise<Quote>;
  const refused = async (code: string, rules: object, wanted = intent()): Promise<void> => {
    await scene.rules(self, rules);
    await assert.rejects(ask(wanted), hasCode(code), code);
  };
  await refused('MARKET_CLOSED', { isSelling: false });
  await refused('MARKET_BUYER_REFUSED', { refuse: { bots: [buyer.self.id] } });
  await refused('MARKET_NODE_REFUSED', { refuse: { countries: ['BE'] } });
  await refused('MARKET_NODE_REFUSED', { refuse: { farms: ['cellar'] } });
  await refused('MARKET_NODE_REFUSED', { refuse: { nodes: [place.node] } });
  await refused('MARKET_TERM_REFUSED', { limits: { termDays: 9 } });
  await refused('MARKET_TERM_REFUSED', {}, intent({ untilMs: 1 }));
  await refused('MARKET_LIMIT', { limits: { openLocks: 0 } });
  await refused('MARKET_LIMIT', { limits: { perBuyer: { memoryBytes: 2 ** 30 } } });
  await refused('MARKET_CURRENCY_REFUSED', {}, intent({ currency: 'TFT' }));
  await refused('MARKET_UNPRICED', { prices: [{ currency: 'EUR', unitHours: 1, cu: '5' }] });
  await refused('MARKET_FULL', {}, intent({}, { resources: { ...small, cpuMilli: 9_000 } }));
  const far = { resources: small, node: scene.otherNode };
  await refused('MARKET_NODE_REFUSED', {}, intent({}, far));

  // Two kinds of money, a discount for long terms and one for this buyer.
  const prices = [
    { currency: 'EUR', unitHours: 1, cu: '100', su: '0' },
    { currency: 'TFT', unitHours: 10, cu: '70000', su: '0' },
  ];
  await scene.rules(self, { prices, discounts: { circle: 50 } });
  assert.equal((await ask(intent())).slots[0]?.amount, '100');
  await bot.call('people.allow', { bot: buyer.self.id, standing: 'circle' });
  assert.equal((await ask(intent())).slots[0]?.amount, '50');
  const bots = [{ bot: buyer.self.id, percent: 10 }];
  const discounts = {
    term: [
      { days: 5, percent: 20 },
      { days: 30, percent: 40 },
    ],
    bots,
  };
  await scene.rules(self, { prices, discounts });
  assert.equal((await ask(intent())).slots[0]?.amount, '70');
  const inTokens = await ask(intent({ currency: 'TFT' }));
  assert.deepEqual([inTokens.currency, inTokens.slots[0]?.amount], ['TFT', '4900']);

  const file = join(scene.grid.folder, self.name, 'farmer.json');
  await writeFileAtomic(file, '{"schema": "grid.farmer.1", "isSelling": "perhaps"}');
  assert.equal((await ask(intent())).slots[0]?.amount, '70', 'the former rules');
  const shown = (await bot.call('market.rules', {})) as { fault: string; file: string };
  assert.match(shown.fault, /isSelling/);
  assert.equal(shown.file, file);
});

test('a quote above the cap is countered down, as far as the farmer goes', async (t) => {
  const { scene, farmer, buyer, place } = await stage(t);
  const wish = scene.wish(buyer.self, farmer.self, place);
  const listed = 1_400n * 720n;
  const signal = never;
  // 5 of 100 with each counter, 10 at most.
  const second = { ...wish, perMonthMax: (listed * 92n) / 100n };
  const { price } = await scene.lock(await buyer.bot.lockMarket.obtain(second, { signal }));
  assert.equal(price.amount, '1288');
  const said = ['intent', 'quote', 'counter', 'quote', 'counter', 'quote', 'accept', 'locked'];
  assert.deepEqual(await steps(farmer.bot, 'farmer'), said);
  const tooLow = (percent: bigint) =>
    buyer.bot.lockMarket.obtain(
      { ...wish, slot: { role: 'shard', replica: 1 }, perMonthMax: (listed * percent) / 100n },
      { signal },
    );
  await assert.rejects(tooLow(80n), (error: unknown) => {
    assert.ok(isGridError(error, 'MARKET_TOO_DEAR'));
    return error.details['perMonth'] === (listed * 90n) / 100n;
  });
  await assert.rejects(tooLow(40n), (error: unknown) => {
    assert.ok(isGridError(error, 'MARKET_TOO_DEAR'));
    return isGridError(error.cause, 'MARKET_PRICE_DECLINED');
  });
});

test('three counters are answered, and the same one twice the same way', async (t) => {
  const counters = { mostPercent: 40, perRoundPercent: 1 };
  const { scene, farmer, buyer, place } = await stage(t, { counters });
  const { contract, untilMs, slot } = scene.wish(buyer.self, farmer.self, place);
  const slots = [{ ...slot, resources: small }];
  const intent = { contract, currency: 'EUR', untilMs, slots };
  const link = await buyer.bot.linkTo(farmer.self.id);
  const quote = (await link.call('market.quote', intent)) as Quote;
  const counter = async (round: number, amount: string): Promise<Quote> => {
    const input = { quote: quote.id, round, amounts: [amount] };
    return (await link.call('market.counter', input)) as Quote;
  };
  assert.equal((await counter(0, '1000')).slots[0]?.amount, '1386');
  assert.equal((await counter(0, '1000')).round, 1, 'the answer was lost, so it is said again');
  await assert.rejects(counter(0, '1001'), hasCode('MARKET_QUOTE_CHANGED'));
  await assert.rejects(counter(1, '699'), hasCode('MARKET_PRICE_DECLINED'));
  const last = await counter(1, '1380');
  assert.deepEqual([last.slots[0]?.amount, last.round, last.isFinal], ['1380', 2, true]);
  await assert.rejects(counter(2, '1380'), hasCode('MARKET_COUNTERS_OVER'));
  // What was said in an earlier round is no offer any more.
  const take = (round: number, id = quote.id) =>
    link.call('market.lock', { quote: id, round }) as Promise<{ locks: { lock: string }[] }>;
  await assert.rejects(take(1), hasCode('MARKET_QUOTE_CHANGED'));
  const { locks } = await take(2);
  assert.deepEqual((await take(2)).locks, locks, 'taken twice, locked once');
  assert.equal((await scene.lock(locks[0]?.lock ?? '')).price.amount, '1380');
});

test('quotes of others, invented ones and those that are over lead to no lock', async (t) => {
  const { scene, farmer, buyer, place } = await stage(t);
  const other = await scene.grid.self('otto');
  const stranger = await scene.grid.bot(other);
  const { untilMs, slot } = scene.wish(buyer.self, farmer.self, place);
  const intent = { currency: 'EUR', untilMs, slots: [{ ...slot, resources: small }] };
  const link = await buyer.bot.linkTo(farmer.self.id);
  const quoteFor = async (contract: string): Promise<{ quote: string; round: number }> => {
    const { id, round } = (await link.call('market.quote', { ...intent, contract })) as Quote;
    return { quote: id, round };
  };
  const own = await quoteFor(place.contract);
  const asOther = await stranger.linkTo(farmer.self.id);
  await assert.rejects(asOther.call('market.lock', own), hasCode('MARKET_QUOTE_UNKNOWN'));
  const invented = { quote: 'a'.repeat(32), round: 0 };
  await assert.rejects(link.call('market.lock', invented), hasCode('MARKET_QUOTE_UNKNOWN'));
  const nobodys = await quoteFor(`contract:${'A'.repeat(43)}`);
  await assert.rejects(link.call('market.lock', nobodys), hasCode('MARKET_CONTRACT_UNKNOWN'));
  await scene.rules(farmer.self, { terms: { quoteSeconds: 1 } });
  const short = await quoteFor(place.contract);
  const isOver = (): Promise<boolean> =>
    link.call('market.counter', { ...short, amounts: ['1'] }).then(
      () => false,
      (error: unknown) => isGridError(error, 'MARKET_QUOTE_EXPIRED'),
    );
  await waitFor(isOver, { timeoutMs: 60_000, everyMs: 200, what: 'the end of a quote' });
  await assert.rejects(link.call('market.lock', short), hasCode('MARKET_QUOTE_EXPIRED'));
  // 64 quotes of one buyer wait at most.
  await scene.rules(farmer.self, {});
  // A few at a time: a call may take 30 s, and a busy machine is slow.
  for (let n = 0; n < 60; n += 10) {
    await Promise.all(Array.from({ length: 10 }, () => quoteFor(place.contract)));
  }
  const more = Array.from({ length: 10 }, () => quoteFor(place.contract));
  const [last] = (await Promise.allSettled(more)).filter(({ status }) => status === 'rejected');
  assert.ok(last?.status === 'rejected');
  assert.ok(isGridError(last.reason, 'MARKET_QUOTES_TOO_MANY'));
});

/** A lock that waits a moment only: a busy machine may take more than one try. */
function obtained(bot: Bot, wish: LockWish): Promise<LockId> {
  const obtain = () => bot.lockMarket.obtain(wish, { signal: never }).catch(() => undefined);
  return waitFor(obtain, { timeoutMs: 60_000, everyMs: 200, what: 'a lock' });
}

test('a lock keeps its room, and one that nobody pays lapses and gives it back', async (t) => {
  const scene = await MarketScene.open(t);
  const [fern, bea] = [await scene.grid.self('fern'), await scene.grid.self('bea')];
  const [held, lapsing] = [await scene.farmOf(fern), await scene.farmOf(fern, { name: 'attic' })];
  const contract = await scene.contractOf(bea);
  await scene.grid.bot(fern);
  const bot = await scene.grid.bot(bea);
  const resources = { ...nodeCapacity, ipv4: 0 };
  const wish = (node: NodeId, replica: number) => {
    const slot = { role: 'shard', replica };
    return scene.wish(bea, fern, { contract, node }, { resources, slot });
  };
  const { lockMarket } = bot;
  await lockMarket.obtain(wish(held.node, 0), { signal: never });
  const full = lockMarket.obtain(wish(held.node, 1), { signal: never });
  await assert.rejects(full, hasCode('MARKET_FULL'));
  await scene.rules(fern, { terms: { lockSeconds: 3 } });
  const first = await obtained(bot, wish(lapsing.node, 2));
  const second = await obtained(bot, wish(lapsing.node, 3));
  const [one, two] = [await scene.lock(first), await scene.lock(second)];
  assert.deepEqual([one.node, two.node], [lapsing.node, lapsing.node]);
  assert.ok(one.expiresMs < two.expiresMs);
});

test('a buyer who lets locks lapse unpaid waits', async (t) => {
  const { scene, farmer, buyer, place } = await stage(t, {
    ...{ terms: { lockSeconds: 3 }, limits: { lapsedLocks: 1 } },
  });
  const wish = scene.wish(buyer.self, farmer.self, place);
  await obtained(buyer.bot, wish);
  const { contract, currency, untilMs } = wish;
  const slots = [{ role: 'shard', replica: 1, resources: small }];
  const input = { farmer: farmer.self.id, intent: { contract, currency, untilMs, slots } };
  const ask = () => buyer.bot.call('market.ask', input);
  const isRefused = async (): Promise<boolean> => {
    const error: unknown = await ask().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return isGridError(error, 'MARKET_LIMIT') && error.details['lapsed'] === 1;
  };
  await waitFor(isRefused, { timeoutMs: 60_000, everyMs: 200, what: 'a refusal' });
  await scene.rules(farmer.self, { limits: { lapsedLocks: 2 } });
  assert.ok(await ask());
});
