import type { MetricsRegistry } from '@commongrid/base';
import type { BlobStore } from '@commongrid/zstor';

import { listBuckets } from '../meta/buckets.ts';
import type { LifecycleCounts } from '../lifecycle/lifecycle-runner.ts';

/** Buckets that have figures of their own; those behind them in the alphabet have none. */
const shownBucketsMax = 1000;

/** Shows how the store does: what is free, what is missing, what is in its buckets. */
export function registerStoreMetrics(
  registry: MetricsRegistry,
  { care, catalog }: BlobStore,
  lifecycle: Readonly<LifecycleCounts>,
): void {
  registry.gauge({
    name: 's3_serving',
    help: '1 while this head serves',
    collect: (gauge) => gauge.set(Number(catalog.isServing)),
  });
  registry.gauge({
    name: 's3_backend_free_bytes',
    help: 'Room on each backend',
    labels: ['backend'],
    collect: (gauge) => {
      gauge.reset();
      for (const { name, freeBytes } of care.status().backends) {
        gauge.set({ backend: name }, freeBytes);
      }
    },
  });
  registry.gauge({
    name: 's3_backend_up',
    help: '1 for each backend that answers',
    labels: ['backend'],
    collect: (gauge) => {
      gauge.reset();
      for (const { name, state } of care.status().backends) {
        gauge.set({ backend: name }, Number(state === 'healthy'));
      }
    },
  });
  const figures = [
    ['s3_chunks', 'Chunks, when all were last looked at', 'chunks'],
    ['s3_missing_shards', 'Shards that are missing', 'missingShards'],
    ['s3_unreadable_chunks', 'Chunks that cannot be read now', 'unreadableChunks'],
    ['s3_repair_queue_chunks', 'Chunks that wait for repair', 'pending'],
  ] as const;
  for (const [name, help, figure] of figures) {
    registry.gauge({ name, help, collect: (gauge) => gauge.set(care.status()[figure]) });
  }
  registerBuckets(registry, catalog);
  registry.counter({
    name: 's3_lifecycle_total',
    help: 'What lifecycle rules did',
    labels: ['what'],
    collect: (counter) => {
      for (const [what, count] of Object.entries(lifecycle)) counter.inc({ what }, count);
    },
  });
}

function registerBuckets(registry: MetricsRegistry, catalog: BlobStore['catalog']): void {
  const figures = [
    ['s3_bucket_objects', 'Versions in a bucket', 'objects'],
    ['s3_bucket_bytes', 'Bytes of all versions in a bucket', 'bytes'],
    ['s3_bucket_upload_bytes', 'Bytes of parts of uploads that are not completed', 'uploadBytes'],
  ] as const;
  for (const [name, help, figure] of figures) {
    registry.gauge({
      ...{ name, help, labels: ['bucket'] },
      collect: (gauge) => {
        gauge.reset();
        const buckets = catalog.read((db) => listBuckets(db, { max: shownBucketsMax }));
        for (const bucket of buckets) gauge.set({ bucket: bucket.name }, bucket[figure]);
      },
    });
  }
}
