import { shutdownSignal } from '@commongrid/base';
import type { ImageSource } from '@commongrid/flist';
import type { Command } from 'commander';

import { withByteProgress } from '../../byte-progress.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { findImage, flistArgument } from './find-image.ts';
import { storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { flistSubcommand, shortDigest } from './local-repository.ts';
import type { FlistOptions } from './local-repository.ts';
import { keepFlist, printMade, withRepository } from './made-flist.ts';
import { registryOptionsOf, withRegistry } from './registry-options.ts';
import type { RegistryFlags } from './registry-options.ts';

type ImportOptions = FlistOptions & RegistryFlags & { readonly platform?: string };

type ExportOptions = StoreOptions & {
  readonly name: string;
  readonly zstd?: true;
};

const sourceHelp = [
  '',
  'An image is one of:',
  '  HOST/NAME:TAG, HOST/NAME@DIGEST    in a registry; HOST is never left out',
  '  oci:FOLDER[:NAME]                  in a folder with the layout of OCI',
  '  docker-archive:FILE[:NAME:TAG]     in what docker save wrote',
].join('\n');

export function flistImportCommand(context: CommandContext): Command {
  const command = flistSubcommand('import', 'Make an flist of an image of OCI or docker.')
    .argument('<image>', 'where it is: see below')
    .option('--platform <os/arch>', 'of an image for several; default: that of this machine');
  return withRegistry(command)
    .addHelpText('after', sourceHelp)
    .action(async (image: string, options: ImportOptions) => {
      const { importImage, parsePlatform } = await import('@commongrid/flist');
      const signal = shutdownSignal();
      const { platform: wanted } = options;
      const platform = wanted === undefined ? {} : { platform: parsePlatform(wanted) };
      await using source = await sourceOf(image, options);
      await withRepository(context, options, async (repository) => {
        const made = await withByteProgress(context.terminal, `importing ${image}`, (onProgress) =>
          importImage(source, repository, { ...platform, signal, onProgress }),
        );
        printMade(context, options, await keepFlist(repository, made.flist), made);
      });
    });
}

export function flistExportCommand(context: CommandContext): Command {
  return storeSubcommand('export', 'Write an flist as an image of OCI.')
    .argument('<flist>', flistArgument)
    .argument('<folder>', 'a folder with the layout of OCI; made when missing')
    .option('--name <name>', 'by which it is found there', 'latest')
    .option('--zstd', 'pack the layer with zstd; default gzip')
    .action(async (name: string, folder: string, options: ExportOptions) => {
      const { exportImage } = await import('@commongrid/flist');
      const { digest, flist, chunks } = await findImage(context, options, name);
      const { terminal } = context;
      const exported = await withByteProgress(terminal, `exporting to ${folder}`, (onProgress) =>
        exportImage(flist, chunks, folder, {
          ...{ name: options.name, signal: shutdownSignal(), onProgress },
          compression: options.zstd === true ? 'zstd' : 'gzip',
        }),
      );
      const result = { schema: 'grid.flist.export.1', digest, folder, ...exported };
      printResult(context, options, result, ({ manifestDigest }) => {
        return `${shortDigest(digest)} is in ${folder} as ${options.name}, ${manifestDigest}`;
      });
    });
}

export function flistPushCommand(context: CommandContext): Command {
  const command = storeSubcommand('push', 'Send an flist to a registry, as an image of OCI.')
    .argument('<flist>', flistArgument)
    .argument('<reference>', 'where to: HOST/NAME:TAG');
  return withRegistry(command).action(
    async (name: string, reference: string, options: StoreOptions & RegistryFlags) => {
      const { pushFlist } = await import('@commongrid/flist');
      const { digest, flist, chunks } = await findImage(context, options, name);
      const registry = { ...(await registryOptionsOf(options)), signal: shutdownSignal() };
      const { terminal } = context;
      const manifestDigest = await withByteProgress(terminal, `for ${reference}`, (onProgress) =>
        pushFlist(flist, chunks, reference, { ...registry, onProgress }),
      );
      const result = { schema: 'grid.flist.push.1', digest, reference, manifestDigest };
      printResult(context, options, result, () => `${reference} is ${manifestDigest}`);
    },
  );
}

async function sourceOf(image: string, options: RegistryFlags): Promise<ImageSource> {
  const { DockerArchive, OciLayout, RegistryImage } = await import('@commongrid/flist');
  const [, transport, path = '', name] =
    /^(oci|docker-archive):([^:]+)(?::(.+))?$/.exec(image) ?? [];
  if (transport === 'oci') return new OciLayout(path, name);
  if (transport === 'docker-archive') return new DockerArchive(path, name);
  const reference = image.replace(/^docker:\/\//, '');
  return new RegistryImage(reference, await registryOptionsOf(options));
}
