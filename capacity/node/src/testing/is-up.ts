import type { EventPhase } from '@commongrid/model';

/** Whether a workload runs; after `steadyMs` one that nobody probes is told to be healthy. */
export function isUp(phase: string | undefined): boolean {
  return upPhases.has(phase ?? '');
}

const upPhases: ReadonlySet<string> = new Set<EventPhase>(['running', 'healthy']);
