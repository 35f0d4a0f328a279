import { GridError, isGridError } from '@commongrid/base';
import { deploymentSchema } from '@commongrid/model';
import type { ContractDraft, Node, WorkloadId } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { deploy, remove } from '../node/deploy.ts';
import type { PlacedWorkload } from '../node/deploy.ts';
import { followDeploy, standingOf } from '../node/deploy-progress.ts';
import type { AwaitedWorkload, DeployStanding, WorkloadEvent } from '../node/deploy-progress.ts';
import { makeDeployment, readDeployment } from '../node/deployment.ts';
import { readLogFacts } from '../node/log-facts.ts';
import { formatTable } from '../terminal.ts';
import { serverCommand } from './bcdb/connection.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import { resolveImage } from './contract/read-contract.ts';
import { ownedGrid } from './node/farm.ts';
import type { OwnedConnection } from './node/farm.ts';
import { addText } from './node/node-arguments.ts';

type DeployCommandOptions = ServerOptions & {
  readonly node?: readonly string[];
  readonly hub?: string;
  readonly wait?: true;
  readonly schema?: true;
  readonly timeout: number;
};

/** How long workloads have to come up, s, unless somebody says otherwise. */
const timeoutSecondsDefault = 300;

export function deployCommand(context: CommandContext): Command {
  return serverCommand('deploy', 'Run what a file says on your nodes, and show how it comes up.')
    .argument('[file]', 'JSON: name, roles, secrets; see docs/operate/node.md')
    .option('--schema', 'only print the JSON Schema of such a file')
    .option('--node <name>', 'name or id of a node of yours; again for more; default: all', addText)
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .option('--wait', 'go on waiting while what failed is tried again')
    .option('--timeout <seconds>', 'wait no longer', parseSeconds, timeoutSecondsDefault)
    .action(async (file: string | undefined, options: DeployCommandOptions) => {
      if (options.schema === true)
        context.terminal.print(JSON.stringify(deploymentSchema, null, 2));
      else if (file === undefined) throw fileMissing();
      else await run(context, file, options);
    });
}

export function rmCommand(context: CommandContext): Command {
  return serverCommand('rm', 'End a deployment for good: its workloads stop, and their data goes.')
    .argument('<contract>', 'its id, or its name')
    .action(async (name: string, options: ServerOptions) => {
      const { client, grid, trust } = await ownedGrid(context, options);
      const { id } = await grid.contract(name);
      const { at } = await readLogFacts(client, trust.log);
      const workloads = await remove(id, { client, log: trust.log, owner: grid.owner, at });
      const result = { schema: 'grid.rm.1', contract: id, workloads };
      printResult(context, options, result, () => `${name} is ended: ${id}`);
    });
}

async function run(
  context: CommandContext,
  file: string,
  options: DeployCommandOptions,
): Promise<void> {
  const given = await readDeployment(file);
  const owned = await ownedGrid(context, options);
  const { client, grid, trust } = owned;
  const nodes = await grid.adoptedNodes(options.node);
  const { at, size } = await readLogFacts(client, trust.log);
  const draft = await makeDeployment(given, {
    ...{ log: trust.log, owner: grid.owner, controller: grid.key, at },
    resolveImage: (name) => resolveImage(context, options, name),
  });
  const startedMs = performance.now();
  const placed = await deploy(draft, nodes, {
    ...{ client, log: trust.log, owner: grid.owner, at },
  });
  const standing = await follow(context, { owned, options, draft, placed, from: size, startedMs });
  const places = placesOf(draft, placed, nodes);
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

async function follow(
  { terminal }: CommandContext,
  {
    owned,
    options,
    draft,
    placed,
    from,
    startedMs,
  }: {
    readonly owned: OwnedConnection;
    readonly options: DeployCommandOptions;
    readonly draft: ContractDraft;
    readonly placed: readonly PlacedWorkload[];
    readonly from: number;
    readonly startedMs: number;
  },
): Promise<DeployStanding> {
  const awaited = awaitedOf(draft, placed);
  const seen = new Map<WorkloadId, WorkloadEvent>();
  const isPatient = options.wait === true;
  const onEvent = (event: WorkloadEvent): void => {
    seen.set(event.workload, event);
    if (options.json !== true) terminal.note(describeEvent(event, performance.now() - startedMs));
  };
  const signal = AbortSignal.timeout(options.timeout * 1000);
  try {
    return await followDeploy(awaited, { client: owned.client, from, isPatient, signal, onEvent });
  } catch (error) {
    if (!signal.aborted || !isGridError(error)) throw error;
    return standingOf(awaited, seen, isPatient);
  }
}

/** How far each workload has to come: where it is probed, until it is healthy. */
function awaitedOf(
  { openings }: ContractDraft,
  placed: readonly PlacedWorkload[],
): readonly AwaitedWorkload[] {
  const probes = new Map(openings.map(({ role }) => [role.name, role.health?.probe ?? 'process']));
  return placed.map((one) => {
    const [, role = ''] = one.workload.split('/');
    return { ...one, goal: probes.get(role) === 'process' ? 'running' : 'healthy' };
  });
}

interface PublishedPort {
  readonly role: string;
  readonly port: string;
  readonly publish: number;
  readonly protocol: string;
  readonly node: string;
}

function placesOf(
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
  return `${time}  ${name.join('/')}  ${phase}  ${why}${next}`.trimEnd();
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
