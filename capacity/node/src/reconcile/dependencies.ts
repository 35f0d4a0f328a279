import type { ContractRole, EventPhase, WorkloadId } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';
import type { NodeErrorCode } from '../errors.ts';
import type { KnownWorkload } from './wish.ts';

interface Member {
  readonly role: ContractRole;
  phase: EventPhase;
  /** It ended well, and its role does not start it again. */
  isDone: boolean;
}

/**
 * Which workloads of this node wait for which: roles come after roles of their contract, and
 * containers after the volumes that they use, which go after them.
 */
export class Dependencies {
  readonly #members = new Map<WorkloadId, Member>();

  add({ id, role }: KnownWorkload, phase: EventPhase, code?: string): void {
    this.#members.set(id, { role, phase, isDone: isDoneIn(phase, code) });
  }

  remove(id: WorkloadId): void {
    this.#members.delete(id);
  }

  /** A workload is in that phase from now on, for this reason. */
  note(id: WorkloadId, phase: EventPhase, code?: string): void {
    const member = this.#members.get(id);
    if (member !== undefined) Object.assign(member, { phase, isDone: isDoneIn(phase, code) });
  }

  /** Whether the roles that come first work on this node, or are done, and the volumes that it uses work. */
  isReady({ contract, replica, role }: Assignment): boolean {
    const volumes = role.workload.container?.volumes ?? [];
    const isMounted = volumes.every((one) => this.#isUp(idOf(contract, one.role, replica)));
    // Of roles on other nodes nothing is known here: whoever places sees to their order.
    return isMounted && role.after.every((name) => this.#worksHere(`${contract}/${name}/`));
  }

  /** Whether no container of this node has a volume in use. */
  isFree({ contract, replica, role: { name } }: KnownWorkload): boolean {
    for (const [id, { role, phase }] of this.#members) {
      const isUser = role.workload.container?.volumes.some((volume) => volume.role === name);
      const isOfSame = id === idOf(contract, role.name, replica);
      if (isUser === true && isOfSame && !over.has(phase)) return false;
    }
    return true;
  }

  /** Who waits for a workload, and who goes after it. */
  *neighboursOf(workload: WorkloadId): Generator<WorkloadId> {
    const [contract = '', name = ''] = workload.split('/');
    const uses = usedBy(this.#members.get(workload)?.role);
    for (const [id, { role }] of this.#members) {
      if (id === workload || !id.startsWith(`${contract}/`)) continue;
      if (usedBy(role).has(name) || uses.has(role.name)) yield id;
    }
  }

  /** Whether a replica of a role works here, or is done; true when none of them is here. */
  #worksHere(prefix: string): boolean {
    const here = [...this.#members.keys()].filter((id) => id.startsWith(prefix));
    return here.length === 0 || here.some((id) => this.#isUp(id));
  }

  #isUp(id: WorkloadId): boolean {
    const member = this.#members.get(id);
    return member?.phase === 'healthy' || member?.isDone === true;
  }
}

/** Roles that have to be there before it. */
function usedBy(role: ContractRole | undefined): ReadonlySet<string> {
  const volumes = role?.workload.container?.volumes ?? [];
  return new Set([...(role?.after ?? []), ...volumes.map((volume) => volume.role)]);
}

/** Of what ended badly, or was stopped, the code is another. */
function isDoneIn(phase: EventPhase, code: string | undefined): boolean {
  return phase === 'stopped' && code === ('NODE_ENDED' satisfies NodeErrorCode);
}

function idOf(contract: string, role: string, replica: number): WorkloadId {
  return `${contract}/${role}/${replica}` as WorkloadId;
}

/** In these phases a workload has no process. */
const over: ReadonlySet<EventPhase> = new Set(['stopped', 'paused', 'deleted']);
