import { takeName } from './bot-rules.ts';
import type { FarmState } from './identity-state.ts';
import { accept, refuse } from './identity-view.ts';
import type { IdentityView, JudgedRecord, Verdict } from './identity-view.ts';
import { botBehind } from './keys.ts';

/** Judges `grid.farm.1`: by a device of the owner, who stays the owner. */
export function judgeFarm(
  view: IdentityView,
  { value, author, moment }: JudgedRecord<'grid.farm.1'>,
): Verdict<FarmState> {
  const { id, owner, name } = value;
  const former = view.farm(id);
  if (former !== undefined && former.owner !== owner) return refuse('FARM_OWNER_FIXED');
  if (botBehind(view, author, 'device', moment) !== owner) return refuse('FARM_NOT_OWNER');
  const names = takeName(view, 'farm', former ?? { id, names: [] }, name);
  return typeof names === 'string' ? refuse(names) : accept({ kind: 'farm', id, owner, names });
}
