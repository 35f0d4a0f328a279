export { auditContract, verifyAudit } from './audit/audit-contract.ts';
export type { AuditFinding, AuditOptions } from './audit/audit-contract.ts';
export type { AuditReport } from './audit/audit-report.ts';
export { loadContract } from './code/load-contract.ts';
export type { LoadedContract } from './code/load-contract.ts';
export { compareContracts, compareHeaders } from './compare/compare-contracts.ts';
export type { Agreement, Change, Comparison } from './compare/compare-contracts.ts';
export type { UpgradeCourse } from './compare/upgrade-course.ts';
export type { Blocked } from './controller/blocked.ts';
export { Controller } from './controller/controller.ts';
export type { ControlledContract, ControllerOptions } from './controller/controller.ts';
export type {
  ContractPaper,
  ContractPapers,
  ControllerGrid,
  ControllerLeases,
  ControllerMemory,
  ControllerPorts,
  DispersedData,
  HeardNode,
  HeldLease,
  LockMarket,
  LockWish,
  NodeProbe,
  ProposalPapers,
} from './controller/ports.ts';
export { contract } from './definition/contract.ts';
export type { ContractDefinition } from './definition/contract-definition.ts';
export { readDefinition } from './definition/read-definition.ts';
export type { ShardCode } from './definition/read-role.ts';
export type {
  Directory,
  DirectoryFarm,
  DirectoryNode,
  FarmerAnswer,
} from './directory/directory.ts';
export { inspectNodes } from './directory/inspect-nodes.ts';
export { measureLatency } from './directory/measure-latency.ts';
export { readDirectory } from './directory/read-directory.ts';
export { buildContract } from './draft/build-contract.ts';
export type { BuildParties, BuiltContract } from './draft/build-contract.ts';
export { openSecrets } from './controller/secret-openings.ts';
export {
  draftFileOf,
  draftText,
  readDraft,
  readSecrets,
  secretsFile,
  secretsText,
} from './draft/draft-file.ts';
export type { DraftFile } from './draft/draft-file.ts';
export { seedBytes, seededDraw } from './draft/seeded-draw.ts';
export type { BlockedCode, ContractErrorCode } from './errors.ts';
export { needTexts } from './plan/obstacles.ts';
export type { Obstacle, SpreadLimit } from './plan/obstacles.ts';
export { planClosely } from './plan/plan-closely.ts';
export type { FarmQuestion } from './plan/plan-closely.ts';
export { planContract } from './plan/plan-contract.ts';
export type { PlannedReplica } from './plan/contract-problem.ts';
export type { FoundPlan, NoPlan, Plan } from './plan/plan-contract.ts';
export type { RoleReplacement } from './plan/replaceability.ts';
export type { ContractChange } from './plan/smallest-changes.ts';
export type { RoleTolerance, Tolerance } from './plan/tolerance.ts';
export { formerContract } from './propose/former-contract.ts';
export { proposalsAmong, proposalState } from './propose/proposal-state.ts';
export { contractStatus } from './state/contract-status.ts';
export type { ContractPhase, ContractStatus, WorkloadStatus } from './state/contract-status.ts';
export { makeApproval, rejectionsOf, rolesIn } from './state/signing.ts';
export type { SignedAction, SignRequest } from './state/signing.ts';
