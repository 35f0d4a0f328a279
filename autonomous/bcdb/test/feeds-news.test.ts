import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { abortError, waitFor } from '@commongrid/base';
import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { ContractId } from '@commongrid/model';
import { Bcdb } from '../src/bcdb.ts';
import type { FeedsRequest } from '../src/feeds/feeds-reply.ts';
import { LightFollower } from '../src/follow/light-follower.ts';
import type { LightSource } from '../src/follow/light-source.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { newsBurst, newsEveryMs, tickEveryMs } from '../src/sequencer/log-clock.ts';
import { ticked, Town, TownSource } from '../src/testing/feeds-town.ts';
import type { Machine } from '../src/testing/feeds-town.ts';

const timeoutMs = 60_000;

/** A node with a contract, in a log whose time stands still until a test moves it. */
interface Place {
  readonly clock: ManualClock;
  readonly bcdb: Bcdb;
  readonly town: Town;
  readonly node: Machine;
  readonly contract: ContractId;
  readonly folder: string;
}

async function place(t: TestContext): Promise<Place> {
  const opened = new AsyncDisposableStack();
  t.after(() => opened.disposeAsync());
  const folder = opened.use(await tempFolder('bcdb-news')).path;
  const clock = new ManualClock(1_800_000_000_000);
  const dataDir = join(folder, 'log');
  const bcdb = opened.use(await Bcdb.open({ dataDir, owner: SigningKey.generate(), clock }));
  const town = await Town.found(bcdb);
  const ada = await town.citizen('ada');
  const node = await town.node(ada, await town.farm(ada, 1), 'node');
  const contract = await town.contract(ada, [ada], 1);
  await town.slice(ada, contract, node.id, 0);
  await clock.advance(2 * tickEveryMs);
  await ticked(bcdb);
  await clock.advance(2 * tickEveryMs);
  return { clock, bcdb, town, node, contract, folder };
}

/** Whether the newest record is a tick. */
async function endsInTick(bcdb: Bcdb): Promise<boolean> {
  const { size } = bcdb.head;
  for await (const [entry] of bcdb.read(size - 1, size)) {
    if (entry !== undefined) return checkRecord(entry).envelope.url === systemUrls.tick;
  }
  return false;
}

test('a record that concerns somebody is told of at once, and what comes close behind it soon', async (t) => {
  const { clock, bcdb, town, node, contract } = await place(t);
  for (let told = 1; told <= newsBurst; told++) {
    await town.event(node, contract, 0, told);
    // Time stands still: nothing else can have made a tick.
    assert.equal(await endsInTick(bcdb), true);
  }
  await town.event(node, contract, 0, newsBurst + 1);
  await town.event(node, contract, 0, newsBurst + 2);
  assert.equal(await endsInTick(bcdb), false);
  const { size } = bcdb.head;
  await clock.advance(newsEveryMs - 1);
  assert.equal(bcdb.head.size, size);
  await clock.advance(1);
  await ticked(bcdb);
  assert.equal(bcdb.head.size, size + 1, 'both share a tick');
});

test('what concerns nobody waits for the tick that tells the time', async (t) => {
  const { clock, bcdb } = await place(t);
  await bcdb.createNamespace('team');
  assert.equal(await endsInTick(bcdb), false);
  const { size } = bcdb.head;
  await clock.advance(tickEveryMs - 1);
  assert.equal(bcdb.head.size, size);
  await clock.advance(1);
  await ticked(bcdb);
});

test('readers of a record that was refused ahead of others still hear of the others', async (t) => {
  const { clock, bcdb, town, node, contract } = await place(t);
  for (let n = 1; n <= newsBurst + 1; n++) await town.event(node, contract, 0, n);
  assert.equal(await endsInTick(bcdb), false);
  const wrong = town.say('grid.event.1', node.key, 'nothing', { wrong: true });
  await assert.rejects(wrong);
  await clock.advance(newsEveryMs);
  await ticked(bcdb);
});

test('who waits for news hears of what concerns him, and of nothing else, however long it takes', async (t) => {
  const { clock, bcdb, town, node, contract } = await place(t);
  const { feeds } = await bcdb.feedsOf({ size: 0, feeds: [{ reader: node.id, count: 0 }] });
  const count = feeds[0]?.places.find(({ reader }) => reader === node.id)?.count ?? 0;
  assert.ok(count > 0);
  let isTold = false;
  const { signal } = new AbortController();
  const request = { size: bcdb.head.size, feeds: [{ reader: node.id, count }] };
  const told = bcdb.feedNews(request, signal).then(() => (isTold = true));
  await town.citizen('bob');
  assert.equal(isTold, false);
  assert.equal(bcdb.feedWaiters, 1);
  await town.event(node, contract, 0, 1);
  await clock.advance(newsEveryMs);
  await waitFor(() => isTold, { what: 'news', timeoutMs });
  await told;
  assert.equal(bcdb.feedWaiters, 0);
  // Whoever knows something else is told at once, and so is whoever knows more than there is.
  await bcdb.feedNews(request, signal);
  await bcdb.feedNews({ ...request, size: bcdb.head.size + 1 }, signal);
});

