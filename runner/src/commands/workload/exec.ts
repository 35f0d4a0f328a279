import { Readable, Writable } from 'node:stream';

import { GridError, isGridError } from '@commongrid/base';
import type { TerminalSize, WorkloadSummary } from '@commongrid/node';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { workloadArgument, workloadName } from '../../node/find-workload.ts';
import { accessCommand, signedCall } from './access-call.ts';
import type { AccessOptions } from './access-call.ts';
import { containerHere } from './find-here.ts';

type ExecOptions = AccessOptions & { readonly interactive?: true; readonly tty?: true };

/** Shells that images have, those that people like to find first. */
const shells: readonly (readonly string[])[] = [
  ['/bin/sh'],
  ['/bin/bash'],
  ['/bin/busybox', 'sh'],
  ['/usr/bin/busybox', 'sh'],
];

export function execCommand(context: CommandContext): Command {
  return accessCommand(
    'exec',
    'Run a command in a container of yours; its exit status is that of grid.',
  )
    .argument('<workload>', workloadArgument)
    .argument('<command...>', 'program and arguments, behind --')
    .option('-i, --interactive', 'give it what is typed here, or comes from a pipe')
    .option('-t, --tty', 'in a terminal')
    .action(async (name: string, command: readonly string[], options: ExecOptions) => {
      const container = await containerHere(context, options, name);
      await run(context, options, container, command);
    });
}

export function shellCommand(context: CommandContext): Command {
  return accessCommand('shell', 'Open a shell in a container of yours.')
    .argument('<workload>', workloadArgument)
    .action(async (name: string, options: AccessOptions) => {
      const container = await containerHere(context, options, name);
      const shell = await shellOf(context, options, container);
      const tty = process.stdin.isTTY ? ({ tty: true } as const) : {};
      await run(context, { ...options, interactive: true, ...tty }, container, shell);
    });
}

/** Runs a command of people: its exit status becomes that of this process. */
async function run(
  context: CommandContext,
  options: ExecOptions,
  container: WorkloadSummary,
  command: readonly string[],
): Promise<void> {
  const { callExec } = await import('@commongrid/node');
  const call = await signedCall(context, options, container, 'exec');
  const isTyped = options.interactive === true;
  const size = options.tty === true ? terminalSize() : undefined;
  const { stdin, stdout, stderr } = process;
  using _raw = isTyped && size !== undefined ? rawInput() : undefined;
  try {
    context.exitStatus = await callExec({
      ...{ ...call, command, stdout, stderr },
      stdin: isTyped ? stdin : Readable.from([]),
      ...(size === undefined ? {} : { terminal: size, onResize: watchSize }),
    });
  } finally {
    // A terminal that is read from would keep this process.
    if (isTyped) stdin.destroy();
  }
}

/** The first shell that the image has. Tried without input, of which none may be lost. @throws GRID_SHELL_MISSING */
async function shellOf(
  context: CommandContext,
  options: AccessOptions,
  container: WorkloadSummary,
): Promise<readonly string[]> {
  const { callExec } = await import('@commongrid/node');
  for (const shell of shells) {
    const call = await signedCall(context, options, container, 'exec');
    const unread = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });
    const streams = { stdin: Readable.from([]), stdout: unread(), stderr: unread() };
    try {
      await callExec({ ...call, ...streams, command: [...shell, '-c', ':'] });
      return shell;
    } catch (error) {
      if (!isGridError(error, 'NODE_COMMAND_MISSING')) throw error;
    }
  }
  const name = workloadName(container);
  throw new GridError<GridErrorCode>('GRID_SHELL_MISSING', `the image of ${name} has no shell`, {
    hint: `run a program that it has: grid exec -it ${name} -- PROGRAM`,
    details: { workload: container.id, tried: shells.map(([program = '']) => program) },
  });
}

function terminalSize(): TerminalSize {
  const { isTTY, rows, columns } = process.stdout;
  // Where there is no terminal here, or one that does not say, the usual one is made there.
  return isTTY && rows > 0 && columns > 0 ? { rows, columns } : { rows: 24, columns: 80 };
}

function watchSize(listener: (size: TerminalSize) => void): Disposable {
  const onResize = (): void => listener(terminalSize());
  process.stdout.on('resize', onResize);
  return { [Symbol.dispose]: () => void process.stdout.off('resize', onResize) };
}

/** What is typed goes there as it is, Ctrl-C too. */
function rawInput(): Disposable {
  const { stdin } = process;
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} };
  stdin.setRawMode(true);
  return { [Symbol.dispose]: () => void stdin.setRawMode(false) };
}
