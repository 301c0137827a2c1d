import Clearing
import Primitives
import Service
import Testing

/// When a deposit in a payment channel is worth its gas.
@Suite struct ChannelReckoningTests {
    private func reckoning(
        _ units: [UInt128], gas: UInt64, deposit: UInt128, voucherGas: UInt64 = 0
    ) -> ChannelReckoning {
        ChannelReckoning(
            units.map { .init(units: $0, gas: gas) }, deposit: deposit, voucherGas: voucherGas)
    }

    @Test func itIsWorthItIfItLastsUntilItHasPaidItselfBack() {
        let gas = ChannelReckoning.depositGas
        // A third of the deposit's gas is saved each time: three vouchers pay it back.
        let third = (gas + 2) / 3
        let just = reckoning([10, 20, 30], gas: third, deposit: 60)
        #expect(just.paysBackAfter == 3 && just.lasts == 3 && just.isWorthIt)
        #expect(!reckoning([10, 20, 30], gas: third, deposit: 59).isWorthIt)
        #expect(reckoning([10, 20, 30], gas: gas / 3, deposit: 60).paysBackAfter == 4)
        #expect(!reckoning([10, 20, 30], gas: gas / 3, deposit: 79).isWorthIt)
        #expect(reckoning([10, 20, 30], gas: gas / 3, deposit: 80).isWorthIt)
        #expect(reckoning([60], gas: gas, deposit: 60).isWorthIt)
    }

    @Test func whoseVouchersSaveNothingGetsNone() {
        #expect(reckoning([], gas: 0, deposit: 1 << 100) == reckoning([], gas: 9, deposit: 5))
        #expect(!reckoning([], gas: 0, deposit: 1 << 100).isWorthIt)
        let dear = reckoning([1], gas: 71_425, deposit: 1 << 100, voucherGas: 71_425)
        #expect(dear.paysBackAfter == nil && !dear.isWorthIt)
        #expect(
            reckoning([1], gas: 71_425, deposit: 1 << 100, voucherGas: 71_424).paysBackAfter
                == ChannelReckoning.depositGas)
        // Nothing is due so little that a division fails.
        #expect(reckoning([0], gas: .max, deposit: 5).lasts == 5)
    }
}
