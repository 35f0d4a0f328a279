import type { SigningKey } from '@commongrid/crypto';
import { contractIdOf } from '@commongrid/model';
import type { BotId, Lease, LeaseName, RecordOf } from '@commongrid/model';
import { examples } from '@commongrid/model/testing';
import type { Bcdb } from '../../src/bcdb.ts';
import type { LeaseDoor } from '../../src/presence/lease-holder.ts';
import { text } from '../../src/testing/feeds-town.ts';
import type { Town } from '../../src/testing/feeds-town.ts';

/** A contract with these keys and bots as its controllers; returns the name of its lease. */
export async function makeLease(
  town: Town,
  controllers: readonly SigningKey[],
  bots: readonly BotId[] = [],
): Promise<LeaseName> {
  const ada = await town.citizen('ada');
  const lines = [{ role: 'owner', signers: [ada.id], min: 1 }];
  const header = {
    ...examples['grid.contract.1'],
    ...{ log: town.bcdb.log as RecordOf<'grid.contract.1'>['log'], owner: ada.id, secrets: [] },
    controllers: [...controllers.map(text), ...bots],
    policy: { provision: lines, upgrade: lines, change: lines, remove: lines },
  };
  await town.put('grid.contract.1', ada.device, header);
  return contractIdOf(header) as string as LeaseName;
}

/** The door of a database of this process, for a key; `townOf` gives it as it is at the moment. */
export function doorOf(townOf: () => Town, key: SigningKey): LeaseDoor {
  return {
    current: (name) => Promise.resolve(leaseOf(townOf().bcdb, name)),
    write: (lease) => townOf().put('grid.lease.1', key, lease),
    renew: (message) => townOf().bcdb.presence.renew(message),
  };
}

export function leaseOf(bcdb: Bcdb, name: LeaseName): Lease | undefined {
  return bcdb.presence.lease(name)?.lease;
}
