export type { GridCode, IdentityCode, ModelErrorCode } from './errors.ts';
export { idPatterns, listMax, textMax } from './fields.ts';
export type {
  AccountId,
  Amount,
  Branded,
  BotId,
  ControllerId,
  ContractId,
  FarmId,
  FlistDigest,
  FieldMarks,
  Hash,
  KeyText,
  LeaseName,
  LockId,
  NodeId,
  SealingKeyText,
  SharedAccountId,
  TransferId,
  WorkloadId,
} from './fields.ts';
export { parse, recordTypes } from './record-types.ts';
export type { RecordOf, RecordUrl } from './record-types.ts';
export type { RecordNamespace, RecordType } from './record-type.ts';
export type { BotKey } from './records/bot.ts';
export { botListedKeysMax, recoveryKeysMax } from './records/bot.ts';
export { contractIdOf, contractRolesMax } from './records/contract.ts';
export type { Contract, ContractPolicyLine } from './records/contract.ts';
export { deploymentSchema, parseDeploymentFile, roleSchema } from './deployment-file.ts';
export type { DeploymentFile, RoleFile } from './deployment-file.ts';
export { contractRole, contractRoleOpening, parseRole } from './records/contract-role.ts';
export type {
  Container,
  ContractRole,
  ContractRoleOpening,
  Health,
  Resources,
  Volume,
  Workload,
  ZdbNamespace,
} from './records/contract-role.ts';
export { lockTtlMsMax } from './records/lock.ts';
export type { Lock } from './records/lock.ts';
export { placementItemsMax } from './records/placement.ts';
export type { PlacementItem } from './records/placement.ts';
export { presenceGapsMax } from './records/presence.ts';
export { antecedents, antecedentUrls } from './rules/antecedents.ts';
export type { Antecedents } from './rules/antecedents.ts';
export { concerns, feedNamespaces } from './rules/concerns.ts';
export { everyone } from './rules/concerns-view.ts';
export type { Change, ConcerningRecord, ConcernsView, ReaderId } from './rules/concerns-view.ts';
export { approvalHash, deciders, isHalted, isOpen as isOpenVote } from './rules/approval-rules.ts';
export type { ApprovalSubject } from './rules/approval-rules.ts';
export { isBinding, successorOf } from './rules/succession.ts';
export { deriveSlice, openingHash, secretsOf, sliceHash } from './rules/derive-slice.ts';
export type { SliceTarget, UnsealedSlice } from './rules/derive-slice.ts';
export { desiredOf, drainOverlapMs, mayOverlap } from './rules/desired.ts';
export type { Desired, DesiredNow, GridObjects } from './rules/desired.ts';
export { GridFold, isKeyProof } from './rules/grid-fold.ts';
export type { GridFoldOptions, GridRecord, LedgerEntry, Refusal } from './rules/grid-fold.ts';
export { isGridUrl, judgeGrid } from './rules/grid-rules.ts';
export type { GridUrl } from './rules/grid-rules.ts';
export { placeOf, workloadPlacesMax } from './rules/grid-state.ts';
export type {
  ContractState,
  ContractVote,
  GridState,
  WorkloadPlace,
  WorkloadState,
} from './rules/grid-state.ts';
export { buriedRevision, workloadIdOf, workloadParts } from './rules/grid-view.ts';
export type { GridVerdict, GridView } from './rules/grid-view.ts';
export { isIdentityUrl, judgeIdentity } from './rules/identity.ts';
export type { IdentityUrl } from './rules/identity.ts';
export { isAfter, keysHeld, namesHeld } from './rules/identity-state.ts';
export type {
  BotState,
  FarmState,
  IdentityState,
  KeySpan,
  Moment,
  NodeState,
} from './rules/identity-state.ts';
export type { IdentityView, JudgedRecord, Verdict } from './rules/identity-view.ts';
export {
  approvalCounts,
  botBehind,
  botIdOf,
  botKeysMax,
  keyProof,
  keyProofDomain,
  keysOf,
  keyStanding,
  maySpeak,
  nodeIdOf,
  recoveryDelayMs,
  settle,
  stillCounts,
} from './rules/keys.ts';
export type { KeyStanding } from './rules/keys.ts';
export { judgeLease } from './rules/lease-rules.ts';
export { lockOf } from './rules/lock-rules.ts';
export { isName, nameSkeleton, namesMax, normalName } from './rules/name.ts';
export { networkRange } from './rules/network-range.ts';
export { namesIn } from './rules/names-in.ts';
export type { NamedId } from './rules/names-in.ts';
export { isCloneSign, nodeStanding } from './rules/node-rules.ts';
export type { NodeStanding, SessionClaim } from './rules/node-rules.ts';
export { isFeasible, judgeQuorum } from './rules/quorum.ts';
export type { QuorumLine, QuorumVerdict, Vote } from './rules/quorum.ts';
export { recoveryPhase } from './rules/recovery-rules.ts';
export type { RecoveryPhase } from './rules/recovery-rules.ts';
export {
  guardMs,
  isolationLookMs,
  isolationMs,
  moveWithinMs,
  replaceAfterMsMin,
  resumeAfterMs,
} from './rules/isolation-time.ts';
export { replacedUrls, topicOf } from './rules/topics.ts';
export type { TopicId, TopicPlace } from './rules/topics.ts';
export { signaturesOf } from './rules/signatures.ts';
export type { SignatureLine } from './rules/signatures.ts';
export { compareVersions } from './rules/software-rules.ts';
export { keptUnpaidMs, successorHealthyMs, unpaidSinceMs } from './rules/tombstone-rules.ts';
export { startViewAgeSecondsMax, verifySlice } from './rules/verify-slice.ts';
export type { NodeNow, SealedAssignment, SliceVerdict } from './rules/verify-slice.ts';
export { consentSubject } from './rules/wallet-accounts.ts';
export type { ConsentedRecord } from './rules/wallet-accounts.ts';
export { workloadOf } from './rules/wallet-escrow.ts';
export { balanceOf } from './rules/wallet-ledger.ts';
export type { Posting, WalletVerdict } from './rules/wallet-ledger.ts';
export { attend, paidUntilMs, withReceipts } from './rules/wallet-metering.ts';
export type { UntoldReceipt } from './rules/wallet-metering.ts';
export { monthlyPrice } from './rules/wallet-places.ts';
export { cloudUnits, priceOf } from './rules/wallet-prices.ts';
export type { CloudUnits } from './rules/wallet-prices.ts';
export { endOf, lastReportsMs, releasable } from './rules/wallet-release.ts';
export { isWalletUrl, judgeWallet } from './rules/wallet-rules.ts';
export type { WalletUrl } from './rules/wallet-rules.ts';
export { heldBy } from './rules/wallet-state.ts';
export type {
  EscrowState,
  HolderId,
  HoldState,
  WalletState,
  WalletStateOf,
} from './rules/wallet-state.ts';
export { conditionHash } from './rules/wallet-transfers.ts';
export { draftContract } from './rules/draft-contract.ts';
export type { ContractDraft, ContractTerms, DraftOptions } from './rules/draft-contract.ts';
export { sealSlice } from './rules/seal-slice.ts';
export type { SealTarget } from './rules/seal-slice.ts';
export { keeperBoxInfo, secretBoxInfo, secretCharactersMax, secretCommit } from './rules/secret.ts';
export type { SecretOpening } from './rules/secret.ts';
export type { Allowance } from './records/allowance.ts';
export type { Appointment } from './records/appointment.ts';
export type { Approval } from './records/approval.ts';
export type { Anchor } from './records/anchor.ts';
export type { Bookmark } from './records/bookmark.ts';
export type { Account } from './records/account.ts';
export type { Consent } from './records/consent.ts';
export type { Contact } from './records/contact.ts';
export type { Currency } from './records/currency.ts';
export type { Escrow } from './records/escrow.ts';
export type { Event, EventPhase } from './records/event.ts';
export type { Farm } from './records/farm.ts';
export type { File } from './records/file.ts';
export type { Grant } from './records/grant.ts';
export type { Lease } from './records/lease.ts';
export type { Message } from './records/message.ts';
export type { Node } from './records/node.ts';
export type { Note } from './records/note.ts';
export type { Objection } from './records/objection.ts';
export type { Placement } from './records/placement.ts';
export type { Presence } from './records/presence.ts';
export type { Receipt } from './records/receipt.ts';
export type { Recovery } from './records/recovery.ts';
export type { Refund } from './records/refund.ts';
export type { Release } from './records/release.ts';
export type { Session } from './records/session.ts';
export type { Slice } from './records/slice.ts';
export { spreadSecondsMax } from './records/software.ts';
export type { Software } from './records/software.ts';
export type { Task } from './records/task.ts';
export type { Settlement } from './records/settlement.ts';
export type { Tombstone } from './records/tombstone.ts';
export type { Transfer } from './records/transfer.ts';
