import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { systemUrls } from '../record/system-records.ts';
import { FoldWorld } from '../testing/fold-world.ts';
import type { Outcome } from '../testing/fold-world.ts';
import type { ProposalState } from './proposal-rules.ts';

const start = 2_000_000;
const exp = start + 60_000;

interface Line {
  readonly role: string;
  readonly signers: readonly SigningKey[];
  readonly min: number;
}

function policyValue(lines: readonly Line[]): JsonValue {
  const admin = lines.map(({ role, signers, min }) => ({
    role,
    min,
    signers: signers.map(({ publicKey }) => publicKey.text),
  }));
  return { admin };
}

/** A namespace whose circles are under a policy. */
class PolicyWorld extends FoldWorld {
  readonly it = this.person('it');
  readonly it2 = this.person('it2');
  readonly legal = this.person('legal');

  constructor() {
    super();
    this.makeTeam();
    this.tick(start);
    const outcome = this.policy([
      { role: 'it', signers: [this.it, this.it2], min: 1 },
      { role: 'legal', signers: [this.legal], min: 1 },
    ]);
    assert.equal(outcome.refusal, undefined);
  }

  policy(lines: readonly Line[], type: string = systemUrls.circle): Outcome {
    const obj = `type/${type}`;
    const value = policyValue(lines);
    return this.say(this.admin, { url: systemUrls.policy, obj, value });
  }
  get policySeq(): number {
    const obj = `type/${systemUrls.circle}`;
    return this.view.document({ ns: 'team', url: systemUrls.policy, obj })?.seq ?? -1;
  }

  propose(who: SigningKey, id: string, more: Readonly<Record<string, JsonValue>> = {}): Outcome {
    const value = {
      op: 'put',
      url: systemUrls.circle,
      obj: 'friends',
      value: { members: ['anyone'] },
      policySeq: this.policySeq,
      exp,
      ...more,
    };
    return this.say(who, { url: systemUrls.proposal, obj: id, value });
  }

  vote(who: SigningKey, proposal: string, role: string, verdict = 'approve'): Outcome {
    const value = { proposal, role, verdict, exp };
    const obj = `${role}-${this.fold.digest.slice(0, 20).replaceAll(/[^A-Za-z0-9]/g, 'x')}`;
    return this.say(who, { url: systemUrls.approval, obj, value });
  }

  status(id: string): string | undefined {
    const name = { ns: 'team', url: systemUrls.proposal, obj: id };
    return this.view.document<ProposalState>(name)?.value.status;
  }

  get hasFriends(): boolean {
    const name = { ns: 'team', url: systemUrls.circle, obj: 'friends' };
    return this.view.document(name) !== undefined;
  }
}

test('a change under a policy takes effect with the approval that meets its last line', () => {
  using world = new PolicyWorld();
  const direct = { url: systemUrls.circle, obj: 'friends', value: { members: [] } } as const;
  assert.equal(world.say(world.admin, direct).code, 'BCDB_POLICY_REQUIRED');
  const { version } = world.propose(world.admin, 'p1');
  assert.equal(world.vote(world.it, version, 'it').effects.length, 1);
  assert.equal(world.hasFriends, false);
  const last = world.vote(world.legal, version, 'legal');
  assert.equal(last.effects.length, 2);
  const [, effect] = last.effects;
  assert.equal(effect?.kind, 'put');
  assert.equal(effect?.obj, 'friends');
  assert.equal(effect?.version, version);
  assert.equal(world.hasFriends, true);
  assert.equal(world.status('p1'), 'effective');
});

test('strangers, second words and wrong roles do not count', () => {
  using world = new PolicyWorld();
  const { version } = world.propose(world.admin, 'p1');
  assert.equal(world.vote(world.person('eve'), version, 'it').code, 'BCDB_NOT_SIGNER');
  assert.equal(world.vote(world.it, version, 'legal').code, 'BCDB_NOT_SIGNER');
  assert.equal(world.vote(world.it, version, 'it').code, undefined);
  assert.equal(world.vote(world.it, version, 'it').code, 'BCDB_ALREADY_VOTED');
  assert.equal(world.propose(world.person('eve'), 'p2').code, 'BCDB_DENIED');
});

