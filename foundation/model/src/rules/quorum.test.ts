import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFeasible, judgeQuorum } from './quorum.ts';
import type { QuorumLine, Vote } from './quorum.ts';

function line(role: string, signers: readonly string[], min: number): QuorumLine {
  return { role, signers: new Set(signers), min };
}

test('a quorum is met when every line has its approvals', () => {
  const lines = [line('it', ['a', 'b'], 1), line('legal', ['c'], 1)];
  assert.equal(judgeQuorum(lines, [{ who: 'a', role: 'it' }], []), 'open');
  const both = [
    { who: 'a', role: 'it' },
    { who: 'c', role: 'legal' },
  ];
  assert.equal(judgeQuorum(lines, both, []), 'met');
});

test('a signer of two lines counts in the role that was said, and there alone', () => {
  const lines = [line('it', ['a'], 1), line('legal', ['a', 'b'], 1)];
  const asLegal = [{ who: 'a', role: 'legal' }];
  assert.equal(judgeQuorum(lines, asLegal, []), 'impossible');
  assert.equal(judgeQuorum(lines, [{ who: 'a', role: 'it' }], []), 'open');
});

test('a quorum is impossible once those left cannot fill all lines', () => {
  const lines = [line('it', ['a', 'b', 'c'], 2)];
  assert.equal(judgeQuorum(lines, [], [{ who: 'a', role: 'it' }]), 'open');
  const two = [
    { who: 'a', role: 'it' },
    { who: 'b', role: 'it' },
  ];
  assert.equal(judgeQuorum(lines, [], two), 'impossible');
});

test('a stranger counts for nothing', () => {
  const lines = [line('it', ['a', 'b'], 1)];
  assert.equal(judgeQuorum(lines, [{ who: 'x', role: 'it' }], []), 'open');
});

test('two lines that share their only signer are not feasible', () => {
  assert.equal(isFeasible([line('it', ['a'], 1), line('legal', ['a'], 1)]), false);
  assert.equal(isFeasible([line('it', ['a', 'b'], 1), line('legal', ['a'], 1)]), true);
  assert.equal(isFeasible([line('it', ['a'], 2)]), false);
});

const signer = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const anyLine = fc.record({
  signers: fc.uniqueArray(signer, { minLength: 1 }),
  min: fc.integer({ min: 1, max: 3 }),
});

test('feasible is what some assignment of signers to roles meets', () => {
  fc.assert(
    fc.property(fc.array(anyLine, { minLength: 1, maxLength: 3 }), (raw) => {
      const lines = raw.map(({ signers, min }, index) => line(`r${index}`, signers, min));
      assert.equal(isFeasible(lines), someAssignmentMeets(lines));
    }),
    { numRuns: 300 },
  );
});

/** Tries every assignment of each signer to one role or none. */
function someAssignmentMeets(lines: readonly QuorumLine[]): boolean {
  const people = ['a', 'b', 'c', 'd', 'e'];
  const tryFrom = (index: number, votes: readonly Vote[]): boolean => {
    const who = people[index];
    if (who === undefined) return judgeQuorum(lines, votes, []) === 'met';
    if (tryFrom(index + 1, votes)) return true;
    return lines.some(({ role }) => tryFrom(index + 1, [...votes, { who, role }]));
  };
  return tryFrom(0, []);
}
