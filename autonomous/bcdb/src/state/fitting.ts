import { recordTypes } from '@commongrid/model';

const known = new WeakMap<object, boolean>();

/** A namespace may have other schemas: what is not what its type says it is counts as absent. */
export function fitting(url: string, value: unknown): unknown {
  const type = recordTypes.get(url);
  if (type === undefined || typeof value !== 'object' || value === null) return value;
  let fits = known.get(value);
  if (fits === undefined) {
    fits = type.fits(value);
    known.set(value, fits);
  }
  return fits ? value : undefined;
}
