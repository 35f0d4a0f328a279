import type { BcdbClient, ClientFind } from '@commongrid/bcdb/client';
import { GridError } from '@commongrid/base';
import type {
  BotId,
  Contract,
  ContractId,
  Farm,
  KeyText,
  Node,
  NodeId,
  Placement,
  RecordOf,
  RecordUrl,
} from '@commongrid/model';

import type { GridErrorCode } from '../errors.ts';

/** A contract that was not ended. */
export interface LiveContract {
  readonly header: Contract;
  readonly id: ContractId;
  readonly placement: Placement;
}

/** What the database has of one owner. It is the word of the server: nodes verify what they do. */
export class OwnedGrid {
  readonly owner: BotId;
  /** Signs here for the owner. */
  readonly key: KeyText;
  readonly #client: BcdbClient;

  private constructor(client: BcdbClient, owner: BotId, key: KeyText) {
    this.#client = client;
    this.owner = owner;
    this.key = key;
  }

  /** @param key that acts @throws GRID_BOT_UNKNOWN */
  static async open(client: BcdbClient, key: string): Promise<OwnedGrid> {
    const path = `/v1/keys/${encodeURIComponent(key)}`;
    const { bot } = await client.read<{ readonly bot?: Speaker }>(path);
    if (bot?.role === 'device') return new OwnedGrid(client, bot.id, key as KeyText);
    throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', `${key} is a device of no bot`, {
      hint: 'act as the owner of a bot: grid bcdb bot new, or another key',
      details: { key },
    });
  }

  farms(): Promise<readonly Farm[]> {
    return this.#all('grid.farm.1', equal('owner', this.owner));
  }

  /** The farm of that name or id, or the only one. @throws GRID_FARM_UNKNOWN */
  async farm(name?: string): Promise<Farm> {
    const all = await this.farms();
    const found = name === undefined ? all : all.filter((farm) => isCalled(farm, name));
    const [farm] = found;
    if (farm !== undefined && found.length === 1) return farm;
    const names = all.map((one) => one.name).join(', ');
    const why = all.length === 0 ? 'the owner has no farm' : `the owner has these farms: ${names}`;
    throw new GridError<GridErrorCode>('GRID_FARM_UNKNOWN', why, {
      hint: all.length === 0 ? 'grid node farm create NAME' : 'name one with --farm',
      details: { farms: all.map(({ id }) => id) },
    });
  }

  /** Nodes that name one of the owner's farms, adopted or not. */
  async nodes(): Promise<readonly OwnedNode[]> {
    const farms = await this.farms();
    const found = farms.map(async (farm): Promise<readonly OwnedNode[]> => {
      const [nodes, adoptions] = await Promise.all([
        this.#all('grid.node.1', equal('farm', farm.id)),
        this.#all('grid.adoption.1', equal('farm', farm.id)),
      ]);
      const standings = new Map(adoptions.map(({ node, standing }) => [node, standing]));
      return nodes.map((node) => ({ node, farm, standing: standings.get(node.id) }));
    });
    return (await Promise.all(found)).flat();
  }

  /** Nodes that may run something, those of some names or ids only. @throws GRID_NODE_UNKNOWN */
  async adoptedNodes(names: readonly string[] = []): Promise<readonly Node[]> {
    const all = (await this.nodes()).filter(({ standing }) => standing === 'active');
    const nodes = all.map(({ node }) => node);
    if (names.length === 0 && nodes.length > 0) return nodes;
    if (nodes.length === 0) throw unknownNode('the owner has no adopted node');
    return names.map((name) => {
      const node = nodes.find((one) => isCalled(one, name));
      if (node === undefined) throw unknownNode(`no adopted node is called ${name}`);
      return node;
    });
  }

  /** Contracts of the owner that were placed and not ended. */
  async contracts(): Promise<readonly LiveContract[]> {
    const headers = await this.#pages('grid.contract.1', equal('owner', this.owner));
    const placements = await this.#all('grid.placement.1');
    const byContract = new Map(placements.map((placement) => [placement.contract, placement]));
    return headers.flatMap(({ obj, value }) => {
      const placement = byContract.get(obj as ContractId);
      if (placement === undefined || placement.items.length === 0) return [];
      return [{ id: obj as ContractId, header: value, placement }];
    });
  }

  /** @throws GRID_CONTRACT_UNKNOWN, GRID_NAME_AMBIGUOUS */
  async contract(name: string): Promise<LiveContract> {
    return contractCalled(await this.contracts(), name);
  }

  async #all<Url extends RecordUrl>(
    url: Url,
    where?: ClientFind['where'],
  ): Promise<readonly RecordOf<Url>[]> {
    return (await this.#pages(url, where)).map(({ value }) => value);
  }

  async #pages<Url extends RecordUrl>(
    url: Url,
    where?: ClientFind['where'],
  ): Promise<readonly { readonly obj: string; readonly value: RecordOf<Url> }[]> {
    const all: { obj: string; value: RecordOf<Url> }[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.#client.find('grid', { url, where, limit: pageObjects, cursor });
      for (const { obj, value } of page.objects) {
        if (value !== undefined) all.push({ obj, value: value as RecordOf<Url> });
      }
      if (page.cursor === undefined) return all;
      cursor = page.cursor;
    }
  }
}

/** The one of that name or id. @throws GRID_CONTRACT_UNKNOWN, GRID_NAME_AMBIGUOUS */
export function contractCalled<T extends Pick<LiveContract, 'id' | 'header'>>(
  all: readonly T[],
  name: string,
): T {
  const found = all.filter(({ id, header }) => id === name || header.name === name);
  const [first] = found;
  if (found.length > 1) {
    const ids = found.map(({ id }) => id);
    const message = `several contracts are called ${name}`;
    throw new GridError<GridErrorCode>('GRID_NAME_AMBIGUOUS', message, {
      hint: `give one of these: ${ids.join(', ')}`,
      details: { ids },
    });
  }
  if (first !== undefined) return first;
  throw new GridError<GridErrorCode>('GRID_CONTRACT_UNKNOWN', `no contract is called ${name}`, {
    hint: 'see which there are, and whose: grid ls; as a bot of this machine: --bot NAME',
    details: { name },
  });
}

/** A node that names a farm of the owner. */
export interface OwnedNode {
  readonly node: Node;
  readonly farm: Farm;
  /** What the owner said of it; undefined: nothing yet. */
  readonly standing: RecordOf<'grid.adoption.1'>['standing'] | undefined;
}

/** Objects of a page. */
const pageObjects = 1_000;

/** As the route of BCDB has it: docs/formats/bcdb-http.md. */
interface Speaker {
  readonly id: BotId;
  readonly role: string;
}

function equal(field: string, value: string): ClientFind['where'] {
  return { field, op: 'eq', value };
}

function isCalled(one: { readonly id: NodeId | string; readonly name: string }, name: string) {
  return one.id === name || one.name === name;
}

function unknownNode(message: string): GridError<GridErrorCode> {
  return new GridError('GRID_NODE_UNKNOWN', message, {
    hint: 'see which there are: grid node list; adopt one: grid node adopt',
  });
}
