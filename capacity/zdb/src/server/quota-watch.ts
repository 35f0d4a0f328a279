import type { Namespace } from '../engine/namespace.ts';
import type { EventBus } from './event-bus.ts';

/** Percents of the reserved room that are worth an event, highest first. */
const LEVELS = [100, 90, 80] as const;

/** Tells once when a namespace passes a level of its room; again after it has fallen below it. */
export class QuotaWatch {
  readonly #events: EventBus;
  readonly #levels = new WeakMap<Namespace, number>();

  constructor(events: EventBus) {
    this.#events = events;
  }

  /** After a write to a namespace with reserved room; `isRefused` when it did not fit. */
  written(namespace: Namespace, isRefused = false): void {
    const { maxBytes } = namespace.settings;
    if (maxBytes === 0) return;
    const percent = isRefused ? 100 : (namespace.usedBytes / maxBytes) * 100;
    const known = this.#levels.get(namespace) ?? 0;
    const level = LEVELS.find((one) => percent >= one) ?? 0;
    if (level === known) return;
    this.#levels.set(namespace, level);
    if (level < known) return;
    this.#events.emit({
      kind: 'quota',
      namespace: namespace.settings.name,
      percent: level,
      usedBytes: namespace.usedBytes,
      maxBytes,
    });
  }
}
