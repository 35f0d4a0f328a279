import { draftFileOf, secretsText } from '@commongrid/contract';
import type { BuiltContract, DraftFile } from '@commongrid/contract';
import { GridError, isGridError } from '@commongrid/base';
import { deploymentSchema } from '@commongrid/model';
import type { ContractDraft, Node, RecordOf, WorkloadId } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { botHere } from '../bot-service/bots-here.ts';
import { withKeeper } from '../bot-service/contract-keeper.ts';
import { printResult } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { endOf, placesOf, signContract } from '../node/deploy.ts';
import type { PlacedWorkload } from '../node/deploy.ts';
import { followDeploy, standingOf } from '../node/deploy-progress.ts';
import type { DeployStanding, WorkloadEvent } from '../node/deploy-progress.ts';
import { makeDeployment, readDeployment } from '../node/deployment.ts';
import { readLogFacts } from '../node/log-facts.ts';
import type { LiveContract } from '../node/owned-grid.ts';
import { formatTable, plainText } from '../terminal.ts';
import { serverCommand } from './bcdb/connection.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import { namingBudget, requireRenter, withBudget, withBudgetOptions } from './deploy-budget.ts';
import type { BudgetOptions } from './deploy-budget.ts';
import { agreeToEnd } from './agreed-end.ts';
import { endUnplaced } from './unplaced-contract.ts';
import { resolveImage } from './contract/read-contract.ts';
import { ownedGrid } from './node/farm.ts';
import type { OwnedConnection } from './node/farm.ts';
import { addText } from './node/node-arguments.ts';

type DeployCommandOptions = ServerOptions &
  BudgetOptions & {
    readonly node?: readonly string[];
    readonly hub?: string;
    readonly wait?: true;
    readonly schema?: true;
    readonly timeout: number;
  };

/** How long workloads have to come up, s, unless somebody says otherwise. */
const timeoutSecondsDefault = 300;

export function deployCommand(context: CommandContext): Command {
  const command = serverCommand(
    'deploy',
    'Run what a file says on your nodes, or on rented ones, and show how it comes up.',
  )
    .argument('[file]', 'JSON: name, roles, secrets; see docs/operate/node.md')
    .option('--schema', 'only print the JSON Schema of such a file')
    .option(
      '--node <name>',
      'place only on this node of yours, by name or id; again for more',
      addText,
    )
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .option('--wait', 'go on waiting while what failed is tried again')
    .option('--timeout <seconds>', 'wait no longer', parseSeconds, timeoutSecondsDefault);
  return withBudgetOptions(command).action(
    async (file: string | undefined, options: DeployCommandOptions) => {
      if (options.schema === true)
        context.terminal.print(JSON.stringify(deploymentSchema, null, 2));
      else if (file === undefined) throw fileMissing();
      else await run(context, file, options);
    },
  );
}

export function rmCommand(context: CommandContext): Command {
  return serverCommand('rm', 'End a deployment for good: its workloads stop, and their data goes.')
    .argument('<contract>', 'its id, or its name')
    .option('--timeout <seconds>', 'wait no longer', parseSeconds, timeoutSecondsDefault)
    .action(async (name: string, options: ServerOptions & { readonly timeout: number }) => {
      const owned = await ownedGrid(context, options);
      const { client, grid } = owned;
      const live = await placedContract(owned, name);
      if (live === undefined) {
        const unplaced = await endUnplaced(context, options, owned, name);
        const ended = { schema: 'grid.rm.1', contract: unplaced, workloads: [] };
        printResult(context, options, ended, () => `${name} is ended: ${unplaced}`);
        return;
      }
      const { id, header, placement } = live;
      const workloads = placement.items.map(
        ({ role, replica }) => `${id}/${role}/${replica}` as WorkloadId,
      );
      const bot = await botHere(context.environment.home, grid.owner);
      const who = { options, owned, bot, header };
      await withKeeper(context, who, async (keeper) => {
        const { phase } = await keeper.standing(id);
        // What ends is controlled as well, by whatever is known of it.
        if (phase === null) await keeper.adopt({ draft: await draftInLog(owned, live) });
        await agreeToEnd(context, options, owned, id);
        await endOf(id, workloads, {
          ...{ client, isPatient: false, standing: () => keeper.standing(id) },
          signal: AbortSignal.timeout(options.timeout * 1000),
        });
      });
      const result = { schema: 'grid.rm.1', contract: id, workloads };
      printResult(context, options, result, () => `${name} is ended: ${id}`);
    });
}

/** Undefined where nothing of it was placed. @throws GRID_NAME_AMBIGUOUS */
async function placedContract(
  { grid }: OwnedConnection,
  name: string,
): Promise<LiveContract | undefined> {
  try {
    return await grid.contract(name);
  } catch (error) {
    if (isGridError(error, 'GRID_CONTRACT_UNKNOWN')) return undefined;
    throw error;
  }
}

