import type { ContractId, RecordOf } from '@commongrid/model';
import { rentedPlaces } from '@commongrid/wallet';
import type { RentedPlace } from '@commongrid/wallet';

import { formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import type { MoneyText } from '../market/money-text.ts';
import { botName } from './contract-view.ts';
import type { ContractView } from './contract-view.ts';

/** A rented place with the names of its node and of whose that is. */
export interface NamedPlace extends RentedPlace {
  readonly nodeName: string;
  readonly farmerName: string;
}

/** What a contract rents, with names: those of nodes of others by the word of the database. */
export function placesOf(
  { fold, now, client }: Pick<ContractView, 'fold' | 'now' | 'client'>,
  contract: ContractId,
): Promise<readonly NamedPlace[]> {
  const own = rentedPlaces({ fold, at: now.at }).filter((one) => one.contract === contract);
  return Promise.all(
    own.map(async (place) => {
      const { value } = await client.get('grid', 'grid.node.1', place.node);
      const { name } = value as RecordOf<'grid.node.1'>;
      return { ...place, nodeName: name, farmerName: botName(fold, place.farmer) };
    }),
  );
}

/** Places as people read them: which, where, and what becomes of them and of their money. */
export function describeRent(places: readonly NamedPlace[], money: MoneyText): string {
  return formatTable(
    places.map((place) => {
      const [, ...name] = place.workload.split('/');
      const text = [sentenceOf(place), ...restOf(place, money)].join('; ');
      return [`  ${name.join('/')}`, place.nodeName, text];
    }),
  );
}

/** What comes back of what was put aside. */
function restOf({ held, currency, backMs }: NamedPlace, money: MoneyText): readonly string[] {
  if (backMs === undefined || held === '0') return [];
  const amount = money.show(BigInt(held), currency);
  return [`${amount} held, of which what was not earned comes back from ${formatTime(backMs)} on`];
}

function sentenceOf({
  standing,
  paidUntilMs,
  pausesMs,
  keptUntilMs,
  farmerName,
}: NamedPlace): string {
  const kept = `its data are kept until ${formatTime(keptUntilMs)} at least`;
  switch (standing) {
    case 'paid':
      return paidUntilMs === undefined ? 'costs nothing' : `paid until ${formatTime(paidUntilMs)}`;
    case 'warned':
      return `not paid any more: it stands still from ${formatTime(pausesMs ?? 0)} on; ${kept}`;
    case 'paused':
      return `not paid for: it stands still; ${kept}`;
    case 'left':
      return `moved away: ${kept}`;
    case 'forfeit':
      return `not paid for: ${farmerName} may give its data up`;
    default:
      return 'ended: its data are given up';
  }
}
