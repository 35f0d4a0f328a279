/**
 * Capabilities within the user namespace of a container: Docker's list without what cannot work or is
 * not needed here. MKNOD and AUDIT_WRITE do nothing in a user namespace. NET_RAW would let it forge
 * packets on the network of its node. SETFCAP is for files whose capabilities take effect, which no
 * new privileges rules out.
 */
const containerCapabilities = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
] as const;

export function capabilitiesOf(isElevated: boolean): readonly string[] {
  return isElevated ? [...containerCapabilities, 'CAP_SYS_ADMIN'] : containerCapabilities;
}
