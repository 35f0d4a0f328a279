import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import {
  CatalogFixture,
  registersOf,
  setRegister,
  until,
  writeMany,
} from './support/catalog-fixture.ts';
import type { Catalog } from '../src/catalog/catalog.ts';
import { HeadProcess } from './support/head-process.ts';

test('catalogue writes on while m members are killed, and fills them when they are back', async () => {
  await using fixture = await CatalogFixture.open({ processes: 5 });
  const head = await fixture.serving('a');
  const lost = fixture.servers.slice(0, 2);
  await head.write(setRegister('x', 0));
  await Promise.all(lost.map((server) => server.kill()));
  for (let i = 1; i <= 50; i++) await writeSurely(head, setRegister('x', i));
  head.requireLease();
  await Promise.all(lost.map((server) => server.restart()));
  await until('the members to be in step', () =>
    head.members.every(({ completeTo }) => completeTo === head.index),
  );
  // What only the other three saw must be on those two: kill two of the three.
  await Promise.all(fixture.servers.slice(2, 4).map((server) => server.kill()));
  await head.close();
  const next = await fixture.serving('b');
  assert.deepEqual(registersOf(next), { x: 50 });
});

/** A busy machine may answer later than a head waits: the same change again does no harm. */
async function writeSurely(head: Catalog, change: Parameters<Catalog['write']>[0]): Promise<void> {
  await until('a write', async () => {
    try {
      if (!head.isServing) await head.takeOver();
      await head.write(change);
      return true;
    } catch (error) {
      if (isGridError(error) && error.retryable) return false;
      throw error;
    }
  });
}

test('catalogue says that results are unknown without a majority, and comes back with one', async () => {
  await using fixture = await CatalogFixture.open({ processes: 5 });
  const head = await fixture.serving('a');
  await head.write(setRegister('x', 1));
  for (const server of fixture.servers.slice(0, 3)) server.signal('SIGSTOP');
  await assert.rejects(head.write(setRegister('x', 2)), hasCode('ZSTOR_CATALOG_RESULT_UNKNOWN'));
  assert.throws(() => head.requireLease(), hasCode('ZSTOR_CATALOG_NOT_SERVING'));
  assert.deepEqual(registersOf(head), { x: 1 });
  await assert.rejects(head.takeOver(), hasCode('ZSTOR_CATALOG_NO_MAJORITY'));
  for (const server of fixture.servers.slice(0, 3)) server.signal('SIGCONT');
  await until('a take-over', async () => {
    await head.takeOver().catch(() => {});
    return head.isServing;
  });
  // The write was on two members at least, all of which were asked now.
  const { x } = registersOf(head);
  assert.ok(x === 1 || x === 2);
  await head.write(setRegister('x', 3));
  assert.deepEqual(registersOf(head), { x: 3 });
});

test('one of two heads that take over at the same time writes in the end', async () => {
  await using fixture = await CatalogFixture.open();
  const heads = [await fixture.head('a'), await fixture.head('b')];
  await Promise.allSettled(heads.map((head) => head.takeOver()));
  const written = await Promise.allSettled(heads.map((head, i) => head.write(setRegister('x', i))));
  const kept = written.filter(({ status }) => status === 'fulfilled');
  assert.ok(kept.length <= 1, 'two heads wrote');
  const winner = heads.findIndex((_, i) => written[i]?.status === 'fulfilled');
  for (const [i, head] of heads.entries()) {
    if (i !== winner) assert.throws(() => head.requireLease());
  }
});

