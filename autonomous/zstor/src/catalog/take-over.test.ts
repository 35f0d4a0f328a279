import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, silentLogger } from '@commongrid/base';
import { hasCode, ManualClock } from '@commongrid/base/testing';
import { ModelMember, ModelNetwork } from '../testing/model-members.ts';
import { firstState, follow } from './chain.ts';
import type { ChainState } from './chain.ts';
import { findLog, foundLog } from './found-log.ts';
import { LogHead } from './log-head.ts';
import type { LogApplier } from './take-over.ts';
import { TlogCipher } from './tlog-cipher.ts';
import { failed } from './zdb-member.ts';
import { bodyOf } from './tlog-record.ts';

const names = ['m0', 'm1', 'm2', 'm3', 'm4'];
const metadataKey = Buffer.alloc(32, 9);

/** Five members, and heads of which each knows nothing and reaches only some of them. */
class Lab {
  readonly clock = new ManualClock();
  readonly random = seededRandom(1);
  readonly network = new ModelNetwork(names, this.clock, this.random);

  async begin(): Promise<void> {
    this.network.loss = 0;
    await this.run(
      foundLog({ metadataKey, members: names, openMember: this.members() }, this.random),
    );
  }

  /** Resolves as `work` does, while time passes. */
  async run<T>(work: Promise<T>): Promise<T> {
    const outcome = work.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await this.clock.advance(12_000);
    const ended = await outcome;
    if ('error' in ended) throw ended.error;
    return ended.value;
  }

  /** @param writable members whose writes arrive; all others fail them */
  members(reach: readonly string[] = names, writable = reach): (name: string) => ModelMember {
    return (name) => {
      const member = new ModelMember(name, this.network, {
        name: 'head',
        isAlive: reach.includes(name),
      });
      if (!writable.includes(name)) member.put = () => Promise.reject(failed(name, 'lost'));
      return member;
    };
  }

  /** A head with empty tables, and what is applied to them. */
  async head(
    reach: readonly string[],
    writable = reach,
  ): Promise<{ head: LogHead; applied: string[] }> {
    const found = await this.run(
      findLog({ metadataKey, members: names, openMember: this.members() }),
    );
    const applied: string[] = [];
    let state: ChainState = { ...firstState([]), membership: found.membership };
    const applier: LogApplier = {
      get state() {
        return state;
      },
      apply(records) {
        for (const record of records) {
          state = follow(state, record);
          if (record.kind === 'changes') applied.push(bodyOf(record).toString());
        }
      },
      load: () => Promise.reject(new Error('there are no snapshots')),
    };
    const head = await this.run(
      LogHead.open({
        cipher: new TlogCipher(metadataKey, found.logId),
        openMember: this.members(reach, writable),
        applier,
        schema: 1,
        clock: this.clock,
        random: this.random,
        logger: silentLogger,
        onLost: () => {},
      }),
    );
    return { head, applied };
  }

  async append(head: LogHead, text: string): Promise<void> {
    await this.run(head.append('changes', Buffer.from(text)));
  }

  async close(head: LogHead): Promise<void> {
    await this.run(head.close());
  }
}

test('a record that only a minority has does not displace a later one with its index', async () => {
  const lab = new Lab();
  await lab.begin();
  const first = await lab.head(names);
  await lab.append(first.head, 'a');
  // Its next record reaches two members. Another head opens the log on the other three.
  lab.network.setOpen('head', 'm2', false);
  lab.network.setOpen('head', 'm3', false);
  lab.network.setOpen('head', 'm4', false);
  await assert.rejects(lab.append(first.head, 'lost'), hasCode('ZSTOR_CATALOG_NO_MAJORITY'));
  await lab.close(first.head);
  for (const name of names) lab.network.setOpen('head', name, true);
  const second = await lab.head(['m2', 'm3', 'm4']);
  assert.deepEqual(second.applied, ['a']);
  await lab.append(second.head, 'b');
  await lab.close(second.head);
  // Sees the old record on two of three, and the new one on one.
  const third = await lab.head(['m0', 'm1', 'm2']);
  assert.deepEqual(third.applied, ['a', 'b']);
  await lab.close(third.head);
});

test('a record without an answer is kept, whole, once a take-over has seen it', async () => {
  const lab = new Lab();
  await lab.begin();
  const first = await lab.head(names);
  for (const name of ['m1', 'm2', 'm3', 'm4']) lab.network.setOpen('head', name, false);
  await assert.rejects(lab.append(first.head, 'maybe'), hasCode('ZSTOR_CATALOG_NO_MAJORITY'));
  await lab.close(first.head);
  for (const name of names) lab.network.setOpen('head', name, true);
  const second = await lab.head(['m0', 'm1', 'm2']);
  assert.deepEqual(second.applied, ['maybe']);
  await lab.close(second.head);
  const third = await lab.head(['m2', 'm3', 'm4']);
  assert.deepEqual(third.applied, ['maybe']);
  await lab.close(third.head);
});

test('the end of the log is written again, so that a failed take-over cannot displace it', async () => {
  const lab = new Lab();
  await lab.begin();
  // One member has a record of a first head, another one the `open` of a second, with the same index.
  const first = await lab.head(names);
  for (const name of ['m1', 'm2', 'm3', 'm4']) lab.network.setOpen('head', name, false);
  await assert.rejects(lab.append(first.head, 'maybe'), hasCode('ZSTOR_CATALOG_NO_MAJORITY'));
  await lab.close(first.head);
  for (const name of names) lab.network.setOpen('head', name, true);
  await assert.rejects(lab.head(['m1', 'm3', 'm4'], ['m1']), hasCode('ZSTOR_CATALOG_NO_MAJORITY'));
  // A third one sees the first record only, keeps it, and acknowledges more.
  const third = await lab.head(['m0', 'm2', 'm3']);
  await lab.append(third.head, 'acknowledged');
  assert.deepEqual(third.applied, ['maybe']);
  await lab.close(third.head);
  const fourth = await lab.head(['m1', 'm2', 'm4']);
  assert.deepEqual(fourth.applied, ['maybe', 'acknowledged']);
  await lab.close(fourth.head);
});

test('a head that is cut off may not answer when the next one serves', async () => {
  const lab = new Lab();
  await lab.begin();
  const first = await lab.head(names);
  first.head.requireLease();
  await lab.clock.advance(60_000);
  first.head.requireLease();
  const cutMs = lab.clock.monotonicMs();
  for (const name of names) lab.network.setOpen('head', name, false);
  await lab.clock.advance(1_600);
  assert.throws(() => first.head.requireLease(), hasCode('ZSTOR_CATALOG_NOT_SERVING'));
  assert.ok(lab.clock.monotonicMs() - cutMs < 2_000);
  await lab.close(first.head);
});
