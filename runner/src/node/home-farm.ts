import type { BcdbClient } from '@commongrid/bcdb/client';
import type { Farm } from '@commongrid/model';

import { newFarm } from './new-farm.ts';
import type { OwnedGrid } from './owned-grid.ts';

/** Farm of an owner who made none: where it is he has not told. */
const firstFarm = { name: 'home', country: 'ZZ', city: 'home' };

/** The first farm of an owner, made where he has none. The caller has the turn of his identity. */
export async function homeFarm(client: BcdbClient, grid: OwnedGrid): Promise<Farm> {
  const [known] = await grid.farms();
  if (known !== undefined) return known;
  const made = newFarm(grid.owner, firstFarm);
  await writeFarm(client, made);
  return made;
}

export async function writeFarm(client: BcdbClient, farm: Farm): Promise<void> {
  await client.write({
    ...{ ns: 'grid', op: 'put', url: 'grid.farm.1', obj: farm.id, value: { ...farm } },
  });
}
