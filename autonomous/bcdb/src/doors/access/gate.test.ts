import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { hasCode, ManualClock } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { authDomain, challengeMessage } from './challenge-message.ts';
import type { DoorName } from './challenge-message.ts';
import { challengeMs, challengesMax } from './challenges.ts';
import { Gate } from './gate.ts';
import type { SignedAnswer } from './gate.ts';
import { sessionMs } from './token.ts';

const log = 'A'.repeat(43);
const ownerToken = 'B'.repeat(43);
const from = { address: '192.0.2.1' };
const key = SigningKey.fromSeed(new Uint8Array(32).fill(1));

function makeGate(): { readonly gate: Gate; readonly clock: ManualClock } {
  const clock = new ManualClock();
  const random = seededRandom('gate');
  return { gate: new Gate({ log, ownerKey: 'ed25519:owner', ownerToken, clock, random }), clock };
}

function answerTo(challenge: string, door: DoorName = 'http', inLog = log): SignedAnswer {
  const answer = { challenge, door, key: key.publicKey.text };
  const message = challengeMessage({ ...answer, log: inLog });
  return { ...answer, signature: key.sign(authDomain, message) };
}

test('a gate knows the owner by his token and nobody by another', async () => {
  const { gate } = makeGate();
  assert.deepEqual(await gate.identify(ownerToken, from), { kind: 'owner', key: 'ed25519:owner' });
  await assert.rejects(gate.identify('C'.repeat(43), from), hasCode('BCDB_AUTH_FAILED'));
});

test('a gate refuses an owner token that could be guessed', () => {
  const options = { log, ownerKey: 'ed25519:owner', ownerToken: 'secret' };
  assert.throws(() => new Gate(options), hasCode('BCDB_TOKEN_WEAK'));
});

test('an answer to a challenge counts once', async () => {
  const { gate } = makeGate();
  const answer = answerTo(gate.challenge());
  assert.deepEqual(await gate.answer(answer, from), { kind: 'key', key: key.publicKey.text });
  await assert.rejects(gate.answer(answer, from), hasCode('BCDB_CHALLENGE_EXPIRED'));
});

test('an answer of another door, another log or another key is none', async () => {
  const { gate } = makeGate();
  const other = { ...answerTo(gate.challenge(), 'redis'), door: 'http' } as const;
  await assert.rejects(gate.answer(other, from), hasCode('BCDB_AUTH_FAILED'));
  const foreign = answerTo(gate.challenge(), 'http', 'Z'.repeat(42) + 'A');
  await assert.rejects(gate.answer(foreign, from), hasCode('BCDB_AUTH_FAILED'));
  const stolen = { ...answerTo(gate.challenge()), key: SigningKey.generate().publicKey.text };
  await assert.rejects(gate.answer(stolen, from), hasCode('BCDB_AUTH_FAILED'));
  const noKey = { ...answerTo(gate.challenge()), key: 'nobody' };
  await assert.rejects(gate.answer(noKey, from), hasCode('BCDB_AUTH_FAILED'));
});

test('a challenge ends after a minute', async () => {
  const { gate, clock } = makeGate();
  const answer = answerTo(gate.challenge());
  await clock.advance(challengeMs);
  await assert.rejects(gate.answer(answer, from), hasCode('BCDB_CHALLENGE_EXPIRED'));
});

test('the oldest challenge makes room when there are too many', async () => {
  const { gate } = makeGate();
  const [first, second] = [answerTo(gate.challenge()), answerTo(gate.challenge())];
  for (let n = 1; n < challengesMax; n++) gate.challenge();
  await assert.rejects(gate.answer(first, from), hasCode('BCDB_CHALLENGE_EXPIRED'));
  assert.equal((await gate.answer(second, from)).kind, 'key');
});

test('a session stands for its key for an hour and cannot be altered', async () => {
  const { gate, clock } = makeGate();
  const token = gate.session({ kind: 'key', key: key.publicKey.text });
  assert.deepEqual(await gate.identify(token, from), { kind: 'key', key: key.publicKey.text });
  const otherKey = token.replace(/^./, (first) => (first === 'x' ? 'y' : 'x'));
  await assert.rejects(gate.identify(otherKey, from), hasCode('BCDB_AUTH_FAILED'));
  const longer = token.replace(/\.(\d+)\./, '.9$1.');
  await assert.rejects(gate.identify(longer, from), hasCode('BCDB_AUTH_FAILED'));
  await clock.advance(sessionMs);
  await assert.rejects(gate.identify(token, from), hasCode('BCDB_SESSION_EXPIRED'));
});

test('a gate tells the sixth failure of an address late, and what is right at once', async () => {
  const { gate, clock } = makeGate();
  for (let n = 0; n < 5; n++) await assert.rejects(gate.identify('wrong', from));
  let isTold = false;
  const sixth = gate.identify('wrong', from).catch(() => {
    isTold = true;
  });
  assert.equal((await gate.identify(ownerToken, from)).kind, 'owner');
  await assert.rejects(gate.identify('wrong', { address: '192.0.2.2' }));
  assert.equal(isTold, false);
  await clock.advance(100);
  await sixth;
  assert.equal(isTold, true);
});
