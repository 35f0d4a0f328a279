import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';

import { seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { Traffic } from './traffic.ts';
import type { TrafficClient, TrafficFigures, TrafficOptions } from './traffic.ts';

const content = Buffer.from('what was loaded');
const loaded = {
  ...{ key: 'loaded', bytes: content.length },
  sha256: createHash('sha256').update(content).digest('hex'),
};

/** Objects in memory, with faults as a test wants them. */
class Objects implements TrafficClient {
  readonly all = new Map<string, Buffer>([['loaded', content]]);
  /** What each read and write begins with. */
  fault: () => Promise<void> = async () => {};

  async read(key: string, path: string): Promise<void> {
    await this.fault();
    await writeFile(path, this.all.get(key) ?? '', { flag: 'wx' });
  }

  async write(path: string, key: string): Promise<void> {
    await this.fault();
    this.all.set(key, await readFile(path));
  }

  async remove(key: string): Promise<void> {
    await this.fault();
    this.all.delete(key);
  }
}

async function within(
  client: Objects,
  work: (
    traffic: Traffic,
    until: (isSo: (now: TrafficFigures) => boolean) => Promise<void>,
  ) => Promise<void>,
  choices: Partial<TrafficOptions> = {},
): Promise<Traffic> {
  await using folder = await tempFolder('traffic');
  const random = seededRandom(1);
  const { signal } = new AbortController();
  const options = { client, objects: [loaded], writtenBytesMax: 1_000_000, random, signal };
  await using traffic = Traffic.start({ ...options, folder: folder.path, ...choices });
  await work(traffic, async (isSo) => {
    const look = async (): Promise<boolean> => isSo(traffic.figures());
    await waitFor(look, { timeoutMs: 60_000, everyMs: 20, what: 'the figures' });
  });
  return traffic;
}

test('what is read and written is counted, and what was written is known', async () => {
  const client = new Objects();
  const traffic = await within(client, (_, until) => {
    return until(({ reads, writes }) => reads.done > 2 && writes.done > 1);
  });
  const { reads, writes, wrong, problems, expected } = traffic.figures();
  assert.deepEqual([reads.failed, writes.failed, wrong, problems.length], [0, 0, 0, 0]);
  assert.equal(expected.reads.done + expected.writes.done, 0);
  const known = traffic.objects.map(({ key }) => key);
  assert.deepEqual(new Set(known), new Set(client.all.keys()));
  assert.equal(known.length, writes.done + 1);
  const written = traffic.objects.slice(1).reduce((sum, { bytes }) => sum + bytes, 0);
  assert.equal(writes.bytes, written);
  assert.ok(reads.bytes >= content.length && reads.longestMs > 0);
});

test('once so much is written as may be, objects are tiny', async () => {
  const traffic = await within(
    new Objects(),
    (_, until) => until(({ writes }) => writes.done > 2),
    { writtenBytesMax: 0 },
  );
  for (const { bytes } of traffic.objects.slice(1)) assert.equal(bytes, 1_024);
});

test('some of what was written is removed, nothing that was loaded, and what is left is read', async () => {
  const client = new Objects();
  const isOver = ({ removed, reads }: TrafficFigures): boolean => removed > 1 && reads.done > 2;
  const work = async (_: Traffic, until: (isSo: typeof isOver) => Promise<void>) => until(isOver);
  const traffic = await within(client, work, { removedEvery: 1 });
  const { removed, reads, writes, wrong } = traffic.figures();
  assert.deepEqual([reads.failed, writes.failed, wrong], [0, 0, 0]);
  assert.equal(writes.done - removed, client.all.size - 1);
  assert.deepEqual(
    traffic.objects.map(({ key }) => key),
    [...client.all.keys()],
  );
  assert.ok(client.all.has('loaded'));
});

test('a failure is told, and an object whose write failed is not known', async () => {
  const client = new Objects();
  client.fault = async () => {
    throw new Error('out of order');
  };
  const traffic = await within(client, (_, until) => {
    return until(({ reads, writes }) => reads.failed > 0 && writes.failed > 0);
  });
  const { reads, writes, wrong, problems } = traffic.figures();
  assert.deepEqual([reads.done, writes.done, wrong], [0, 0, 0]);
  assert.match(problems.join(), /reads: Error: out of order/);
  assert.deepEqual(traffic.objects, [loaded]);
});

test('failures are expected from before a window until what it saw has ended', async () => {
  const client = new Objects();
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  client.fault = async () => {
    begun++;
    await gate.promise;
    throw new Error('out of order');
  };
  const traffic = await within(client, async (running, until) => {
    await waitFor(async () => begun === 2, { timeoutMs: 60_000, everyMs: 5, what: 'both' });
    await running.expectingFailures(async () => {});
    client.fault = async () => {};
    gate.resolve();
    await until(({ reads, writes }) => reads.done > 0 && writes.done > 0);
  });
  const { reads, writes, expected } = traffic.figures();
  assert.deepEqual([reads.failed, writes.failed], [0, 0]);
  assert.deepEqual([expected.reads.failed, expected.writes.failed], [1, 1]);
});

test('wrong bytes are wrong, also while failures are expected', async () => {
  const client = new Objects();
  client.all.set('loaded', Buffer.from('something else'));
  const traffic = await within(client, (running, until) => {
    return running.expectingFailures(() => until(({ wrong }) => wrong > 0));
  });
  const { problems, reads } = traffic.figures();
  assert.match(problems.join(), /loaded has other bytes than were written/);
  assert.equal(reads.failed, 0);
});

test('what takes too long hangs, also while failures are expected', async () => {
  const traffic = await within(
    new Objects(),
    (running, until) => running.expectingFailures(() => until(({ hung }) => hung > 1)),
    { hangMs: 0 },
  );
  assert.equal(traffic.figures().reads.failed, 0);
  const other = await within(new Objects(), (_, until) => until(({ reads }) => reads.done > 1));
  assert.equal(other.figures().hung, 0);
});
