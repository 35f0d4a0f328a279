import { mkdir } from 'node:fs/promises';

import type { BcdbClient } from '@commongrid/bcdb/client';
import { errorCode, GridError } from '@commongrid/base';
import type { SealingKey, SigningKey } from '@commongrid/crypto';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { trustOfGenesis } from '../../bcdb-trust.ts';
import type { LogTrust } from '../../bcdb-trust.ts';
import { byRunningBot } from '../../bot-service/write-by-bot.ts';
import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile, sealingKeyOf } from '../../key-file.ts';
import { lookAt } from '../../one-machine-grid.ts';
import { turnIn } from '../../turn-in.ts';
import { BotFolder } from '../bot/bot-folder.ts';
import { parseBotName } from '../bot/bot-options.ts';
import { readSecret } from '../zdb/connection.ts';
import { parseDoor } from './options.ts';
import { connectRemembering } from './remembered-client.ts';
import type { RememberOptions } from './remembered-client.ts';

/** Which database a command talks to, and as whom. Without an address: that of `grid up`. */
export type ServerOptions = JsonOption & {
  readonly address?: string;
  readonly tokenFile?: string;
  readonly keyFile?: string;
  readonly bot?: string;
} & TrustOptions;

/** What is known of a log from elsewhere. */
export interface TrustOptions {
  readonly genesis?: string;
  readonly log?: string;
  readonly sequencer?: string;
}

/** A database, and what a command has to know of it. */
export interface Connection {
  readonly client: BcdbClient;
  /** Its HTTP door. */
  readonly url: string;
  readonly trust: LogTrust;
  /** The key that signs here; undefined for the owner, for whom the server signs. */
  readonly key: SigningKey | undefined;
  /** Opens and seals payloads of private namespaces. @throws GRID_KEY_MISSING, GRID_KEY_UNREADABLE */
  readonly sealingKey: () => Promise<SealingKey>;
  /** The newest record when the command began: reads count everything up to it. */
  readonly minSeq: number;
}

/** A command against a running BCDB. */
export function serverCommand(name: string, description: string): Command {
  return resultCommand(name, description)
    .option(
      '--address <url>',
      'HTTP door of the database; default: the one that `grid up` started',
      parseDoor,
    )
    .option('--token-file <file>', 'act as the owner: file with the token')
    .option('--key-file <file>', 'act as the holder of this key')
    .option('--bot <name>', 'act as a bot of this machine, by its key', parseBotName)
    .option('--genesis <file>', 'with --address: genesis.json of the log that it must have')
    .option('--log <hash>', 'or the hash of that genesis', parseHash)
    .option('--sequencer <key>', 'and the key that signs its checkpoints', parseKey);
}

/**
 * Connects and verifies the newest checkpoint; nothing is trusted on first use, and nothing that
 * contradicts what an earlier command saw.
 */
export async function connect(
  context: CommandContext,
  options: ServerOptions,
  remember: RememberOptions = {},
): Promise<Connection> {
  const home = new GridHome(context.environment.home);
  const { address, tokenFile, keyFile, bot } = options;
  if ([tokenFile, keyFile, bot].filter((one) => one !== undefined).length > 1) {
    throw new GridError<GridErrorCode>(
      'GRID_USAGE',
      'name one of --token-file, --key-file and --bot',
    );
  }
  const folder = bot === undefined ? undefined : BotFolder.named(home.path, bot);
  const its = await folder?.config();
  const url = address ?? its?.url ?? (await ownDoor(home));
  const trust = (await givenTrust(options)) ?? its?.trust ?? (await ownTrust(home, options));
  const key = keyFile === undefined ? await folder?.device() : await readKeyFile(keyFile);
  const ownToken = address === undefined ? home.ownerTokenFile : undefined;
  const secretFile = key === undefined ? (tokenFile ?? ownToken) : undefined;
  const clientOptions = {
    url,
    trust,
    ...(key === undefined ? {} : { key, turn: () => keyTurn(home, key.publicKey.text) }),
    ...(folder === undefined ? {} : { writeElsewhere: byRunningBot(folder.controlSocket) }),
    ...(secretFile === undefined ? {} : { token: await readSecret(secretFile) }),
  };
  const client = await connectRemembering(context, clientOptions, remember);
  const ownKeyFile = secretFile === home.ownerTokenFile ? home.ownerKeyFile : undefined;
  const sealingKey = async (): Promise<SealingKey> => {
    if (key !== undefined) return sealingKeyOf(key);
    if (ownKeyFile !== undefined) return sealingKeyOf(await readKeyFile(ownKeyFile));
    throw keyMissing();
  };
  const minSeq = (client.lastHead?.size ?? 0) - 1;
  return { client, url, trust, key, sealingKey, minSeq };
}