/** Answers at once, or, where it may wait, not before it is told to. */
class HoldingSource extends TownSource {
  readonly asked: FeedsRequest[] = [];
  /** Does not answer who may not wait either. */
  isSilent = false;

  override async feeds(request: FeedsRequest, signal?: AbortSignal): Promise<unknown> {
    this.asked.push(request);
    if (this.isSilent || request.waitMs !== undefined) {
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(abortError(signal)));
      });
    }
    return super.feeds(request);
  }

  get isHeld(): boolean {
    return this.asked.at(-1)?.waitMs !== undefined;
  }
}

function followerOf({ bcdb, node, folder, clock }: Place, source: LightSource) {
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const dataDir = join(folder, 'node');
  return LightFollower.open({ dataDir, trust, reader: node.id, source, clock });
}

test('who asks what there is now does not wait with those who wait for news', async (t) => {
  const one = await place(t);
  const source = new HoldingSource(one.bcdb);
  await using follower = await followerOf(one, source);
  const stop = new AbortController();
  const following = follower.follow({ signal: stop.signal });
  // The first question is not held: nothing is known yet.
  await waitFor(() => source.isHeld, { what: 'a question that waits', timeoutMs });
  assert.equal(source.asked[0]?.waitMs, undefined);
  await one.town.event(one.node, one.contract, 0, 1);
  await follower.sync();
  assert.equal([...follower.objects('grid', 'grid.event.1')].length, 1);
  stop.abort();
  await following;
});

test('a follower whose question waits closes at once, and so does one whose signal fires', async (t) => {
  const one = await place(t);
  const source = new HoldingSource(one.bcdb);
  const follower = await followerOf(one, source);
  const stop = new AbortController();
  const following = follower.follow({ signal: stop.signal });
  await waitFor(() => source.isHeld, { what: 'a question that waits', timeoutMs });
  stop.abort();
  await following;
  const { length } = source.asked;
  const again = follower.follow({ signal: new AbortController().signal });
  await waitFor(() => source.asked.length > length && source.isHeld, {
    what: 'another',
    timeoutMs,
  });
  await follower.close();
  await again;
});

test('a follower closes while somebody with a signal of his own asks what there is', async (t) => {
  const one = await place(t);
  const source = new HoldingSource(one.bcdb);
  source.isSilent = true;
  const follower = await followerOf(one, source);
  const asking = follower.sync({ signal: new AbortController().signal });
  const failed = assert.rejects(asking, hasCode('BASE_ABORTED'));
  await follower.close();
  await failed;
});

/** Says the same over and over, and never waits. */
class HastySource implements LightSource {
  asked = 0;
  reply: unknown;

  async feeds(): Promise<unknown> {
    this.asked++;
    return this.reply;
  }

  async succession(): Promise<unknown> {
    throw new Error('nobody asks for that');
  }
}

test('a source that says at once that there is nothing is asked once a second, and not believed for long', async (t) => {
  const one = await place(t);
  const town = new TownSource(one.bcdb);
  const source = new HastySource();
  const feeds = [
    { reader: one.node.id, count: 0 },
    { reader: '*', count: 0 },
  ];
  source.reply = await town.feeds({ size: 0, feeds });
  await using follower = await followerOf(one, source);
  await follower.sync();
  const size = follower.size;
  const counts = feeds.map(({ reader }) => {
    return { reader, count: countOf(source.reply, reader) };
  });
  source.reply = await town.feeds({ size, feeds: counts });
  // It goes on saying that.
  await one.town.event(one.node, one.contract, 0, 1);
  const stop = new AbortController();
  const following = follower.follow({ signal: stop.signal });
  source.asked = 0;
  await one.clock.advance(20_000);
  assert.ok(source.asked >= 15 && source.asked <= 21, `asked ${source.asked} times in 20 s`);
  follower.requireFresh(30);
  await one.clock.advance(15_000);
  assert.throws(() => follower.requireFresh(30), hasCode('BCDB_VIEW_STALE'));
  source.reply = 'nonsense';
  source.asked = 0;
  await one.clock.advance(20_000);
  assert.ok(source.asked >= 15 && source.asked <= 21, `asked ${source.asked} times in 20 s`);
  stop.abort();
  await following;
});

function countOf(reply: unknown, reader: string): number {
  const { feeds } = reply as Awaited<ReturnType<Bcdb['feedsOf']>>;
  const places = feeds.flatMap((feed) => feed.places);
  return places.find((one) => one.reader === reader)?.count ?? 0;
}
