import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { GridError, isGridError, retry, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { Flist } from '../format/flist.ts';
import type { ChunkSource } from '../ports.ts';
import { VerifiedStream } from './digest.ts';
import type { OciDigest } from './digest.ts';
import { exportImage } from './export-image.ts';
import type { ExportProgress } from './export-image.ts';
import { manifestInvalid, parseManifest } from './manifest.ts';
import type { Descriptor, Platform } from './manifest.ts';
import { OciLayout } from './oci-layout.ts';
import { parseReference, referenceKey } from './reference.ts';
import { RegistryClient } from './registry-client.ts';
import type { RegistryAnswer, RegistryOptions } from './registry-client.ts';

/** Bytes of one request of an upload. */
const uploadPieceBytes = 8 * 2 ** 20;

/** How often one blob is uploaded, the first time included. */
const uploadsMax = 3;

export interface PushOptions extends RegistryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called often: while the image is packed with bytes of content, then with bytes of blobs. */
  readonly onProgress?: ((progress: PushProgress) => void) | undefined;
}

export interface PushProgress {
  readonly step: 'packing' | 'sending';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface PushFlistOptions extends PushOptions {
  readonly compression?: 'gzip' | 'zstd';
  /** Where the layer is packed on its way. Default: the system's folder for that. */
  readonly tempFolder?: string;
}

/**
 * Sends an flist with its content to a registry, as an image of one layer.
 * @throws those of `exportImage` and `pushImage`
 */
export async function pushFlist(
  flist: Flist,
  source: ChunkSource,
  reference: string,
  options: PushFlistOptions = {},
): Promise<OciDigest> {
  // A text that names nothing is found before much is packed.
  parseReference(reference);
  const folder = await mkdtemp(join(options.tempFolder ?? tmpdir(), 'flist-push-'));
  try {
    const { compression = 'gzip', signal } = options;
    const onProgress = (packed: ExportProgress): void =>
      options.onProgress?.({ step: 'packing', ...packed });
    await exportImage(flist, source, folder, { compression, signal, onProgress });
    return await pushImage(new OciLayout(folder), reference, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Sends an image of a layout to a registry: what blobs it lacks, then the manifest under its tag.
 * @returns the digest of the manifest
 * @throws FLIST_REFERENCE_INVALID, FLIST_REGISTRY_DENIED, FLIST_REGISTRY_FAILED,
 *   FLIST_REGISTRY_INSECURE, FLIST_BLOB_CORRUPT, those of `OciLayout`
 */
export async function pushImage(
  layout: OciLayout,
  reference: string,
  options: PushOptions & { readonly platform?: Platform | undefined } = {},
): Promise<OciDigest> {
  const { platform, signal } = options;
  const parsed = parseReference(reference);
  const client = new RegistryClient(parsed, options);
  client.allowPush();
  const descriptor = await layout.descriptor(platform);
  const bytes = await layout.document(descriptor, signal);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind !== 'manifest') throw manifestInvalid('only a single image can be pushed');
  const blobs = new Map(
    [...manifest.layers, manifest.config].map((blob) => [blob.digest, blob] as const),
  );
  let doneBytes = 0;
  const totalBytes = blobs.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const blob of blobs.values()) {
    throwIfAborted(signal);
    const onSent = (sentBytes: number): void =>
      options.onProgress?.({ step: 'sending', doneBytes: doneBytes + sentBytes, totalBytes });
    await pushBlob({ client, layout, signal, onSent }, blob);
    onSent(blob.sizeBytes);
    doneBytes += blob.sizeBytes;
  }
  const answer = await client.send({
    method: 'PUT',
    target: `/manifests/${parsed.digest ?? referenceKey(parsed)}`,
    headers: { 'content-type': descriptor.mediaType },
    body: Uint8Array.from(bytes),
    signal,
    expected: [201],
  });
  await answer.discard();
  return descriptor.digest;
}

interface Push {
  readonly client: RegistryClient;
  readonly layout: OciLayout;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes of the blob that the registry has so far. */
  readonly onSent: (sentBytes: number) => void;
}

async function pushBlob(push: Push, blob: Descriptor): Promise<void> {
  const { client, signal } = push;
  const target = `/blobs/${blob.digest}`;
  const found = await client.send({ method: 'HEAD', target, signal, expected: [200, 404] });
  await found.discard();
  if (found.status === 200) return;
  await retry(() => upload(push, blob), {
    attempts: uploadsMax,
    signal,
    shouldRetry: (error) =>
      isGridError(error, 'FLIST_IMAGE_ABSENT') || (isGridError(error) && error.retryable),
  });
}

/** In pieces; what fits into one goes with the request that ends the upload. */
async function upload({ client, layout, signal, onSent }: Push, blob: Descriptor): Promise<void> {
  const { digest, sizeBytes } = blob;
  const bytes = new VerifiedStream(layout.openBlob(blob, signal), {
    digest,
    sizeBytes,
    what: `blob ${digest}`,
  });
  const begun = await client.send({
    method: 'POST',
    target: '/blobs/uploads/',
    signal,
    expected: [202],
  });
  let place = await placeOf(begun);
  let sentBytes = 0;
  let last: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  for await (const piece of inPieces(bytes)) {
    if (sentBytes + piece.length === sizeBytes) {
      last = piece;
      continue;
    }
    const range = `${sentBytes}-${sentBytes + piece.length - 1}`;
    const answer = await client.send({
      method: 'PATCH',
      target: place,
      headers: { 'content-type': 'application/octet-stream', 'content-range': range },
      body: piece,
      signal,
      expected: [202],
    });
    place = await placeOf(answer);
    sentBytes += piece.length;
    onSent(sentBytes);
  }
  bytes.assertVerified();
  place.searchParams.set('digest', digest);
  const ended = await client.send({
    method: 'PUT',
    target: place,
    headers: { 'content-type': 'application/octet-stream' },
    body: last,
    signal,
    expected: [201],
  });
  await ended.discard();
}

/** Where an upload goes on. */
async function placeOf(answer: RegistryAnswer): Promise<URL> {
  const location = answer.headers.get('location') ?? '';
  await answer.discard();
  if (location !== '' && URL.canParse(location, answer.url)) return new URL(location, answer.url);
  throw new GridError<FlistErrorCode>(
    'FLIST_REGISTRY_FAILED',
    'the registry does not say where an upload goes on',
  );
}

async function* inPieces(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let room = new Uint8Array(uploadPieceBytes);
  let filled = 0;
  for await (const piece of stream) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + uploadPieceBytes - filled);
      room.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < uploadPieceBytes) continue;
      yield room;
      room = new Uint8Array(uploadPieceBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield room.subarray(0, filled);
}
