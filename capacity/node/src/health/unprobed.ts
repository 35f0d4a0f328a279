import type { ContractRole } from '@commongrid/model';

/**
 * A process that nobody probes is healthy once it has run for so long, ms: what fails as it starts has
 * ended by then.
 */
export const steadyMs = 3_000;

/** Whether it is asked if it works; if not, that it is there says so. */
export function isProbed({ health }: ContractRole): boolean {
  return health !== undefined && health.probe !== 'process';
}

/** In what phase that begins which was started: what has no process cannot end by itself. */
export function phaseAtStart(role: ContractRole): 'running' | 'healthy' {
  return role.workload.kind === 'container' || isProbed(role) ? 'running' : 'healthy';
}
