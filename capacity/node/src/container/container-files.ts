import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment } from '../assignment.ts';
import { containerOf } from './container-plan.ts';
import type { ContainerMount } from './container-spec.ts';

export interface ContainerFilesOptions {
  /** Of this container alone: its files are made anew in it. */
  readonly folder: string;
  readonly hostname: string;
  readonly address: string;
  readonly resolvConf: string;
  /** The host's id of the container's 0. */
  readonly uidStart: number;
}

/**
 * Writes the files that a container has besides its image, and gives how they are mounted: names and
 * resolvers, and those of its role. Secrets are in the node's folder only, which nobody else reads.
 */
export async function writeContainerFiles(
  { role, secrets }: Pick<Assignment, 'role' | 'secrets'>,
  options: ContainerFilesOptions,
): Promise<readonly ContainerMount[]> {
  const { folder, hostname, address, resolvConf, uidStart } = options;
  await rm(folder, { recursive: true, force: true });
  // Its users reach files that are mounted, by their modes, and not the folder.
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const hosts = `127.0.0.1\tlocalhost\n${address}\t${hostname}\n`;
  const all: readonly File[] = [
    { path: '/etc/resolv.conf', mode: 0o644, content: resolvConf, isOwn: false },
    { path: '/etc/hosts', mode: 0o644, content: hosts, isOwn: false },
    { path: '/etc/hostname', mode: 0o644, content: `${hostname}\n`, isOwn: false },
    ...containerOf(role).files.map(({ path, mode, content = '', secret }) => ({
      ...{ path, mode, isOwn: true },
      content: secret === undefined ? content : (secrets.get(secret) ?? ''),
    })),
  ];
  return Promise.all(
    all.map(async ({ path, mode, content, isOwn }, number) => {
      const source = join(folder, String(number));
      await writeFile(source, content, { mode: 0o600 });
      if (isOwn) await chown(source, uidStart, uidStart);
      await chmod(source, mode);
      return { source, target: path, isReadOnly: true };
    }),
  );
}

interface File {
  readonly path: string;
  readonly mode: number;
  readonly content: string;
  /** The container's root owns it. */
  readonly isOwn: boolean;
}
