import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { encodeFlist } from '../src/format/encode-flist.ts';
import type { Flist } from '../src/format/flist.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { exportImage } from '../src/oci/export-image.ts';
import { importImage } from '../src/oci/import-image.ts';
import { OciLayout } from '../src/oci/oci-layout.ts';
import { parsePlatform } from '../src/oci/platform.ts';
import { pushFlist, pushImage } from '../src/oci/push-image.ts';
import type { PushProgress } from '../src/oci/push-image.ts';
import type { RegistryOptions } from '../src/oci/registry-client.ts';
import { RegistryImage } from '../src/oci/registry-image.ts';
import { makeImage, MemoryChunks, newFolder, run } from './oci-images.ts';
import { DockerRegistry } from '../src/testing/docker-registry.ts';
import { TinyRegistry } from './tiny-registry.ts';

/** Debian's docker-registry on a port of its own. */
async function dockerRegistry(t: TestContext, folder: string): Promise<string> {
  const registry = await DockerRegistry.open(folder);
  t.after(() => registry[Symbol.asyncDispose]());
  return registry.host;
}

async function pulled(reference: string, options?: RegistryOptions): Promise<Buffer> {
  const { flist } = await importImage(new RegistryImage(reference, options), new MemoryChunks());
  return encodeFlist(flist);
}

test('an image goes to a registry and comes back, by us and by skopeo', async (t) => {
  const folder = await newFolder(t);
  const layout = await makeImage(folder);
  const host = await dockerRegistry(t, folder);
  const chunks = new MemoryChunks();
  const { flist } = await importImage(new OciLayout(layout, 'box'), chunks);
  const bytes = encodeFlist(flist);

  await pushImage(new OciLayout(layout, 'box'), `${host}/team/box:layers`);
  assert.deepEqual(await pulled(`${host}/team/box:layers`), bytes);

  const digest = await pushFlist(flist, chunks, `${host}/team/box:1`);
  assert.deepEqual(await pulled(`${host}/team/box:1`), bytes);
  assert.deepEqual(await pulled(`${host}/team/box@${digest}`), bytes);
  const place = `docker://${host}/team/box:1`;
  const inspected = JSON.parse(run('skopeo', 'inspect', '--tls-verify=false', place));
  assert.equal(inspected.Digest, digest);
  assert.deepEqual(inspected.Labels, { a: 'b' });
  const copy = join(folder, 'copy');
  run('skopeo', 'copy', '--src-tls-verify=false', place, `oci:${copy}:box`);
  const copied = await importImage(new OciLayout(copy, 'box'), new MemoryChunks());
  assert.deepEqual(encodeFlist(copied.flist), bytes);

  const docker = `${host}/team/box:docker`;
  run(
    ...(['skopeo', 'copy', '--format', 'v2s2', '--dest-tls-verify=false'] as const),
    ...[`oci:${layout}:box`, `docker://${docker}`],
  );
  assert.deepEqual(await pulled(docker), bytes);
  await assert.rejects(pulled(`${host}/team/box:none`), { code: 'FLIST_IMAGE_ABSENT' });
  await assert.rejects(pulled(`${host}/team/none:1`), { code: 'FLIST_IMAGE_ABSENT' });
});

test('a layer that is larger than one request is pushed in pieces', async (t) => {
  const folder = await newFolder(t);
  const host = await dockerRegistry(t, folder);
  const tree = join(folder, 'tree');
  await fs.mkdir(tree);
  await fs.writeFile(join(tree, 'noise'), randomBytes(8 * 2 ** 20 + 5));
  const chunks = new MemoryChunks();
  const { flist } = await createFromFolder(tree, chunks);
  const seen: PushProgress[] = [];
  await pushFlist(flist, chunks, `${host}/noise:1`, { onProgress: (one) => seen.push(one) });
  assert.deepEqual(await pulled(`${host}/noise:1`), encodeFlist(flist));
  for (const step of ['packing', 'sending'] as const) {
    const done = seen.filter((one) => one.step === step);
    assert.deepEqual(
      done.map(({ doneBytes }) => doneBytes),
      done.map(({ doneBytes }) => doneBytes).toSorted((a, b) => a - b),
    );
    assert.ok(done.length > 2);
    assert.equal(done.at(-1)?.doneBytes, done.at(-1)?.totalBytes);
  }
});

