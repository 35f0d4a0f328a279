import { readFile } from 'node:fs/promises';

import { errorCode, GridError, systemRandom, writeFileAtomic } from '@commongrid/base';
import { draftText, seedBytes, seededDraw, secretsText } from '@commongrid/contract';
import type { BuildParties } from '@commongrid/contract';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { counted } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import { readContract, secretsFileOf } from './read-contract.ts';
import type { ContractOptions, ReadContract } from './read-contract.ts';

type BuildOptions = ContractOptions & { readonly output: string; readonly seedFile?: string };

const hubOption = 'where images are by their name; default: the one of `grid up`';
const seedOption = 'secret random bytes, made if missing: with them it is built the same again';

export function contractBuildCommand(context: CommandContext): Command {
  return serverCommand('build', 'Make a contract that can be signed out of code or JSON.')
    .argument('<file>', 'FILE.contract.ts, whose code runs apart, or JSON')
    .requiredOption('--output <file>', 'where it is written; its secrets beside it', parseOutput)
    .option('--hub <origin>', hubOption)
    .option('--seed-file <file>', seedOption)
    .action(async (file: string, options: BuildOptions) => {
      const draw = options.seedFile === undefined ? undefined : await drawOf(options.seedFile);
      const read = await readContract(context, options, file, draw);
      const { built } = read;
      if (built === undefined) throw builtAlready(file);
      const secrets = secretsText(built);
      const secretsFile = secretsFileOf(options.output);
      // Secrets first: a contract whose secrets are lost could be signed.
      if (secrets !== undefined) await write(secretsFile, secrets, 0o600);
      await write(options.output, draftText(built), 0o644);
      const result = {
        ...{ schema: 'grid.contract.build.1', contract: read.id, name: read.header.name },
        ...{ output: options.output, secrets: secrets === undefined ? null : secretsFile },
        roles: read.openings.map(({ role }) => ({ name: role.name, replicas: role.replicas })),
      };
      printResult(context, options, result, () =>
        describe(read, options.output, secrets, secretsFile),
      );
    });
}

export function contractHashCommand(context: CommandContext): Command {
  return serverCommand('hash', 'Print the id of a contract, once all of it is what the id says.')
    .argument('<file>', 'a built contract; or what one is built of, with --seed-file')
    .option('--hub <origin>', hubOption)
    .option('--seed-file <file>', 'the seed that it was built with')
    .action(async (file: string, options: ContractOptions & { readonly seedFile?: string }) => {
      const draw = options.seedFile === undefined ? undefined : await readSeed(options.seedFile);
      const { id, header, built } = await readContract(context, options, file, draw);
      if (built !== undefined && draw === undefined) throw notBuilt(file);
      const result = { schema: 'grid.contract.hash.1', contract: id, name: header.name };
      printResult(context, options, result, () => id);
    });
}

function describe(
  { id, header, openings }: ReadContract,
  output: string,
  secrets: string | undefined,
  secretsFile: string,
): string {
  const replicas = openings.reduce((sum, { role }) => sum + role.replicas, 0);
  const what = `${counted(openings.length, 'role')}, ${counted(replicas, 'replica')}`;
  return [
    `${header.name} is ${id}`,
    `${output}  ${what}`,
    ...(secrets === undefined ? [] : [`${secretsFile}  its secrets: keep them, show nobody`]),
    `next: ./grid contract plan ${output}`,
  ].join('\n');
}

function parseOutput(text: string): string {
  if (text.endsWith('.json') && !text.endsWith('.secrets.json')) return text;
  throw new InvalidArgumentError('name a file that ends in .json');
}

async function drawOf(path: string): Promise<BuildParties['draw']> {
  try {
    return await readSeed(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const seed = systemRandom.bytes(seedBytes);
    await write(path, `${seed.toHex()}\n`, 0o600);
    return seededDraw(seed);
  }
}

/** @throws GRID_FILE_UNREADABLE, and what the system says */
async function readSeed(path: string): Promise<BuildParties['draw']> {
  const text = (await readFile(path, 'utf8')).trim();
  if (/^[0-9a-f]{64}$/.test(text)) return seededDraw(Uint8Array.fromHex(text));
  throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `${path} holds no seed`, {
    hint: 'name a file that `grid contract build --seed-file` made, or a new one',
    details: { path },
  });
}

async function write(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeFileAtomic(path, text, { mode });
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNWRITABLE', `cannot write ${path}: ${why}`, {
      hint: 'name a file in a folder that you may write',
      details: { path },
      cause,
    });
  }
}

function builtAlready(file: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', `${file} is a contract that was built`, {
    hint: `grid contract plan ${file}`,
  });
}

function notBuilt(file: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', `${file} is not built yet: its id is drawn when it is`, {
    hint: `grid contract build ${file} --output FILE.json`,
  });
}
