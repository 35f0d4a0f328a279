import assert from 'node:assert/strict';
import { test } from 'node:test';

import { delay, GridError, seededRandom, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { WorkloadId } from '@commongrid/model';

import type { Assignment } from '../src/index.ts';
import type { Wish } from '../src/reconcile/wish.ts';
import { isUp } from '../src/testing/index.ts';
import { assignmentOf, openFixture, roleOf, running } from './support/paper-reconciler.ts';

const deadline = { timeoutMs: 60_000, what: 'the workloads' };

test('the end of each run is noted once, before it is told and anything is taken away', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  const { id, key } = one;
  const calls = (name: string) =>
    f.machine.calls.filter((call) => call === `${name} ${key}`).length;
  f.reconciler.apply([running(one)]);
  for (const run of [1, 2]) {
    await waitFor(() => calls('start') === run && isUp(f.phase(one)), deadline);
    const made = f.machine.calls.length;
    f.driver.end(key, 1);
    await waitFor(() => calls('start') > run && isUp(f.phase(one)), deadline);
    assert.deepEqual(f.ends.slice(run - 1), [{ id, calls: made, phase: 'healthy' }]);
  }
});

test('a workload is prepared and started, and told of in that order', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  const phases = f.state.events(0, 100).map(({ phase }) => phase);
  assert.deepEqual(phases, ['accepted', 'preparing', 'starting', 'healthy']);
  assert.deepEqual(f.machine.calls, [`prepare ${one.key}`, `start ${one.key}`]);
});

test('the same wish again, and a restart of the agent, touch nothing that runs', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  const calls = [...f.machine.calls];
  f.reconciler.apply([running(one)]);
  await f.restart();
  f.reconciler.apply([running({ ...one, revision: 2 })]);
  await delay(50);
  assert.deepEqual(f.machine.calls, calls);
  assert.equal(f.state.workload(one.id)?.known.revision, 2);
});

test('what runs on is told again of a later revision that changes nothing of it, once; what was stopped is not', async () => {
  await using f = await openFixture();
  const [one, two] = [assignmentOf('ada'), assignmentOf('bob')];
  const told = ({ id }: Assignment): string[] =>
    f.state.events(0, 100, id).map(({ revision, phase, code = '' }) => {
      return `${revision} ${phase} ${code}`.trim();
    });
  f.reconciler.apply([running(one), running(two)]);
  await waitFor(() => isUp(f.phase(one)) && isUp(f.phase(two)), deadline);
  // It was placed elsewhere by the second, and ran on.
  for (let i = 0; i < 2; i++) f.reconciler.apply([running({ ...one, revision: 3 })]);
  const first = ['1 accepted', '1 preparing', '1 starting', '1 healthy'];
  assert.deepEqual(told(one), [...first, '3 healthy']);
  await f.restart();
  f.reconciler.service = 'draining';
  for (const revision of [3, 4, 3]) f.reconciler.apply([running({ ...one, revision })]);
  const leaving = f.state.newestEvents(1, one.id)[0];
  assert.deepEqual(told(one).slice(5), ['3 healthy NODE_DRAINING', '4 healthy NODE_DRAINING']);
  assert.match(leaving?.message ?? '', /takes nothing new/);
  assert.equal(f.phase(one), 'healthy');

  f.reconciler.apply([{ is: 'stopped', id: two.id, revision: 2 }]);
  await waitFor(() => f.phase(two) === 'stopped', deadline);
  f.reconciler.apply([running({ ...two, revision: 3 })]);
  await waitFor(() => isUp(f.phase(two)), deadline);
  assert.deepEqual(
    told(two)
      .filter((said) => said.startsWith('3'))
      .slice(0, 1),
    ['3 preparing'],
  );
});

test('what was started for a wish that is gone is not told to be well', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  f.driver.mischief = (call) => {
    if (call !== 'start') return undefined;
    begun.resolve();
    return go.promise;
  };
  f.reconciler.apply([running(one)]);
  await begun.promise;
  f.reconciler.apply([{ is: 'stopped', id: one.id, revision: 2 }]);
  go.resolve();
  await waitFor(() => f.phase(one) === 'stopped', deadline);
  const phases = f.state.events(0, 100).map(({ phase }) => phase);
  assert.deepEqual(phases, ['accepted', 'preparing', 'starting', 'stopping', 'stopped']);
});

