import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { contractIdOf } from '../records/contract.ts';
import type { Contract } from '../records/contract.ts';

suite('judgeGrid: a contract', () => {
  function proposed(change: Partial<Contract>, author?: string) {
    const { grid, ada, plan } = new Scene();
    return grid.put('grid.contract.1', author ?? ada.device, { ...plan.header, ...change }).code;
  }

  test('is proposed by a device of any bot, for this log', () => {
    const { grid, eve, ada, plan } = new Scene();
    equal(grid.put('grid.contract.1', eve.device, plan.header).code, undefined);
    equal(grid.put('grid.contract.1', ada.device, plan.header).code, undefined);
    equal(proposed({}, eve.root), 'CONTRACT_NOT_BOT');
    equal(proposed({}, eve.controller), 'CONTRACT_NOT_BOT');
    equal(proposed({}, fakeId.key(999)), 'CONTRACT_NOT_BOT');
    equal(proposed({ log: fakeId.hash(7) }), 'CONTRACT_OTHER_LOG');
  });

  test('is refused where it could never work', () => {
    const line = { role: 'people', signers: [fakeId.bot(10)], min: 1 };
    const { policy, roles } = new Scene().plan.header;
    equal(proposed({ term: { fromMs: 5, untilMs: 5, graceMs: 0 } }), 'CONTRACT_TERM_INVALID');
    equal(proposed({ roles: [...roles, ...roles] }), 'CONTRACT_NAME_TWICE');
    equal(
      proposed({ networks: [{ name: 'inner', range: '10.1.0.0' }] }),
      'CONTRACT_NETWORK_INVALID',
    );
    equal(proposed({ owner: fakeId.bot(77) }), 'CONTRACT_BOT_UNKNOWN');
    const strange = { ...policy, remove: [{ ...line, signers: [fakeId.bot(77)] }] };
    equal(proposed({ policy: strange }), 'CONTRACT_BOT_UNKNOWN');
    const many = { ...policy, remove: [{ ...line, min: 2 }] };
    equal(proposed({ policy: many }), 'CONTRACT_POLICY_IMPOSSIBLE');
    equal(proposed({ policy: { ...policy, upgrade: [line, line] } }), 'CONTRACT_POLICY_IMPOSSIBLE');
    equal(proposed({ replaces: fakeId.contract(5) }), 'CONTRACT_REPLACED_UNKNOWN');
  });

  test('of before, with lines for a change, is what it was, and who is named in them may halt it', () => {
    const lines = [{ role: 'legal', signers: [fakeId.bot(30)], min: 1 }];
    const { policy } = new Scene().plan.header;
    const scene = new Scene({ header: { policy: { ...policy, change: lines } } }).begin();
    equal(scene.eve.id, fakeId.bot(30));
    equal(scene.approve(scene.eve, { action: 'halt', role: 'legal' }), undefined);
    equal(scene.place(1, [scene.nodes[0]]), 'CONTRACT_HALTED');
    const change = { action: 'change' as 'halt', role: 'legal' };
    equal(scene.approve(scene.eve, change), 'MODEL_RECORD_INVALID');
  });

  test('stays said, under its own name', () => {
    const { grid, ada, plan } = new Scene();
    const { header } = plan;
    equal(grid.put('grid.contract.1', ada.device, header, 'del').code, 'GRID_PERMANENT');
    const said = { url: 'grid.contract.1', obj: fakeId.contract(1), author: ada.device };
    const told = grid.tell({ ...said, op: 'put', value: header });
    equal(told.code, 'GRID_OBJECT_MISMATCH');
  });
});

