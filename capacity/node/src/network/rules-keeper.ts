import { closeOnce, repeat, silentLogger } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';

import type { NodeNetwork } from './node-network.ts';

export interface RulesKeeperOptions {
  readonly network: Pick<NodeNetwork, 'refreshRules'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** How often the rules are loaded anew, ms: so long tenants may be open to each other. */
const refreshEveryMs = 30_000;

/** Brings the rules back that somebody took from the kernel, as `nft flush ruleset` does. */
export class RulesKeeper implements AsyncDisposable {
  readonly close: () => Promise<void>;

  constructor({ network, logger = silentLogger, clock }: RulesKeeperOptions) {
    const closing = new AbortController();
    const keeping = repeat(refreshEveryMs, () => network.refreshRules(), {
      signal: closing.signal,
      onError: (err) => logger.error({ err }, 'the rules of the network cannot be loaded'),
      ...(clock === undefined ? {} : { clock }),
    });
    this.close = closeOnce(async () => {
      closing.abort();
      await keeping;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
