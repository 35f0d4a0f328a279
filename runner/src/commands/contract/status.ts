import type { ContractStatus } from '@commongrid/contract';
import type { Node, SignatureLine } from '@commongrid/model';
import type { Command } from 'commander';

import type { ContractStanding } from '../../bot-service/contracts-actor.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { doorsHere } from '../../front-door/front-door-place.ts';
import { formatTable, plainText } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { contractIn, statusIn, withContractView } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';
import { standingHere } from './controller-here.ts';
import type { DoorReport } from '../../front-door/front-door-report.ts';
import { publishedPorts } from './published-ports.ts';
import type { PublishedPort } from './published-ports.ts';

export function contractStatusCommand(context: CommandContext): Command {
  return serverCommand('status', 'Say how far a contract is: who signed, what runs, what waits.')
    .argument('<contract>', 'its name, or its id')
    .action(async (name: string, options: ServerOptions) => {
      const look = (view: ContractView) => lookAt(context, view, contractIn(view, name));
      const seen = await withContractView(context, options, look);
      const { status, controller, published } = seen;
      const { blocked = [], silent = [], store = null } = controller ?? {};
      const isControlledHere = controller !== undefined;
      const result = {
        ...{ schema: 'grid.contract.status.1', ...status },
        ...{ isControlledHere, blocked, silent, store, published },
      };
      printResult(context, options, result, () => describeLook(context, seen));
    });
}

/** How far a contract is, by the log and by who controls it here. */
export interface ContractLook {
  readonly status: ContractStatus;
  /** Undefined where nobody controls it on this machine. */
  readonly controller: ContractStanding | undefined;
  readonly names: NodeNames;
  readonly published: readonly PublishedHere[];
}

/** A published port, and the address of this machine that leads there; null where none does. */
type PublishedHere = PublishedPort & { readonly frontDoor: string | null };

export async function lookAt(
  context: CommandContext,
  view: ContractView,
  contract: KnownContract,
): Promise<ContractLook> {
  const status = statusIn(view, contract.id);
  const controller = await standingHere(context, contract);
  const nodes = [...status.workloads, ...(controller?.silent ?? [])].map(({ node }) => node);
  const records = await nodesOf(view, nodes);
  const doors = await doorsHere(context.environment.home);
  const published = publishedPorts(view.fold, status, records).map((port) => {
    const door = doors?.find((one) => leadsTo(one, contract.id, port));
    return { ...port, frontDoor: door?.address ?? null };
  });
  const names = new Map([...records].map(([node, { name: called }]) => [node, called]));
  return { status, controller, names, published };
}

export function describeLook(
  context: Pick<CommandContext, 'terminal'>,
  { status, controller, names, published }: ContractLook,
): string {
  return [
    describe(status, names, context.terminal.style),
    ...describePublished(published, context),
    ...describeWaits(controller, names, context),
  ].join('\n');
}

/** What nodes are called. */
type NodeNames = ReadonlyMap<string, string>;

/** Nodes as the database has them. */
async function nodesOf(
  { client }: ContractView,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Node>> {
  const found = [...new Set(ids)].map(async (id) => {
    const { value } = await client.get('grid', 'grid.node.1', id);
    return [id, value as Node] as const;
  });
  return new Map(await Promise.all(found));
}

function describe(status: ContractStatus, names: NodeNames, style: Style): string {
  const { name, id, phase, isHalted, isRejected, signatures, workloads, readyCount } = status;
  const halted = isHalted ? ', halted: nothing new is placed' : '';
  const rejected = isRejected ? ', rejected: those who are left are too few' : '';
  const ready = workloads.length === 0 ? '' : `, ${readyCount} of ${workloads.length} ready`;
  return [
    style.strong(`${plainText(name)} is ${phase}${ready}${halted}${rejected}`),
    id,
    ...(signatures.length === 0 ? [] : ['', style.strong('Signatures'), describeLines(signatures)]),
    ...(workloads.length === 0
      ? []
      : ['', style.strong('Workloads'), describeWorkloads(status, names)]),
  ].join('\n');
}

function describeLines(lines: readonly SignatureLine[]): string {
  return formatTable(
    lines.map(({ role, min, signers, signed }) => [
      `  ${role}`,
      `${signed.length} of ${min} that are needed, out of ${signers.length}`,
    ]),
  );
}

function describeWorkloads({ workloads }: ContractStatus, names: NodeNames): string {
  return formatTable(
    workloads.map(({ role, replica, node, event, paidUntilMs }) => [
      `  ${role}/${replica}`,
      event?.phase ?? 'its node said nothing yet',
      names.get(node) ?? node,
      paidUntilMs === undefined ? 'nothing to pay' : `paid until ${formatTime(paidUntilMs)}`,
      [event?.code, event?.message, event?.hint].filter((text) => text !== undefined).join(': '),
    ]),
  );
}

/** Whether a door of this machine is that of a port. */
function leadsTo(
  { role, port, replicas }: DoorReport,
  contract: string,
  published: PublishedPort,
): boolean {
  const isOfContract = replicas.some((one) => one.contract === contract);
  return isOfContract && role === published.role && port === published.port;
}

/** Where others reach what runs. */
function describePublished(
  published: readonly PublishedHere[],
  { terminal: { style } }: Pick<CommandContext, 'terminal'>,
): readonly string[] {
  const rows = published.map(({ role, replica, port, address, isReady, frontDoor }) => [
    ...[`  ${role}/${replica}`, port, address],
    frontDoor === null ? '' : `here at ${frontDoor}`,
    isReady ? '' : 'not ready',
  ]);
  return rows.length === 0 ? [] : ['', style.strong('Published'), formatTable(rows)];
}

/** What becomes of what runs on a node that is not heard. */
const outlooks: Readonly<Record<string, string>> = {
  alive: 'watched for a short time only: nothing is moved yet',
  suspect: 'silent for a short time: nothing is moved yet',
  cutOff: 'its machine answers: nothing is moved while it does',
  lost: 'lost: what ran there goes elsewhere',
};

/** What the controller on this machine waits for, and whom it does not hear. */
function describeWaits(
  controller: ContractStanding | undefined,
  names: NodeNames,
  { terminal: { style } }: Pick<CommandContext, 'terminal'>,
): readonly string[] {
  if (controller === undefined) return [];
  const { blocked, silent, store } = controller;
  const waits = blocked.map(({ code, message, hint }) => [`  ${code}`, message, hint]);
  const nodes = silent.map(({ node, outlook }) => [
    `  ${names.get(node) ?? node}`,
    outlooks[outlook] ?? outlook,
  ]);
  return [
    ...(store === null
      ? []
      : ['', style.strong('Store'), `  ${plainText(store.lacks ?? 'whole')}`]),
    ...(waits.length === 0 ? [] : ['', style.bad('Blocked'), formatTable(waits)]),
    ...(nodes.length === 0 ? [] : ['', style.strong('Not heard of'), formatTable(nodes)]),
  ];
}
