import type { GridHome } from './home.ts';
import type { PortName, Ports } from './ports.ts';

/** What a service may ask for when it is started. */
export interface ServiceSite {
  readonly home: GridHome;
  readonly ports: Ports;
}

/** A service of the one-machine grid. Adding one means adding a row to `serviceTable`. */
export interface ServiceDefinition {
  readonly name: string;
  /** Services that must be ready before it starts. */
  readonly dependsOn: readonly string[];
  /** Its ports; the first is its address. */
  readonly ports: readonly [PortName, ...PortName[]];
  dataDir(home: GridHome): string;
  /** Makes secrets and the like, before its first start. */
  prepare(site: ServiceSite): Promise<void>;
  /** What Node runs: a script and its words. It stays in the foreground until SIGTERM. */
  command(site: ServiceSite): readonly string[];
  /** Variables that it gets besides those of the supervisor. */
  readonly variables?: Readonly<Record<string, string>>;
  /** True once it answers at its address; false, or an error, means not yet. */
  isReady(site: ServiceSite, signal: AbortSignal): Promise<boolean>;
  /** Runs at each start once it answers, before it counts as ready: makes what its clients expect. */
  furnish?(site: ServiceSite): Promise<void>;
  /** True for one of many that can be done without: the grid comes up when it does not. */
  readonly mayFail?: boolean;
  /** True for one that is not started with the others, but when it is named. */
  readonly isStartedByName?: boolean;
  /** How it is watched once it is ready: so many probes in a row without an answer, and it is restarted. */
  readonly probe: {
    readonly everyMs: number;
    readonly timeoutMs: number;
    readonly missesMax: number;
  };
  /** Time to become ready: replaying a log after a crash counts. */
  readonly startTimeoutMs: number;
  /** Time to end after SIGTERM; then it is killed. */
  readonly stopTimeoutMs: number;
}
