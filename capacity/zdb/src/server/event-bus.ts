import type { Logger } from '@commongrid/base';
import type { ZdbEvent } from '../events.ts';

/** Hands events to whoever was named at the start; a listener that throws does no harm. */
export class EventBus {
  readonly #logger: Logger;
  readonly #listeners: readonly ((event: ZdbEvent) => void)[];

  constructor(logger: Logger, listeners: readonly ((event: ZdbEvent) => void)[]) {
    this.#logger = logger;
    this.#listeners = listeners;
  }

  emit(event: ZdbEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error({ err: error, event }, 'an event listener failed');
      }
    }
  }
}
