import { equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAmount, parseAmount } from './amount.ts';

test('an amount comes back as it was written out', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 37n), fc.nat(18), (amount, decimals) => {
      equal(parseAmount(formatAmount(amount, decimals), decimals), amount);
    }),
  );
  equal(parseAmount('12.5', 2), 1250n);
  equal(parseAmount('7', 2), 700n);
  equal(formatAmount(-5n, 2), '-0.05');
  equal(formatAmount(1234n, 0), '1234');
});

test('what is finer than the currency, signed, or no number is refused', () => {
  for (const text of ['', '.5', '1.', '-1', '+1', '1e3', '1,5', '0.001', ' 1', '1'.repeat(39)]) {
    throws(() => parseAmount(text, 2), { code: 'WALLET_AMOUNT_INVALID' }, text);
  }
});
