import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isGridError, seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { Lease, LeaseName } from '@commongrid/model';
import { Bcdb } from '../src/bcdb.ts';
import type { LeaseDoor } from '../src/presence/lease-holder.ts';
import { Town } from '../src/testing/feeds-town.ts';
import type { Answer, Said } from './support/lease-child.ts';
import { doorOf, leaseOf, makeLease } from './support/lease-town.ts';

const ttlMs = 1500;

/** A holder in a process of its own, and what it said it did. */
class Holder implements AsyncDisposable {
  readonly acts: { readonly fence: number; readonly at: bigint }[] = [];
  readonly lost: { readonly fence: number; readonly at: bigint }[] = [];
  readonly #child: ChildProcess;
  readonly #door: LeaseDoor;
  readonly #name: LeaseName;

  constructor(town: Town, name: LeaseName, seed: Uint8Array) {
    this.#name = name;
    this.#door = doorOf(() => town, SigningKey.fromSeed(seed));
    const file = new URL('./support/lease-child.ts', import.meta.url);
    const hex = Buffer.from(seed).toString('hex');
    this.#child = fork(file, [hex, town.bcdb.log, name, String(ttlMs)]);
    this.#child.on('message', (said: Said) => void this.#hear(said));
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** The first act under a fence above another. */
  actsAbove(fence: number): Promise<{ readonly fence: number; readonly at: bigint }> {
    return waitFor(() => this.acts.find((act) => act.fence > fence), {
      what: `an act under a fence above ${fence}`,
      timeoutMs: 60_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async #hear(said: Said): Promise<void> {
    if (said.kind === 'acts') this.acts.push({ fence: said.fence, at: BigInt(said.at) });
    if (said.kind === 'lost') this.lost.push({ fence: said.fence, at: BigInt(said.at) });
    if (said.kind !== 'call') return;
    let answer: Answer;
    try {
      const value = await this.#answer(said);
      answer = { id: said.id, ...(value === undefined ? {} : { value }) };
    } catch (error) {
      if (!isGridError(error)) throw error;
      answer = { id: said.id, error: { code: error.code, details: error.details } };
    }
    if (this.#child.connected) this.#child.send(answer);
  }

  async #answer(said: Extract<Said, { readonly kind: 'call' }>): Promise<Lease | undefined> {
    if (said.what === 'current') return this.#door.current(this.#name, undefined);
    if (said.what === 'write') await this.#door.write(said.lease, undefined);
    else await this.#door.renew(Buffer.from(said.message, 'base64'), undefined);
    return undefined;
  }
}

test('a holder that was stopped past its ttl does not act when it goes on', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner });
  const town = await Town.found(bcdb);
  const seeds = ['one', 'two'].map((seed) => seededRandom(seed).bytes(32));
  const name = await makeLease(
    town,
    seeds.map((seed) => SigningKey.fromSeed(seed)),
  );
  await using one = new Holder(town, name, seeds[0] ?? new Uint8Array());
  const first = await one.actsAbove(0);
  await using two = new Holder(town, name, seeds[1] ?? new Uint8Array());
  // It is renewed beyond its ttl, while the other one waits for it.
  await waitFor(() => (one.acts.at(-1)?.at ?? 0n) - first.at > BigInt(ttlMs) * 1_500_000n, {
    what: 'a renewed lease',
    timeoutMs: 60_000,
  });
  assert.equal(two.acts.length, 0);
  one.signal('SIGSTOP');
  const taken = await two.actsAbove(first.fence);
  one.signal('SIGCONT');
  const lost = await waitFor(() => one.lost[0], { what: 'the loss', timeoutMs: 60_000 });
  assert.equal(lost.fence, first.fence);
  two.signal('SIGSTOP');
  await one.actsAbove(taken.fence);
  two.signal('SIGCONT');
  await waitFor(() => two.lost[0], { what: 'the second loss', timeoutMs: 60_000 });
  const acts = [
    ...one.acts.map((act) => ({ ...act, who: 'one' })),
    ...two.acts.map((act) => ({ ...act, who: 'two' })),
  ].toSorted((a, b) => (a.at < b.at ? -1 : 1));
  for (const [index, act] of acts.entries()) {
    const before = acts[index - 1];
    if (before === undefined) continue;
    assert.ok(before.fence <= act.fence, 'a former fence acts after a newer one');
    assert.ok(before.fence < act.fence || before.who === act.who, 'two act under one fence');
  }
  assert.ok((leaseOf(bcdb, name)?.fence ?? 0) >= 3);
});
