import { fileURLToPath } from 'node:url';

/**
 * The command that keeps the image service of a store at work: a holder, which starts the service
 * and starts it again when it dies. The folder has a `service.json`.
 * @param service path of a program that calls `runImageService`
 */
export function serviceCommand(folder: string, service = ownService): readonly string[] {
  const holder = fileURLToPath(new URL('../fuse/fuse-holder-process.ts', import.meta.url));
  const node = [process.execPath, ...quietly];
  return [...node, holder, folder, ...node, ...collecting, service, folder];
}

const ownService = fileURLToPath(new URL('image-service-process.ts', import.meta.url));

/**
 * Chunks come in memory that the collector of garbage does not see at once: what is young has to go
 * soon, before all of the heap is marked for it, and no threads beside the one that works.
 */
const collecting = ['--single-threaded-gc', '--max-semi-space-size=4'];

/** FFI says in each process that it is an experiment; the release of Node is pinned. */
const quietly = ['--disable-warning=ExperimentalWarning'];
