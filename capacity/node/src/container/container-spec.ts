import type { ProcessUser } from './resolve-user.ts';

/** What one container has to be. Everything that it names is there already. */
export interface ContainerSpec {
  /** Short id of the workload. */
  readonly id: string;
  /**
   * Its root, mounted where runc can make folders to mount on. Ids of the container's users are those
   * of its files less `uidStart`; folders above it let everybody pass (mode 0711).
   */
  readonly rootFolder: string;
  readonly hostname: string;
  /** Program and arguments; the program is looked for in the PATH of `env`. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: ProcessUser;
  /** The root cannot be written to; small folders in memory are at /tmp and /run. */
  readonly isReadOnly: boolean;
  /** Read-only, and nothing can be executed but files of the root. */
  readonly isImageOnly: boolean;
  readonly mounts: readonly ContainerMount[];
  /** Path of its network namespace, which is the host's: it needs no capability there. */
  readonly networkNamespace: string;
  /** The host's id of the container's user 0; it has 65,536. */
  readonly uidStart: number;
  readonly limits: ContainerLimits;
  /** The farmer lets it mount and have /dev/fuse, within its user namespace. */
  readonly isElevated: boolean;
  /** Where its output goes; the folder is there. */
  readonly logFile: string;
}

/** A file or folder of the host that is seen in the container too. */
export interface ContainerMount {
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
}

export interface ContainerLimits {
  /** Thousandths of a CPU. */
  readonly cpuMilli: number;
  /** Memory, with what it keeps in folders in memory; it has no swap. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly pids: number;
}

/** What there is of a container. */
export type ContainerState =
  | { readonly state: 'absent' }
  | { readonly state: 'created'; readonly isSupervised: boolean }
  | {
      readonly state: 'running' | 'paused';
      readonly startedAtMs: number;
      /** False when its conmon was killed: its output is lost, and how it ends will be. */
      readonly isSupervised: boolean;
    }
  | {
      readonly state: 'ended';
      /** 128 and the number of the signal where that ended it; undefined when nobody saw it. */
      readonly exitCode: number | undefined;
      /** The kernel ended something in it for want of memory, and it did not end well. */
      readonly isOutOfMemory: boolean;
      /** Undefined when it was never started. */
      readonly startedAtMs: number | undefined;
      readonly atMs: number;
    };
