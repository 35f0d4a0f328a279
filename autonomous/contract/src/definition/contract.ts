import type { ContractDefinition } from './contract-definition.ts';

/**
 * A contract as its author writes it, which a file of code exports as its default. Its types find
 * what does not fit together: roles, secrets and networks that are named and not there.
 *
 * ```ts
 * export default contract({
 *   name: 'Archive of the town',
 *   secrets: { admin: { generate: 32 } },
 *   roles: [
 *     { name: 'shard', shards: '16+4', zdb: { size: '8GiB', password: 'admin' }, data: 'dispersed' },
 *   ],
 * });
 * ```
 */
export function contract<
  const Role extends string,
  const Secret extends string = never,
  const Network extends string = never,
>(
  definition: ContractDefinition<Role, Secret, Network>,
): ContractDefinition<Role, Secret, Network> {
  return definition;
}