test('what no record speaks of any more goes on, and nothing is deleted without a tombstone', async () => {
  await using f = await openFixture();
  const [one, two] = [assignmentOf('ada'), assignmentOf('bob')];
  f.reconciler.apply([running(one), running(two)]);
  await waitFor(() => isUp(f.phase(one)) && isUp(f.phase(two)), deadline);
  f.reconciler.apply([]);
  await f.restart();
  f.reconciler.apply([]);
  f.reconciler.apply([{ is: 'stopped', id: two.id, revision: 2 }]);
  await waitFor(() => f.phase(two) === 'stopped', deadline);
  assert.equal(f.machine.of(one.key).state.state, 'running');
  assert.equal(f.machine.of(two.key).hasData, true);
  f.reconciler.apply([{ is: 'deleted', id: two.id, revision: 2 }]);
  await waitFor(() => f.state.workload(two.id) === undefined, deadline);
  assert.equal(f.machine.all.has(two.key), false);
  assert.equal(f.machine.of(one.key).hasData, true);
});

test('what ends is started again with growing pauses, and its end is told with its cause', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  for (const [isOutOfMemory, code] of [
    [false, 'NODE_ENDED'],
    [true, 'NODE_OUT_OF_MEMORY'],
  ] as const) {
    f.driver.end(one.key, 137, isOutOfMemory);
    await waitFor(() => f.state.workload(one.id)?.code === code, deadline);
    await waitFor(() => isUp(f.phase(one)), deadline);
  }
  assert.equal(f.state.workload(one.id)?.restart.restarts, 2);
});

test('what its role does not start again stays ended', async () => {
  await using f = await openFixture();
  const restart = { policy: 'on-failure', delayMs: 100, delayMaxMs: 100 } as const;
  const one = assignmentOf('ada', 0, { restart });
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  f.driver.end(one.key, 0);
  await waitFor(() => f.phase(one) === 'stopped', deadline);
  await f.restart();
  f.reconciler.apply([running(one)]);
  await delay(200);
  assert.equal(f.phase(one), 'stopped');
  assert.equal(f.machine.calls.filter((call) => call.startsWith('start')).length, 1);
});

test('a step that fails is told with its code, and taken again', async () => {
  await using f = await openFixture();
  let failures = 1;
  f.driver.mischief = (call) => {
    if (call === 'prepare' && failures-- > 0) {
      throw new GridError('FLIST_CHUNK_UNAVAILABLE', 'no source', {
        hint: 'wait',
        retryable: true,
      });
    }
  };
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  const failed = f.state.events(0, 100).find(({ phase }) => phase === 'failed');
  assert.equal(failed?.code, 'FLIST_CHUNK_UNAVAILABLE');
  assert.equal(failed?.hint, 'wait');
});

test('a workload that hangs holds up nobody else', async () => {
  await using f = await openFixture();
  const hang = Promise.withResolvers<void>();
  const [stuck, other] = [assignmentOf('ada'), assignmentOf('bob')];
  f.driver.mischief = (_call, key) => (key === stuck.key ? hang.promise : undefined);
  f.reconciler.apply([running(stuck), running(other)]);
  await waitFor(() => isUp(f.phase(other)), deadline);
  await waitFor(() => f.phase(stuck) === 'preparing', deadline);
  hang.resolve();
  await waitFor(() => isUp(f.phase(stuck)), deadline);
});

test('roles that come first work before those after them', async () => {
  await using f = await openFixture();
  const health = { everySeconds: 1, timeoutSeconds: 1, failures: 1, startSeconds: 1 };
  const base = assignmentOf('ada', 0, { name: 'base', health: { probe: 'tcp', ...health } });
  const web = assignmentOf('ada', 0, { after: ['base'] });
  let answers = false;
  f.driver.mischief = (call) => {
    if (call === 'probe' && !answers) throw new GridError('PAPER_DOWN', 'nobody answers');
  };
  f.reconciler.apply([running(web), running(base)]);
  await waitFor(() => f.phase(base) === 'running', deadline);
  await delay(50);
  assert.equal(f.phase(web), 'accepted');
  answers = true;
  await waitFor(() => f.phase(base) === 'healthy' && f.phase(web) === 'healthy', deadline);
});

test('a probe that is broken off says nothing about the workload', async () => {
  await using f = await openFixture();
  const health = { everySeconds: 1, timeoutSeconds: 30, failures: 1, startSeconds: 0 };
  const one = assignmentOf('ada', 0, { health: { probe: 'tcp', ...health } });
  const asked = Promise.withResolvers<void>();
  f.driver.mischief = (call, _key, signal) => {
    if (call !== 'probe') return undefined;
    asked.resolve();
    return delay(30_000, { signal });
  };
  f.reconciler.apply([running(one)]);
  await asked.promise;
  await f.reconciler.close();
  const phases = f.state.events(0, 100).map(({ phase }) => phase);
  assert.deepEqual(phases, ['accepted', 'preparing', 'starting', 'running']);
});

