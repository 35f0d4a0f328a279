import type { Logger } from '@commongrid/base';
import type { BcdbFolder } from '../config.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { EffectFeed } from './effect-feed.ts';
import { ProjectionService } from './projection-service.ts';

/** The projection of a folder, which follows a ledger that has not caught up yet. */
export async function openProjection(
  folder: BcdbFolder,
  ledger: Ledger,
  logger: Logger,
): Promise<ProjectionService> {
  const projection = await ProjectionService.open({
    folder: folder.projection,
    catchUp: (from) => ledger.effects(from),
    rootAt: (size) => (size <= ledger.head.size ? ledger.rootAt(size) : undefined),
    onEvent: (event) => logger.warn({ event: event.kind, ...event }, 'projection'),
  });
  const feed = new EffectFeed(projection);
  ledger.listen((batch) => feed.push(batch));
  return projection;
}