test('a proposal is rejected once its lines cannot be met any more', () => {
  using world = new PolicyWorld();
  const { version } = world.propose(world.admin, 'p1');
  world.vote(world.it, version, 'it', 'reject');
  assert.equal(world.status('p1'), 'open');
  world.vote(world.it2, version, 'it', 'reject');
  assert.equal(world.status('p1'), 'rejected');
  assert.equal(world.vote(world.legal, version, 'legal').code, 'BCDB_PROPOSAL_CLOSED');
});

test('a proposal lapses at its deadline by log time', () => {
  using world = new PolicyWorld();
  const { version } = world.propose(world.admin, 'p1');
  assert.equal(world.fold.nextDeadline, exp);
  world.tick(exp);
  assert.equal(world.status('p1'), 'expired');
  assert.equal(world.vote(world.it, version, 'it').code, 'BCDB_PROPOSAL_CLOSED');
  assert.equal(world.fold.nextDeadline, undefined);
});

test('a proposal is stale when its policy or its object changed meanwhile', () => {
  using world = new PolicyWorld();
  const first = world.propose(world.admin, 'p1');
  const second = world.propose(world.admin, 'p2');
  world.vote(world.it, first.version, 'it');
  world.vote(world.legal, first.version, 'legal');
  world.vote(world.it, second.version, 'it');
  world.vote(world.legal, second.version, 'legal');
  assert.equal(world.status('p2'), 'stale');
  const head = world.view.head({ ns: 'team', url: systemUrls.circle, obj: 'friends' });
  const third = world.propose(world.admin, 'p3', { prev: head?.version ?? '' });
  assert.equal(third.code, undefined);
  const obj = `type/${systemUrls.circle}`;
  const policyHead = world.view.head({ ns: 'team', url: systemUrls.policy, obj });
  const other = world.propose(world.admin, 'p5', {
    url: systemUrls.policy,
    obj,
    prev: policyHead?.version ?? '',
    value: policyValue([{ role: 'it', signers: [world.it], min: 1 }]),
  });
  world.vote(world.it, other.version, 'it');
  world.vote(world.legal, other.version, 'legal');
  assert.equal(world.status('p5'), 'effective');
  world.vote(world.it, third.version, 'it');
  assert.equal(world.status('p3'), 'stale');
  const value = world.propose(world.admin, 'p4', { policySeq: 1 });
  assert.equal(value.code, 'BCDB_PROPOSAL_STALE');
});

test('policies that nobody can meet are refused', () => {
  using world = new PolicyWorld();
  const { it, legal } = world;
  const impossible = 'BCDB_POLICY_IMPOSSIBLE';
  const type = 'net.example.note.1';
  assert.equal(world.policy([{ role: 'it', signers: [it], min: 2 }], type).code, impossible);
  const both = [
    { role: 'it', signers: [it], min: 1 },
    { role: 'legal', signers: [it], min: 1 },
  ];
  assert.equal(world.policy(both, type).code, impossible);
  const none = world.policy([{ role: 'it', signers: [it, legal], min: 0 }], type);
  assert.equal(none.code, 'BCDB_SCHEMA_MISMATCH');
});

test('a policy guards itself', () => {
  using world = new PolicyWorld();
  const weaker = world.policy([{ role: 'it', signers: [world.it], min: 1 }]);
  assert.equal(weaker.code, 'BCDB_POLICY_REQUIRED');
  const obj = `type/${systemUrls.circle}`;
  const removal = world.say(world.admin, { url: systemUrls.policy, obj, op: 'del' });
  assert.equal(removal.code, 'BCDB_POLICY_REQUIRED');
});
