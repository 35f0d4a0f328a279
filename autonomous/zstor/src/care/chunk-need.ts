import type { ChunkRecord } from '../blob/chunk-record.ts';
import { nowhere } from '../blob/chunk-record.ts';
import type { BackendClass } from './backend-view.ts';

/** What of a record says where a chunk is. */
export type ChunkPlaces = Pick<ChunkRecord, 'kind' | 'dataShards' | 'parityShards' | 'locations'>;

/** What is to be done for a chunk. */
export interface ChunkNeed {
  /** Indexes that are nowhere, or on backends that have them no more. */
  readonly missing: readonly number[];
  /** Indexes that are there and should be elsewhere: to be emptied, or a node has several. */
  readonly misplaced: readonly number[];
  /** How many more may be lost: below 0 it cannot be read now. */
  readonly spareShards: number;
}

/** How backends are, and on which node each is. */
export interface PlaceView {
  classOf(no: number): BackendClass;
  nodeOf(no: number): string | undefined;
  /** Nodes that take shards now. */
  writableNodes(): ReadonlySet<string>;
}

/**
 * Compares a record with how its backends are. Who is away for a while only counts as missing when
 * the next loss would be one too many.
 */
export function needOf({ kind, dataShards, locations }: ChunkPlaces, view: PlaceView): ChunkNeed {
  const classes = locations.map((no) => (no === nowhere ? 'lost' : view.classOf(no)));
  const there = indexesOf(classes, ['good', 'draining']);
  const spareShards = there.length - dataShards;
  const isUrgent = spareShards <= 0;
  const missing = indexesOf(classes, isUrgent ? ['lost', 'overdue'] : ['lost']);
  const nodes = locations.map((no) => view.nodeOf(no));
  const hasRoom = [...view.writableNodes()].some((node) => !nodes.includes(node));
  const misplaced = there.filter((index) => {
    if (classes[index] === 'draining') return true;
    return kind === 'coded' && hasRoom && nodes.indexOf(nodes[index]) < index;
  });
  return { missing, misplaced, spareShards };
}

function indexesOf(
  classes: readonly BackendClass[],
  wanted: readonly BackendClass[],
): readonly number[] {
  return classes.flatMap((each, index) => (wanted.includes(each) ? [index] : []));
}
