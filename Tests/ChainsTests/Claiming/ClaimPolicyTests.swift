import Chains
import Primitives
import Testing

/// When a claim is worth its gas.
@Suite struct ClaimPolicyTests {
    private func dollars(_ text: String) -> Amount { Asset.usd.parse(text) ?? .zero }

    @Test func gasInDollars() throws {
        let policy = ClaimPolicy(multiple: 10, coinPrice: dollars("3000"))
        // 60,000 gas at 2 gwei are 0.00012 coins.
        #expect(policy.cost(gas: 60_000, price: 2_000_000_000) == dollars("0.36"))
        // Rounded up to a ledger unit.
        let cheap = ClaimPolicy(multiple: 10, coinPrice: Amount(1))
        #expect(cheap.cost(gas: 1, price: 1) == Amount(1))
        #expect(policy.cost(gas: 0, price: 5) == .zero)
        #expect(policy.cost(gas: .max, price: .max) == nil)
        #expect(policy.cost(gas: 1, price: .max) == nil)
    }

    @Test func onlyWhatIsOverSoManyTimesTheCost() {
        let policy = ClaimPolicy(multiple: 10, coinPrice: dollars("1"))
        let cost = dollars("0.5")
        #expect(!policy.isWorth(value: dollars("5"), cost: cost))
        #expect(policy.isWorth(value: dollars("5.000001"), cost: cost))
        #expect(!policy.isWorth(value: Amount(.max), cost: Amount(.max)))
        #expect(policy.isWorth(value: Amount(1), cost: .zero))
        #expect(!policy.isWorth(value: .zero, cost: .zero))
    }

    @Test func talliesCountAtTheirPrice() {
        let bare = ClaimPolicy(multiple: 1, coinPrice: dollars("1"))
        let tly = Asset.tly.parse("40") ?? .zero
        #expect(bare.value(usd: dollars("2"), tly: tly) == dollars("2"))
        let priced = ClaimPolicy(
            multiple: 1, coinPrice: dollars("1"), tlyPrice: dollars("0.05"))
        #expect(priced.value(usd: dollars("2"), tly: tly) == dollars("4"))
        #expect(priced.value(usd: dollars("2"), tly: Amount(.max)) == dollars("2"))
    }
}
