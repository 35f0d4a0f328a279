import { arch } from 'node:process';

import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { Descriptor, Platform } from './manifest.ts';

/** What OCI calls what Node calls otherwise. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** This machine, as OCI writes it. */
export function ownPlatform(): Platform {
  return { os: 'linux', architecture: architectures[arch] ?? arch };
}

/**
 * Reads `linux/amd64` or `linux/arm64/v8`.
 * @throws FLIST_PLATFORM_ABSENT
 */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.split('/');
  if (os !== 'linux' || !architecture || variant === '' || rest.length > 0) {
    throw new GridError<FlistErrorCode>('FLIST_PLATFORM_ABSENT', `"${text}" is no platform`, {
      hint: 'write linux/amd64 or linux/arm64',
      details: { platform: text },
    });
  }
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function shownPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** The first one of an index that is for a platform, or else one that says nothing of platforms. */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor {
  const found =
    manifests.find(({ platform }) => platform !== undefined && isFor(platform, wanted)) ??
    manifests.find(({ platform }) => platform === undefined);
  if (found !== undefined) return found;
  const offered = manifests.flatMap(({ platform }) => (platform ? [shownPlatform(platform)] : []));
  const list = [...new Set(offered)].slice(0, 50);
  throw new GridError<FlistErrorCode>(
    'FLIST_PLATFORM_ABSENT',
    `there is no image for ${shownPlatform(wanted)}`,
    { hint: `it is there for: ${list.join(', ')}`, details: { wanted, offered: list } },
  );
}

function isFor(platform: Platform, { os, architecture, variant }: Platform): boolean {
  const isMachine = platform.os === os && platform.architecture === architecture;
  return isMachine && (variant === undefined || platform.variant === variant);
}
