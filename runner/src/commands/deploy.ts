import { GridError } from '@commongrid/base';
import { draftFileOf, readDirectory, secretsText } from '@commongrid/contract';
import type { BuiltContract, DraftFile } from '@commongrid/contract';
import { deploymentSchema } from '@commongrid/model';
import type { ContractDraft, NodeId } from '@commongrid/model';
import { answersSchema, findSolution, solutions } from '@commongrid/solutions';
import type { Command } from 'commander';

import { botHere, isRunning } from '../bot-service/bots-here.ts';
import { withKeeper } from '../bot-service/contract-keeper.ts';
import { printResult } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { placesOf, signContract } from '../node/deploy.ts';
import type { PlacedWorkload } from '../node/deploy.ts';
import type { DeployStanding } from '../node/deploy-progress.ts';
import { makeDeployment } from '../node/deployment.ts';
import { readLogFacts } from '../node/log-facts.ts';
import type { LogFacts } from '../node/log-facts.ts';
import { imageFinder } from '../solutions/find-images.ts';
import { findDeployable, isPath } from '../solutions/find-deployable.ts';
import type { Deployable } from '../solutions/find-deployable.ts';
import { dropCredentials, keepCredentials } from '../solutions/kept-credentials.ts';
import { formatTable } from '../terminal.ts';
import { serverCommand } from './bcdb/connection.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import type { DoorReport } from '../front-door/front-door-report.ts';
import type { BotFolder } from './bot/bot-folder.ts';
import { printPlan } from './contract/print-plan.ts';
import { namingBudget, requireRenter, withBudget, withBudgetOptions } from './deploy-budget.ts';
import type { BudgetOptions } from './deploy-budget.ts';
import { DeployPhases } from './deploy-phases.ts';
import { deployedPorts, doorsOf } from './deploy-ports.ts';
import type { DeployedPort } from './deploy-ports.ts';
import { parseSeconds, timeoutSecondsDefault } from './deploy-timeout.ts';
import { ownedGrid } from './node/farm.ts';
import type { OwnedConnection } from './node/farm.ts';
import { addText } from './node/node-arguments.ts';

type DeployCommandOptions = ServerOptions &
  BudgetOptions & {
    readonly answers?: string;
    readonly yes?: true;
    readonly dryRun?: true;
    readonly detach?: true;
    readonly list?: true;
    readonly node?: readonly string[];
    readonly hub?: string;
    readonly wait?: true;
    readonly schema?: true;
    readonly timeout: number;
  };

export function deployCommand(context: CommandContext): Command {
  const command = serverCommand(
    'deploy',
    'Run a solution, or what a file says, on your nodes or on rented ones, and show how it comes up.',
  )
    .argument(
      '[solution-or-file]',
      'a solution, or a file of JSON: name, roles, secrets; see docs/operate',
    )
    .option('--list', 'only list the solutions')
    .option('--schema', 'only print the JSON Schema of the answers, or of such a file')
    .option('--answers <file>', 'JSON with the answers to what the solution asks')
    .option('--yes', 'ask nothing: what is not answered gets its default')
    .option('--dry-run', 'only say where it would run, and what that costs')
    .option('--detach', 'wait for nothing once it is signed')
    .option(
      '--node <name>',
      'place only on this node of yours, by name or id; again for more',
      addText,
    )
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .option('--wait', 'go on waiting while what failed is tried again')
    .option('--timeout <seconds>', 'wait no longer', parseSeconds, timeoutSecondsDefault)
    .addHelpText('after', () => `\nSolutions:\n${describeSolutions()}`);
  return withBudgetOptions(command).action(
    async (word: string | undefined, options: DeployCommandOptions) => {
      if (options.list === true) printSolutions(context, options);
      else if (options.schema === true) printSchema(context, word);
      else if (word === undefined) throw nothingNamed();
      else await run(context, word, options);
    },
  );
}

function printSolutions(context: CommandContext, options: DeployCommandOptions): void {
  const all = solutions.map(({ name, summary }) => ({ name, summary }));
  const result = { schema: 'grid.solutions.1', solutions: all };
  printResult(context, options, result, describeSolutions);
}

function describeSolutions(): string {
  return formatTable(solutions.map(({ name, summary }) => [`  ${name}`, summary]));
}

