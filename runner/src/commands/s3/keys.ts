import type { ClientKey, UserReport } from '@commongrid/s3';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { askForAll, askHead, headCommand } from './head.ts';
import type { HeadOptions } from './head.ts';

type KeyOptions = HeadOptions & { readonly env?: true };
type AddOptions = KeyOptions & {
  readonly grant?: Grants;
  readonly admin?: true;
  readonly makeBuckets?: true;
};

/** Rights by bucket. */
type Grants = Readonly<Record<string, readonly string[]>>;

export function s3KeysCommand(context: CommandContext): Command {
  return withEnv(headCommand('keys', 'Show how clients of the first user get in.'))
    .action(async (options: KeyOptions) => {
      const key = await askHead<ClientKey>(context, options, 's3.key');
      printKey(context, options, 'grid.s3.keys.1', key);
    })
    .addCommand(lsCommand(context))
    .addCommand(addCommand(context))
    .addCommand(rmCommand(context));
}

function lsCommand(context: CommandContext): Command {
  return headCommand('ls', 'List users, their access keys and rights.').action(
    async (_options: HeadOptions, command: Command) => {
      const options: HeadOptions = command.optsWithGlobals();
      const users = await askForAll(context, options, 's3.users', (page) => {
        return (page as { users: readonly UserReport[] }).users;
      });
      const result = { schema: 'grid.s3.keys.ls.1', users };
      printResult(context, options, result, () => describeUsers(users));
    },
  );
}

function addCommand(context: CommandContext): Command {
  return withEnv(headCommand('add', 'Give a user an access key; a new user is made.'))
    .argument('<user>', 'its name')
    .option(
      '--grant <bucket:right>',
      'read, write or admin on a bucket, may be repeated; takes the place of what was granted there',
      addGrant,
    )
    .option('--make-buckets', 'a new user may make buckets')
    .option('--admin', 'a new user may do everything')
    .addHelpText('after', '\nThe secret is shown once; nobody but the head can read it.')
    .action(async (user: string, _options: AddOptions, command: Command) => {
      const options: AddOptions = command.optsWithGlobals();
      const key = await askHead<ClientKey>(context, options, 's3.keys.add', {
        ...{ user, grants: options.grant ?? {} },
        ...{ isAdmin: options.admin === true, makesBuckets: options.makeBuckets === true },
      });
      printKey(context, options, 'grid.s3.keys.add.1', key);
    });
}

function rmCommand(context: CommandContext): Command {
  return headCommand('rm', 'Take an access key away, or a user with all keys.')
    .argument('<name>', 'an access key, or with --user the name of a user')
    .option('--user', 'a user, who must own no bucket')
    .action(async (name: string, _options: HeadOptions, command: Command) => {
      const options: HeadOptions & { readonly user?: true } = command.optsWithGlobals();
      const args = options.user === true ? { user: name } : { accessKey: name };
      await askHead(context, options, 's3.keys.rm', args);
      const result = { schema: 'grid.s3.keys.rm.1', ...args };
      printResult(context, options, result, () => `${name} is removed`);
    });
}

function withEnv(command: Command): Command {
  return command.option('--env', 'as variables for a shell: eval "$(./grid s3 keys --env)"');
}

function printKey(
  context: CommandContext,
  options: KeyOptions,
  schema: string,
  key: ClientKey,
): void {
  printResult(context, options, { schema, ...key }, () => {
    return options.env === true ? variablesOf(key) : describeKey(key);
  });
}

function variablesOf({ endpoint, region, accessKey, secretKey }: ClientKey): string {
  return [
    `export AWS_ENDPOINT_URL=${endpoint}`,
    `export AWS_DEFAULT_REGION=${region}`,
    `export AWS_ACCESS_KEY_ID=${accessKey}`,
    `export AWS_SECRET_ACCESS_KEY=${secretKey}`,
    // Before 2.13 aws does not know AWS_ENDPOINT_URL, and would ask Amazon.
    `aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }`,
  ].join('\n');
}

function describeKey({ endpoint, region, user, accessKey, secretKey }: ClientKey): string {
  return formatTable([
    ['endpoint', endpoint],
    ['region', region],
    ['user', user],
    ['access key', accessKey],
    ['secret key', secretKey],
  ]);
}

function describeUsers(users: readonly UserReport[]): string {
  return formatTable(
    users.map(({ name, isAdmin, makesBuckets, accessKeys, grants }) => [
      name,
      isAdmin ? 'admin' : makesBuckets ? 'makes buckets' : '',
      accessKeys.length === 0 ? 'no access key' : accessKeys.join(' '),
      grants.join(' '),
    ]),
  );
}

function addGrant(text: string, before: Grants = {}): Grants {
  const [, bucket, right] = /^([a-z0-9.-]+):(read|write|admin)$/.exec(text) ?? [];
  if (bucket === undefined || right === undefined) {
    throw new InvalidArgumentError('give a bucket and read, write or admin, such as photos:read');
  }
  return { ...before, [bucket]: [...(before[bucket] ?? []), right] };
}
