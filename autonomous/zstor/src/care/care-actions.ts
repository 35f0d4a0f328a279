import { join } from 'node:path';
import { GridError } from '@commongrid/base';
import type { BaseErrorCode, Clock, ControlAction } from '@commongrid/base';
import type { Catalog } from '../catalog/catalog.ts';
import type { Care } from './care.ts';
import { holdAction, servesAction } from './hold-action.ts';

/** What a store can be asked for at its control socket. */
export type StoreActions = Readonly<Record<string, ControlAction>>;

/** Where the process that holds the folder of a store listens. */
export function controlPathOf(folder: string): string {
  return join(folder, 'control');
}

/**
 * `status`: a `CareStatus`. `survey`: the same, as records are now. `repair`: the same, once what can be mended is, and as progress. `scrub`:
 * `AuditCounts`, and as progress. `drain {name, undo}`: a `CareStatus`, as progress too while the backend
 * is being emptied. `hold`: see there.
 */
export function careActions(
  care: Care,
  catalog: Pick<Catalog, 'hold' | 'epoch' | 'confirmLease'>,
  clock: Clock,
): StoreActions {
  return {
    hold: holdAction(catalog, clock),
    serves: servesAction(catalog),
    status: (_, { signal }) => care.surveyed(signal),
    survey: (_, { signal }) => care.surveyedAnew(signal),
    repair: (_, { signal, progress }) =>
      care.repair({ signal, isHurried: true, onProgress: progress }),
    scrub: (_, { signal, progress }) => care.scrub({ signal, onProgress: progress }),
    drain: async ({ name, undo }, { signal, progress }) => {
      if (typeof name !== 'string') throw nameMissing();
      await care.drain(name, undo !== true);
      return undo === true ? care.status() : care.repair({ signal, onProgress: progress });
    },
  };
}

function nameMissing(): GridError<BaseErrorCode> {
  return new GridError('BASE_OPTION_INVALID', 'drain needs the name of a backend');
}
