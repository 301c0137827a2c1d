import Chains
public import Primitives

extension HouseConfiguration {
    /// Payment channels that the house opens to payees who asked for one; they go with settling by
    /// plan. Only dollars are paid through them.
    public struct Channels: Hashable, Sendable {
        /// The contract that holds deposits.
        public var contract = BatchChannel.standardContract
        /// The contract that fetches them from the payer by its signature.
        public var collector = BatchChannel.standardCollector
        /// What lies in a channel for vouchers to come when it is opened or filled up: 100 dollars.
        public var deposit = Amount(100_000_000_000_000)
        /// From how little on it is filled up: 25 dollars.
        public var refill = Amount(25_000_000_000_000)
        /// How many settlements must have sent a party money before it gets a channel.
        public var minimumHistory = 3
        /// Seconds from the house's word that it takes a deposit back until it can.
        public var withdrawDelay: UInt64 = 86_400

        /// The usual numbers.
        public init() {}

        /// The deposit in chain units.
        var depositUnits: UInt128 { Asset.usd.chainUnits(deposit) }
        /// The mark below which it is filled up, in chain units.
        var refillUnits: UInt128 { Asset.usd.chainUnits(refill) }
    }
}
