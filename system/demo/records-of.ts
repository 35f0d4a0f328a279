import type { RecordOf } from '@commongrid/model';

import type { DemoTown } from './demo-town.ts';

/** Objects of one type that are read at once: a demo has fewer. */
const limit = 1_000;

/** Namespaces of what steps look at. */
const namespaces = {
  'grid.approval.1': 'grid',
  'grid.escrow.1': 'wallet',
  'grid.lock.1': 'grid',
  'grid.placement.1': 'grid',
  'grid.refund.1': 'wallet',
} as const;

/** A record, and the log time at which it was taken, ms since 1970. */
interface Timed<Value> {
  readonly value: Value;
  readonly at: number;
}

/** All records of a type that count now. @throws when there are more than are read */
export async function timedRecordsOf<Url extends keyof typeof namespaces>(
  { client }: Pick<DemoTown, 'client'>,
  url: Url,
): Promise<readonly Timed<RecordOf<Url>>[]> {
  const { objects, cursor } = await client.find(namespaces[url], { url, limit });
  if (cursor !== undefined) throw new Error(`the log has more than ${limit} of ${url}`);
  return objects.map(({ value, at }) => ({ value: value as RecordOf<Url>, at }));
}

/** The same without their times. */
export async function recordsOf<Url extends keyof typeof namespaces>(
  town: Pick<DemoTown, 'client'>,
  url: Url,
): Promise<readonly RecordOf<Url>[]> {
  return (await timedRecordsOf(town, url)).map(({ value }) => value);
}

/** All versions of a record, the oldest first. @throws when there are more than are read */
export async function versionsOf<Url extends 'grid.event.1' | 'grid.receipt.1'>(
  { client }: Pick<DemoTown, 'client'>,
  url: Url,
  obj: string,
): Promise<readonly RecordOf<Url>[]> {
  const versions = await client.history('grid', url, obj, { limit });
  if (versions.length === limit) throw new Error(`${obj} has ${limit} versions or more`);
  return versions.map(({ value }) => value as RecordOf<Url>).toReversed();
}
