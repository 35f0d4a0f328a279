import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { byteTextFrom } from '../tree/byte-text.ts';
import type { InodeBase } from '../tree/inode.ts';
import { shiftedId, shiftedXattrs } from './shift-ids.ts';

const shift = { uidShift: 1000, gidShift: 2000 };

function inodeWith(name: string, hex: string): InodeBase {
  const xattrs = [{ name: byteTextFrom(name), value: Buffer.from(hex, 'hex') }];
  return { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, xattrs };
}

function shiftedHex(name: string, hex: string): string {
  const [xattr] = shiftedXattrs(inodeWith(name, hex), shift);
  return Buffer.from(xattr?.value ?? []).toString('hex');
}

test('ids of users and groups in an access control list are shifted, others are not', () => {
  const head = '02000000';
  const owner = '01000600ffffffff';
  assert.equal(
    shiftedHex('system.posix_acl_default', `${head}${owner}0200070005000000080007000a000000`),
    `${head}${owner}02000700ed03000008000700da070000`,
  );
});

test('a capability belongs to the shifted root', () => {
  const sets = '00200000000000000000000000000000';
  const shifted = `01000003${sets}e8030000`;
  assert.equal(shiftedHex('security.capability', `01000002${sets}`), shifted);
  assert.equal(shiftedHex('security.capability', `01000003${sets}00000000`), shifted);
  const inode = inodeWith('security.capability', `01000002${sets}`);
  assert.deepEqual(shiftedXattrs(inode, { uidShift: 0, gidShift: 0 }), inode.xattrs);
});

test('malformed attributes and ids out of range are refused', () => {
  const malformed = hasCode('FLIST_XATTR_FORBIDDEN');
  assert.throws(() => shiftedHex('security.capability', '0100000200'), malformed);
  assert.throws(() => shiftedHex('system.posix_acl_access', '0200000001'), malformed);
  assert.throws(() => shiftedHex('system.posix_acl_access', '03000000'), malformed);
  assert.throws(
    () => shiftedHex('system.posix_acl_access', '020000000200070000000100'),
    hasCode('FLIST_ID_OUT_OF_RANGE'),
  );
  assert.throws(() => shiftedId(65_536, 0), hasCode('FLIST_ID_OUT_OF_RANGE'));
});
