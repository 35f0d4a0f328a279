/** Types that BCDB itself knows and judges by. Their schemas are in system-records.ts. */
export const systemUrls = {
  genesis: 'bcdb.genesis.1',
  tick: 'bcdb.tick.1',
  handover: 'bcdb.handover.1',
  namespace: 'bcdb.namespace.1',
  schema: 'bcdb.schema.1',
  circle: 'bcdb.circle.1',
  acl: 'bcdb.acl.1',
  policy: 'bcdb.policy.1',
  readers: 'bcdb.readers.1',
  proposal: 'bcdb.proposal.1',
  approval: 'bcdb.approval.1',
} as const;

/** Types under this prefix are BCDB's own. */
export const systemPrefix = 'bcdb.';

/** Namespace of the records about the log itself: genesis, ticks, handovers. */
export const logNamespace = 'log';