test('a head that was stopped answers nothing stale when it goes on', async () => {
  await using fixture = await CatalogFixture.open();
  await using stopped = await HeadProcess.open(fixture, 'a');
  assert.equal(await stopped.ask('write x 1'), 'done');
  assert.equal(await stopped.ask('read x'), '1');
  stopped.signal('SIGSTOP');
  // These wait in the pipe: the first it sees after it goes on, before any timer.
  stopped.send('read x');
  stopped.send('write x 7');
  stopped.send('read x');
  const next = await fixture.serving('b');
  await next.write(setRegister('x', 2));
  next.requireLease();
  stopped.signal('SIGCONT');
  const answers = [await stopped.answer(), await stopped.answer(), await stopped.answer()];
  const refusals = ['ZSTOR_CATALOG_NOT_SERVING', 'ZSTOR_CATALOG_RESULT_UNKNOWN'];
  for (const answer of answers) assert.ok(refusals.includes(answer), answer);
  assert.deepEqual(registersOf(next), { x: 2 });
});

test('what a head acknowledged before it was killed is there after the take-over', async () => {
  await using fixture = await CatalogFixture.open();
  await using killed = await HeadProcess.open(fixture, 'a');
  let acknowledged = 0;
  for (let i = 1; i <= 200; i++) killed.send(`write x ${i}`);
  for (let i = 1; i <= 60; i++) {
    assert.equal(await killed.answer(), 'done');
    acknowledged = i;
  }
  killed.signal('SIGKILL');
  const next = await fixture.serving('b');
  assert.ok((registersOf(next)['x'] ?? 0) >= acknowledged);
});

test('a member that was emptied does not count until it has all again', async () => {
  await using fixture = await CatalogFixture.open({ spares: 1 });
  const head = await fixture.serving('a');
  await writeMany(head, 30);
  await using client = await RespClient.connect({ port: fixture.servers[0]?.port ?? 0 });
  await client.command(['NSDEL', 'm0']);
  await client.command(['NSNEW', 'm0']);
  const wiped = (): boolean =>
    head.members.some(({ name, problem }) => name === 'm0' && problem !== undefined);
  await head.write(setRegister('x', 1));
  await until('the loss to be seen', wiped);
  const lost = head.members.find(({ name }) => name === 'm0');
  await head.replaceMember(lost?.id ?? '', 'm0');
  await assert.rejects(
    head.replaceMember(lost?.id ?? '', 'm1'),
    hasCode('ZSTOR_CATALOG_NOT_EMPTY'),
  );
  await until('the copy to be whole', () =>
    head.members.every(({ completeTo }) => completeTo === head.index),
  );
  // And another one goes to a spare; who names the former members still finds the log.
  const other = head.members.find(({ name }) => name === 'm1');
  await head.replaceMember(other?.id ?? '', 'm5');
  await head.write(setRegister('x', 2));
  await head.close();
  const next = await fixture.serving('b');
  assert.equal(registersOf(next)['x'], 2);
  assert.deepEqual(
    next.members.map(({ name }) => name),
    ['m0', 'm5', 'm2', 'm3', 'm4'],
  );
});

test('a head that was away while most members were replaced finds those that keep the log now', async () => {
  await using fixture = await CatalogFixture.open({ count: 5, spares: 3, processes: 8 });
  for (const name of ['b', 'd']) {
    const away = await fixture.serving(name);
    await away.write(setRegister('x', 1));
    await away.close();
  }
  const head = await fixture.serving('a');
  for (const [former, next] of [
    ['m0', 'm5'],
    ['m1', 'm6'],
    ['m2', 'm7'],
  ] as const) {
    const { id = '' } = head.members.find(({ name }) => name === former) ?? {};
    await head.replaceMember(id, next);
  }
  await head.write(setRegister('x', 2));
  // By this one it is known to be decided, also to those who only follow.
  await head.write(setRegister('y', 1));
  await head.close();
  for (const server of fixture.servers.slice(0, 3)) await server.kill();
  const named = ['m3', 'm4', 'm5', 'm6', 'm7'];
  const follower = await fixture.head('b', { membersNow: () => named });
  await until('what was written meanwhile', () => registersOf(follower)['x'] === 2);
  await follower.close();
  const next = await fixture.serving('d', { membersNow: () => named });
  assert.equal(registersOf(next)['x'], 2);
});