interface Served {
  readonly registry: TinyRegistry;
  readonly reference: string;
  readonly bytes: Buffer;
  readonly layout: string;
}

/** A small image in a registry that a test can make do as it likes. */
async function served(t: TestContext): Promise<Served> {
  const folder = await newFolder(t);
  const tree = join(folder, 'tree');
  await fs.mkdir(tree);
  await fs.writeFile(join(tree, 'noise'), randomBytes(300_000));
  const chunks = new MemoryChunks();
  const flist: Flist = (await createFromFolder(tree, chunks)).flist;
  const layout = join(folder, 'layout');
  const { manifestDigest } = await exportImage(flist, chunks, layout);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const tags = new Map([['1', { digest: manifestDigest, mediaType }]]);
  const registry = await TinyRegistry.open(t, layout, tags);
  const reference = `${registry.host}/app:1`;
  return { registry, reference, bytes: encodeFlist(flist), layout };
}

test('a token is fetched with the credentials, which no other host gets to see', async (t) => {
  const { registry, reference, bytes, layout } = await served(t);
  const elsewhere = await TinyRegistry.open(t, layout);
  const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`;
  registry.interference = ({ url = '', headers }, response) => {
    if (url.startsWith('/token')) {
      const isRight =
        headers.authorization === basic && url.includes('scope=repository%3Aapp%3Apull');
      response.writeHead(isRight ? 200 : 401).end(isRight ? '{"token":"abc"}' : '{}');
      return true;
    }
    if (headers.authorization !== 'Bearer abc') {
      const challenge = `Bearer realm="http://${registry.host}/token",service="tiny"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
      return true;
    }
    if (!url.includes('/blobs/')) return false;
    response.writeHead(307, { location: `http://${elsewhere.host}${url}` }).end();
    return true;
  };
  const credentials = { user: 'user', password: 'secret' };
  assert.deepEqual(await pulled(reference, { credentials }), bytes);
  assert.deepEqual(
    elsewhere.requests.map(({ authorization }) => authorization),
    [undefined, undefined],
  );
  const wrong = { user: 'user', password: 'wrong' };
  await assert.rejects(pulled(reference, { credentials: wrong }), {
    code: 'FLIST_REGISTRY_DENIED',
  });
  await assert.rejects(pulled(reference), { code: 'FLIST_REGISTRY_DENIED' });

  elsewhere.interference = (_request, response) => {
    const challenge = `Bearer realm="http://${elsewhere.host}/token"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
    return true;
  };
  const before = elsewhere.requests.length;
  await assert.rejects(pulled(reference, { credentials }), { code: 'FLIST_REGISTRY_DENIED' });
  assert.ok(elsewhere.requests.slice(before).every(({ authorization }) => !authorization));
});

test('a download that breaks off goes on, with and without ranges', async (t) => {
  const { registry, reference, bytes } = await served(t);
  for (const hasRanges of [true, false]) {
    let breaks = 0;
    registry.interference = ({ url = '', headers }, response, content) => {
      if (!url.includes('/blobs/') || content.length < 100_000) return false;
      const asked = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      const start = hasRanges ? asked : 0;
      const end = breaks++ < 2 ? Math.min(content.length, asked + 90_000) : content.length;
      response.writeHead(start > 0 ? 206 : 200, {
        'content-length': content.length - start,
        ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/*` } : {}),
      });
      response.write(content.subarray(start, end), () => {
        if (end < content.length) response.destroy();
        else response.end();
      });
      return true;
    };
    assert.deepEqual(await pulled(reference), bytes);
    assert.ok(breaks >= 3);
  }
});

