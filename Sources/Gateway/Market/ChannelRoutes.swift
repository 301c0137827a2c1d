import Clearing
import Hummingbird
import Primitives
import Service

/// Payment channels from the house to payees, and what is promised through them.
enum ChannelRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/vouchers", .apiKey, "settlement",
            "What the party is promised through payment channels, with terms and signed vouchers"
        ) { call in
            let party = try await call.buyer()
            guard let settlement = call.house.settlement else { throw APIError.notFound("chain") }
            do throws(SequencerError) {
                return JSON.ok(
                    Page(try await settlement.vouchers(of: party, unclaimed: false)))
            } catch {
                throw APIError(error)
            }
        },
        Route(
            .get, "/v1/channels", .anyone, "settlement", "Payment channels to payees",
            isPaged: true
        ) { call in
            try await call.list {
                $0.channels
            } _: { channel, house in
                View(channel, house)
            }
        },
        Route(
            .get, "/v1/channels/{channel}", .anyone, "settlement",
            "One payment channel, and what it cost"
        ) { call in
            let id: ChannelID = try call.id("channel", "channel")
            let found = try await call.read { house in house.channel(id).map { View($0, house) } }
            guard let found else { throw APIError(Rejection.channelNotFound) }
            return JSON.ok(found)
        },
        Route(
            .post, "/v1/operator/channels/{channel}/close", .operator, "operating",
            "Use a payment channel no more and take back what is left, once all is claimed"
        ) { call in
            try call.requireOperator()
            try await call.submit(.closeChannel(call.id("channel", "channel")))
            return JSON.ok(Done())
        },
    ]

    private struct View: Encodable, Sendable {
        let channel, party, payer, madeAt: UInt64
        let asset, state, key, contract, receiver: String
        let withdrawDelay: UInt64
        /// In coins: what lies there with what was claimed, what is promised, claimed, promised and
        /// not claimed, and what can still be promised.
        let balance, promised, claimed, unclaimed, room: String
        let vouchers: UInt32
        let costs: [PayoutViews.Cost]
        /// What was charged for it in all, and for each settlement it paid, rounded up.
        let costUnits, costPerVoucher: String?

        init(_ channel: HouseChannel, _ house: borrowing ClearingHouse) {
            func text(_ units: UInt128) -> String { PayoutViews.text(units, channel.asset) }
            self.channel = channel.id.rawValue
            party = channel.party.rawValue
            payer = channel.payer.rawValue
            madeAt = channel.madeAt.milliseconds
            asset = channel.asset.code
            state = Self.state(of: channel)
            key = channel.terms.key.hex
            contract = channel.terms.contract.hex
            receiver = channel.terms.receiver.hex
            withdrawDelay = channel.terms.withdrawDelay
            balance = text(channel.balance)
            promised = text(channel.promised)
            claimed = text(channel.claimed)
            unclaimed = text(channel.unclaimed)
            room = text(channel.room)
            vouchers = channel.vouchers
            let costs = house.costs(of: .channel(channel.id))
            self.costs = costs.map(PayoutViews.Cost.init)
            let charged = PayoutViews.Charged(costs, among: Int(channel.vouchers))
            (costUnits, costPerVoucher) = (charged.total, charged.each)
        }

        private static func state(of channel: HouseChannel) -> String {
            if channel.isOver { return "over" }
            if channel.isClosing || channel.isWithdrawing { return "closing" }
            return channel.received == 0 ? "opening" : "open"
        }
    }
}
