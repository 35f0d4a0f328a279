import { constants, lstat, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { errorCode, firstDescriptor, GridError, isGridError, runProgram } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { userIdCount } from './oci-config.ts';

/** Whom a process in a container runs as. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Further groups. */
  readonly groups: readonly number[];
}

export interface ResolvedUser extends ProcessUser {
  /** Home directory by the image; undefined when the image does not know the user. */
  readonly home: string | undefined;
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** What is beyond of /etc/passwd and /etc/group is not read. */
const accountBytesMax = 1024 * 1024;

/**
 * The user that `name`, `name:group`, `uid` or `uid:gid` means in an image, as Docker reads it; root
 * when it is empty. The image is hostile: no symlink in it is followed, and what is no plain file is
 * taken for missing.
 * @throws NODE_USER_UNKNOWN, NODE_IMAGE_UNAVAILABLE, BASE_ABORTED
 */
export async function resolveUser(
  rootFolder: string,
  text: string,
  signal: AbortSignal,
): Promise<ResolvedUser> {
  const [userText = '', groupText] = text === '' ? ['0'] : text.split(':');
  const users = parseAccounts(await readInside(rootFolder, 'passwd', signal));
  const user = users.find(([name, , id]) => name === userText || id === userText);
  const uid = idOf(user?.[2] ?? userText, `user ${userText}`);
  // Without an entry Docker takes group 0.
  let gid = idOf(user?.[3] ?? '0', `group of user ${userText}`);
  const extra: number[] = [];
  if (groupText !== undefined || user !== undefined) {
    const groups = parseAccounts(await readInside(rootFolder, 'group', signal));
    if (groupText === undefined) {
      for (const [, , id = '', members = ''] of groups) {
        if (!members.split(',').includes(user?.[0] ?? '')) continue;
        extra.push(idOf(id, `a group of user ${userText}`));
      }
    } else {
      const group = groups.find(([name, , id]) => name === groupText || id === groupText);
      gid = idOf(group?.[2] ?? groupText, `group ${groupText}`);
    }
  }
  return { uid, gid, groups: [...new Set(extra)].slice(0, groupsMax), home: user?.[5] };
}

/** More the kernel does not take: NGROUPS_MAX is 65,536, and nobody needs so many. */
const groupsMax = 1_024;

function idOf(text: string, what: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < userIdCount) return Number(text);
  throw new GridError<NodeErrorCode>('NODE_USER_UNKNOWN', `the image has no ${what}`, {
    hint: 'look into /etc/passwd and /etc/group of the image; numbers go up to 65,535',
  });
}

/** Lines of fields between colons: passwd(5), group(5). */
function parseAccounts(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([name, , id]) => name !== '' && id !== undefined);
}

/**
 * A file of /etc in the root; no symlink on the way to it is followed. A program reads it: when the
 * hub hangs so does whoever reads, and this process has few threads that may.
 * @throws NODE_IMAGE_UNAVAILABLE, BASE_ABORTED
 */
async function readInside(rootFolder: string, name: string, signal: AbortSignal): Promise<string> {
  await using opened = new AsyncDisposableStack();
  const folder = async (path: string): Promise<FileHandle> =>
    opened.use(await open(path, O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
  try {
    const root = await folder(rootFolder);
    const etc = await folder(`/proc/self/fd/${root.fd}/etc`);
    const found = await lstat(`/proc/self/fd/${etc.fd}/${name}`);
    if (!found.isFile() || found.size === 0) return '';
    const path = `/proc/self/fd/${firstDescriptor}/${name}`;
    const args = [`if=${path}`, `bs=${accountBytesMax}`, 'count=1', 'iflag=fullblock,nofollow'];
    return await runProgram('dd', [...args, 'status=none'], { descriptors: [etc.fd], signal });
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes(errorCode(error) ?? '')) return '';
    throw isGridError(error, 'BASE_PROGRAM_FAILED') ? unreadable(name, error) : error;
  }
}

function unreadable(name: string, cause: unknown): GridError<NodeErrorCode> {
  const message = `no hub gives /etc/${name} of the image`;
  return new GridError('NODE_IMAGE_UNAVAILABLE', message, {
    hint: 'see that a hub of the node has all of the image, and can be reached',
    retryable: true,
    cause,
  });
}
