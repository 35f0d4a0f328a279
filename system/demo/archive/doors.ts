import type { ContractId } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';

interface Doors {
  readonly frontDoor: readonly {
    readonly contract: string;
    readonly role: string;
    readonly address: string;
    readonly replicas: readonly { readonly isReady: boolean }[];
  }[];
}

/** Waits for the one address of this machine at which a role of a contract is found, wherever it runs: `HOST:PORT`. */
export function doorOf(town: DemoTown, id: ContractId, wanted: string): Promise<string> {
  return town.until(`a door to ${wanted}`, async () => {
    const { frontDoor } = await town.grid.json<Doors>('status');
    const door = frontDoor.find(({ contract, role }) => contract === id && role === wanted);
    return door?.replicas.some((one) => one.isReady) === true && door.address;
  });
}
