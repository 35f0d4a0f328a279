import { isGridError, shutdownSignal } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import type { NodeStatus, TerminalSize, WorkloadSummary } from '@commongrid/node';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { findWorkload, remoteWorkload, unknownWorkload } from '../../node/find-workload.ts';
import { OwnedGrid } from '../../node/owned-grid.ts';
import { connect } from '../bcdb/connection.ts';
import { parseLines } from './node-arguments.ts';
import { askNode, nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';
import { workloadArgument } from './workloads.ts';

type AccessOptions = NodeOptions & { readonly keyFile?: string };
type LogsOptions = AccessOptions & { readonly follow?: true; readonly tail: number };
type ExecOptions = AccessOptions & { readonly interactive?: true; readonly tty?: true };

/** A token is used at once. */
const tokenMs = 60_000;
/** Lines of a log that are shown unless somebody asks for more. */
const linesShown = 100;

export function nodeLogsCommand(context: CommandContext): Command {
  return accessCommand('logs', 'Show what a container of yours printed.')
    .argument('<workload>', workloadArgument)
    .option('-f, --follow', 'go on with what it prints from now on')
    .option('--tail <n>', 'so many of the last lines', parseLines, linesShown)
    .action(async (name: string, options: LogsOptions) => {
      const { callLogs } = await import('@commongrid/node');
      const call = await callFor(context, options, name, 'logs');
      const follow = options.follow === true;
      const signal = shutdownSignal();
      try {
        for await (const line of callLogs({ ...call, signal, follow, tail: options.tail })) {
          const result = { schema: 'grid.node.log.1', ...line };
          printResult(context, options, result, () => line.text);
        }
      } catch (error) {
        // Ended from here.
        if (!signal.aborted) throw error;
      }
    });
}

export function nodeExecCommand(context: CommandContext): Command {
  return accessCommand(
    'exec',
    'Run a command in a container of yours; its exit status is that of grid.',
  )
    .argument('<workload>', workloadArgument)
    .argument('<command...>', 'program and arguments, behind --')
    .option('-i, --interactive', 'give it what is typed here, or comes from a pipe')
    .option('-t, --tty', 'in a terminal')
    .action(async (name: string, command: readonly string[], options: ExecOptions) => {
      const { callExec } = await import('@commongrid/node');
      const { Readable } = await import('node:stream');
      const call = await callFor(context, options, name, 'exec');
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
    });
}

function accessCommand(name: string, description: string): Command {
  return nodeSubcommand(name, description).option(
    '--key-file <file>',
    'of a device of the owner; default: the key of the owner of the grid',
  );
}

/** Signs for one call. @throws NODE_REMOTE, NODE_WORKLOAD_UNKNOWN, NODE_ABSENT */
async function callFor(
  context: CommandContext,
  options: AccessOptions,
  name: string,
  verb: 'exec' | 'logs',
): Promise<{ readonly path: string; readonly token: string }> {
  const { nodeAccessPath, signAccess } = await import('@commongrid/node');
  const key = await readKeyFile(
    options.keyFile ?? new GridHome(context.environment.home).ownerKeyFile,
  );
  const { id: workload, revision } = await workloadHere(context, options, name);
  const { log, id: node } = await askNode<NodeStatus>(context, options, 'status');
  const claim = { log, node: node as never, workload, revision, verb };
  const token = signAccess(key, { ...claim, expMs: Date.now() + tokenMs });
  return { path: nodeAccessPath(nodeFolderOf(context, options).path), token };
}

async function workloadHere(
  context: CommandContext,
  options: AccessOptions,
  name: string,
): Promise<WorkloadSummary> {
  let absent: GridError | undefined;
  try {
    const all = await askNode<readonly WorkloadSummary[]>(context, options, 'workloads');
    const found = findWorkload(all, name);
    if (found !== undefined) return found;
  } catch (error) {
    if (!isGridError(error, 'NODE_ABSENT')) throw error;
    absent = error;
  }
  const elsewhere = await nodeElsewhere(context, name);
  if (elsewhere !== undefined) throw remoteWorkload(name, elsewhere);
  throw absent ?? unknownWorkload(name);
}

/** Where the database says that it is; undefined when it is not asked or does not say. */
async function nodeElsewhere(context: CommandContext, name: string): Promise<string | undefined> {
  const { shortIdOf } = await import('@commongrid/node');
  try {
    const { client } = await connect(context, {});
    const key = await readKeyFile(new GridHome(context.environment.home).ownerKeyFile);
    const grid = await OwnedGrid.open(client, key.publicKey.text);
    const places = (await grid.contracts()).flatMap(({ id: contract, placement }) =>
      placement.items.map(({ role, replica, node }) => {
        const id = `${contract}/${role}/${replica}`;
        return { id, key: shortIdOf(id), role, replica, node };
      }),
    );
    return findWorkload(places, name)?.node;
  } catch (error) {
    if (isGridError(error) && error.code !== 'GRID_NAME_AMBIGUOUS') return undefined;
    throw error;
  }
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
