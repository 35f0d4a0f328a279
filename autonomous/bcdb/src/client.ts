export { BcdbClient } from './client/bcdb-client.ts';
export type { BcdbClientOptions } from './client/bcdb-client.ts';
export type {
  CallOptions,
  ClientChange,
  ClientFind,
  ClientObject,
  ClientPage,
  ClientRows,
  ClientSearch,
  ProvenObject,
  ReadOptions,
  WatchedChange,
} from './client/client-types.ts';
export type { ClientReceipt, ClientStatement } from './client/record-writer.ts';
export type { Signer } from './client/signer.ts';
export type { WatchOptions } from './client/watch-changes.ts';
