import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { NodeId } from '../fields.ts';
import type { Contract } from '../records/contract.ts';
import type { Placement } from '../records/placement.ts';
import type { DeploymentPlan } from '../testing/deployment-plan.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { successorOf } from './succession.ts';
import { verifySlice } from './verify-slice.ts';

/** A contract of ada that is agreed to, and others of her that replace it. */
class Succession {
  readonly scene = new Scene().begin();
  readonly first: DeploymentPlan;
  readonly second: DeploymentPlan;

  constructor(header: Partial<Contract> = {}) {
    this.first = this.#propose(81, header);
    this.second = this.#propose(82, header);
  }

  approve(plan: DeploymentPlan, action: 'provision' | 'upgrade' | 'remove') {
    const { grid, ada } = this.scene;
    const replaced = action === 'upgrade' ? { replaces: this.scene.plan.id } : {};
    const value = plan.approval(ada.id, { action, ...replaced });
    return grid.put('grid.approval.1', ada.device, value).code;
  }

  place(plan: DeploymentPlan, revision: number, nodes: readonly NodeId[], change = {}) {
    const { grid, ada } = this.scene;
    const value: Placement = plan.placement(revision, nodes, change);
    return grid.put('grid.placement.1', ada.controller, value).code;
  }

  get successor() {
    return successorOf(this.scene.grid.fold, this.scene.plan.id);
  }

  #propose(nonce: number, change: Partial<Contract>): DeploymentPlan {
    const { grid, ada, plan } = this.scene;
    const header = { ...change, nonce: fakeId.hash(nonce), replaces: plan.id };
    const { plan: next } = new Scene({ header });
    grid.put('grid.contract.1', ada.device, next.header);
    grid.put('grid.lease.1', ada.controller, next.lease(1));
    return next;
  }
}

function agreed(header: Partial<Contract> = {}): Succession {
  const one = new Succession(header);
  equal(one.approve(one.first, 'provision'), undefined);
  equal(one.successor, undefined);
  equal(one.approve(one.first, 'upgrade'), undefined);
  equal(one.successor, one.first.id);
  return one;
}

suite('judgeGrid: a contract that replaces another', () => {
  test('is the only one that does, by whichever approval would make it a second', () => {
    const one = agreed();
    equal(one.approve(one.second, 'upgrade'), undefined);
    equal(one.approve(one.second, 'provision'), 'APPROVAL_SUCCESSOR');
    const other = agreed();
    equal(other.approve(other.second, 'provision'), undefined);
    equal(other.approve(other.second, 'upgrade'), 'APPROVAL_SUCCESSOR');
    equal(other.place(other.second, 1, [other.scene.nodes[0]]), 'CONTRACT_QUORUM_MISSING');
    equal(other.successor, other.first.id);
  });

  test('lets another in once it is removed, and does not come back', () => {
    const one = agreed();
    const { nodes } = one.scene;
    const [node] = nodes;
    const { grid, ada } = one.scene;
    const slice = one.first.slice(0, node, 1);
    equal(grid.put('grid.slice.1', ada.controller, slice).code, undefined);
    equal(one.place(one.first, 1, [node]), undefined);
    const starts = (isFirstStart: boolean) =>
      verifySlice(grid.fold, slice, { at: grid.at, viewAgeSeconds: 0, isFirstStart }).code;
    equal(starts(true), undefined);
    equal(one.approve(one.first, 'remove'), undefined);
    equal(one.successor, undefined);
    equal(one.approve(one.second, 'provision'), undefined);
    equal(one.approve(one.second, 'upgrade'), undefined);
    equal(one.successor, one.second.id);
    equal(one.place(one.first, 2, [nodes[1]]), 'CONTRACT_REPLACED');
    // What ran goes on until it is placed no more; a node begins nothing of it.
    equal(starts(true), 'CONTRACT_REPLACED');
    equal(starts(false), undefined);
    equal(one.place(one.first, 2, []), undefined);
    equal(one.place(one.second, 1, [node]), undefined);
  });

  test('has the place for good once the former one ended for it', () => {
    const one = agreed();
    const { scene, first } = one;
    const [node] = scene.nodes;
    equal(scene.place(1, [], { reason: 'upgrade' }), undefined);
    equal(scene.place(2, [node]), 'CONTRACT_REPLACED');
    equal(one.approve(first, 'remove'), undefined);
    equal(scene.place(2, [node]), 'CONTRACT_REPLACED');
    equal(scene.place(2, []), undefined);
  });

  test('lets another in once it is rolled back, and is over for good', () => {
    const one = agreed({ mayRollBack: true });
    const [node] = one.scene.nodes;
    const back = { reason: 'rollback' } as const;
    equal(one.place(one.first, 1, [node]), undefined);
    equal(one.place(one.first, 2, [], back), undefined);
    equal(one.successor, undefined);
    equal(one.place(one.first, 3, [node]), 'CONTRACT_ROLLED_BACK');
    equal(one.place(one.first, 3, []), 'CONTRACT_ROLLED_BACK');
    equal(one.approve(one.second, 'upgrade'), undefined);
    equal(one.approve(one.second, 'provision'), undefined);
    equal(one.successor, one.second.id);
  });

  test('takes no way back that it did not agree to', () => {
    const one = agreed({ mayRollBack: false });
    equal(one.place(one.first, 1, [], { reason: 'rollback' }), undefined);
    equal(one.successor, one.first.id);
    equal(one.place(one.first, 2, [one.scene.nodes[0]]), undefined);
  });

  test('is judged alike by a node that has what is said of it', () => {
    const one = agreed();
    const { grid, nodes } = one.scene;
    equal(one.approve(one.second, 'upgrade'), undefined);
    equal(one.approve(one.second, 'provision'), 'APPROVAL_SUCCESSOR');
    equal(one.approve(one.first, 'remove'), undefined);
    equal(one.approve(one.second, 'provision'), undefined);
    equal(one.place(one.first, 1, [nodes[0]]), 'CONTRACT_REPLACED');
    const node = foldOf({ releaseKeys: [fakeId.key(900)], reader: nodes[0] });
    node.add(grid.records);
    equal([...node.refusals].join(), [...grid.fold.refusals].join());
    equal(successorOf(node, one.scene.plan.id), one.second.id);
  });
});
