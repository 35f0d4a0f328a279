export {
  isAtomicTemp,
  makeFolderDurably,
  removeFileDurably,
  syncFolder,
  writeFileAtomic,
} from './atomic-file.ts';
export type { WriteFileAtomicOptions } from './atomic-file.ts';
export { askControl } from './ask-control.ts';
export type { AskControlOptions } from './ask-control.ts';
export { AuthPace, pacePauseMsMax } from './auth-pace.ts';
export { equalBytes, formatBytes, fromHex, parseBytes, toHex } from './bytes.ts';
export { delay, systemClock } from './clock.ts';
export type { Clock, DelayOptions, Timer } from './clock.ts';
export { chunkMemory, collectionFlags } from './collection-flags.ts';
export { ControlSocket } from './control-socket.ts';
export type {
  ControlAction,
  ControlArguments,
  ControlContext,
  ControlSocketOptions,
} from './control-socket.ts';
export { socketAddress } from './control-wire.ts';
export { crc32 } from './crc32.ts';
export { waitFor, withTimeout } from './deadline.ts';
export type { TimeoutOptions, WaitForOptions } from './deadline.ts';
export { abortError, errorCode, GridError, isGridError, throwIfAborted } from './errors.ts';
export type { BaseErrorCode, GridErrorJson, GridErrorOptions } from './errors.ts';
export { FolderLock } from './folder-lock.ts';
export type { FolderLockOwner } from './folder-lock.ts';
export { defaultBoundsUs, LatencyHistogram } from './histogram.ts';
export type { CumulativeBucket } from './histogram.ts';
export { inTransaction } from './in-transaction.ts';
export { largeMemory, LargeMemory, largeMemoryBytesMin, SharedMemory } from './large-memory.ts';
export type { MemoryOwner } from './large-memory.ts';
export { closeOnce, onShutdownSignals, shutdownSignal, TaskGroup } from './lifecycle.ts';
export type { ShutdownSignal, TaskGroupOptions } from './lifecycle.ts';
export { createLogger, logLevelFrom, logLevels, silentLogger } from './logger.ts';
export type { LogFields, Logger, LoggerOptions, LogLevel, LogMethod } from './logger.ts';
export { createRegistry } from './metrics.ts';
export type {
  GaugeOptions,
  LatencyOptions,
  LatencySeries,
  MetricOptions,
  MetricsRegistry,
  MetricsRegistryOptions,
} from './metrics.ts';
export { MetricsServer } from './metrics-server.ts';
export type { MetricsServerOptions } from './metrics-server.ts';
export { mountAt, readMounts } from './mount-table.ts';
export type { MountEntry } from './mount-table.ts';
export { Mutex } from './mutex.ts';
export type { MutexOptions } from './mutex.ts';
export { networkOf } from './network-of.ts';
export { openPrivateSocket } from './private-socket.ts';
export { identityOf, isAlive, terminate, waitForEnd } from './process-identity.ts';
export type { ProcessIdentity } from './process-identity.ts';
export { BoundedQueue } from './queue.ts';
export type { WaitOptions } from './queue.ts';
export { seededRandom, systemRandom } from './random.ts';
export type { Random } from './random.ts';
export { readIfThere, readTextIfThere } from './read-if-there.ts';
export { reservePort } from './reserve-port.ts';
export { repeat, retry } from './retry.ts';
export type { RepeatOptions, RetryOptions } from './retry.ts';
export { firstDescriptor, runProgram } from './run-program.ts';
export type { RunProgramOptions } from './run-program.ts';
