import { deepEqual, equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeId, WalletScene } from '@commongrid/model/testing';
import { statementCsv, statementOf } from './statement.ts';

/** A rent with a transfer before it. */
function lived(): WalletScene {
  const scene = new WalletScene();
  scene.send(scene.ada, scene.bob.id, 5, { memo: '=1+1, "hi"' });
  scene.rent(1, 2000);
  scene.at(1);
  scene.receipt(1, 0, 1);
  scene.presence(0, 1);
  scene.at(2);
  scene.release(1, 1);
  scene.settle(2);
  scene.at(5);
  scene.refund(1, scene.ada.device);
  return scene;
}

suite('statementOf', () => {
  test('has every movement, and comes to what the ledger has to the last unit', () => {
    const scene = lived();
    const entries = scene.grid.fold.entries();
    const lines = statementOf(entries, scene.ada.id);
    deepEqual(
      lines.map(({ kind, amount, balance }) => [kind, amount, balance]),
      [
        ['transfer', '10000', '10000'],
        ['transfer', '-5', '9995'],
        ['escrow', '-2000', '7995'],
        ['refund', '1640', '9635'],
      ],
    );
    for (const { id, amount } of scene.grid.fold.moneyOf('balance')) {
      const [account = '', currency] = id.split(' ');
      const own = statementOf(entries, account as typeof scene.ada.id);
      equal(own.findLast((line) => line.currency === currency)?.balance, amount, account);
    }
    deepEqual(lines.at(-1)?.with, [fakeId.lock(1)]);
  });

  test('as CSV has a line for each, quotes what it must, and runs no formula', () => {
    const scene = lived();
    const csv = statementCsv(statementOf(scene.grid.fold.entries(), scene.ada.id));
    const [head, , transfer, ...rest] = csv.split('\r\n');
    equal(head, 'time,seq,kind,about,currency,amount,balance,with,memo');
    const memo = `"'=1+1, ""hi"""`;
    equal(transfer?.split(',').slice(4).join(','), `EUR,-5,9995,${scene.bob.id},${memo}`);
    equal(rest.length, 3);
  });
});