test('what does not fit is refused with figures, all of one contract together', async () => {
  await using f = await openFixture();
  const big = { resources: { ...roleOf().resources, cpuMilli: 3_000 } };
  const all = [assignmentOf('ada', 0, big), assignmentOf('ada', 1, big)];
  f.reconciler.apply(all.map(running));
  f.reconciler.apply(all.map(running));
  const events = f.state.events(0, 100);
  assert.deepEqual(
    events.map(({ phase, code }) => [phase, code]),
    [
      ['refused', 'NODE_ROOM_MISSING'],
      ['refused', 'NODE_ROOM_MISSING'],
    ],
  );
  assert.match(events[0]?.message ?? '', /cpuMilli: 6000 wanted, 4000 of 4000 free/);
  assert.equal(f.machine.calls.length, 0);
  const [one] = all;
  assert.ok(one !== undefined);
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  assert.equal(f.reconciler.admission.used.cpuMilli, 3_000);
});

test('a full node has everything back after a restart, and lets nothing more in', async () => {
  await using f = await openFixture();
  const all = [0, 1, 2, 3].map((replica) => assignmentOf('ada', replica));
  f.reconciler.apply(all.map(running));
  await waitFor(() => all.every((one) => isUp(f.phase(one))), deadline);
  for (const { key } of all) f.machine.of(key).state = { state: 'absent' };
  await f.restart();
  f.reconciler.apply([running(assignmentOf('bob')), ...all.map(running)]);
  await waitFor(
    () => all.every(({ key }) => f.machine.of(key).state.state === 'running'),
    deadline,
  );
  assert.equal(f.state.events(0, 1_000).filter(({ phase }) => phase === 'refused').length, 1);
});

test('a node that drains keeps what it has and lets nothing in', async () => {
  await using f = await openFixture();
  const [one, two] = [assignmentOf('ada'), assignmentOf('bob')];
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  f.reconciler.service = 'draining';
  await f.restart();
  f.reconciler.apply([running(one), running(two)]);
  assert.equal(f.state.newestEvents(1)[0]?.code, 'NODE_DRAINING');
  assert.equal(f.machine.of(one.key).state.state, 'running');
  f.reconciler.service = 'open';
  f.reconciler.apply([running(two)]);
  await waitFor(() => isUp(f.phase(two)), deadline);
});

test('a cordoned node lets nothing in, and does not say that what it runs has to leave', async () => {
  await using f = await openFixture();
  const [one, two] = [assignmentOf('ada'), assignmentOf('bob')];
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  f.reconciler.service = 'cordoned';
  await f.restart();
  f.reconciler.apply([running(one), running(two)]);
  const said = f.state.newestEvents(10).map(({ workload, code }) => [workload, code]);
  assert.deepEqual(said.at(-1), [two.id, 'NODE_DRAINING']);
  assert.ok(said.every(([id, code]) => id === two.id || code === undefined));
});

test('a restart ends what runs and begins it again, whatever its role says, and counts for nothing', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada', 0, { restart: { policy: 'never', delayMs: 1, delayMaxMs: 1 } });
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  const before = f.machine.calls.length;
  await Promise.all([f.reconciler.restart(one.id), f.reconciler.restart(one.id)]);
  const taken = f.machine.calls.slice(before).filter((call) => !call.startsWith('probe'));
  assert.deepEqual(taken, [`stop ${one.key}`, `start ${one.key}`]);
  assert.equal(f.state.workload(one.id)?.restart.restarts, 0);
  // Also of what ended by itself and is not started again.
  f.driver.end(one.key, 0);
  await waitFor(() => f.phase(one) === 'stopped', deadline);
  await f.reconciler.restart(one.id);
  assert.equal(f.machine.of(one.key).state.state, 'running');
  const nobody = assignmentOf('bob').id;
  await assert.rejects(f.reconciler.restart(nobody), hasCode('NODE_WORKLOAD_UNKNOWN'));
});

test('a restart that fails is told to who asked, and tried again', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  let faults = 1;
  f.driver.mischief = (call) => {
    if (call === 'start' && faults-- > 0) throw new GridError('PAPER_TORN', 'it is torn');
  };
  await assert.rejects(f.reconciler.restart(one.id), hasCode('PAPER_TORN'));
  await waitFor(() => f.machine.of(one.key).state.state === 'running', deadline);
});

