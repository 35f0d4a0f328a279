import { acceptGrid, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';

/** Judges `grid.software.1`: by a release key of the genesis, upwards unless it says otherwise. */
export function judgeSoftware(
  view: Pick<GridView, 'releaseKeys' | 'current'>,
  { obj, value, author }: Pick<JudgedRecord<'grid.software.1'>, 'obj' | 'value' | 'author'>,
): GridVerdict {
  if (!view.releaseKeys.includes(author)) return refuseGrid('SOFTWARE_NOT_RELEASE_KEY');
  const former = view.current('grid.software.1', obj);
  if (former === undefined || value.isRollback === true) return acceptGrid();
  const isNewer = compareVersions(value.version, former.version) > 0;
  return isNewer ? acceptGrid() : refuseGrid('SOFTWARE_VERSION_OLD');
}

/** Below, above or zero, as `a` is the older, the newer, or the same version: numbers between dots. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (const [index, part] of (left ?? []).entries()) {
    const difference = part - (right?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
