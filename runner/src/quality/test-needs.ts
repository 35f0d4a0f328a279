import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { GridError } from '@commongrid/base';

import { installPackages } from '../apt.ts';
import type { GridErrorCode } from '../errors.ts';
import { runTool } from './run-tool.ts';

/** A program of the system that tests start, and the Debian package that brings it. */
export interface TestNeed {
  readonly package: string;
  readonly needs:
    | { readonly program: string }
    | { readonly pythonModule: string }
    | { readonly file: string };
  /** A service that the package starts by itself and that tests do not want. */
  readonly service?: string;
}

/** Everything that tests use and that neither npm nor a minimal Debian brings. */
const testNeeds: readonly TestNeed[] = [
  { package: 'redis-server', needs: { program: 'redis-server' }, service: 'redis-server' },
  { package: 'redis-tools', needs: { program: 'redis-cli' } },
  { package: 'redis-tools', needs: { program: 'redis-benchmark' } },
  { package: 'python3-redis', needs: { pythonModule: 'redis' } },
  { package: 'iproute2', needs: { program: 'ip' } },
  { package: 'nftables', needs: { program: 'nft' } },
  { package: 'conntrack', needs: { program: 'conntrack' } },
  { package: 'postgresql', needs: { program: 'pg_ctlcluster' }, service: 'postgresql' },
  { package: 'curl', needs: { program: 'curl' } },
  { package: 'openssl', needs: { program: 'openssl' } },
  { package: 'chromium', needs: { program: 'chromium' } },
  { package: 'awscli', needs: { file: '/usr/bin/aws' } },
  { package: 's3cmd', needs: { program: 's3cmd' } },
  { package: 'rclone', needs: { program: 'rclone' } },
  { package: 'python3-boto3', needs: { pythonModule: 'boto3' } },
  { package: 'restic', needs: { program: 'restic' } },
  { package: 's3fs', needs: { program: 's3fs' } },
  { package: 'fuse', needs: { program: 'fusermount' } },
  { package: 'skopeo', needs: { program: 'skopeo' } },
  { package: 'umoci', needs: { program: 'umoci' } },
  { package: 'docker-registry', needs: { program: 'docker-registry' }, service: 'docker-registry' },
  { package: 'buildah', needs: { program: 'buildah' } },
  { package: 'debootstrap', needs: { program: 'debootstrap' } },
  { package: 'busybox-static', needs: { program: 'busybox' } },
  { package: 'erofs-utils', needs: { program: 'fsck.erofs' } },
  { package: 'btrfs-progs', needs: { program: 'mkfs.btrfs' } },
  { package: 'e2fsprogs', needs: { program: 'mkfs.ext4' } },
  { package: 'attr', needs: { program: 'getfattr' } },
  { package: 'acl', needs: { program: 'setfacl' } },
  { package: 'libcap2-bin', needs: { program: 'setcap' } },
  { package: 'systemd', needs: { program: 'systemd-analyze' } },
  { package: 'conmon', needs: { program: 'conmon' } },
  { package: 'zsh', needs: { program: 'zsh' } },
  { package: 'fish', needs: { program: 'fish' } },
  { package: 'runc', needs: { program: 'runc' } },
  {
    package: 'golang-github-containers-common',
    needs: { file: '/usr/share/containers/seccomp.json' },
  },
];

/** The needs that this machine does not meet. */
export async function missingNeeds(): Promise<TestNeed[]> {
  const met = await Promise.all(testNeeds.map(isMet));
  return testNeeds.filter((_need, index) => met[index] !== true);
}

/**
 * Installs the packages that are missing with apt; only root can.
 * @throws GRID_TEST_NEEDS with the packages by name
 */
export async function installNeeds(
  missing: readonly TestNeed[],
  isRoot: boolean,
  note: (text: string) => void,
): Promise<void> {
  const packages = [...new Set(missing.map((need) => need.package))];
  if (packages.length === 0) return;
  if (!isRoot) throw needsError('tests need programs that are missing', packages);
  const installed = await installPackages(packages, note);
  if (!installed || (await missingNeeds()).length > 0) {
    throw needsError('apt could not install what tests need', packages);
  }
  await Promise.all(missing.map(stopService));
}

async function isMet({ needs }: TestNeed): Promise<boolean> {
  if ('program' in needs) return isInPath(needs.program);
  if ('file' in needs) return isThere(needs.file);
  if (!(await isExecutable('/usr/bin/python3'))) return false;
  // Debian's own Python: another one in the path does not see Debian's modules.
  return (await runTool('/usr/bin/python3', ['-c', `import ${needs.pythonModule}`], '/')).ok;
}

async function isInPath(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const found = await Promise.all(folders.map((folder) => isExecutable(join(folder, program))));
  return found.includes(true);
}

async function isExecutable(path: string): Promise<boolean> {
  return isThere(path, constants.X_OK);
}

async function isThere(path: string, mode = constants.R_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** Without systemd nothing was started, and the program is not there either. */
async function stopService({ service }: TestNeed): Promise<void> {
  if (service === undefined || !(await isInPath('systemctl'))) return;
  await runTool('systemctl', ['disable', '--now', service], '/');
}

function needsError(problem: string, packages: readonly string[]): GridError<GridErrorCode> {
  return new GridError('GRID_TEST_NEEDS', `${problem}: ${packages.join(', ')}`, {
    hint: `sudo apt-get install ${packages.join(' ')}`,
    details: { packages },
  });
}
