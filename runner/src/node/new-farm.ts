import { randomBytes } from 'node:crypto';

import type { BotId, Farm } from '@commongrid/model';

export interface FarmPlace {
  readonly name: Farm['name'];
  /** Two letters of ISO 3166-1; ZZ: not told. */
  readonly country: string;
  readonly city: string;
}

/** A farm that is not in the log yet. Without prices nothing is for sale: only the owner uses it. */
export function newFarm(owner: BotId, { name, country, city }: FarmPlace): Farm {
  return {
    ...{ id: `farm:${randomBytes(16).toString('base64url')}` as Farm['id'], owner, name },
    location: { country, city, latMicrodeg: 0, lonMicrodeg: 0 },
    prices: { currency: 'EUR', unitHours: 1 },
    publicIps: [],
  };
}