function printSchema({ terminal }: CommandContext, word: string | undefined): void {
  const isOfFile = word === undefined || isPath(word);
  const schema = isOfFile ? deploymentSchema : answersSchema(findSolution(word));
  terminal.print(JSON.stringify(schema, null, 2));
}

/** What is deployed, by whom, and where that is said. */
interface Deployment {
  readonly owned: OwnedConnection;
  readonly found: Deployable;
  readonly built: BuiltContract;
  readonly bot: BotFolder | undefined;
  /** Nodes of the owner that it may be on; undefined: any. */
  readonly only: readonly NodeId[] | undefined;
  readonly facts: LogFacts;
  readonly phases: DeployPhases;
}

async function run(
  context: CommandContext,
  word: string,
  options: DeployCommandOptions,
): Promise<void> {
  // Before anybody looks for the grid.
  if (!isPath(word)) findSolution(word);
  const owned = await ownedGrid(context, options);
  const { client, grid, trust } = owned;
  const found = await findDeployable(context, word, options);
  const given = await withBudget(client, found.definition, options);
  const only = options.node === undefined ? undefined : await grid.adoptedNodes(options.node);
  const facts = await readLogFacts(client, trust.log);
  const bot = await botHere(context.environment.home, grid.owner);
  const phases = new DeployPhases(context, options);
  if (options.dryRun !== true) await requireRenter(given, bot);
  if (options.detach === true) await requireBot(bot);
  const built = await makeDeployment(given, {
    ...{ log: trust.log, owner: grid.owner, controller: grid.owner, at: facts.at },
    resolveImage: imageFinder(context, options, found.made?.images ?? {}, (name) => {
      phases.say(`image ${name}`, 'there');
    }),
  });
  const deployment = { owned, found, built, bot, only: only?.map(({ id }) => id), facts, phases };
  if (options.dryRun === true) await plan(context, options, deployment);
  else {
    await place(context, options, deployment).catch((error: unknown) => {
      throw namingBudget(error, given, { path: word, bot: options.bot });
    });
  }
}

async function plan(
  context: CommandContext,
  options: DeployCommandOptions,
  { owned: { client }, built, only, facts: { at } }: Deployment,
): Promise<void> {
  const listed = await readDirectory(client, at);
  const wishes = { only: only && new Set(only) };
  const work = { client, at, listed, wishes, asksFarmers: true };
  await printPlan(context, options, draftFileOf(built), work);
}

/** Two of one name would each be found by its id alone. @throws GRID_NAME_TAKEN */
async function requireFreeName(
  { grid }: OwnedConnection,
  { name, replaces }: ContractDraft['header'],
): Promise<void> {
  const all = await grid.contracts();
  const taken = all.find(({ id, header }) => header.name === name && id !== replaces);
  if (taken === undefined) return;
  const { id } = taken;
  throw new GridError<GridErrorCode>('GRID_NAME_TAKEN', `${name} runs already: ${id}`, {
    hint: `choose another name, or end that one: grid rm ${name}; a version that says it replaces that one takes its place: grid contract build`,
    details: { name, contract: id },
  });
}

/** Signs it, and shows how it comes up. */
async function place(
  context: CommandContext,
  options: DeployCommandOptions,
  deployment: Deployment,
): Promise<void> {
  const { owned, found, built, bot, only, facts, phases } = deployment;
  const { client, grid, trust } = owned;
  const { draft } = built;
  await requireFreeName(owned, draft.header);
  const { home } = context.environment;
  const signal = AbortSignal.timeout(options.timeout * 1000);
  const named = { home, name: draft.header.name, contract: draft.id };
  // Before anything runs that only these open.
  const files = await keepCredentials(named, found.made?.credentials ?? {});
  const placed = await withKeeper(context, { options, owned, bot }, async (keeper) => {
    let mayBeSigned = false;
    try {
      // Whoever places has the papers before there is anything to place.
      await keeper.adopt({ ...papersOf(built), only });
      mayBeSigned = true;
      await signContract(draft, {
        ...{ client, log: trust.log, owner: grid.owner, at: facts.at },
        onRefused: () => (mayBeSigned = false),
      });
    } catch (error) {
      // They open what runs where only the answer was lost.
      if (!mayBeSigned) await dropCredentials(home, draft.id);
      throw error;
    }
    phases.say('contract', 'signed', draft.id);
    if (options.detach === true) return [];
    return placesOf(draft.id, replicasOf(draft), {
      ...{ client, isPatient: options.wait === true, signal },
      standing: () => keeper.standing(draft.id),
    });
  });
  if (options.detach === true) {
    const unseen = { placed, ports: [], doors: [], standing: undefined };
    printDeployed(context, options, { deployment, files, ...unseen });
    return;
  }
  phases.say('contract', 'placed');
  const isPatient = options.wait === true;
  const follow = { client, from: facts.size, isPatient, signal };
  const standing = await phases.follow(placed, follow);
  const ports = await deployedPorts(client, draft, placed);
  const isFollowed = standing.is === 'there' && bot !== undefined && (await isRunning(bot));
  const doors = isFollowed ? await doorsOf(home, draft.id, ports) : [];
  printDeployed(context, options, { deployment, files, placed, ports, doors, standing });
  if (standing.is !== 'there') throw failed(draft, standing, options.timeout);
}

