/** What a front door says of itself. */
export interface FrontDoorReport {
  readonly doors: readonly DoorReport[];
}

/** One address of loopback, and what is behind it. */
export interface DoorReport {
  /** Of contracts that replace each other the newest. */
  readonly contract: string;
  readonly name: string;
  readonly role: string;
  readonly port: string;
  /** `HOST:PORT` of this machine: it stays the same until the contract, and all that replace it, have ended. */
  readonly address: string;
  /** `s3`: of the heads behind it the one that serves answers. */
  readonly kind: 'tcp' | 's3';
  /** Number of the port at addresses of nodes. */
  readonly publish: number;
  /** Where the last connection went; null before one did. */
  readonly active: string | null;
  readonly connections: number;
  readonly replicas: readonly {
    readonly contract: string;
    readonly address: string;
    readonly isReady: boolean;
  }[];
}
