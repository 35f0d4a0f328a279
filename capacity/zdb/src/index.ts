export { resolveOptions } from './config.ts';
export type { ServerMode, ZdbServerOptions } from './config.ts';
export type { ZdbErrorCode } from './errors.ts';
export type {
  DamageEvent,
  DivergedEvent,
  FailureEvent,
  FencedEvent,
  PromotedEvent,
  QuotaEvent,
  ReplicationEvent,
  ResyncEvent,
  SegmentMissingEvent,
  SegmentSealedEvent,
  ZdbEvent,
} from './events.ts';
export { ZdbServer } from './server/server.ts';
