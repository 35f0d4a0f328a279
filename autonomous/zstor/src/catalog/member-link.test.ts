import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemberLink } from './member-link.ts';
import type { TlogMember } from './tlog-member.ts';

const nobody: TlogMember = {
  name: 'm',
  fence: () => Promise.reject(new Error('not asked')),
  bind: () => Promise.resolve(),
  confirm: () => Promise.reject(new Error('not asked')),
  timeMs: () => Promise.reject(new Error('not asked')),
  put: () => Promise.reject(new Error('away')),
  get: () => Promise.reject(new Error('not asked')),
  remove: () => Promise.reject(new Error('not asked')),
  close: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

function newLink(): MemberLink {
  return new MemberLink({ name: 'm', id: '00' }, nobody, Buffer.alloc(16));
}

const range = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 }))
  .map(([from, length]) => ({ from, to: from + length }));

test('a link knows what its member misses, whatever came and was lost', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), range), { maxLength: 40 }), (steps) => {
      const link = newLink();
      link.learn({ from: 1, to: 0 });
      const missing = new Set<number>();
      for (const [isMissing, { from, to }] of steps) {
        if (isMissing) link.miss({ from, to });
        else link.gain({ from, to });
        for (let i = from; i <= to; i++) {
          if (isMissing) missing.add(i);
          else missing.delete(i);
        }
      }
      assert.equal(link.completeTo(100), Math.min(101, ...missing) - 1);
      const found = new Set<number>();
      for (let at = link.firstMissing; at !== undefined; at = link.firstMissing) {
        for (let i = at.from; i <= at.to; i++) found.add(i);
        link.gain(at);
      }
      assert.deepEqual(found, new Set([...missing].toSorted((a, b) => a - b)));
    }),
  );
});

test('a link has nothing for sure before it has looked', () => {
  assert.equal(newLink().completeTo(10), 0);
});

test('what a member does not take counts as missing', async () => {
  const link = newLink();
  await link.bind(1);
  link.learn({ from: 1, to: 0 });
  await assert.rejects(link.append(5, { key: Buffer.alloc(8), value: Buffer.alloc(1) }));
  assert.deepEqual(link.firstMissing, { from: 5, to: 5 });
  assert.equal(link.completeTo(9), 4);
});
