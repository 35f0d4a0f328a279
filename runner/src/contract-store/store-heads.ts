import type { AccessKey } from '@commongrid/s3';
import { openSecrets } from '@commongrid/contract';
import type { ContractPaper } from '@commongrid/contract';
import type { Container, ContractRole, Node, NodeId, PlacementItem } from '@commongrid/model';

import { hostOfNode } from '../node/node-host.ts';

/** The heads of a store that run in containers of the contract that has its namespaces. */
export interface StoreHeads {
  /** `HOST:PORT` of each that is placed; none where the contract does not say how they are asked. */
  readonly addresses: readonly string[];
  readonly region: string;
  /** Undefined where its secret is not at hand, or is not named: nobody can be asked. */
  readonly key: AccessKey | undefined;
}

/** Of which `grid s3 serve --contract` is the program, in the words of `docs/operate/s3.md`. */
interface HeadRole {
  readonly name: string;
  readonly region: string;
  /** Port of the node's address where they answer. */
  readonly publish: number | undefined;
  /** Secret with `ACCESS-KEY:SECRET` of an administrator. */
  readonly keySecret: string | undefined;
}

/** The roles of a contract whose replicas are heads of the store. */
export function headRoles({ draft: { openings } }: ContractPaper): readonly HeadRole[] {
  return openings.flatMap(({ role }) => storeHeadOf(role) ?? []);
}

/** A role as one whose replicas are heads of a store; undefined where they are not. */
export function storeHeadOf({ name, workload }: ContractRole): HeadRole | undefined {
  const { args = [], files = [], ports = [] } = workload.container ?? {};
  const isHead = args[0] === 's3' && args[1] === 'serve' && placeOf(args, '--contract') >= 0;
  if (!isHead) return undefined;
  const keyFile = wordAfter(args, '--first-key-file');
  const keySecret = files.find(({ path }) => path === keyFile)?.secret;
  const publish = ports.find(isListening(args))?.publish;
  return { name, publish, keySecret, region: wordAfter(args, '--region') ?? usual };
}

/** Where heads of a contract are placed, and how they are asked; undefined where it has none. */
export async function storeHeads(
  paper: ContractPaper,
  items: readonly PlacementItem[],
  nodes: ReadonlyMap<NodeId, Node>,
): Promise<StoreHeads | undefined> {
  const [role] = headRoles(paper);
  if (role === undefined) return undefined;
  const { header, openings } = paper.draft;
  const own = openings.flatMap((one) => (one.role.name === role.name ? [one.role] : []));
  const { found } = await openSecrets(header, own, paper);
  const { region, publish, keySecret } = role;
  const text = (keySecret && found.get(keySecret)?.value) ?? '';
  const at = text.indexOf(':');
  const key =
    at < 0
      ? undefined
      : { accessKey: text.slice(0, at).trim(), secretKey: text.slice(at + 1).trim() };
  const addresses = items.flatMap((item): string[] => {
    const host = item.role === role.name ? hostOfNode(nodes.get(item.node)) : undefined;
    return host === undefined || publish === undefined ? [] : [`${host}:${publish}`];
  });
  return { addresses, region, key };
}

const usual = 'us-east-1';

function isListening(args: readonly string[]): (port: Container['ports'][number]) => boolean {
  const listened = Number(wordAfter(args, '--listen')?.split(':').at(-1) ?? 0);
  return ({ port, publish }) => port === listened && publish !== undefined;
}

function wordAfter(args: readonly string[], option: string): string | undefined {
  const at = placeOf(args, option);
  const word = args[at];
  return word === option ? args[at + 1] : word?.slice(option.length + 1);
}

/** Of an option, or of one with its value behind `=`; below 0 where it is not given. */
function placeOf(args: readonly string[], option: string): number {
  return args.findIndex((word) => word === option || word.startsWith(`${option}=`));
}
