import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { NodeState } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { BootClearance } from './boot-clearance.ts';
import type { BootVerdict } from './boot-clearance.ts';

const [mine, other] = [fakeId.nonce16(1), fakeId.nonce16(2)];
const unheard = Number.POSITIVE_INFINITY;

/** A boot at 0, over a disk that remembers. */
function openBoot(facts = new Map<string, string>(), bootId = mine) {
  const store = {
    fact: (name: string) => facts.get(name),
    setFact: (name: string, value: string) => void facts.set(name, value),
  };
  const boot = new BootClearance(store, bootId, 0);
  const look = (atMs: number, viewAgeSeconds: number, node?: NodeState): BootVerdict =>
    boot.look({ node, viewAgeSeconds, monotonicMs: atMs });
  return { look, facts };
}

function nodeIn(bootId: string, n: number, change: Partial<NodeState> = {}): NodeState {
  const moment = { seq: n, at: n } as NonNullable<NodeState['cloned']>;
  const session = { n, bootId, moment };
  const id = fakeId.node(1);
  return { kind: 'node', id, key: 'ed25519:x' as never, farm: fakeId.farm(1), session, ...change };
}

const moment = nodeIn(mine, 9).session?.moment;

test('the first boot of a node is clear once its session is in the log', () => {
  const { look } = openBoot();
  assert.equal(look(0, unheard), 'wait');
  assert.equal(look(1_000, 1), 'wait');
  assert.equal(look(1_100, 1, nodeIn(mine, 1)), 'clear');
});

test('a later boot waits for objections, from when its session is in the log', () => {
  const { look } = openBoot();
  assert.equal(look(1_000, 1, nodeIn(other, 1)), 'wait');
  assert.equal(look(3_000, 1, nodeIn(mine, 2)), 'wait');
  assert.equal(look(12_900, 1, nodeIn(mine, 2)), 'wait');
  assert.equal(look(13_000, 1, nodeIn(mine, 2)), 'clear');
});

test('a boot to which somebody objects waits until the node is adopted and its session stands', () => {
  const { look } = openBoot();
  assert.ok(moment !== undefined);
  assert.equal(look(1_000, 1, nodeIn(mine, 2)), 'wait');
  assert.equal(look(2_000, 1, nodeIn(mine, 2, { cloned: moment })), 'cloned');
  assert.equal(look(90_000, 1, nodeIn(mine, 2, { cloned: moment })), 'cloned');
  assert.equal(look(91_000, 1, nodeIn(mine, 2)), 'wait');
  assert.equal(look(101_000, 1, nodeIn(mine, 2)), 'clear');
});

test('a boot without a word of the log goes on, and one whose session is not taken does so later', () => {
  const away = openBoot();
  assert.equal(away.look(4_900, unheard, nodeIn(other, 1)), 'wait');
  assert.equal(away.look(5_000, unheard, nodeIn(other, 1)), 'clear');
  const mute = openBoot();
  assert.equal(mute.look(1_000, 1, nodeIn(other, 1)), 'wait');
  assert.equal(mute.look(19_900, unheard, nodeIn(other, 1)), 'wait');
  assert.equal(mute.look(20_000, unheard, nodeIn(other, 1)), 'clear');
});

test('a boot that was clear stays so for later agents, and a copy of its disk does not', () => {
  const { look, facts } = openBoot();
  assert.equal(look(0, 1, nodeIn(mine, 1)), 'clear');
  assert.ok(moment !== undefined);
  assert.equal(openBoot(facts).look(0, unheard, nodeIn(other, 2, { cloned: moment })), 'clear');
  assert.equal(openBoot(facts, other).look(0, 1, nodeIn(mine, 1)), 'wait');
});
