import { workerData } from 'node:worker_threads';
import { ProjectionReader } from './projection-reader.ts';
import { serveThread } from './thread-serve.ts';

/** Entry point of the thread that answers what can take longer than one look-up. */
const reader = new ProjectionReader((workerData as { readonly folder: string }).folder);

serveThread({
  get: (...args: Parameters<ProjectionReader['get']>) => reader.get(...args),
  find: (...args: Parameters<ProjectionReader['find']>) => reader.find(...args),
  count: (...args: Parameters<ProjectionReader['count']>) => reader.count(...args),
  search: (...args: Parameters<ProjectionReader['search']>) => reader.search(...args),
  history: (...args: Parameters<ProjectionReader['history']>) => reader.history(...args),
  changes: (...args: Parameters<ProjectionReader['changes']>) => reader.changes(...args),
  types: (ns: string) => reader.types(ns),
  forget: (ns: string) => reader.forget(ns),
  close: () => reader.close(),
});
