export { callExec, callLogs, callRestart, nodeAbsent } from './access/access-call.ts';
export type { AccessCallOptions, ExecCallOptions, LogsCallOptions } from './access/access-call.ts';
export { accessMsMax } from './access/access-desk.ts';
export { signAccess } from './access/access-token.ts';
export type { AccessClaim, AccessVerb } from './access/access-token.ts';
export { leaveNode } from './agent/leave-node.ts';
export type { LeaveNodeOptions } from './agent/leave-node.ts';
export { NodeAgent } from './agent/node-agent.ts';
export type { NodeAgentOptions } from './agent/node-agent.ts';
export { publishNodeMetrics } from './agent/node-metrics.ts';
export type {
  EventsQuery,
  NodeStatus,
  WorkloadStats,
  WorkloadSummary,
} from './agent/node-actions.ts';
export { nodeAccessPath, nodeControlPath, NodeDoors } from './agent/node-doors.ts';
export type { NodeDoorsOptions } from './agent/node-doors.ts';
export { checkRole } from './agent/role-check.ts';
export type { Assignment } from './assignment.ts';
export type { TerminalSize } from './container/container-exec.ts';
export type { Driver, DriverContext, Observation, Progress, Remains } from './driver.ts';
export type { NodeErrorCode } from './errors.ts';
export { FolderSource, signRecord } from './grid/folder-source.ts';
export type { FolderSourceOptions, SignedRecord } from './grid/folder-source.ts';
export type { NetworkPort, NetworkRequest } from './network/networked.ts';
export type { LogLine } from './logs/log-line.ts';
export { addressUrl, machineAddresses } from './network/machine-addresses.ts';
export { NodeNetwork } from './network/node-network.ts';
export type { Attachment, ListedNetwork, NodeNetworkOptions } from './network/node-network.ts';
export type {
  BackupTarget,
  NodeSession,
  NodeStatement,
  SourceChange,
  WorkloadSource,
} from './ports.ts';
export { isInKernel, LinuxMachine } from './machine/linux-machine.ts';
export type { LinuxMachineOptions, MachineZdbOptions } from './machine/linux-machine.ts';
export type { FactStore, Machine } from './machine/machine.ts';
export { examineMachine } from './machine/machine-doctor.ts';
export type { Finding } from './machine/machine-doctor.ts';
export type { Room } from './reconcile/admission.ts';
export type { NumberedEvent } from './reconcile/node-state.ts';
export type { Orphan, Service } from './reconcile/reconciler.ts';
export { Releases } from './release/releases.ts';
export type { ReleasesOptions, ReleaseStatus } from './release/releases.ts';
export { shortIdOf } from './short-id.ts';
export { openVolumes } from './volumes/open-volumes.ts';
export type { PoolDiskOptions } from './volumes/pool-disk.ts';
export type {
  CreateVolume,
  PoolRoom,
  Stranger,
  VolumeBackup,
  Volumes,
  VolumeUsage,
} from './volumes/volumes.ts';
export { zdbDoorIn } from './zdb/zdb-address.ts';
export { ZdbDriver } from './zdb/zdb-driver.ts';
export type { ZdbDoor, ZdbDriverOptions, ZdbFacts } from './zdb/zdb-driver.ts';
