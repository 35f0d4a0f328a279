import { verifyBy } from './tree/browser-verifier.ts';
import { nodePrimitives } from './tree/node-primitives.ts';

// Whoever comes by this door has node:crypto; the door for browsers leaves this out.
verifyBy(nodePrimitives);

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
export { FollowedGrid } from './client/followed-grid.ts';
export type { FollowedGridOptions, GridNow } from './client/followed-grid.ts';
export { HeartbeatSender } from './client/heartbeat-sender.ts';
export type { HeartbeatSenderOptions } from './client/heartbeat-sender.ts';
export { HttpHeadSource } from './client/http-head-source.ts';
export { HttpLeaseDoor } from './client/http-lease-door.ts';
export type { HttpLeaseDoorOptions } from './client/http-lease-door.ts';
export { HttpLightSource } from './client/http-light-source.ts';
export { HttpLogSource } from './client/http-log-source.ts';
export { PrivateNamespace } from './client/private-namespace.ts';
export type {
  PrivateNamespaceOptions,
  PrivatePut,
  Readers,
  ReadersChange,
} from './client/private-namespace.ts';
export type { SourceOptions } from './client/source-link.ts';
export { isFateOpen } from './client/record-writer.ts';
export type { ClientReceipt, ClientStatement } from './client/record-writer.ts';
export type { Signer } from './client/signer.ts';
export type { WatchOptions } from './client/watch-changes.ts';
export { FeedWalk } from './follow/feed-walk.ts';
export type { WalkedRecord } from './follow/feed-walk.ts';
export type { LightArrival, LightChange } from './follow/light-change.ts';
export { LightFollower } from './follow/light-follower.ts';
export type { LightFollowerOptions } from './follow/light-follower.ts';
export type { LightSource } from './follow/light-source.ts';
export { LeaseHolder } from './presence/lease-holder.ts';
export type { LeaseDoor, LeaseHolderOptions } from './presence/lease-holder.ts';
