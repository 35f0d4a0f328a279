import { recordBytes } from '../engine/log/format.ts';
import type { Store } from '../engine/store.ts';
import type { Journal, PlainState } from './journal.ts';
import { untilFetched } from './store-load.ts';

/**
 * Checks that a store that was opened after a crash holds a whole number of journal entries, all that
 * was acknowledged among them, and exactly what they say. Returns the faults found, none when all is well.
 */
export async function findLoss(
  store: Store,
  journal: Journal,
  acknowledged: number,
): Promise<string[]> {
  const faults: string[] = [];
  const reached = store.log.lastSequence;
  if (store.readOnlyReason !== undefined) faults.push(`read-only: ${store.readOnlyReason}`);
  for (const event of store.recovery) {
    if (event.kind === 'corrupt') faults.push(event.text);
  }
  if (reached < acknowledged) {
    faults.push(`records up to ${acknowledged} were acknowledged, the log ends at ${reached}`);
  }
  const half = journal.halfAt(reached);
  if (half !== undefined) {
    faults.push(
      `half a change: records ${half.from + 1} to ${half.to}, the log ends at ${reached}`,
    );
  }
  faults.push(...(await differences(store, journal.stateAt(reached), journal)));
  return faults;
}

/** How the content of a store differs from a plain state. `journal` names keys that may be gone. */
export async function differences(
  store: Store,
  expected: PlainState,
  journal: Journal,
): Promise<string[]> {
  const faults: string[] = [];
  const names = new Set(store.namespaces.list().map((one) => one.settings.name));
  names.delete('default');
  for (const name of expected.keys()) if (name !== 'default') names.delete(name);
  for (const name of names) faults.push(`namespace ${name} should not be there`);
  for (const [name, content] of expected) {
    const namespace = store.namespaces.get(name);
    if (namespace === undefined) {
      faults.push(`namespace ${name} is missing`);
      continue;
    }
    const { liveCount } = namespace.index;
    if (liveCount !== content.size) {
      faults.push(`${name} counts ${liveCount} keys, ${content.size} expected`);
    }
    for (const key of new Set([...journal.keysOf(name), ...content.keys()])) {
      const wanted = content.get(key);
      const source = Buffer.from(key, 'latin1');
      const found = await untilFetched(store, () =>
        store.lookup(namespace, source, 0, source.length),
      );
      if (found === 'live' && wanted === undefined) faults.push(`${name}/${key} should be gone`);
      if (found !== 'live' && wanted !== undefined) faults.push(`${name}/${key} is ${found}`);
      if (found === 'live' && wanted !== undefined && !store.value().equals(wanted)) {
        faults.push(`${name}/${key} has another value`);
      }
      store.reader.fetched = [];
    }
    const liveBytes = sum(
      [...content].map(([key, value]) => recordBytes(key.length, value.length)),
    );
    if (namespace.liveBytes !== liveBytes) {
      faults.push(`${name} counts ${namespace.liveBytes} live bytes, ${liveBytes} expected`);
    }
    const valueBytes = sum([...content.values()].map((value) => value.length));
    if (namespace.valueBytes !== valueBytes) {
      faults.push(`${name} counts ${namespace.valueBytes} value bytes, ${valueBytes} expected`);
    }
  }
  return faults;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
