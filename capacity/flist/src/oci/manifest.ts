import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { parseOciDigest } from './digest.ts';
import type { OciDigest } from './digest.ts';
import { isIndexType, isManifestType, unknownMediaType } from './media-types.ts';

/** Bytes of a manifest, an index or a config. */
export const documentBytesMax = 4 * 2 ** 20;

/** Layers of an image. */
const layersMax = 512;

/** Manifests of one index. */
const indexEntriesMax = 4_096;

/** A blob, as manifests speak of it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: OciDigest;
  readonly sizeBytes: number;
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Whom an image is for: `linux`, `amd64`, perhaps `v8`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/**
 * Reads a manifest or an index of OCI or docker.
 * @param mediaType by which it was spoken of; undefined when nobody said
 * @throws FLIST_MANIFEST_INVALID, FLIST_MEDIA_TYPE_UNKNOWN (also for docker's old schema 1)
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string | undefined,
): ImageManifest | ImageIndex {
  const json = parseObject(bytes, 'the manifest');
  if (json['schemaVersion'] === 1) {
    throw unknownMediaType('application/vnd.docker.distribution.manifest.v1+json', 'manifest');
  }
  if (json['schemaVersion'] !== 2) throw manifestInvalid('schemaVersion is not 2');
  const own = json['mediaType'];
  const type = own ?? mediaType ?? ('manifests' in json ? defaultIndex : defaultManifest);
  if (typeof type !== 'string') throw manifestInvalid('mediaType is no text');
  // Under one type there could be both, and others would read the other one.
  if ('manifests' in json && ('layers' in json || 'config' in json)) {
    throw manifestInvalid('it is both a manifest and an index');
  }
  if (isIndexType(type)) {
    const manifests = listOf(json, 'manifests', indexEntriesMax).map(descriptorOf);
    return { kind: 'index', manifests };
  }
  if (!isManifestType(type)) throw unknownMediaType(type, 'manifest');
  return {
    kind: 'manifest',
    config: descriptorOf(json['config'], 'config'),
    layers: listOf(json, 'layers', layersMax).map(descriptorOf),
    annotations: textsOf(json['annotations']),
  };
}

const defaultIndex = 'application/vnd.oci.image.index.v1+json';
const defaultManifest = 'application/vnd.oci.image.manifest.v1+json';

export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws FLIST_MANIFEST_INVALID */
export function parseObject(bytes: Uint8Array, what: string): JsonObject {
  const json = asObject(parseJson(bytes, what));
  if (json === undefined) throw manifestInvalid(`${what} is no object`);
  return json;
}

/** @throws FLIST_MANIFEST_INVALID */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw manifestInvalid(`${what} is no JSON`, error);
  }
}

export function asObject(value: unknown): JsonObject | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonObject) : undefined;
}

export function manifestInvalid(why: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_MANIFEST_INVALID', `the image is not as OCI says: ${why}`, {
    hint: 'make or fetch the image again',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** @throws FLIST_MANIFEST_INVALID, FLIST_TOO_LARGE */
function listOf(json: JsonObject, field: string, max: number): readonly unknown[] {
  const list = json[field];
  if (!Array.isArray(list)) throw manifestInvalid(`${field} is no list`);
  if (list.length > max) {
    throw new GridError<FlistErrorCode>('FLIST_TOO_LARGE', `the image has over ${max} ${field}`, {
      details: { field, max },
    });
  }
  return list;
}

function descriptorOf(value: unknown, at: number | string): Descriptor {
  const json = asObject(value);
  const digest = parseOciDigest(json?.['digest']);
  const mediaType = json?.['mediaType'];
  const sizeBytes = json?.['size'];
  const isSize = typeof sizeBytes === 'number' && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0;
  if (digest === undefined) throw manifestInvalid(`descriptor ${at} has no digest`);
  if (typeof mediaType !== 'string') throw manifestInvalid(`descriptor ${at} has no mediaType`);
  if (!isSize) throw manifestInvalid(`descriptor ${at} has no size`);
  const platform = platformOf(json?.['platform']);
  return { mediaType, digest, sizeBytes, platform, annotations: textsOf(json?.['annotations']) };
}

function platformOf(value: unknown): Platform | undefined {
  const json = asObject(value);
  if (json === undefined) return undefined;
  const { os, architecture, variant } = json;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, architecture, ...(typeof variant === 'string' ? { variant } : {}) };
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(asObject(value) ?? {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
