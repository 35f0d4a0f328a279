import { GridError } from '@commongrid/base';
import { spreadSecondsMax } from '@commongrid/model';
import type { Software } from '@commongrid/model';
import { Command, InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import { formatTable } from '../../terminal.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { Connection, ServerOptions } from '../bcdb/connection.ts';
import { digestOf, imageArgument, readingClient } from '../hub/hub-client.ts';

type ReleaseOptions = ServerOptions & {
  readonly name: string;
  readonly spread?: number;
  readonly rollback?: true;
  readonly hub?: string;
};

/** The program that nodes run. */
const nodeProgram = 'node';
const url = 'grid.software.1';

export function softwareCommand(context: CommandContext): Command {
  return new Command('software')
    .description('Releases: the versions of programs that nodes of the grid run.')
    .addCommand(releaseCommand(context))
    .addCommand(listCommand(context));
}

function releaseCommand(context: CommandContext): Command {
  return serverCommand('release', 'Have every node run a version, signed by a release key.')
    .argument('<version>', 'three numbers such as 0.2.0, above the one before', parseVersion)
    .argument('<image>', `${imageArgument}; grid flist create --system makes one`)
    .option('--name <program>', 'which program', nodeProgram)
    .option('--spread <seconds>', 'nodes take it at moments spread over so long', parseSpread)
    .option('--rollback', 'it is meant that the version is not above the one before')
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .action(async (version: string, image: string, options: ReleaseOptions) => {
      const { keyFile = new GridHome(context.environment.home).releaseKeyFile } = options;
      const { client, trust } = await connect(context, { ...options, keyFile });
      const key = (await readKeyFile(keyFile)).publicKey.text;
      const { releaseKeys } = await readLogFacts(client, trust.log);
      if (!releaseKeys.includes(key)) throw notReleaseKey(key, releaseKeys);
      const { name, spread, rollback, hub } = options;
      const flist = await findImage(context, hub, image);
      const value: Software = {
        ...{ name, version, flist: flist as Software['flist'] },
        ...(rollback === undefined ? {} : { isRollback: true }),
        ...(spread === undefined ? {} : { spreadSeconds: spread }),
      };
      await client.write({ ns: 'grid', op: 'put', url, obj: name, value: { ...value } });
      const result = { schema: 'grid.software.release.1', ...value };
      printResult(context, options, result, () => `nodes are to run ${name} ${version}: ${flist}`);
    });
}

function listCommand(context: CommandContext): Command {
  return serverCommand('list', 'List what nodes are to run.').action(
    async (options: ServerOptions) => {
      const software = await releasesOf(await connect(context, options));
      const result = { schema: 'grid.software.list.1', software };
      printResult(context, options, result, () => describe(software));
    },
  );
}

async function releasesOf({ client }: Connection): Promise<readonly Software[]> {
  const { objects } = await client.find('grid', { url, limit: programsMax });
  return objects.flatMap(({ value }) => (value === undefined ? [] : [value as Software]));
}

/** Programs that are listed. */
const programsMax = 100;

function describe(software: readonly Software[]): string {
  if (software.length === 0) return 'nothing was released: nodes run what is installed there';
  return formatTable(
    software.map(({ name, version, flist, isRollback, spreadSeconds = 0 }) => [
      ...[name, version, flist],
      isRollback === true ? 'rollback' : '',
      spreadSeconds === 0 ? '' : `spread over ${spreadSeconds} s`,
    ]),
  );
}

/** An image at a hub that says which program it is. @throws GRID_RELEASE_UNFIT */
async function findImage(
  context: CommandContext,
  hub: string | undefined,
  name: string,
): Promise<string> {
  const { decodeFlist, imageConfigOf, unpackFlist } = await import('@commongrid/flist');
  const { client } = await readingClient(context, hub === undefined ? {} : { url: hub });
  const digest = await digestOf(client, name);
  const { entrypoint } = imageConfigOf(decodeFlist(await unpackFlist(await client.flist(digest))));
  if (entrypoint.length > 0) return digest;
  throw new GridError<GridErrorCode>('GRID_RELEASE_UNFIT', `${name} says no program to run`, {
    hint: 'make it by: grid flist create --system',
    details: { digest },
  });
}

function parseVersion(text: string): string {
  if (/^\d{1,5}[.]\d{1,5}[.]\d{1,5}$/.test(text)) return text;
  throw new InvalidArgumentError('give three numbers such as 0.2.0');
}

function parseSpread(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) <= spreadSecondsMax) return Number(text);
  throw new InvalidArgumentError(`give seconds, ${spreadSecondsMax} at most`);
}

function notReleaseKey(key: string, releaseKeys: readonly string[]): GridError<GridErrorCode> {
  const none = 'the log was made without release keys: nobody can release anything in it';
  const why = releaseKeys.length === 0 ? none : `${key} signs no releases of this log`;
  return new GridError('GRID_RELEASE_KEY_UNKNOWN', why, {
    hint: 'name the key that was made with the log: --key-file, identity/release-key of its grid',
    details: { key, releaseKeys },
  });
}
