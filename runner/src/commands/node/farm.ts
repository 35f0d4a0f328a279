import { randomBytes } from 'node:crypto';

import { delay, GridError, shutdownSignal } from '@commongrid/base';
import type { Farm, Node } from '@commongrid/model';
import { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { writeFarm } from '../../node/home-farm.ts';
import { InviteBook } from '../../node/invite-book.ts';
import { joinTokenText, secretHashOf } from '../../node/join-token.ts';
import type { JoinToken } from '../../node/join-token.ts';
import { newFarm } from '../../node/new-farm.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import { OwnedGrid } from '../../node/owned-grid.ts';
import { ownHubUrl } from '../../own-hub.ts';
import { formatTable } from '../../terminal.ts';
import { waitNotes } from '../../wait-notes.ts';
import { connect, selfOf, serverCommand } from '../bcdb/connection.ts';
import type { Connection, ServerOptions } from '../bcdb/connection.ts';
import { formatTime, parseCount } from '../bcdb/options.ts';
import { addOrigin, parseCountry, parseGridName } from './node-arguments.ts';

type CreateOptions = ServerOptions & { readonly country: string; readonly city: string };
type InviteOptions = ServerOptions & {
  readonly farm?: string;
  readonly days?: number;
  readonly hours?: number;
  readonly url?: readonly string[];
  readonly hub?: readonly string[];
};
type AdoptOptions = ServerOptions & { readonly pending?: true; readonly wait?: true };

/** A token is good for so long unless somebody says otherwise. */
const hoursDefault = 24;
const hourMs = 3_600_000;
/** From one look for nodes to the next. */
const lookEveryMs = 500;

export function nodeFarmCommand(context: CommandContext): Command {
  const create = serverCommand('create', 'Write a farm: where machines of yours stand.')
    .argument('<name>', '3 to 32 of a-z, 0-9 and single dashes between them', parseGridName)
    .requiredOption('--country <code>', 'two letters of ISO 3166-1, such as BE', parseCountry)
    .requiredOption('--city <name>', 'where it is')
    .action(async (name: string, options: CreateOptions) => {
      const { client, grid } = await ownedGrid(context, options);
      const farm = newFarm(grid.owner, { ...options, name });
      await writeFarm(client, farm);
      const result = { schema: 'grid.node.farm.1', ...farm };
      printResult(
        context,
        options,
        result,
        ({ id }) => `${name} is ${id}\nnext: ./grid node invite`,
      );
    });
  const list = serverCommand('list', 'List your farms.').action(async (options: ServerOptions) => {
    const { grid } = await ownedGrid(context, options);
    const farms = await grid.farms();
    const result = { schema: 'grid.node.farms.1', farms };
    printResult(context, options, result, () => describeFarms(farms));
  });
  return new Command('farm')
    .description('Farms: where machines of an owner stand.')
    .addCommand(create)
    .addCommand(list);
}

export function nodeInviteCommand(context: CommandContext): Command {
  return serverCommand('invite', 'Make a token by which one machine joins a farm of yours.')
    .option('--farm <name>', 'name or id; default: the only one')
    .option('--days <n>', 'how long it is good', parseCount)
    .option('--hours <n>', `the same; default: ${hoursDefault}`, parseCount)
    .option('--url <url>', 'where that machine reaches the database; again for more', addOrigin)
    .option('--hub <origin>', 'where it finds images; again for more; default: yours', addOrigin)
    .action(async (options: InviteOptions) => {
      const token = await invite(context, options);
      const { farm, expiresMs, urls, hubs } = token;
      const text = joinTokenText(token);
      const result = { schema: 'grid.node.invite.1', token: text, farm, expiresMs, urls, hubs };
      printResult(context, options, result, () => text);
      if (options.json === true) return;
      const { terminal } = context;
      terminal.note(`good for one machine until ${formatTime(expiresMs)}; there: ./grid node join`);
      if (urls.every(isLoopback)) terminal.note('only on this machine: for others give --url');
    });
}

export function nodeAdoptCommand(context: CommandContext): Command {
  return serverCommand('adopt', 'Let a node belong to the farm of yours that it names.')
    .argument('[node]', 'name or id; default: those that came by an invitation of yours')
    .option('--pending', 'those that came by an invitation of yours')
    .option('--wait', 'until there is one')
    .action(async (name: string | undefined, options: AdoptOptions) => {
      if (name !== undefined && options.pending === true) {
        throw new GridError<GridErrorCode>('GRID_USAGE', 'name a node, or say --pending, not both');
      }
      const owned = await ownedGrid(context, options);
      const signal = shutdownSignal();
      const isNoteDue = waitNotes(performance.now());
      let adopted: readonly Node[] = await adopt(context, owned, name);
      while (adopted.length === 0 && options.wait === true && !signal.aborted) {
        if (isNoteDue(performance.now())) context.terminal.note(nobodyAsked(name));
        await delay(lookEveryMs, { signal }).catch(() => {});
        adopted = await adopt(context, owned, name);
      }
      if (adopted.length === 0 && name !== undefined) throw notThere(name);
      const result = { schema: 'grid.node.adopt.1', adopted: adopted.map(({ id }) => id) };
      const lines = adopted.map((node) => `${node.name} is adopted: ${node.id}`);
      const none = 'no node waits that came by an invitation';
      printResult(context, options, result, () => lines.join('\n') || none);
    });
}

export function nodeListCommand(context: CommandContext): Command {
  return serverCommand('list', 'List the nodes of your farms, adopted or not.').action(
    async (options: ServerOptions) => {
      const { grid } = await ownedGrid(context, options);
      const nodes = await grid.nodes();
      const result = {
        schema: 'grid.node.list.1',
        nodes: nodes.map(({ node, farm, standing = null }) => {
          return { id: node.id, name: node.name, farm: farm.name, standing };
        }),
      };
      printResult(context, options, result, (all) => {
        const rows = all.nodes.map((one) => [
          one.name,
          one.farm,
          one.standing ?? 'not adopted',
          one.id,
        ]);
        return formatTable(rows) || 'there are none';
      });
    },
  );
}

/** A database as its owner sees it. */
export type OwnedConnection = Connection & { readonly grid: OwnedGrid };

/** @throws GRID_BOT_UNKNOWN, and what `connect` throws */
export async function ownedGrid(
  context: CommandContext,
  options: ServerOptions,
): Promise<OwnedConnection> {
  const connection = await connect(context, options);
  const grid = await OwnedGrid.open(connection.client, await selfOf(connection));
  return { ...connection, grid };
}

async function invite(context: CommandContext, options: InviteOptions): Promise<JoinToken> {
  const { client, grid, trust, url } = await ownedGrid(context, options);
  const farm = await grid.farm(options.farm);
  const home = new GridHome(context.environment.home);
  const hub = await ownHubUrl(home.path);
  const hours = options.hours ?? (options.days === undefined ? hoursDefault : options.days * 24);
  const token: JoinToken = {
    v: 1,
    log: trust.log,
    sequencer: trust.sequencerKey,
    releaseKeys: (await readLogFacts(client, trust.log)).releaseKeys,
    urls: options.url ?? [url],
    farm: farm.id,
    secret: randomBytes(32).toString('base64url'),
    expiresMs: Date.now() + hours * hourMs,
    hubs: options.hub ?? (hub === undefined ? [] : [hub]),
  };
  const { log, expiresMs } = token;
  const secretHash = secretHashOf(token.secret).toString('base64url');
  const kept = { schema: 'grid.invite.1' as const, secretHash, log, farm: farm.id, expiresMs };
  await new InviteBook(home.invites).add(kept);
  return token;
}

/** @returns those that are adopted now and were not */
async function adopt(
  context: CommandContext,
  { client, grid, trust }: OwnedConnection,
  name: string | undefined,
): Promise<readonly Node[]> {
  const book = new InviteBook(new GridHome(context.environment.home).invites);
  const adopted: Node[] = [];
  for (const { node, standing } of await grid.nodes()) {
    if (name === undefined) {
      if (standing !== undefined) continue;
      const invited = await book.inviteOf(node, trust.log, Date.now());
      if (invited === undefined) continue;
      await book.settle(invited, node.id);
    } else if (node.id !== name && node.name !== name) continue;
    const value = { node: node.id, farm: node.farm, standing: 'active' as const };
    await client.write({ ns: 'grid', op: 'put', url: 'grid.adoption.1', obj: node.id, value });
    adopted.push(node);
  }
  return adopted;
}

function nobodyAsked(name: string | undefined): string {
  const who = name === undefined ? 'no machine that was invited' : `no node ${name}`;
  const look = 'see that ./grid node start runs there, and what it says';
  return `${who} asked to join yet: ${look}; those that asked: ./grid node list`;
}

function describeFarms(farms: readonly Farm[]): string {
  const rows = farms.map(({ name, location, id }) => {
    return [name, `${location.city}, ${location.country}`, id];
  });
  return rows.length === 0 ? 'there are none' : formatTable(rows);
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

function notThere(name: string): GridError<GridErrorCode> {
  return new GridError(
    'GRID_NODE_UNKNOWN',
    `no node that names a farm of yours is called ${name}`,
    {
      hint: 'see which there are: grid node list',
      details: { name },
    },
  );
}
