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
 * Most memory is that of chunks, outside of the heap, and soon free again. As V8 comes, all of the heap
 * is marked each time 32 MB of them came, for a third of all CPU time. So it counts them with the heap,
 * and lets both have 64 MB first: then what is young is collected, which frees nearly all of them.
 */
const collecting = [
  '--single-threaded-gc',
  '--max-semi-space-size=4',
  '--external-memory-accounted-in-global-limit',
  '--initial-old-space-size=64',
];

/** FFI says in each process that it is an experiment; the release of Node is pinned. */
const quietly = ['--disable-warning=ExperimentalWarning'];
