import { formatBytes, GridError, parseBytes } from '@commongrid/base';
import type {
  FlistErrorCode,
  HubRepository,
  HubRepositorySummary,
  HubUser,
} from '@commongrid/flist';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { shortDigest } from '../flist/local-repository.ts';
import {
  digestOf,
  hubSubcommand,
  imageArgument,
  readingClient,
  signingClient,
  wholeList,
} from './hub-client.ts';
import type { HubOptions } from './hub-client.ts';

export function hubLsCommand(context: CommandContext): Command {
  return hubSubcommand('ls', 'List users, what a user has, or the names of a repository.')
    .argument('[what]', 'USER, USER/NAME or USER/NAME:TAG')
    .action(async (what: string | undefined, options: HubOptions) => {
      const { client } = await readingClient(context, options);
      if (what === undefined) {
        const users = await wholeList((page) => client.listUsers(page));
        const result = { schema: 'grid.hub.users.1', users };
        printResult(context, options, result, () => users.join('\n') || 'there are none');
      } else if (what.includes('/')) {
        const repository = withTag(await client.repository(what), what);
        const result = { schema: 'grid.hub.repository.1', ...repository };
        printResult(context, options, result, () => describeNames(repository));
      } else {
        const [items, usage] = await Promise.all([
          wholeList((page) => client.listRepositories(what, page)),
          client.user(what),
        ]);
        const result = { schema: 'grid.hub.repositories.1', ...usage, repositories: items };
        const used = `${formatBytes(usage.usedBytes)} of ${formatBytes(usage.quotaBytes)} used`;
        printResult(context, options, result, () => `${describeRepositories(items)}\n${used}`);
      }
    });
}

export function hubSearchCommand(context: CommandContext): Command {
  return hubSubcommand('search', 'Find repositories by words in names and descriptions.')
    .argument('<text>', 'what to look for')
    .action(async (text: string, options: HubOptions) => {
      const { client } = await readingClient(context, options);
      const items = await wholeList((page) => client.search(text, page));
      const result = { schema: 'grid.hub.search.1', repositories: items };
      printResult(context, options, result, () => describeRepositories(items));
    });
}

export function hubTagCommand(context: CommandContext): Command {
  return hubSubcommand('tag', 'Give an image of the hub a name: by digest or another name of it.')
    .argument('<image>', imageArgument)
    .argument('<name>', 'the name that it gets')
    .option('--link', 'follow the other name from now on, whatever it will say')
    .action(async (image: string, name: string, options: HubOptions & { readonly link?: true }) => {
      const { client } = await signingClient(context, options);
      const { digest } =
        options.link === true
          ? await client.link(name, image)
          : await client.name(name, await digestOf(client, image));
      const result = { schema: 'grid.hub.tag.1', name, digest };
      printResult(context, options, result, () => `${name} is ${shortDigest(digest)}`);
    });
}

export function hubMergeCommand(context: CommandContext): Command {
  return hubSubcommand('merge', 'Let the hub make one image of several, the last on top.')
    .argument('<name>', 'the name that it gets')
    .argument('<images...>', 'names of 2 to 16 images')
    .action(async (name: string, images: readonly string[], options: HubOptions) => {
      const { client } = await signingClient(context, options);
      const { digest } = await client.merge(images, name);
      const result = { schema: 'grid.hub.merge.1', name, digest };
      printResult(context, options, result, () => `${name} is ${digest}`);
    });
}

export function hubRmCommand(context: CommandContext): Command {
  return hubSubcommand('rm', 'Remove a tag, or a repository with all its tags.')
    .argument('<name>', 'USER/NAME or USER/NAME:TAG')
    .action(async (name: string, options: HubOptions) => {
      const { client } = await signingClient(context, options);
      await client.remove(name);
      const result = { schema: 'grid.hub.rm.1', name };
      printResult(context, options, result, () => `${name} is removed`);
    });
}

export function hubQuotaCommand(context: CommandContext): Command {
  return hubSubcommand('quota', 'Say what a user may take of the hub, and what of it is taken.')
    .argument('<user>', 'whose')
    .argument('[size]', 'sets it, for the owner of the hub: 10GiB, or default', parseQuota)
    .action(async (user: string, size: Quota | undefined, options: HubOptions) => {
      const usage =
        size === undefined
          ? await (await readingClient(context, options)).client.user(user)
          : await setQuota(context, options, user, size);
      const result = { schema: 'grid.hub.quota.1', ...usage };
      printResult(context, options, result, ({ usedBytes, quotaBytes }) => {
        return `${user} has used ${formatBytes(usedBytes)} of ${formatBytes(quotaBytes)}`;
      });
    });
}

type Quota = number | 'default';

async function setQuota(
  context: CommandContext,
  options: HubOptions,
  user: string,
  size: Quota,
): Promise<HubUser> {
  const { client } = await signingClient(context, options);
  return client.setQuota(user, size === 'default' ? undefined : size);
}

function parseQuota(text: string): Quota {
  if (text === 'default') return text;
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('give a size such as 10GiB, or default');
  }
}

export function hubSignersCommand(context: CommandContext): Command {
  return hubSubcommand(
    'signers',
    'List who signed an image of the hub; each signature is verified.',
  )
    .argument('<image>', imageArgument)
    .action(async (image: string, options: HubOptions) => {
      const { client } = await readingClient(context, options);
      const digest = await digestOf(client, image);
      const keys = await client.signers(digest);
      const result = { schema: 'grid.hub.signers.1', digest, keys };
      printResult(context, options, result, () => keys.join('\n') || 'signed by nobody');
    });
}

/** With the one tag only, where one was asked for. */
function withTag(repository: HubRepository, what: string): HubRepository {
  const [, tag] = what.split(':');
  if (tag === undefined) return repository;
  const names = repository.names.filter((name) => name.tag === tag);
  if (names.length > 0) return { ...repository, names };
  throw new GridError<FlistErrorCode>('HUB_NOT_FOUND', `there is no name ${what}`, {
    hint: `grid hub ls ${repository.user}/${repository.name}`,
  });
}

function describeNames({ user, name, names }: HubRepository): string {
  return formatTable(
    names.map(({ tag, digest, link, atMs }) => [
      tag === '' ? `${user}/${name}` : `${user}/${name}:${tag}`,
      digest === undefined ? `-> ${link ?? ''}` : shortDigest(digest),
      formatTime(atMs),
    ]),
  );
}

function describeRepositories(items: readonly HubRepositorySummary[]): string {
  if (items.length === 0) return 'there are none';
  return formatTable(
    items.map(({ user, name, description, changedMs }) => [
      ...[`${user}/${name}`, formatTime(changedMs), description],
    ]),
  );
}
