import type { GridNow } from '@commongrid/bcdb/client';
import type {
  BotId,
  ContractId,
  GridFold,
  LeaseName,
  LockId,
  Node,
  NodeId,
  RecordOf,
  RecordUrl,
  Resources,
  SecretOpening,
  WorkloadId,
} from '@commongrid/model';
import type { Directory, DirectoryNode } from '../directory/directory.ts';
import type { DraftFile } from '../draft/draft-file.ts';

/** What a controller needs of whoever runs it. All calls that wait end soon after their signal fires. */
export interface ControllerPorts {
  readonly grid: ControllerGrid;
  readonly papers: ContractPapers;
  readonly leases: ControllerLeases;
  /** Without one, nothing is rented from others. */
  readonly market?: LockMarket | undefined;
  /** Without one, silence alone decides over a node. */
  readonly probe?: NodeProbe | undefined;
  /** Without one, a controller that is started anew knows nothing of a storm that it is in. */
  readonly memory?: ControllerMemory | undefined;
  /** Without one, no namespace of a dispersed role is given up. */
  readonly dispersed?: DispersedData | undefined;
  /** Without it, nothing is drafted for what a contract does not allow. */
  readonly proposals?: ProposalPapers | undefined;
}

/** Keeps contracts that the controller drafts, so that it can place them once they are agreed to. */
export interface ProposalPapers {
  /** Its devices sign what the controller appends: contracts of others are not proposed for. */
  readonly owner: BotId;
  /** Durable when this resolves; once more changes nothing. Throws a `GridError` where there is no room. */
  keep(paper: ContractPaper): Promise<void>;
}

/** What those say who spread data over namespaces, such as a Zero-Stor. */
export interface DispersedData {
  /**
   * Whether all that is still needed of what a replica had at former places is elsewhere: what the former one
   * had was made again. @param node where the replica is now
   */
  isElsewhere(workload: WorkloadId, node: NodeId): boolean;
  /** Whether a replica came to a node, and not all of what it had at former places was made again there. */
  isHollow(workload: WorkloadId, node: NodeId): boolean;
  /** Whether somebody spread data over the namespaces of a contract, and not all of it is where it should be. */
  isBeingRepaired(contract: ContractId, fold: GridFold): boolean;
}

/** Keeps what a controller saw and is in no record, for the next one. */
export interface ControllerMemory {
  /** What was written last; undefined: nothing. */
  read(): Promise<unknown>;
  /** Replaces it by other plain JSON, at once or not at all. */
  write(value: unknown): Promise<void>;
}

/** The database as the owner's bot has it. */
export interface ControllerGrid {
  /** The owner's feed, verified and judged, with all that was said before the call. */
  now(options: { readonly signal: AbortSignal }): Promise<GridNow>;
  /**
   * Appends a record of `grid` or `wallet`, signed by the key that leases are taken with; resolves
   * once it is durable. The same record again has no further effect.
   * @throws BCDB_RULE_BROKEN with `details.rule`, and whatever the way to the database throws
   */
  write<Url extends RecordUrl>(
    record: { readonly url: Url; readonly obj: string; readonly value: RecordOf<Url> },
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** What there is to place on. @param at log time, ms since 1970 */
  directory(at: number, options: { readonly signal: AbortSignal }): Promise<Directory>;
  /** The record of a node, proven by the log: secrets are sealed to its key. */
  node(id: NodeId, options: { readonly signal: AbortSignal }): Promise<Node | undefined>;
  /** What is heard of these nodes now; a node that was never heard of is left out. */
  presence(
    nodes: readonly NodeId[],
    options: { readonly signal: AbortSignal },
  ): Promise<ReadonlyMap<NodeId, HeardNode>>;
  /** Resolves when the view or the presence of a node may have changed; or when the signal fires. */
  changed(signal: AbortSignal): Promise<void>;
}

export interface HeardNode {
  readonly standing: 'alive' | 'suspect' | 'gone';
  /** Since its last heartbeat, or since the database started, ms. */
  readonly silentMs: number;
}

/** What the bot keeps of the contracts that it controls. */
export interface ContractPapers {
  ids(): readonly ContractId[];
  of(id: ContractId): ContractPaper | undefined;
}

export interface ContractPaper {
  readonly draft: DraftFile;
  /** Values by name; of those that miss, the keepers' boxes of the header are tried. */
  readonly secrets: ReadonlyMap<string, SecretOpening>;
  /** Where the first placement may go; healing obeys the contract alone. Anywhere without it. */
  readonly only?: ReadonlySet<NodeId> | undefined;
  /** Opens boxes of keepers; undefined for a key that this bot does not hold. */
  openKept?(key: string, box: string, info: Uint8Array): Promise<Uint8Array | undefined>;
}

/** Leases of contracts. `LeaseHolder.acquire` of BCDB's client fits. */
export interface ControllerLeases {
  /** Takes the lease, waiting for as long as another has it. @throws BASE_ABORTED */
  acquire(name: LeaseName, signal: AbortSignal): Promise<HeldLease>;
}

export interface HeldLease {
  readonly fence: number;
  isHeld(): boolean;
  /** Lets others in at once. */
  release(): Promise<void>;
  /** Stops acting; others have to wait for the ttl. */
  close(): Promise<void>;
}

/** What a lock is wanted for. */
export interface LockWish {
  readonly contract: ContractId;
  readonly buyer: BotId;
  readonly slot: { readonly role: string; readonly replica: number };
  readonly node: NodeId;
  /** Owner of the node's farm. */
  readonly farmer: BotId;
  readonly resources: Resources;
  readonly currency: string;
  /** Most that 30 days may cost, smallest units. */
  readonly perMonthMax: bigint;
  /** Log time until which the place is wanted, ms since 1970. */
  readonly untilMs: number;
}

/** Gets locks from farmers. */
export interface LockMarket {
  /**
   * A lock of the farmer for the wish, open and in the log. Asked again for the same wish it gives the
   * same lock for as long as that is open.
   * @throws what says why the farmer gives none: the controller looks for another node then
   */
  obtain(wish: LockWish, options: { readonly signal: AbortSignal }): Promise<LockId>;
}

/** Asks a machine itself whether it is there. */
export interface NodeProbe {
  /** Whether anything answers at its addresses; also a refusal is an answer. Never throws. */
  answers(
    node: Pick<DirectoryNode, 'id' | 'addresses'>,
    options: { readonly signal: AbortSignal },
  ): Promise<boolean>;
}
