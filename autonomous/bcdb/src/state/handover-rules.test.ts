import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { signHandover } from '../record/handover.ts';
import type { HandoverCertificate, HandoverStatement } from '../record/handover.ts';
import { systemUrls } from '../record/system-records.ts';
import type { Outcome } from '../testing/fold-world.ts';
import { FoldWorld } from '../testing/fold-world.ts';
import { toBase64url } from '../tree/base64.ts';

const root = toBase64url(new Uint8Array(32).fill(7));
const otherRoot = toBase64url(new Uint8Array(32).fill(8));

/** A world whose log had one root at every size. */
function openWorld(): FoldWorld {
  return new FoldWorld(undefined, (_size, given) => given === root);
}

function statementOf(world: FoldWorld, next: SigningKey, at = 1000): HandoverStatement {
  const { log, size } = world;
  return { at, log, root, sequencer: next.publicKey.text, size };
}

function handOver(
  world: FoldWorld,
  writer: SigningKey,
  { statement, signatures }: HandoverCertificate,
): Outcome {
  return world.say(writer, {
    ns: 'log',
    url: systemUrls.handover,
    obj: 'handover',
    value: JSON.parse(JSON.stringify({ signatures, statement })) as JsonValue,
    prev: undefined,
  });
}

function signed(statement: HandoverStatement, ...admins: readonly SigningKey[]) {
  return admins.reduce(signHandover, { statement, signatures: [] });
}

test('a handover that the admins signed makes another key the sequencer, and again', () => {
  using world = openWorld();
  const [old, next, third] = ['sequencer', 'next', 'third'].map((name) => world.person(name));
  assert.ok(old !== undefined && next !== undefined && third !== undefined);
  const { fold } = world;
  const first = signed(statementOf(world, next), world.admin);
  assert.equal(handOver(world, next, first).code, undefined);
  assert.equal(fold.handovers.sequencer, next.publicKey.text);
  const tick = { at: 2_000_000, feedsRoot: fold.feeds.root(), state: fold.digest };
  const ticked = { ns: 'log', url: systemUrls.tick, obj: 'tick', value: tick, prev: undefined };
  assert.equal(world.say(old, ticked).code, 'BCDB_DENIED');
  assert.equal(world.say(next, ticked).code, undefined);
  const second = signed(statementOf(world, third, 1001), world.admin);
  assert.equal(handOver(world, third, second).code, undefined);
  assert.equal(fold.handovers.sequencer, third.publicKey.text);
  assert.deepEqual(fold.handovers.certificates, [first, second]);
});

test('a handover that does not fit the log, its place or its admins does nothing', () => {
  using world = openWorld();
  const [next, other, old] = ['next', 'other', 'sequencer'].map((name) => world.person(name));
  assert.ok(next !== undefined && other !== undefined && old !== undefined);
  const good = statementOf(world, next);
  const log = toBase64url(new Uint8Array(32));
  const [twice] = signed(good, other).signatures;
  assert.ok(twice !== undefined);
  const wrong: readonly [SigningKey, HandoverCertificate, string][] = [
    [next, signed(good), 'BCDB_HANDOVER_UNSIGNED'],
    [next, signed(good, other), 'BCDB_HANDOVER_UNSIGNED'],
    [next, { statement: good, signatures: [twice, twice] }, 'BCDB_HANDOVER_UNSIGNED'],
    [
      next,
      { ...signed(good, world.admin), statement: { ...good, at: 9 } },
      'BCDB_HANDOVER_UNSIGNED',
    ],
    [next, signed({ ...good, log }, world.admin), 'BCDB_OTHER_LOG'],
    [next, signed({ ...good, size: good.size + 1 }, world.admin), 'BCDB_HANDOVER_INVALID'],
    [next, signed({ ...good, root: otherRoot }, world.admin), 'BCDB_HANDOVER_INVALID'],
    [other, signed(good, world.admin), 'BCDB_HANDOVER_INVALID'],
    [old, signed(statementOf(world, old), world.admin), 'BCDB_HANDOVER_KEY_USED'],
  ];
  for (const [writer, certificate, code] of wrong) {
    assert.equal(handOver(world, writer, certificate).code, code);
    assert.equal(world.fold.handovers.sequencer, old.publicKey.text);
  }
  assert.equal(handOver(world, next, signed(good, world.admin)).code, undefined);
});

test('a key that wrote anything in the log cannot become its sequencer', () => {
  using world = openWorld();
  world.makeTeam();
  const { admin } = world;
  const certificate = signed(statementOf(world, admin), admin);
  assert.equal(handOver(world, admin, certificate).code, 'BCDB_HANDOVER_KEY_USED');
});

test('a handover that was made before another one cannot follow it', () => {
  using world = openWorld();
  const [next, third] = ['next', 'third'].map((name) => world.person(name));
  assert.ok(next !== undefined && third !== undefined);
  const first = signed(statementOf(world, next), world.admin);
  assert.equal(handOver(world, next, first).code, undefined);
  const replayed = signed(statementOf(world, third, 999), world.admin);
  assert.equal(handOver(world, third, replayed).code, 'BCDB_HANDOVER_INVALID');
});

test('a quorum of two needs two admins, however often one of them signs', () => {
  using world = openWorld();
  const [a, b, next] = ['a', 'b', 'next'].map((name) => world.person(name));
  assert.ok(a !== undefined && b !== undefined && next !== undefined);
  const admins = { signers: [a, b, world.admin].map((key) => key.publicKey.text), min: 2 };
  Object.assign(world.genesis.admins, admins);
  const statement = statementOf(world, next);
  const once = signed(statement, a);
  const repeated = { statement, signatures: [...once.signatures, ...once.signatures] };
  assert.equal(handOver(world, next, repeated).code, 'BCDB_HANDOVER_UNSIGNED');
  assert.equal(handOver(world, next, signed(statement, a, b)).code, undefined);
});
