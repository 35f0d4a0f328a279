import { acceptGrid, farmBehind, isWhole, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';

/** Judges `grid.grant.1`: by the owner of the farm that has the node. One that is over ends it. */
export function judgeGrant(
  view: GridView,
  { value, author, moment }: JudgedRecord<'grid.grant.1'>,
): GridVerdict {
  const owner = farmBehind(view, value.node)?.owner;
  if (owner === undefined || botBehind(view, author, 'device', moment) !== owner) {
    return refuseGrid('GRANT_NOT_FARMER');
  }
  const header = view.current('grid.contract.1', value.contract);
  if (header === undefined && !isWhole(view)) return acceptGrid();
  const isRole = header?.roles.some(({ name }) => name === value.role) === true;
  return isRole ? acceptGrid() : refuseGrid('GRANT_ROLE_UNKNOWN');
}