test('a restart ends without what it was for when the workload is to stop meanwhile', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  f.driver.mischief = async (call, _key, signal) => {
    if (call !== 'start') return;
    f.reconciler.apply([{ is: 'stopped', id: one.id, revision: 2 }]);
    await delay(60_000, { signal });
  };
  await assert.rejects(f.reconciler.restart(one.id), hasCode('NODE_RESTART_OVERTAKEN'));
  await waitFor(() => f.phase(one) === 'stopped', deadline);
});

test('a restart of what is not to run is refused at once, and leaves no trace', async () => {
  await using f = await openFixture();
  const [one, two] = [assignmentOf('ada'), assignmentOf('bob')];
  f.reconciler.apply([running(one), running(two)]);
  await waitFor(() => isUp(f.phase(one)) && isUp(f.phase(two)), deadline);
  f.driver.end(one.key, 1);
  await waitFor(() => f.state.workload(one.id)?.restart.restarts === 1, deadline);
  f.reconciler.apply([
    { is: 'paused', id: one.id, revision: 2 },
    { is: 'stopped', id: two.id, revision: 2 },
  ]);
  await waitFor(() => f.phase(one) === 'paused' && f.phase(two) === 'stopped', deadline);
  // After a start no record has said yet what it is to be.
  for (const isFresh of [false, true]) {
    if (isFresh) await f.restart();
    for (const { id } of [one, two]) {
      const refused = { code: 'NODE_RESTART_UNWANTED', retryable: isFresh };
      await assert.rejects(f.reconciler.restart(id), refused);
    }
  }
  assert.equal(f.state.workload(one.id)?.restart.restarts, 1);
});

test('a node that is taken out of service says of all that it runs that it has to leave', async () => {
  await using f = await openFixture();
  const one = assignmentOf('ada');
  f.reconciler.apply([running(one)]);
  await waitFor(() => isUp(f.phase(one)), deadline);
  const said = (): string => {
    const { phase, code } = f.state.newestEvents(1)[0] ?? {};
    return `${phase} ${code}`;
  };
  f.reconciler.service = 'draining';
  assert.equal(said(), 'healthy NODE_DRAINING');
  await f.restart();
  f.reconciler.apply([running(one)]);
  assert.equal(said(), 'healthy NODE_DRAINING', 'once');
  f.reconciler.service = 'open';
  assert.equal(said(), 'healthy undefined');
  f.reconciler.isLetGo = true;
  assert.equal(said(), 'healthy NODE_LET_GO');
});

test('remains without an owner go if they hold no data, and are shown if they do', async () => {
  await using f = await openFixture();
  f.machine.all.set('aaaaaaaaaaaa', { state: { state: 'prepared' }, hasData: false });
  f.machine.all.set('bbbbbbbbbbbb', { state: { state: 'absent' }, hasData: true });
  const { signal } = new AbortController();
  assert.equal((await f.reconciler.orphans(signal)).length, 2);
  assert.deepEqual(await f.reconciler.collect(signal), [
    { kind: 'volume', key: 'aaaaaaaaaaaa', dataBytes: 0 },
  ]);
  assert.equal(f.machine.of('bbbbbbbbbbbb').hasData, true);
});

test('whatever is wished, fails and is killed, in the end all is as wished', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    await using f = await openFixture();
    const random = seededRandom(String(seed));
    const all = ['ada', 'bob', 'eve'].map((tenant) => assignmentOf(tenant));
    const upset = () => {
      f.driver.mischief = async () => {
        if (random.float() < 0.2) await delay(2);
      };
    };
    upset();
    const last = new Map<WorkloadId, Wish>();
    for (let round = 0; round < 30; round++) {
      const one = all[random.int(0, all.length)];
      assert.ok(one !== undefined);
      const dice = random.float();
      const wish: Wish =
        dice < 0.6
          ? running({ ...one, revision: round + 1 })
          : { is: dice < 0.8 ? 'stopped' : 'paused', id: one.id, revision: round + 1 };
      f.reconciler.apply([wish]);
      if (wish.is === 'running' || last.has(one.id)) last.set(one.id, wish);
      if (random.float() < 0.2) f.driver.end(one.key, 1);
      if (random.float() < 0.3) await delay(3);
      if (random.float() < 0.15) {
        await f.restart();
        upset();
        f.reconciler.apply([...last.values()]);
      }
    }
    for (const { id, key } of all) {
      const wish = last.get(id)?.is;
      const wanted = wish === 'running' ? ['running'] : ['absent', 'prepared', 'ended'];
      const isThere = () => wanted.includes(f.machine.of(key).state.state);
      await waitFor(isThere, { timeoutMs: 60_000, what: `seed ${seed}: ${wish}` });
    }
    assert.equal(f.machine.overlaps, 0);
  }
});
