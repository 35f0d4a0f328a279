import { isAbsolute } from 'node:path';

import { GridError, writeFileAtomic } from '@commongrid/base';
import type { BaseErrorCode, ControlAction, ControlArguments } from '@commongrid/base';

import { encodeFlist } from '../format/encode-flist.ts';
import { flistDigestOf, parseFlistDigest } from '../format/flist.ts';
import type { FlistDigest } from '../format/flist.ts';
import { packFlist } from '../format/pack-flist.ts';
import type { DamagePolicy, MountMode } from './mount-journal.ts';
import type { ImageService } from './image-service.ts';

/** What the service of a store can be asked for at its control socket. */
export function serviceActions(service: ImageService): Readonly<Record<string, ControlAction>> {
  return {
    /** `flist`, a path, or `digest` of one that is known; `target`; the rest as `MountRequest`. */
    mount: async (args) => {
      const digest = await digestOf(service, args);
      return service.mount({
        digest,
        target: pathAt(args, 'target'),
        id: textAt(args, 'id'),
        mode: modeAt(args),
        writableFolder: optionalPathAt(args, 'writableFolder'),
        isTraced: args['isTraced'] === true,
        whenDamaged: damagePolicyAt(args),
        uidShift: countAt(args, 'uidShift') ?? 0,
        gidShift: countAt(args, 'gidShift') ?? 0,
      });
    },
    unmount: async (args) => service.unmount(textAt(args, 'id') ?? idAtTarget(service, args)),
    /** Mounts anew what nobody uses: `id`. */
    remount: async (args) => service.remount(textAt(args, 'id') ?? ''),
    list: async () =>
      service.mounts
        .list()
        .map((record) => ({ ...record, isTainted: service.isTainted(record.id) })),
    /** `whole`, or else what a start of the image reads. */
    prefetch: async (args, { signal }) => {
      const digest = await digestOf(service, args);
      await service.store.prefetch(digest, { whole: args['whole'] === true, signal });
    },
    /** Writes the image of the mount `id` with what was read of it to the path `output`. */
    trace: async (args) => {
      const output = pathAt(args, 'output');
      const flist = await service.trace(textAt(args, 'id') ?? '');
      const bytes = encodeFlist(flist);
      await writeFileAtomic(output, await packFlist(bytes));
      return { digest: flistDigestOf(bytes), ranges: flist.trace?.length ?? 0 };
    },
    scrub: async (args, { signal }) => {
      const bytesPerSecond = countAt(args, 'bytesPerSecond');
      return service.scrub({
        signal,
        ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      });
    },
    status: async () => ({
      pid: process.pid,
      usage: service.store.usage,
      mounts: service.mounts.list().length,
      waitingReads: service.waitingReads,
      probe: service.probe,
    }),
    /** The sources in their order, and how they get on: `SourceStatus`. */
    sources: async () => service.sources.status,
    /** Takes up the sources of `service.json` as they are now. */
    reload: async () => {
      await service.reloadSources();
      return service.sources.status;
    },
    stop: async () => service.stop(),
  };
}

async function digestOf(service: ImageService, args: ControlArguments): Promise<FlistDigest> {
  const path = optionalPathAt(args, 'flist');
  if (path !== undefined) return service.addFlist(path);
  const digest = parseFlistDigest(textAt(args, 'digest') ?? '');
  if (digest === undefined) throw invalid('digest', 'it is not 64 hex digits');
  return digest;
}

function idAtTarget(service: ImageService, args: ControlArguments): string {
  const target = pathAt(args, 'target');
  return service.mounts.list().find((mount) => mount.target === target)?.id ?? target;
}

function textAt(args: ControlArguments, name: string): string | undefined {
  const value = args[name];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(name, 'it is no text');
}

function pathAt(args: ControlArguments, name: string): string {
  const path = optionalPathAt(args, name);
  if (path === undefined) throw invalid(name, 'it is missing');
  return path;
}

function optionalPathAt(args: ControlArguments, name: string): string | undefined {
  const path = textAt(args, name);
  if (path === undefined || isAbsolute(path)) return path;
  throw invalid(name, 'it is no absolute path');
}

function countAt(args: ControlArguments, name: string): number | undefined {
  const value = args[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(name, 'it is no count');
}

function modeAt(args: ControlArguments): MountMode | undefined {
  const mode = textAt(args, 'mode');
  if (mode === undefined || mode === 'overlay' || mode === 'tree') return mode;
  throw invalid('mode', 'it is neither overlay nor tree');
}

function damagePolicyAt(args: ControlArguments): DamagePolicy | undefined {
  const policy = textAt(args, 'whenDamaged');
  if (policy === undefined || policy === 'report' || policy === 'remount') return policy;
  throw invalid('whenDamaged', 'it is neither report nor remount');
}

function invalid(name: string, why: string): GridError<BaseErrorCode> {
  return new GridError('BASE_OPTION_INVALID', `${name} cannot be used: ${why}`, {
    details: { name },
  });
}