/** Two commands that count with one key at a time would contradict each other. A home that takes no writes has no turns. */
async function keyTurn(home: GridHome, key: string): Promise<AsyncDisposable | undefined> {
  const folder = home.keyTurn(key);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (['EACCES', 'EROFS'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
  return turnIn(folder);
}

/** A token lets the server sign, and the server has no key to a private namespace. */
function keyMissing(): GridError<GridErrorCode> {
  return new GridError('GRID_KEY_MISSING', 'payloads there are sealed, and there is no key here', {
    hint: 'give --key-file with the key of a reader; a token opens nothing',
  });
}

/** The key that acts here: the own one, or that of the owner, for whom the server signs. */
export async function selfOf({ client, key }: Connection): Promise<string> {
  if (key !== undefined) return key.publicKey.text;
  const { genesis } = await client.read<{ readonly genesis: LogOwner }>('/v1/log');
  return genesis.admins.signers[0] ?? '';
}

interface LogOwner {
  readonly admins: { readonly signers: readonly string[] };
}

/** Path of a route over a namespace: each part is escaped. */
export function routeOf(ns: string, ...parts: readonly string[]): string {
  return `/v1/namespaces/${[ns, ...parts].map(encodeURIComponent).join('/')}`;
}

/** The HTTP door of the grid on this machine. @throws GRID_NOT_UP */
async function ownDoor(home: GridHome): Promise<string> {
  const { state } = await lookAt(home.path);
  const service = state?.services['bcdb'];
  const isRunning = service !== undefined && service.process !== null;
  const address = isRunning ? service.addresses['bcdb-http'] : undefined;
  if (address !== undefined) return `http://${address}`;
  throw new GridError<GridErrorCode>('GRID_NOT_UP', 'no BCDB runs on this machine', {
    hint: './grid up, or name a database with --address',
    details: { home: home.path },
  });
}

async function ownTrust(home: GridHome, options: ServerOptions): Promise<LogTrust> {
  if (options.address === undefined) return trustOfGenesis(home.bcdbGenesisFile);
  throw new GridError<GridErrorCode>(
    'GRID_TRUST_UNKNOWN',
    'which log is it? Nothing is believed on first use',
    { hint: 'give --genesis, or --log and --sequencer, as whoever runs the database told you' },
  );
}

/** What the options say of the log; undefined when they do not say enough. */
export async function givenTrust(options: TrustOptions): Promise<LogTrust | undefined> {
  const { genesis, log, sequencer } = options;
  if (genesis !== undefined) return trustOfGenesis(genesis);
  if (log === undefined || sequencer === undefined) return undefined;
  return { log, sequencerKey: sequencer };
}

export function parseHash(text: string): string {
  if (/^[A-Za-z0-9_-]{43}$/.test(text)) return text;
  throw new InvalidArgumentError('give the 43 characters of a hash');
}

export function parseKey(text: string): string {
  if (/^ed25519:[A-Za-z0-9_-]{43}$/.test(text)) return text;
  throw new InvalidArgumentError('give a key such as ed25519:...');
}
