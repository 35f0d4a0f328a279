import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { createLogger, GridError } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import type { Command } from 'commander';
import { Option } from 'commander';

import type { LogTrust } from '../../bcdb-trust.ts';
import type { CommandContext } from '../../command-context.ts';
import type { OwnWorkload } from '../../environment.ts';
import type { GridErrorCode } from '../../errors.ts';
import { givenTrust } from '../bcdb/connection.ts';
import { parseDoor } from '../bcdb/options.ts';

/** A store whose namespaces are workloads of a contract. */
export interface ContractStoreOptions {
  readonly contract?: string | true;
  readonly shardsRole: string;
  readonly disk: 'ssd' | 'hdd';
  readonly passwordFile?: string;
  readonly database?: string;
  readonly log?: string;
  readonly sequencer?: string;
}

/** What goes on until the store closes. */
export interface StoreLife {
  readonly stack: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

export function addContractStore(command: Command): Command {
  return command
    .option(
      '--contract [id]',
      'instead of --backends: the contract whose namespaces it has; in a container: its own',
    )
    .option('--shards-role <name>', 'role of that contract whose namespaces have shards', 'shards')
    .addOption(
      new Option('--disk <kind>', 'of its namespaces').choices(['ssd', 'hdd']).default('ssd'),
    )
    .option('--password-file <file>', 'what opens its namespaces')
    .option(
      '--database <url>',
      'HTTP door of the database; in a container: that of its node',
      parseDoor,
    )
    .option('--log <hash>', 'hash of its genesis; in a container: as its node says')
    .option('--sequencer <key>', 'the key that signs its checkpoints; likewise');
}

/**
 * Lets a backends file follow a contract, until the store closes.
 * @returns the file, once it names all of the namespaces
 * @throws GRID_USAGE where something is left out that no node says
 */
export async function followContract(
  { environment }: CommandContext,
  options: ContractStoreOptions,
  path: string,
  { stack, signal }: StoreLife,
): Promise<string> {
  const { PlacedBackends } = await import('../../contract-store/placed-backends.ts');
  const { workload } = environment;
  const { contract, shardsRole: shards, disk, passwordFile } = options;
  const id = contract === true ? workload?.contract : contract;
  const url = options.database ?? workload?.database;
  const trust = await trustOf(options, workload);
  if (id === undefined || url === undefined || trust === undefined || passwordFile === undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'the contract of the store is not found', {
      hint: 'give --contract ID, --database, --log, --sequencer and --password-file',
    });
  }
  const file = resolve(path);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const logger = createLogger('zstor', { level: environment.logLevel });
  stack.use(
    await PlacedBackends.open({
      ...{ contract: id as ContractId, shards, disk, url, trust, file, signal, logger },
      passwordFile: resolve(passwordFile),
    }),
  );
  return file;
}

async function trustOf(
  { log, sequencer }: ContractStoreOptions,
  workload: OwnWorkload | undefined,
): Promise<LogTrust | undefined> {
  const [known, key] = [log ?? workload?.log, sequencer ?? workload?.sequencer];
  return known === undefined || key === undefined
    ? undefined
    : givenTrust({ log: known, sequencer: key });
}
