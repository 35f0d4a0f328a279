import type { Clock, Logger } from '@commongrid/base';
import { isBinding } from '@commongrid/model';
import type {
  Contract,
  ContractId,
  ContractRole,
  ContractState,
  GridFold,
} from '@commongrid/model';
import type { NodeWatch } from '../heal/node-watch.ts';
import { unitsOf } from '../plan/units.ts';
import type { Unit } from '../plan/units.ts';
import type { JournalIndex } from './contract-journal.ts';
import type { ContractPaper, ControllerPorts } from './ports.ts';

/** What a controller sees of the grid at one time, for all contracts. */
export interface Look {
  /** One above that of the look before. */
  readonly n: number;
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Of the monotonic clock. */
  readonly nowMs: number;
  readonly journal: JournalIndex;
  /** Contracts in the log that want to take the place of one, as far as their papers are here. */
  readonly successorsOf: (id: ContractId) => Iterable<ContractId>;
  readonly watch: NodeWatch;
  readonly isStorm: boolean;
}

/** A contract that is in the log and whose papers are here. */
export interface ContractCase {
  readonly id: ContractId;
  readonly paper: ContractPaper;
  readonly header: Contract;
  readonly state: ContractState;
  readonly roles: readonly ContractRole[];
  readonly units: readonly Unit[];
}

/** Parts of a controller that all contracts share. */
export interface ControllerTools {
  readonly ports: ControllerPorts;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Roles never change: papers are asked again and again. */
const unitsKnown = new WeakMap<readonly unknown[], readonly Unit[]>();

export function caseOf(
  { fold }: Pick<Look, 'fold'>,
  { papers }: Pick<ControllerPorts, 'papers'>,
  id: ContractId,
): ContractCase | undefined {
  const paper = papers.of(id);
  const header = fold.current('grid.contract.1', id);
  const state = fold.contract(id);
  if (paper === undefined || header === undefined || state === undefined) return undefined;
  const { openings } = paper.draft;
  const roles = openings.map(({ role }) => role);
  let units = unitsKnown.get(openings);
  if (units === undefined) unitsKnown.set(openings, (units = unitsOf(roles)));
  return { id, paper, header, state, roles, units };
}

/** Whether owner and policy want it, and those of the contract that it takes the place of. */
export function isAgreed({ header, state }: ContractCase): boolean {
  return isBinding(header, state);
}
