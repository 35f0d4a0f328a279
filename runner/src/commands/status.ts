import { relative } from 'node:path';

import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { doorsHere, frontDoorService } from '../front-door/front-door-place.ts';
import type { DoorReport } from '../front-door/front-door-report.ts';
import { homeBots, homeBotService } from '../home-bots/home-bot-place.ts';
import { homeNodeService } from '../node/home-node-place.ts';
import { lookAt } from '../one-machine-grid.ts';
import type { GridStatus } from '../one-machine-grid.ts';
import { nameRanges, serviceRanges } from '../service-ranges.ts';
import type { ServiceRow } from '../service-ranges.ts';
import type { ServicePhase } from '../supervisor/grid-state.ts';
import { counted, formatTable, plainText } from '../terminal.ts';
import type { Style } from '../terminal.ts';

interface StatusReport {
  readonly schema: 'grid.status.1';
  readonly home: string;
  /** True when every service runs under a living supervisor. */
  readonly up: boolean;
  readonly supervisor: { readonly pid: number } | null;
  readonly services: Readonly<Record<string, StatusService>>;
  /** Where what contracts publish is reached on this machine; null where no front door answers. */
  readonly frontDoor: readonly DoorReport[] | null;
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
    const [status, doors] = await Promise.all([lookAt(home), doorsHere(home)]);
    const report = { ...reportOf(home, status), frontDoor: doors ?? null };
    printResult(context, options, report, () => describe(report, context.terminal.style));
  });
}

function reportOf(
  home: string,
  { state, isSupervised }: GridStatus,
): Omit<StatusReport, 'frontDoor'> {
  const services = Object.entries(state?.services ?? {}).map(([name, service]) => {
    const { process, ...facts } = service;
    return [name, { ...facts, pid: process?.pid ?? null }] as const;
  });
  return {
    schema: 'grid.status.1',
    home,
    up: isSupervised && services.every(isAsWanted),
    supervisor: isSupervised && state !== undefined ? { pid: state.supervisor.pid } : null,
    services: Object.fromEntries(services),
  };
}

/** What is stopped where it is not wanted, or cannot run. */
const dispensable: ReadonlySet<string> = new Set([
  homeNodeService,
  ...homeBots.map(homeBotService),
  frontDoorService,
]);

function isAsWanted([name, { phase }]: readonly [
  string,
  { readonly phase: ServicePhase },
]): boolean {
  return phase === 'running' || (phase === 'stopped' && dispensable.has(name));
}

function rowOf(home: string, [name, service]: [string, StatusService]): ServiceRow {
  const { phase, address, pid, restartCount } = service;
  const restarts = restartCount === 0 ? '' : counted(restartCount, 'restart');
  const process = pid === null ? '' : `pid ${pid}`;
  const folder = relative(home, service.dataDir);
  return { name, kind: phase + restarts, cells: [phase, address, process, folder, restarts] };
}

function describe(report: StatusReport, style: Style): string {
  const services = Object.entries(report.services);
  const rows = serviceRanges(services.map((service) => rowOf(report.home, service)));
  const hint = report.up ? [] : ['', 'next: ./grid up'];
  return [
    `${headline(report, style)}  (${report.home})`,
    ...(rows.length > 0 ? [formatTable(rows)] : []),
    ...describeDoors(report.frontDoor ?? [], style),
    ...hint,
  ].join('\n');
}

function describeDoors(doors: readonly DoorReport[], style: Style): readonly string[] {
  const rows = doors.map(({ address, name, role, port, active, connections }) => [
    ...[`  ${address}`, `${plainText(name)}, ${role} ${port}`, active ?? ''],
    connections === 0 ? '' : counted(connections, 'connection'),
  ]);
  return rows.length === 0 ? [] : ['', style.strong('Front door'), formatTable(rows)];
}

function headline({ up, supervisor, services }: StatusReport, style: Style): string {
  if (up) return style.good('the grid is up');
  const running = Object.values(services).filter(({ phase }) => phase === 'running');
  const down = Object.entries(services).flatMap((one) => (isAsWanted(one) ? [] : [one[0]]));
  if (running.length === 0) return style.bad('the grid is not up');
  if (supervisor === null) return style.bad('the grid runs without its supervisor');
  return style.bad(`the grid is up but for ${nameRanges(down)}`);
}
