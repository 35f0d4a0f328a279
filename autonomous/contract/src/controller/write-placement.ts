import { GridError } from '@commongrid/base';
import { deriveSlice, sealSlice, sliceHash, workloadIdOf } from '@commongrid/model';
import type {
  GridFold,
  LeaseName,
  LockId,
  Node,
  NodeId,
  Placement,
  PlacementItem,
  RecordOf,
  RecordUrl,
  SecretOpening,
  Slice,
} from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';
import type { DraftFile } from '../draft/draft-file.ts';
import { inParallel } from './in-parallel.ts';
import type { Target } from './supply.ts';

/** How long a placement waits to take effect, ms of log time. */
export const placementTtlMs = 600_000;

/** Appends a record; refuses once the lease is not held any more. */
export type Write = <Url extends RecordUrl>(
  url: Url,
  obj: string,
  value: RecordOf<Url>,
) => Promise<void>;

export interface PlacementInput {
  readonly draft: DraftFile;
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
  readonly fence: number;
  readonly reason: Placement['reason'];
  readonly stays: readonly PlacementItem[];
  readonly goes: readonly (Target & { readonly lock: LockId | undefined })[];
  readonly secrets: ReadonlyMap<string, SecretOpening>;
  /** The money for all of it is in the log: the placement waits for that, slices alone start nothing. */
  readonly paid: Promise<unknown>;
  /**
   * Called before the placement itself. @returns log time before which it has to be in the log, where it
   * moves anything away from a lost node @throws when what it is for is not so any more
   */
  readonly confirm: () => number | undefined;
  readonly nodeOf: (id: NodeId) => Promise<Node | undefined>;
  readonly write: Write;
}

/** Tells each node what it is to run, and then says that it is to run it. */
export async function writePlacement(input: PlacementInput): Promise<void> {
  const { draft, fold, at, fence, reason, stays, goes, write } = input;
  const former = fold.current('grid.placement.1', draft.id);
  const revision = (former?.revision ?? 0) + 1;
  const telling = inParallel(goes, async (target): Promise<PlacementItem> => {
    const { role, replica, node, lock } = target;
    const before = former?.items.find((one) => one.role === role.name && one.replica === replica);
    // Another lock for the same place: what runs there goes on as it is.
    const isSame = before?.node === node && fold.slice(before.slice) !== undefined;
    const slice = isSame ? before.slice : await tell(input, target, revision);
    return { role: role.name, replica, node, slice, ...(lock === undefined ? {} : { lock }) };
  });
  // Both end before this does, also where one of them fails.
  const [money, told] = await Promise.allSettled([input.paid, telling]);
  if (money.status === 'rejected') throw money.reason;
  if (told.status === 'rejected') throw told.reason;
  const items = [...stays, ...told.value].toSorted(
    (a, b) => (a.role < b.role ? -1 : 1) * Number(a.role !== b.role) || a.replica - b.replica,
  );
  const notAfterMs = input.confirm();
  await write('grid.placement.1', draft.id, {
    ...{ contract: draft.id, revision, fence, items, reason },
    lease: draft.id as string as LeaseName,
    expMs: at + placementTtlMs,
    ...(notAfterMs === undefined ? {} : { notAfterMs }),
  });
}

/** Writes a slice, unless the node was told the same already. @returns what placements name it by */
async function tell(
  { draft, fold, secrets, nodeOf, write }: PlacementInput,
  { role, replica, node: id }: Target,
  revision: number,
): Promise<PlacementItem['slice']> {
  const opening = draft.openings.find((one) => one.role.name === role.name);
  const derived =
    opening && deriveSlice(draft.header, opening, { replica, node: id, revision }, draft.id);
  if (opening === undefined || derived === undefined) {
    throw new GridError<ContractErrorCode>(
      'CONTRACT_NO_ADDRESS',
      `a network of role ${role.name} has no room for replica ${replica}`,
      { hint: 'agree on a contract with a larger range for its network' },
    );
  }
  const obj = `${id}/${workloadIdOf(draft.id, role.name, replica)}`;
  const hash = sliceHash(derived);
  const told: Slice | undefined = fold.current('grid.slice.1', obj);
  if (told !== undefined && sliceHash(told) === hash) return hash;
  if (derived.secrets.length === 0) {
    // Nothing is sealed, so that the key of the node is of no use.
    await write('grid.slice.1', obj, { ...derived, secrets: [] });
    return hash;
  }
  const node = await nodeOf(id);
  if (node === undefined) {
    throw new GridError<ContractErrorCode>(
      'CONTRACT_NODE_UNKNOWN',
      `the log has no record of ${id}`,
      { hint: 'wait until the node has joined', retryable: true },
    );
  }
  const slice = await sealSlice({ ...draft, secrets }, opening, { node, replica, revision });
  await write('grid.slice.1', obj, slice);
  return hash;
}
