import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { canonicalBytes } from '@commongrid/crypto';
import { fakeId } from '@commongrid/model/testing';
import fc from 'fast-check';

import { inviteProof, joinTokenText, readJoinToken, secretHashOf } from './join-token.ts';
import type { JoinToken } from './join-token.ts';

const token: JoinToken = {
  ...{ v: 1, log: fakeId.hash(1), sequencer: fakeId.key(1), releaseKeys: [fakeId.key(2)] },
  ...{ urls: ['http://10.0.0.1:6381'], farm: fakeId.farm(1), secret: fakeId.hash(3) },
  ...{ expiresMs: 1_000, hubs: ['http://10.0.0.1:9100'] },
};

test('join token is read as it was made, also with space around it', () => {
  assert.deepEqual(readJoinToken(` ${joinTokenText(token)}\n`, 999), token);
});

test('join token is refused once it has expired', () => {
  assert.throws(
    () => readJoinToken(joinTokenText(token), 1_000),
    hasCode('GRID_JOIN_TOKEN_EXPIRED'),
  );
});

test('join token of as many and as long addresses as there may be is read, and of no more', () => {
  const made = (count: number, length: number): string => {
    const all = Array<string>(count).fill(`https://${'a'.repeat(length)}`);
    const releaseKeys = Array.from({ length: 8 }, (_, at) => fakeId.key(at));
    return joinTokenText({ ...token, releaseKeys, urls: all, hubs: all });
  };
  assert.equal(readJoinToken(made(8, 400), 0).urls.length, 8);
  for (const text of [made(9, 10), made(1, 401)]) {
    assert.throws(() => readJoinToken(text, 0), hasCode('GRID_JOIN_TOKEN_INVALID'));
  }
});

test('join token that was cut off is refused', () => {
  const text = joinTokenText(token);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: text.length - 1 }), (length) => {
      const read = (): unknown => readJoinToken(text.slice(0, length), 0);
      assert.throws(read, hasCode('GRID_JOIN_TOKEN_INVALID'));
    }),
  );
});

test('join token that lacks something, has more, or is of another kind is refused', () => {
  const changes: Record<string, unknown>[] = [
    { v: 2 },
    { more: 1 },
    { log: 'short' },
    { sequencer: fakeId.node(1) },
    { releaseKeys: ['no key'] },
    { urls: [] },
    { urls: ['file:///etc/passwd'] },
    { urls: Array.from({ length: 9 }, () => 'http://10.0.0.1:6381') },
    { farm: fakeId.node(1) },
    { secret: 7 },
    { expiresMs: '1000' },
    { hubs: 'http://10.0.0.1' },
  ];
  for (const change of changes) {
    const text = textOf({ ...token, ...change });
    assert.throws(
      () => readJoinToken(text, 0),
      hasCode('GRID_JOIN_TOKEN_INVALID'),
      JSON.stringify(change),
    );
  }
  for (const name of Object.keys(token)) {
    const rest = Object.fromEntries(Object.entries(token).filter(([one]) => one !== name));
    assert.throws(() => readJoinToken(textOf(rest), 0), hasCode('GRID_JOIN_TOKEN_INVALID'), name);
  }
});

test('proof of an invitation is another one for each secret, log and node', () => {
  const hashed = secretHashOf(token.secret);
  const proofs = [
    inviteProof(hashed, token.log, fakeId.node(1)),
    inviteProof(hashed, token.log, fakeId.node(2)),
    inviteProof(hashed, fakeId.hash(2), fakeId.node(1)),
    inviteProof(secretHashOf(fakeId.hash(4)), token.log, fakeId.node(1)),
  ];
  assert.equal(new Set(proofs).size, proofs.length);
});

function textOf(value: object): string {
  return `gridjoin:${Buffer.from(canonicalBytes(value as never)).toString('base64url')}`;
}