suite('judgeGrid: an approval', () => {
  test('is a device of the signer for the subject, in its role, in time', () => {
    const scene = new Scene({ signers: [1, 2] });
    const { grid, ada, bob, eve, plan } = scene;
    equal(scene.approve(ada), 'APPROVAL_CONTRACT_UNKNOWN');
    scene.propose();
    const forged = plan.approval(ada.id, { expMs: grid.at + 1 });
    for (const author of [eve.device, ada.root, ada.controller]) {
      equal(grid.put('grid.approval.1', author, forged).code, 'APPROVAL_NOT_SIGNER');
    }
    equal(scene.approve(eve), 'APPROVAL_ROLE');
    equal(scene.approve(bob, { role: 'owner' }), 'APPROVAL_ROLE');
    equal(scene.approve(ada, { hash: fakeId.hash(1) }), 'APPROVAL_HASH');
    equal(scene.approve(ada, { replaces: plan.id }), 'APPROVAL_MISFIT');
    equal(scene.approve(ada, { action: 'upgrade' }), 'APPROVAL_MISFIT');
    equal(scene.approve(ada, { expMs: grid.at }), 'APPROVAL_EXPIRED');
    equal(scene.approve(bob), undefined);
    equal(scene.approve(ada, { role: 'owner' }), undefined);
    equal(scene.approve(ada), 'APPROVAL_SETTLED');
  });

  test('of another contract, or another log, is none of this one', () => {
    const scene = new Scene();
    scene.propose();
    const other = new Scene({ header: { nonce: fakeId.hash(70) } }).plan;
    const expMs = scene.grid.at + 1;
    const { hash } = other.approval(scene.ada.id);
    equal(scene.approve(scene.ada, { hash, expMs }), 'APPROVAL_HASH');
  });

  test('settles a contract once all lines and its owner agree', () => {
    const scene = new Scene({ signers: [2, 3], min: 2 });
    scene.propose();
    scene.lease(1);
    const place = () => scene.place(1, [scene.nodes[0]]);
    scene.approve(scene.ada, { role: 'owner' });
    scene.approve(scene.bob);
    equal(place(), 'CONTRACT_QUORUM_MISSING');
    // One bot twice is one bot.
    scene.approve(scene.bob);
    equal(place(), 'CONTRACT_QUORUM_MISSING');
    scene.approve(scene.eve);
    equal(place(), undefined);
  });

  test('does nothing without the owner, once it lapsed, was taken back, or its key is stolen', () => {
    const scene = new Scene({ signers: [2, 3], min: 2 });
    const { grid, ada, bob, eve } = scene;
    scene.propose();
    scene.lease(1);
    scene.approve(bob);
    scene.approve(eve);
    equal(scene.place(1, [scene.nodes[0]]), 'CONTRACT_QUORUM_MISSING');
    scene.approve(bob, { verdict: 'reject' });
    scene.approve(ada, { role: 'owner' });
    equal(scene.place(1, [scene.nodes[0]]), 'CONTRACT_QUORUM_MISSING');
    grid.at += 3_600_000;
    scene.approve(bob);
    scene.approve(ada, { role: 'owner' });
    equal(scene.place(1, [scene.nodes[0]]), 'CONTRACT_QUORUM_MISSING');
    const former = grid.fold.current('grid.bot.1', bob.id);
    const keys = (former?.keys ?? []).map((key) => ({ ...key, ended: 'compromised' as const }));
    if (former !== undefined) grid.put('grid.bot.1', bob.root, { ...former, keys });
    scene.approve(eve);
    equal(scene.place(1, [scene.nodes[0]]), 'CONTRACT_QUORUM_MISSING');
    equal(scene.approve(bob), 'KEY_ENDED');
  });

  test('of an upgrade is given by those who may upgrade what is replaced', () => {
    const scene = new Scene({ signers: [1, 2], min: 2 }).begin();
    const header = { nonce: fakeId.hash(71), replaces: scene.plan.id };
    const { plan } = new Scene({ header });
    const { grid, ada, bob, nodes } = scene;
    const expMs = grid.at + 1000;
    const approve = (who: typeof ada, action: 'provision' | 'upgrade') => {
      const replaced = action === 'upgrade' ? { replaces: scene.plan.id } : {};
      const value = plan.approval(who.id, { action, expMs, ...replaced });
      return grid.put('grid.approval.1', who.device, value).code;
    };
    equal(grid.put('grid.contract.1', ada.device, plan.header).code, undefined);
    equal(grid.put('grid.lease.1', ada.controller, plan.lease(1)).code, undefined);
    equal(approve(ada, 'provision'), undefined);
    const place = () => {
      const value = plan.placement(1, [nodes[0]]);
      return grid.put('grid.placement.1', ada.controller, value).code;
    };
    equal(place(), 'CONTRACT_QUORUM_MISSING');
    equal(approve(ada, 'upgrade'), undefined);
    equal(place(), 'CONTRACT_QUORUM_MISSING');
    equal(approve(scene.eve, 'upgrade'), 'APPROVAL_ROLE');
    equal(approve(bob, 'upgrade'), undefined);
    equal(place(), undefined);
    equal(contractIdOf(plan.header), plan.id);
  });

  test('to halt freezes placements, by any one of the people, until it is taken back', () => {
    const scene = new Scene({ signers: [1, 2] }).begin();
    const [node] = scene.nodes;
    equal(scene.approve(scene.eve, { action: 'halt' }), 'APPROVAL_ROLE');
    equal(scene.approve(scene.bob, { action: 'halt' }), undefined);
    equal(scene.place(1, [node]), 'CONTRACT_HALTED');
    scene.approve(scene.bob, { action: 'halt', verdict: 'reject' });
    equal(scene.place(1, [node]), undefined);
    scene.approve(scene.ada, { action: 'halt', role: 'owner' });
    equal(scene.place(2, []), 'CONTRACT_HALTED');
  });
});
