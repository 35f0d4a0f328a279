import type { LogLevel } from '@commongrid/base';

/** What a unit of systemd says about a grid. */
export interface UnitFacts {
  /** The `grid` launcher. Absolute. */
  readonly program: string;
  /** GRID_HOME. Absolute. */
  readonly home: string;
  readonly logLevel: LogLevel;
  /** Undefined: the usual ports. */
  readonly portBase: number | undefined;
  /** True for a unit of a user's own manager. */
  readonly isUser: boolean;
}

/** Longer than services, node and bots may take together, as after a crash when they have much to repair. */
const startTimeoutSeconds = 1200;

/** Begins each unit that is written here: no other is overwritten or removed. */
const mark = '# Written by `grid install`; `grid uninstall` takes it away.';

/** Whether a text is a unit that was written here, for the grid in `home`. */
export function isUnitOf(text: string, home: string): boolean {
  return text.startsWith(`${mark}\n`) && text.includes(`\n${homeLine(home)}\n`);
}

/** The target that starts the unit at boot, or when a user's manager starts. */
export function targetOf(isUser: boolean): string {
  return isUser ? 'default.target' : 'multi-user.target';
}

/**
 * Text of the unit, a service of systemd.
 *
 * Only the supervisor is told to stop: it stops services in order and takes the node off the machine.
 * When it crashes, services and workloads live on, and the next one takes them over (`KillMode`).
 */
export function unitText(facts: UnitFacts): string {
  const { program, home, logLevel, portBase, isUser } = facts;
  return [
    mark,
    '[Unit]',
    `Description=Commongrid`,
    ...(isUser ? [] : ['After=network.target']),
    `RequiresMountsFor=${quoted(home)} ${quoted(program)}`,
    '',
    '[Service]',
    // Ready is once all answers, node and bots included: who needs the grid starts after that.
    'Type=notify',
    // What tells it is a program of systemd, a child of this one.
    'NotifyAccess=all',
    `TimeoutStartSec=${startTimeoutSeconds}`,
    homeLine(home),
    ...(logLevel === 'info' ? [] : [`Environment=GRID_LOG=${logLevel}`]),
    `ExecStart=${[quoted(program), ...upWords(portBase)].join(' ')}`,
    'Restart=on-failure',
    'RestartSec=5',
    'TimeoutStopSec=150',
    'KillMode=process',
    'Delegate=yes',
    'TasksMax=infinity',
    'LimitNOFILE=65536',
    '',
    '[Install]',
    `WantedBy=${targetOf(isUser)}`,
    '',
  ].join('\n');
}

function homeLine(home: string): string {
  return `Environment=${quoted(`GRID_HOME=${home}`)}`;
}

function upWords(portBase: number | undefined): readonly string[] {
  return ['up', '--foreground', ...(portBase === undefined ? [] : [`--port-base=${portBase}`])];
}

/** One word of systemd (systemd.syntax): `%` begins a specifier there. */
function quoted(word: string): string {
  const escaped = word
    .replaceAll(/["\\]/g, '\\$&')
    .replaceAll('%', '%%')
    .replaceAll(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"`;
}
