import type { NodeId } from '../fields.ts';
import type { Approval } from '../records/approval.ts';
import type { Placement } from '../records/placement.ts';
import type { Tombstone } from '../records/tombstone.ts';
import { DeploymentPlan } from './deployment-plan.ts';
import type { DeploymentOptions } from './deployment-plan.ts';
import { FoldedGrid } from './folded-grid.ts';
import { fakeId } from './ids.ts';
import { found, installNode, settleFarm } from './story.ts';
import type { Actor } from './story.ts';

type Places = Parameters<DeploymentPlan['placement']>[1];

export interface SceneOptions extends Pick<DeploymentOptions, 'role' | 'header' | 'min'> {
  /** Who decides over the contract, by number of the actor: 1 is its owner. */
  readonly signers?: readonly number[];
}

/**
 * A grid in which a contract can be placed: ada owns it and a farm with three nodes, bob a farm with
 * one; eve and dan have nothing. Each step gives the code of its refusal.
 */
export class Scene {
  readonly grid = new FoldedGrid({ releaseKeys: [fakeId.key(900)] });
  readonly ada = found(this.grid, 1, 'ada');
  readonly bob = found(this.grid, 2, 'bob');
  readonly eve = found(this.grid, 3, 'eve');
  readonly dan = found(this.grid, 4, 'dan');
  readonly nodes: readonly [NodeId, NodeId, NodeId];
  readonly bobsNode: NodeId;
  readonly plan: DeploymentPlan;

  constructor({ signers = [1], ...options }: SceneOptions = {}) {
    settleFarm(this.grid, this.ada, 1, 'cellar');
    settleFarm(this.grid, this.bob, 2, 'attic');
    const own = (n: number) => installNode(this.grid, this.ada, 1, n);
    this.nodes = [own(1001), own(1002), own(1003)];
    this.bobsNode = installNode(this.grid, this.bob, 2, 1004);
    const people = [this.ada, this.bob, this.eve, this.dan];
    this.plan = new DeploymentPlan({
      ...{ log: this.grid.log, owner: this.ada.id, controller: this.ada.controller },
      at: this.grid.at,
      signers: signers.flatMap((n) => people.slice(n - 1, n).map(({ id }) => id)),
      ...options,
    });
  }

  /** The contract is proposed, its owner agrees, and its controller takes the lease. */
  begin(): this {
    this.propose();
    this.approve(this.ada);
    this.lease(1);
    return this;
  }

  propose() {
    return this.grid.put('grid.contract.1', this.ada.device, this.plan.header).code;
  }

  approve({ id, device }: Actor, change: Partial<Approval> = {}) {
    const expMs = this.grid.at + 3_600_000;
    const value = this.plan.approval(id, { expMs, ...change });
    return this.grid.put('grid.approval.1', device, value).code;
  }

  lease(fence: number) {
    return this.grid.put('grid.lease.1', this.ada.controller, this.plan.lease(fence)).code;
  }

  slice(replica: number, node: NodeId, revision: number) {
    const value = this.plan.slice(replica, node, revision);
    return this.grid.put('grid.slice.1', this.ada.controller, value).code;
  }

  place(revision: number, places: Places, change: Partial<Placement> = {}) {
    const value = this.plan.placement(revision, places, change);
    return this.grid.put('grid.placement.1', this.ada.controller, value).code;
  }

  /** Slices of what is new, and the placement. */
  run(revision: number, places: Places) {
    for (const [replica, place] of places.entries()) {
      if (typeof place === 'string') this.slice(replica, place, revision);
    }
    return this.place(revision, places);
  }

  report(node: NodeId, replica: number, revision: number, phase: 'healthy' | 'unhealthy') {
    const workload = fakeId.workload(this.plan.id, 'shard', replica);
    const value = { node, workload, revision, phase, at: this.grid.at };
    return this.grid.put('grid.event.1', node.replace('node:', 'ed25519:'), value).code;
  }

  bury(revision: number, reason: Tombstone['reason'], author: string, replica = 0, node?: NodeId) {
    const workload = fakeId.workload(this.plan.id, 'shard', replica);
    const there = node === undefined ? {} : { node };
    return this.grid.put('grid.tombstone.1', author, { workload, revision, reason, ...there }).code;
  }
}
