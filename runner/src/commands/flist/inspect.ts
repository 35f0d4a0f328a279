import { basename } from 'node:path';

import { formatBytes } from '@commongrid/base';
import type { FlistDigest, FlistSummary, ImageConfig } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, formatTable } from '../../terminal.ts';
import { inodeAt } from './contents.ts';
import { findImage, flistArgument } from './find-image.ts';
import { storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';

export function flistLsCommand(context: CommandContext): Command {
  return storeSubcommand('ls', 'List the files of an flist.')
    .argument('<flist>', flistArgument)
    .argument('[path]', 'a folder or a file in it')
    .action(async (name: string, path: string | undefined, options: StoreOptions) => {
      const { byteTextFrom, listLines } = await import('@commongrid/flist');
      const found = await findImage(context, options, name);
      const inode = await inodeAt(found, path ?? '');
      const entries = new Map([[byteTextFrom(basename(path ?? '')), inode]]);
      const lines =
        inode.kind === 'directory'
          ? [...listLines(inode)]
          : [...listLines({ ...found.flist.root, entries })].slice(1);
      const result = { schema: 'grid.flist.ls.1', digest: found.digest, lines };
      printResult(context, options, result, () => lines.join('\n'));
    });
}

export function flistInspectCommand(context: CommandContext): Command {
  return storeSubcommand('inspect', 'Say what is in an flist, and how it is run.')
    .argument('<flist>', flistArgument)
    .action(async (name: string, options: StoreOptions) => {
      const { encodeFlist, summarizeFlist } = await import('@commongrid/flist');
      const { digest, flist } = await findImage(context, options, name);
      const summary = summarizeFlist(flist);
      const metadataBytes = encodeFlist(flist).length;
      const labels = Object.fromEntries(summary.config.labels);
      const result = {
        ...{ schema: 'grid.flist.inspect.1', digest, metadataBytes, ...summary },
        config: { ...summary.config, labels },
      };
      printResult(context, options, result, () => describe(digest, metadataBytes, summary));
    });
}

function describe(digest: FlistDigest, metadataBytes: number, summary: FlistSummary): string {
  const { inodes, hardLinks, sizeBytes, chunks, chunkSizeBytes, traceChunks } = summary;
  const devices = inodes['character-device'] + inodes['block-device'] + inodes.fifo;
  const content = `${counted(chunks, 'chunk')}, ${formatBytes(chunkSizeBytes)} of content`;
  const rows = [
    ['files', `${inodes.file}, ${formatBytes(sizeBytes)}`],
    ['folders', String(inodes.directory)],
    ['links', `${inodes.symlink} symbolic, ${hardLinks} hard`],
    ['devices', String(devices)],
    ['fetched', `${content}; this list itself ${formatBytes(metadataBytes)}, unpacked`],
    ['start', traceChunks === 0 ? 'no trace' : startText(summary)],
    ...configRows(summary.config),
  ];
  return [digest, formatTable(rows.map(([name = '', text = '']) => [`  ${name}`, text]))].join(
    '\n',
  );
}

function startText({ traceChunks, traceSizeBytes }: FlistSummary): string {
  return `reads ${counted(traceChunks, 'chunk')}, ${formatBytes(traceSizeBytes)}`;
}

/** Only what the config says. */
function configRows(config: ImageConfig): string[][] {
  const { entrypoint, cmd, env, user, workingDir, stopSignal, exposedPorts, volumes } = config;
  const ports = exposedPorts.map(({ port, protocol }) => `${port}/${protocol}`);
  const rows: [string, string][] = [
    ['platform', [config.os, config.architecture, config.variant].filter(Boolean).join('/')],
    ['entrypoint', words(entrypoint)],
    ['command', words(cmd)],
    ['user', user ?? ''],
    ['folder', workingDir ?? ''],
    ['stop', stopSignal ?? ''],
    ['ports', ports.join(', ')],
    ['volumes', volumes.join(', ')],
    ['env', env.join('\n')],
    ['labels', [...config.labels].map(([name, text]) => `${name}=${text}`).join('\n')],
  ];
  return rows.flatMap(([name, text]) =>
    text === '' ? [] : text.split('\n').map((line, at) => [at === 0 ? name : '', line]),
  );
}

function words(list: readonly string[]): string {
  return list.map((word) => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
}
