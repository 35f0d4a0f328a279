import { runProgram } from '@commongrid/base';

/**
 * Hands commands to nft, which does all of them or none.
 * @throws BASE_PROGRAM_FAILED
 */
export async function runNft(commands: string): Promise<void> {
  await runProgram('nft', ['-f', '-'], { input: commands });
}

/** Keys of elements as nft prints them, by table, of all maps in the family inet that have this name. */
export async function mapKeys(name: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const printed: { nftables: readonly { map?: NftMap }[] } = JSON.parse(
    await runProgram('nft', ['-j', 'list', 'maps', 'inet']),
  );
  const maps = printed.nftables.flatMap(({ map }) => (map?.name === name ? [map] : []));
  return new Map(maps.map(({ table, elem = [] }) => [table, elem.map(([key]) => keyText(key))]));
}

interface NftMap {
  readonly name: string;
  readonly table: string;
  readonly elem?: readonly (readonly [unknown, unknown])[];
}

function keyText(key: unknown): string {
  const parts: unknown = typeof key === 'object' && key !== null && 'concat' in key && key.concat;
  return Array.isArray(parts) ? parts.join(' . ') : String(key);
}