async function run(
  context: CommandContext,
  file: string,
  options: DeployCommandOptions,
): Promise<void> {
  const owned = await ownedGrid(context, options);
  const { client, grid, trust } = owned;
  const given = await withBudget(client, await readDeployment(file), options);
  const only = options.node === undefined ? undefined : await grid.adoptedNodes(options.node);
  const { at, size } = await readLogFacts(client, trust.log);
  const bot = await botHere(context.environment.home, grid.owner);
  await requireRenter(given, bot);
  const built = await makeDeployment(given, {
    ...{ log: trust.log, owner: grid.owner, controller: grid.owner, at },
    resolveImage: (name) => resolveImage(context, options, name),
  });
  const { draft } = built;
  const startedMs = performance.now();
  const signal = AbortSignal.timeout(options.timeout * 1000);
  const placed = await withKeeper(context, { options, owned, bot }, async (keeper) => {
    // Whoever places has the papers before there is anything to place.
    await keeper.adopt({ ...papersOf(built), only: only?.map(({ id }) => id) });
    await signContract(draft, { client, log: trust.log, owner: grid.owner, at });
    return placesOf(draft.id, replicasOf(draft), {
      ...{ client, isPatient: options.wait === true, signal },
      standing: () => keeper.standing(draft.id),
    });
  }).catch((error: unknown) => {
    throw namingBudget(error, given, { path: file, bot: options.bot });
  });
  const from = { owned, options, draft, placed, from: size, startedMs, signal };
  const standing = await follow(context, from);
  const places = publishedOf(draft, placed, await nodesOf(owned, placed));
  const result = {
    ...{ schema: 'grid.deploy.1', contract: draft.id, is: standing.is },
    workloads: placed.map(({ workload, node }) => {
      return { id: workload, node, phase: standing.events.get(workload)?.phase ?? null };
    }),
    ports: places,
  };
  printResult(context, options, result, () => {
    const rows = places.map((one) => [one.role, one.port, `port ${one.publish} of ${one.node}`]);
    return [`${draft.header.name} is ${draft.id}`, formatTable(rows)].join('\n').trimEnd();
  });
  if (standing.is !== 'there') throw failed(draft, standing, options.timeout);
}

/** As files have it. */
function papersOf(built: BuiltContract): { readonly draft: DraftFile; readonly secrets?: unknown } {
  const secrets = secretsText(built);
  const draft = draftFileOf(built);
  return secrets === undefined ? { draft } : { draft, secrets: JSON.parse(secrets) as unknown };
}

function replicasOf({ openings }: ContractDraft): number {
  return openings.reduce((sum, { role }) => sum + role.replicas, 0);
}

/** A contract as its slices show it: enough to end it, and to place it without its secrets. */
async function draftInLog(
  { client }: OwnedConnection,
  { id, header, placement }: LiveContract,
): Promise<DraftFile> {
  const shown = placement.items.map(async ({ node, role, replica }) => {
    const { value } = await client.get('grid', 'grid.slice.1', `${node}/${id}/${role}/${replica}`);
    return (value as RecordOf<'grid.slice.1'>).opening;
  });
  const all = await Promise.all(shown);
  const openings = header.roles.flatMap(({ name }) => {
    const opening = all.find(({ role }) => role.name === name);
    return opening === undefined ? [] : [opening];
  });
  return { schema: 'grid.contract.draft.1', id, header, openings, shards: {} };
}

/** Those that something was placed on, by the word of the database. */
async function nodesOf(
  { client }: OwnedConnection,
  placed: readonly PlacedWorkload[],
): Promise<readonly Node[]> {
  const ids = [...new Set(placed.map(({ node }) => node))];
  return Promise.all(
    ids.map(async (id) => (await client.get('grid', 'grid.node.1', id)).value as unknown as Node),
  );
}

async function follow(
  { terminal }: CommandContext,
  {
    owned,
    options,
    placed,
    from,
    startedMs,
    signal,
  }: {
    readonly owned: OwnedConnection;
    readonly options: DeployCommandOptions;
    readonly placed: readonly PlacedWorkload[];
    readonly from: number;
    readonly startedMs: number;
    readonly signal: AbortSignal;
  },
): Promise<DeployStanding> {
  const seen = new Map<WorkloadId, WorkloadEvent>();
  const isPatient = options.wait === true;
  const onEvent = (event: WorkloadEvent): void => {
    seen.set(event.workload, event);
    if (options.json !== true) terminal.note(describeEvent(event, performance.now() - startedMs));
  };
  try {
    return await followDeploy(placed, { client: owned.client, from, isPatient, signal, onEvent });
  } catch (error) {
    if (!signal.aborted || !isGridError(error)) throw error;
    return standingOf(placed, seen, isPatient);
  }
}

interface PublishedPort {
  readonly role: string;
  readonly port: string;
  readonly publish: number;
  readonly protocol: string;
  readonly node: string;
}

function publishedOf(
  { openings }: ContractDraft,
  placed: readonly PlacedWorkload[],
  nodes: readonly Node[],
): readonly PublishedPort[] {
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  return placed.flatMap(({ workload, node }) => {
    const [, name] = workload.split('/');
    const opening = openings.find(({ role }) => role.name === name);
    const ports = opening?.role.workload.container?.ports ?? [];
    return ports.flatMap(({ name: port, protocol, publish }) => {
      if (publish === undefined || name === undefined) return [];
      return [{ role: name, port, publish, protocol, node: names.get(node) ?? node }];
    });
  });
}

export function describeEvent(event: WorkloadEvent, afterMs: number): string {
  const { workload, phase, code, message, hint } = event;
  const [, ...name] = workload.split('/');
  const why = [code, message].filter((text) => text !== undefined).join(': ');
  const next = hint === undefined ? '' : ` (next: ${hint})`;
  const time = `${(afterMs / 1000).toFixed(1)} s`.padStart(8);
  return plainText(`${time}  ${name.join('/')}  ${phase}  ${why}${next}`).trimEnd();
}

function parseSeconds(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number of seconds');
}

function fileMissing(): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', 'say which file', { hint: 'grid deploy FILE' });
}

function failed(
  { id, header }: ContractDraft,
  { is }: DeployStanding,
  timeoutSeconds: number,
): GridError<GridErrorCode> {
  const why = is === 'failed' ? 'a workload failed' : `not all is there after ${timeoutSeconds} s`;
  return new GridError('GRID_DEPLOY_FAILED', `${header.name} does not run: ${why}`, {
    hint: `it goes on on the nodes; see grid node events, or end it: grid rm ${header.name}`,
    details: { contract: id },
  });
}
