import { fileURLToPath } from 'node:url';

import { collectionFlags } from '@commongrid/base';

/**
 * The command that keeps the image service of a store at work: a holder, which starts the service
 * and starts it again when it dies. The folder has a `service.json`.
 * @param service path of a program that calls `runImageService`
 */
export function serviceCommand(folder: string, service = ownService): readonly string[] {
  const holder = fileURLToPath(new URL('../fuse/fuse-holder-process.ts', import.meta.url));
  const node = [process.execPath, ...quietly];
  return [...node, holder, folder, ...node, ...collectionFlags.chunks, service, folder];
}

const ownService = fileURLToPath(new URL('image-service-process.ts', import.meta.url));

/** FFI says in each process that it is an experiment; the release of Node is pinned. */
const quietly = ['--disable-warning=ExperimentalWarning'];
