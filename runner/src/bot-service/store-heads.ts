import type { AccessKey } from '@commongrid/s3';
import { openSecrets } from '@commongrid/contract';
import type { ContractPaper } from '@commongrid/contract';
import type { Container, Node, NodeId, PlacementItem } from '@commongrid/model';

import { hostOfNode } from '../node/node-host.ts';

/** The heads of a store that run in containers of the contract that has its namespaces. */
export interface StoreHeads {
  /** `HOST:PORT` of each that is placed. */
  readonly addresses: readonly string[];
  readonly region: string;
  readonly key: AccessKey;
}

/** Of which `grid s3 serve --contract` is the program, in the words of `docs/operate/s3.md`. */
interface HeadRole {
  readonly name: string;
  readonly publish: number;
  readonly region: string;
  /** Secret with `ACCESS-KEY:SECRET` of an administrator. */
  readonly keySecret: string;
}

/** Names of the roles whose replicas are heads of the store. */
export function headRoles({ draft: { openings } }: ContractPaper): readonly HeadRole[] {
  return openings.flatMap(({ role }): HeadRole[] => {
    const { container } = role.workload;
    const { args = [], files = [], ports = [] } = container ?? {};
    if (args[0] !== 's3' || args[1] !== 'serve' || !args.includes('--contract')) return [];
    const keyFile = wordAfter(args, '--first-key-file');
    const keySecret = files.find(({ path }) => path === keyFile)?.secret;
    const publish = ports.find(isListening(args))?.publish;
    if (keySecret === undefined || publish === undefined) return [];
    return [{ name: role.name, publish, keySecret, region: wordAfter(args, '--region') ?? usual }];
  });
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
  const [accessKey = '', secretKey = ''] = (found.get(role.keySecret)?.value ?? '').split(':');
  const addresses = items.flatMap((item): string[] => {
    const host = item.role === role.name ? hostOfNode(nodes.get(item.node)) : undefined;
    return host === undefined ? [] : [`${host}:${role.publish}`];
  });
  return { addresses, region: role.region, key: { accessKey, secretKey: secretKey.trim() } };
}

const usual = 'us-east-1';

function isListening(args: readonly string[]): (port: Container['ports'][number]) => boolean {
  const listened = Number(wordAfter(args, '--listen')?.split(':').at(-1) ?? 0);
  return ({ port, publish }) => port === listened && publish !== undefined;
}

function wordAfter(args: readonly string[], option: string): string | undefined {
  const at = args.indexOf(option);
  return at < 0 ? undefined : args[at + 1];
}