test('a registry that lies, stalls or leads astray is refused', async (t) => {
  const { registry, reference, bytes } = await served(t);
  let failures = 2;
  registry.interference = (_request, response) => {
    if (failures-- <= 0) return false;
    response.writeHead(503).end();
    return true;
  };
  assert.deepEqual(await pulled(reference), bytes);

  registry.interference = ({ url = '' }, response, content) => {
    if (!url.includes('/blobs/')) return false;
    response.end(Buffer.from(content).fill(1, content.length - 20));
    return true;
  };
  await assert.rejects(pulled(reference), { code: 'FLIST_BLOB_CORRUPT' });

  const schema1 = JSON.stringify({ schemaVersion: 1, fsLayers: [] });
  registry.interference = (_request, response) => {
    response.end(schema1);
    return true;
  };
  await assert.rejects(pulled(reference), {
    code: 'FLIST_MEDIA_TYPE_UNKNOWN',
    message: /manifest\.v1/,
  });

  registry.interference = (_request, response) => {
    response.writeHead(307, { location: 'http://registry.invalid/x' }).end();
    return true;
  };
  await assert.rejects(pulled(reference), { code: 'FLIST_REGISTRY_INSECURE' });

  registry.interference = ({ url = '' }, response) => {
    response.writeHead(307, { location: url }).end();
    return true;
  };
  await assert.rejects(pulled(reference), { code: 'FLIST_REGISTRY_FAILED', retryable: false });

  registry.interference = () => true;
  await assert.rejects(pulled(reference, { silenceMs: 30 }), {
    code: 'FLIST_REGISTRY_FAILED',
    message: /it says nothing/,
  });
  const signal = AbortSignal.abort();
  const aborted = importImage(new RegistryImage(reference), new MemoryChunks(), { signal });
  await assert.rejects(aborted, { code: 'BASE_ABORTED' });
});

test('of an index the image for the platform is taken', async (t) => {
  const folder = await newFolder(t);
  const host = await dockerRegistry(t, folder);
  const platforms = ['amd64', 'arm64'];
  const flists = new Map<string, Buffer>();
  const manifests: unknown[] = [];
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  for (const architecture of platforms) {
    const tree = join(folder, architecture);
    await fs.mkdir(tree);
    await fs.writeFile(join(tree, 'arch'), architecture);
    const chunks = new MemoryChunks();
    const { flist } = await createFromFolder(tree, chunks);
    const image = { ...flist, config: { os: 'linux', architecture } };
    flists.set(architecture, encodeFlist(image));
    const digest = await pushFlist(image, chunks, `${host}/multi:${architecture}`);
    const answer = await fetch(`http://${host}/v2/multi/manifests/${digest}`, {
      headers: { accept: mediaType },
    });
    const size = (await answer.arrayBuffer()).byteLength;
    manifests.push({ mediaType, digest, size, platform: { os: 'linux', architecture } });
  }
  const type = 'application/vnd.oci.image.index.v1+json';
  const put = await fetch(`http://${host}/v2/multi/manifests/all`, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }),
  });
  assert.equal(put.status, 201);
  for (const architecture of platforms) {
    const platform = parsePlatform(`linux/${architecture}`);
    const image = new RegistryImage(`${host}/multi:all`);
    const { flist } = await importImage(image, new MemoryChunks(), { platform });
    assert.deepEqual(encodeFlist(flist), flists.get(architecture));
  }
  const platform = parsePlatform('linux/riscv64');
  const image = new RegistryImage(`${host}/multi:all`);
  await assert.rejects(importImage(image, new MemoryChunks(), { platform }), {
    code: 'FLIST_PLATFORM_ABSENT',
    hint: 'it is there for: linux/amd64, linux/arm64',
  });
});
