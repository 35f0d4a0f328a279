import { silentLogger, TaskGroup } from '@commongrid/base';
import type { BlobStoreOptions } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';

/**
 * Resolves once this head serves: after a while, or as long as another head does.
 * @returns what keeps this head, to be disposed of with it
 */
export async function beginServing(
  catalog: Catalog,
  { isOtherActive, logger = silentLogger, signal }: BlobStoreOptions,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const onError = (err: unknown, name: string): void => logger.error({ err, name }, 'failed');
  const standing = stack.use(new TaskGroup({ onError }));
  if (isOtherActive === undefined) {
    await catalog.takeOver(signal);
    standing.start('go on', (ended) => catalog.goOn(ended));
    return stack.move();
  }
  standing.start('stand by', (ended) =>
    catalog.standBy({ isActive: (asked) => isOtherActive(catalog, asked), signal: ended }),
  );
  await catalog.untilServing({ signal });
  return stack.move();
}