interface Deployed {
  readonly deployment: Deployment;
  /** Paths of credentials. */
  readonly files: ReadonlyMap<string, string>;
  readonly placed: readonly PlacedWorkload[];
  readonly ports: readonly DeployedPort[];
  readonly doors: readonly DoorReport[];
  /** Undefined where nobody waited. */
  readonly standing: DeployStanding | undefined;
}

function printDeployed(
  context: CommandContext,
  options: DeployCommandOptions,
  { deployment: { built, found }, files, placed, ports, doors, standing }: Deployed,
): void {
  const { id, header } = built.draft;
  const whereabouts = {
    addresses: (role: string) => {
      const own = doors.filter((door) => door.role === role).map(({ address }) => address);
      if (own.length > 0) return own;
      return ports.flatMap((one) => (one.role === role && one.address ? [one.address] : []));
    },
    file: (credential: string) => files.get(credential) ?? credential,
  };
  const use = standing?.is === 'there' ? (found.made?.use(whereabouts) ?? []) : [];
  const result = {
    ...{ schema: 'grid.deploy.1', contract: id, is: standing?.is ?? 'signed' },
    workloads: placed.map(({ workload, node }) => {
      return { id: workload, node, phase: standing?.events.get(workload)?.phase ?? null };
    }),
    ...{ ports, doors: doors.map(({ role, port, address }) => ({ role, port, address })) },
    ...{ credentials: Object.fromEntries(files), use },
  };
  printResult(context, options, result, () => {
    const where = (one: DeployedPort): string =>
      one.address ?? `port ${one.publish} of ${one.node}`;
    const rows = [
      ...ports.map((one) => [`  ${one.role}`, one.port, where(one)]),
      ...doors.map((one) => [`  ${one.role}`, one.port, `${one.address}, whatever node it is on`]),
    ];
    const as = options.bot === undefined ? '' : ` --bot ${options.bot}`;
    const status = `  next: grid contract status ${header.name}${as}`;
    const next = standing === undefined ? [status] : [];
    const kept = [...files].map(([name, path]) => [`  ${name}`, path]);
    return [
      `${header.name} is ${id}`,
      ...[...next, formatTable(rows), formatTable(kept)].filter((text) => text !== ''),
      ...(use.length === 0 ? [] : ['use it:', ...use.map((line) => `  ${line}`)]),
    ].join('\n');
  });
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

/** @throws GRID_BOT_STOPPED where nobody goes on once this command has ended */
async function requireBot(bot: BotFolder | undefined): Promise<void> {
  if (bot !== undefined && (await isRunning(bot))) return;
  const message = 'your bot does not run on this machine: nobody would place it';
  throw new GridError<GridErrorCode>('GRID_BOT_STOPPED', message, {
    hint: 'leave --detach out: then this command places it; or grid bot start NAME',
  });
}

function nothingNamed(): GridError<GridErrorCode> {
  const names = solutions.map(({ name }) => name).join(', ');
  return new GridError('GRID_USAGE', 'say what: a file, or a solution', {
    hint: `grid deploy FILE; or one of ${names}: grid deploy --list`,
  });
}

function failed(
  { id, header }: ContractDraft,
  { is }: DeployStanding,
  timeoutSeconds: number,
): GridError<GridErrorCode> {
  const why = is === 'failed' ? 'a workload failed' : `not all is there after ${timeoutSeconds} s`;
  return new GridError('GRID_DEPLOY_FAILED', `${header.name} does not run: ${why}`, {
    hint: `it goes on on the nodes; see grid events, or end it: grid rm ${header.name}`,
    details: { contract: id },
  });
}
