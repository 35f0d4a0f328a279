import { repeat, silentLogger, TaskGroup } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { readBackendsFile } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import type { BlobStoreOptions } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';

/** How often a head that waits reads the backends file, ms. */
const readEveryMs = 1_000;

/**
 * Resolves once this head serves. A head that stands by may wait for long: meanwhile members of the log change, and
 * it has to know where they are.
 * @param file what was read of it last
 * @returns what keeps this head, to be disposed of with it
 */
export async function beginServing(
  catalog: Catalog,
  { backendsFile, isOtherActive, logger = silentLogger, signal }: BlobStoreOptions,
  file: { specs: readonly BackendSpec[] },
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const standing = stack.use(newTasks(logger));
  if (isOtherActive === undefined) {
    await catalog.takeOver(signal);
    standing.start('go on', (ended) => catalog.goOn(ended));
    return stack.move();
  }
  await using reading = newTasks(logger);
  reading.start('backends file', (ended) => {
    const read = async (): Promise<void> => {
      file.specs = await readBackendsFile(backendsFile);
    };
    const onError = (err: unknown): void => logger.debug({ err }, 'the backends stay as they are');
    return repeat(readEveryMs, read, { signal: ended, onError });
  });
  standing.start('stand by', (ended) =>
    catalog.standBy({ isActive: (asked) => isOtherActive(catalog, asked), signal: ended }),
  );
  await catalog.untilServing({ signal });
  return stack.move();
}

function newTasks(logger: Logger): TaskGroup {
  return new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
}
