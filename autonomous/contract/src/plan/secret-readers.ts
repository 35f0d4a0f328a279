import { secretsOf } from '@commongrid/model';
import type { BotId, Contract, ContractRole, KeyText, NodeId } from '@commongrid/model';

/** Who can read a secret: whoever has the machine of such a node can, too. */
export interface SecretReaders {
  readonly secret: string;
  /** Roles that use it. */
  readonly roles: readonly string[];
  /** Nodes that these run on: it is sealed to them. */
  readonly nodes: readonly NodeId[];
  /** Owners of those nodes. */
  readonly owners: readonly BotId[];
  /** Keys to which it is sealed in the contract, so that it can be sealed for other nodes. */
  readonly keepers: readonly KeyText[];
}

/** @param ownerOf whose a node is */
export function secretReaders(
  { secrets }: Pick<Contract, 'secrets'>,
  roles: readonly ContractRole[],
  items: readonly { readonly role: string; readonly node: NodeId }[],
  ownerOf: (node: NodeId) => BotId | undefined,
): readonly SecretReaders[] {
  return secrets.map(({ name, keepers }) => {
    const using = roles.filter((role) => secretsOf(role).includes(name)).map((role) => role.name);
    const own = items.filter(({ role }) => using.includes(role));
    const nodes = [...new Set(own.map(({ node }) => node))];
    const owners = new Set(nodes.flatMap((node) => ownerOf(node) ?? []));
    return {
      ...{ secret: name, roles: using, nodes, owners: [...owners] },
      keepers: keepers.map(({ key }) => key),
    };
  });
}
