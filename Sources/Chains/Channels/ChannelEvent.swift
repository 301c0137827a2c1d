import Cryptography
public import Primitives

/// What `x402BatchSettlement` reported of a channel. Amounts are in the token's chain units.
///
/// Source: the events of contracts/evm/src/x402BatchSettlement.sol of x402-foundation/x402 at
/// 3d73f63f (docs/reference/channels.md).
public enum ChannelEvent: Hashable, Sendable {
    /// Somebody paid a deposit in.
    case deposited(amount: UInt128, balance: UInt128)
    /// The receiver's side claimed, and with it `total` from the channel's opening on.
    case claimed(amount: UInt128, total: UInt128)
    /// The receiver's side gave unclaimed money back.
    case refunded(amount: UInt128)
    /// The payer said that it takes the deposit back, which it can from a second on.
    case withdrawInitiated(amount: UInt128, after: UInt64)
    /// The payer took back what was not claimed.
    case withdrawFinalized(amount: UInt128)

    /// The most channels that one filter names.
    static let channelsPerFilter = 256

    /// The first topics of the logs.
    private enum Topic {
        static let deposited = of("Deposited(bytes32,address,uint128,uint128)")
        static let claimed = of("Claimed(bytes32,address,uint128,uint128)")
        static let refunded = of("Refunded(bytes32,address,uint128)")
        static let withdrawInitiated = of("WithdrawInitiated(bytes32,uint128,uint40)")
        static let withdrawFinalized = of("WithdrawFinalized(bytes32,address,uint128)")
        static let all = [deposited, claimed, refunded, withdrawInitiated, withdrawFinalized]

        private static func of(_ signature: String) -> Digest {
            Keccak256.hash(Array(signature.utf8))
        }
    }

    /// Filters for the logs of some channels. Everybody's channels are at the same contract, so a
    /// house asks for its own by name.
    public static func filters(
        contract: EVMAddress, channels: [Digest]
    ) -> [LogFilter] {
        stride(from: 0, to: channels.count, by: channelsPerFilter).map { start in
            let end = min(start + channelsPerFilter, channels.count)
            return LogFilter(contract: contract, topics: [Topic.all, Array(channels[start..<end])])
        }
    }

    /// The event of a contract's log; `nil` for one that is not watched.
    init?(_ log: EVMLog) throws(ABIError) {
        func numbers(_ types: ABIType...) throws(ABIError) -> [UInt128] {
            var found: [UInt128] = []
            for value in try ABIDecoder.decode(log.data, as: types) {
                found.append(try value.uint128("amount"))
            }
            return found
        }
        guard log.topics.count >= 2 else { return nil }
        let amount = ABIType.uint(bits: 128)
        switch log.topics[0] {
        case Topic.deposited:
            let sums = try numbers(amount, amount)
            self = .deposited(amount: sums[0], balance: sums[1])
        case Topic.claimed:
            let sums = try numbers(amount, amount)
            self = .claimed(amount: sums[0], total: sums[1])
        case Topic.refunded: self = .refunded(amount: try numbers(amount)[0])
        case Topic.withdrawInitiated:
            let sums = try numbers(amount, .uint(bits: 40))
            self = .withdrawInitiated(amount: sums[0], after: UInt64(clamping: sums[1]))
        case Topic.withdrawFinalized:
            self = .withdrawFinalized(amount: try numbers(amount)[0])
        default: return nil
        }
    }
}
