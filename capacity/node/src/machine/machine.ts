import type { SourceStatus } from '@commongrid/flist';
import type { Workload } from '@commongrid/model';
import type { ContainerProcess, TerminalSize } from '../container/container-exec.ts';
import type { Driver } from '../driver.ts';
import type { LogRing } from '../logs/log-ring.ts';
import type { LinkTraffic } from '../network/link-traffic.ts';
import type { ReleaseImages } from '../release/release-images.ts';
import type { CgroupUsage } from '../sys/cgroup.ts';
import type { ZdbDriver } from '../zdb/zdb-driver.ts';

/** What makes workloads true on one machine. */
export interface Machine extends AsyncDisposable {
  readonly drivers: ReadonlyMap<Workload['kind'], Driver>;
  /** What of its disk volumes can be promised together; undefined where there are none. */
  readonly volumeBytes?: number | undefined;
  /** Where guards of single writers look when the node was heard last. Undefined where there are none. */
  readonly heardFile?: string | undefined;
  /** Undefined where no container runs. */
  readonly containers?: ContainerAccess | undefined;
  /** What passed the links of containers, by their names on the machine. Undefined where there are none. */
  readonly traffic?: (() => Promise<ReadonlyMap<string, LinkTraffic>>) | undefined;
  /** Undefined where no releases of the agent come from images. */
  readonly images?: ReleaseImages | undefined;
  /** Where content of images comes from; undefined while nobody can say. Undefined where there are none. */
  readonly imageSources?: (() => Promise<readonly SourceStatus[] | undefined>) | undefined;
  /** Undefined where there is no Zero-DB for workloads. */
  readonly zdb?: Pick<ZdbDriver, 'doors' | 'status'> | undefined;
}

/** What people may do to a container, by its name on the machine. */
export interface ContainerAccess {
  /** Runs a command as the container's own user. */
  exec(
    key: string,
    command: readonly string[],
    terminal: TerminalSize | undefined,
  ): Promise<ContainerProcess>;
  /** Undefined when it has no process. */
  stats(key: string): Promise<CgroupUsage | undefined>;
  /** What it printed, also when it has ended. Give it back by `using`. */
  readLog(key: string): Promise<LogRing>;
}

/** Where drivers keep what no kernel remembers, synced with each change: `NodeState`. */
export interface FactStore {
  /** Undefined when it was never set. */
  fact(name: string): string | undefined;
  setFact(name: string, value: string): void;
}
