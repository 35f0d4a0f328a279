import type {
  Container,
  Contract,
  ContractRole,
  Health,
  Volume,
  ZdbNamespace,
} from '@commongrid/model';

/** Bytes, or a number and a unit: `64MiB`, `10GB`. */
export type Size = number | `${number}${SizeUnit}` | `${number} ${SizeUnit}`;
type SizeUnit = 'B' | 'kB' | 'MB' | 'GB' | 'TB' | 'PB' | 'KiB' | 'MiB' | 'GiB' | 'TiB' | 'PiB';

/** A whole number in the smallest unit of its currency. */
export type AmountText = number | bigint | `${bigint}`;

/**
 * What an author writes: a contract whose rarely used parts are left out. Names of roles, secrets and
 * networks that it does not have are faults while it is written.
 */
export interface ContractDefinition<
  Role extends string = string,
  Secret extends string = string,
  Network extends string = string,
> {
  readonly name: string;
  readonly roles: readonly RoleDefinition<Role, Secret, Network>[];
  /** Values of secrets by name; they stay with the author, and whoever is their keeper. */
  readonly secrets?: Readonly<Record<Secret, SecretDefinition>>;
  /** Ranges such as `10.10.0.0/16` by name. */
  readonly networks?: Readonly<Record<Network, string>>;
  /** Bot, by id or name. Default: whoever builds it. */
  readonly owner?: string;
  /**
   * Who may place and heal: bots by id or name, with whatever keys they list then, or keys, `ed25519:…`.
   * Default: the owner's bot.
   */
  readonly controllers?: readonly string[];
  /** Controllers that may seal secrets for other nodes: keys that a bot lists. Default none. */
  readonly keepers?: readonly string[];
  /** Who has to agree, an action each. Default: what `provision` says; without it the owner alone. */
  readonly policy?: { readonly [Action in DecidedAction]?: readonly PolicyLine[] };
  /** Most that it may cost. Default nothing: machines of the owner alone. */
  readonly budget?: {
    readonly currency: string;
    readonly perMonth: AmountText;
    readonly total: AmountText;
  };
  /** Day or time of ISO 8601 at which it begins. Default at once. */
  readonly from?: string;
  /** For how long, days. Default 365. */
  readonly days?: number;
  /** How long data is kept when the term or the money is over, days. Default 14. */
  readonly graceDays?: number;
  readonly heal?: Partial<Contract['heal']>;
  /** Id of the contract that this one upgrades. */
  readonly replaces?: string;
  /** Whether a controller may go back to that one by itself when this one is not healthy. */
  readonly mayRollBack?: boolean;
}

/** What people of a contract decide together. */
export type DecidedAction = 'provision' | 'upgrade' | 'remove';

/** A line of a policy: so many of these bots, by id or name, agree in this role. */
export interface PolicyLine {
  readonly role: string;
  readonly signers: readonly string[];
  readonly min: number;
}

/** The value itself, a file that has it, or so many random characters. */
export type SecretDefinition = string | { readonly file: string } | { readonly generate: number };

/** A role is a container, a volume or a namespace of Zero-DB, just one of them. */
export type RoleDefinition<
  Role extends string = string,
  Secret extends string = string,
  Network extends string = string,
> = RoleCommon<Role, Network> &
  (
    | Kind<'container', ContainerDefinition<NoInfer<Role>, NoInfer<Secret>>>
    | Kind<'volume', VolumeDefinition<NoInfer<Role>>>
    | Kind<'zdb', ZdbDefinition<NoInfer<Secret>>>
  );

type Kind<Name extends 'container' | 'volume' | 'zdb', Definition> = {
  readonly [Own in Name]: Definition;
} & { readonly [Other in Exclude<'container' | 'volume' | 'zdb', Name>]?: never };

interface RoleCommon<Role extends string, Network extends string> {
  readonly name: Role;
  /** Default 1, or what `shards` come to. */
  readonly replicas?: number;
  /** Cores: 0.5 is half of one. Default 0. */
  readonly cpu?: number;
  /** Default 0. A container needs some. */
  readonly memory?: Size;
  /** Public addresses of IPv4. Default 0. */
  readonly ipv4?: number;
  /** Default none. */
  readonly networks?: readonly NoInfer<Network>[];
  readonly health?: HealthDefinition;
  readonly restart?: Partial<ContractRole['restart']>;
  /** Roles that must be healthy first. */
  readonly after?: readonly NoInfer<Role>[];
  readonly spread?: Partial<ContractRole['spread']>;
  /** Default `none` for a container, `local` for what keeps data. */
  readonly data?: ContractRole['data'];
  /** What it does when its node hears nothing of the log. Default `keep`. */
  readonly onIsolation?: ContractRole['onIsolation'];
  /** Data and parity shards that its replicas are, with `data: 'dispersed'`: any so many may be lost. */
  readonly shards?: `${number}+${number}`;
}

type ContainerDefinition<Role extends string, Secret extends string> = Partial<
  Omit<Container, 'flist' | 'rootBytes' | 'secretEnv' | 'volumes' | 'files' | 'stop'>
> &
  ImageName & {
    /** What may be written over the image. Default 256MiB; nothing with `isReadOnly`. */
    readonly rootBytes?: Size;
    readonly secretEnv?: readonly { readonly name: string; readonly secret: Secret }[];
    readonly volumes?: readonly {
      readonly role: Role;
      readonly path: string;
      readonly isReadOnly: boolean;
    }[];
    readonly files?: readonly FileDefinition<Secret>[];
    readonly stop?: Partial<Container['stop']>;
  };

/** By digest, or by a name in a hub, which is looked up when the contract is built. */
type ImageName =
  | { readonly flist: string; readonly image?: never }
  | { readonly image: string; readonly flist?: never };

type FileDefinition<Secret extends string> = {
  readonly path: string;
  readonly mode: number;
} & (
  | { readonly content: string; readonly secret?: never }
  | { readonly secret: Secret; readonly content?: never }
);

type VolumeDefinition<Role extends string> = Partial<Omit<Volume, 'sizeBytes' | 'cloneOf'>> & {
  readonly size: Size;
  readonly cloneOf?: Role;
};

type ZdbDefinition<Secret extends string> = Partial<
  Omit<ZdbNamespace, 'sizeBytes' | 'password'>
> & { readonly size: Size; readonly password: Secret };

/** How often it is looked at has defaults: every 10 s, 5 s for each, 3 failures, 30 s at the start. */
export type HealthDefinition = Partial<
  Pick<Health, 'everySeconds' | 'timeoutSeconds' | 'failures' | 'startSeconds'>
> &
  (
    | { readonly probe: 'process' }
    | { readonly probe: 'tcp'; readonly port: string }
    | { readonly probe: 'http'; readonly port: string; readonly path?: string }
    | { readonly probe: 'exec'; readonly command: readonly string[] }
  );
