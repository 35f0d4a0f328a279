import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { Compression } from '../make/unpack-stream.ts';

/** Types of what images of OCI and docker are made of; the first of each is what we write. */
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

const indexTypes: ReadonlySet<string> = new Set([
  mediaTypes.index,
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);

const manifestTypes: ReadonlySet<string> = new Set([
  mediaTypes.manifest,
  'application/vnd.docker.distribution.manifest.v2+json',
]);

const configTypes: ReadonlySet<string> = new Set([
  mediaTypes.config,
  'application/vnd.docker.container.image.v1+json',
]);

const layerTypes: ReadonlyMap<string, Compression> = new Map([
  [mediaTypes.layerGzip, 'gzip'],
  [mediaTypes.layerZstd, 'zstd'],
  ['application/vnd.oci.image.layer.v1.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
]);

/** What a registry is asked for in the place of a manifest. */
export const acceptedTypes: string = [...manifestTypes, ...indexTypes].join(', ');

export function isIndexType(mediaType: string): boolean {
  return indexTypes.has(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return manifestTypes.has(mediaType);
}

/** @throws FLIST_MEDIA_TYPE_UNKNOWN */
export function checkConfigType(mediaType: string): void {
  if (!configTypes.has(mediaType)) throw unknownMediaType(mediaType, 'config');
}

/** @throws FLIST_MEDIA_TYPE_UNKNOWN, for layers too that lie elsewhere and may not be passed on */
export function layerCompression(mediaType: string): Compression {
  const compression = layerTypes.get(mediaType);
  if (compression === undefined) throw unknownMediaType(mediaType, 'layer');
  return compression;
}

export function unknownMediaType(mediaType: string, what: string): GridError<FlistErrorCode> {
  const isOld = mediaType.startsWith('application/vnd.docker.distribution.manifest.v1');
  const shown = mediaType.slice(0, 200);
  return new GridError('FLIST_MEDIA_TYPE_UNKNOWN', `a ${what} of the media type "${shown}"`, {
    hint: isOld
      ? 'push the image again with a docker of this decade'
      : 'only images of OCI and docker with layers of tar, gzip or zstd can be read',
    details: { mediaType: shown, what },
  });
}
