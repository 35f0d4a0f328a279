import type { BotId, ContractId, KeyText, LeaseName, NodeId } from '../fields.ts';
import type { Approval } from '../records/approval.ts';
import { contractIdOf } from '../records/contract.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractRole, ContractRoleOpening } from '../records/contract-role.ts';
import type { Lease } from '../records/lease.ts';
import type { Placement } from '../records/placement.ts';
import type { Slice } from '../records/slice.ts';
import { approvalHash } from '../rules/approval-rules.ts';
import { deriveSlice, openingHash, sliceHash } from '../rules/derive-slice.ts';
import { examples } from './examples.ts';
import { fakeId } from './ids.ts';

export interface DeploymentOptions {
  readonly log: string;
  readonly owner: BotId;
  readonly controller: KeyText;
  /** Log time at which its term begins. */
  readonly at: number;
  /** Who decides, beside the owner's own approval; by default the owner alone. */
  readonly signers?: readonly BotId[];
  /** How many of them. */
  readonly min?: number;
  readonly role?: Partial<ContractRole>;
  readonly header?: Partial<Contract>;
}

/** Payloads of a contract with one role, `shard`, that fit each other: what a controller writes. */
export class DeploymentPlan {
  readonly opening: ContractRoleOpening;
  readonly header: Contract;
  readonly id: ContractId;
  readonly #log: string;
  readonly #controller: KeyText;

  constructor({ log, owner, controller, at, ...rest }: DeploymentOptions) {
    const { signers = [owner], min = 1, role, header } = rest;
    const example = examples['grid.slice.1'].opening;
    this.opening = {
      ...example,
      role: { ...example.role, spread: { distinctNodes: false }, ...role },
    };
    const lines = [{ role: 'people', signers: [...signers], min }];
    const secrets = [{ name: 'admin', commit: fakeId.hash(4), keepers: [] }];
    this.header = {
      ...examples['grid.contract.1'],
      log: log as Contract['log'],
      ...{ owner, controllers: [controller], secrets },
      roles: [{ name: 'shard', hash: openingHash(this.opening) }],
      policy: { provision: lines, upgrade: lines, remove: lines },
      term: { fromMs: at, untilMs: at + 365 * dayMs, graceMs: 14 * dayMs },
      heal: { ...examples['grid.contract.1'].heal, mayMoveTo: {} },
      ...header,
    };
    this.id = contractIdOf(this.header);
    this.#log = log;
    this.#controller = controller;
  }

  approval(signer: BotId, change: Partial<Approval> = {}): Approval {
    const action = change.action ?? 'provision';
    const { replaces } = change;
    const subject = { log: this.#log, contract: this.id, action, replaces };
    return {
      ...{ contract: this.id, signer, role: 'people', action, verdict: 'approve' },
      hash: approvalHash(subject),
      expMs: this.header.term.fromMs + dayMs,
      ...change,
    };
  }

  lease(fence: number, change: Partial<Lease> = {}): Lease {
    const name = this.id as string as LeaseName;
    return { name, holder: this.#controller, fence, ttlMs: 15_000, ...change };
  }

  slice(replica: number, node: NodeId, revision: number): Slice {
    const derived = deriveSlice(this.header, this.opening, { replica, node, revision });
    if (derived === undefined) throw new Error(`there is no address for replica ${replica}`);
    const secrets = derived.secrets.map((name) => ({ name, box: 'AAAA' }));
    return { ...derived, secrets };
  }

  /** Replica by replica, where it is, and since which revision it has been as it is. */
  placement(
    revision: number,
    places: readonly (readonly [NodeId, number] | NodeId | undefined)[],
    change: Partial<Placement> = {},
  ): Placement {
    const items = places.flatMap((place, replica) => {
      if (place === undefined) return [];
      const [node, since] = typeof place === 'string' ? [place, revision] : place;
      return [{ role: 'shard', replica, node, slice: sliceHash(this.slice(replica, node, since)) }];
    });
    return {
      ...{ contract: this.id, revision, fence: 1, items },
      lease: this.id as string as LeaseName,
      reason: revision === 1 ? 'initial' : 'heal',
      expMs: this.header.term.untilMs,
      ...change,
    };
  }
}

const dayMs = 86_400_000;
