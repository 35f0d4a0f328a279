import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { lookAt } from '../one-machine-grid.ts';
import type { GridStatus } from '../one-machine-grid.ts';
import { serviceRanges } from '../service-ranges.ts';
import type { ServiceRow } from '../service-ranges.ts';
import type { ServicePhase } from '../supervisor/grid-state.ts';
import { formatTable } from '../terminal.ts';
import type { Style } from '../terminal.ts';

interface StatusReport {
  readonly schema: 'grid.status.1';
  readonly home: string;
  /** True when every service runs under a living supervisor. */
  readonly up: boolean;
  readonly supervisor: { readonly pid: number } | null;
  readonly services: Readonly<Record<string, StatusService>>;
}

interface StatusService {
  readonly phase: ServicePhase;
  readonly pid: number | null;
  readonly address: string;
  readonly dataDir: string;
  readonly log: string;
  readonly restartCount: number;
}

export function statusCommand(context: CommandContext): Command {
  return resultCommand(
    'status',
    'Show what runs, and where. Exit status 0 also when it is down.',
  ).action(async (options: JsonOption) => {
    const { home } = context.environment;
    const report = reportOf(home, await lookAt(home));
    printResult(context, options, report, () => describe(report, context.terminal.style));
  });
}

function reportOf(home: string, { state, isSupervised }: GridStatus): StatusReport {
  const services = Object.entries(state?.services ?? {}).map(([name, service]) => {
    const { process, ...facts } = service;
    return [name, { ...facts, pid: process?.pid ?? null }] as const;
  });
  return {
    schema: 'grid.status.1',
    home,
    up: isSupervised && services.every(([, { phase }]) => phase === 'running'),
    supervisor: isSupervised && state !== undefined ? { pid: state.supervisor.pid } : null,
    services: Object.fromEntries(services),
  };
}

function rowOf([name, service]: [string, StatusService]): ServiceRow {
  const { phase, address, pid, restartCount, dataDir } = service;
  const restarts = restartCount === 0 ? '' : `${restartCount} restarts`;
  const process = pid === null ? '' : `process ${pid}`;
  return { name, kind: phase + restarts, cells: [phase, address, process, restarts, dataDir] };
}

function describe(report: StatusReport, style: Style): string {
  const rows = serviceRanges(Object.entries(report.services).map(rowOf));
  const head = report.up ? style.good('the grid is up') : style.bad('the grid is not up');
  const hint = report.up ? [] : ['', 'next: ./grid up'];
  return [
    `${head}  (${report.home})`,
    ...(rows.length > 0 ? [formatTable(rows)] : []),
    ...hint,
  ].join('\n');
}
