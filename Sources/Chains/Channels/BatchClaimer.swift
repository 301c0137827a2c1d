public import Cryptography
public import Primitives

/// Claims the vouchers of a store on one EVM chain, through the chain's transaction manager: each
/// claim is one intent with a name of its own, so it counts once whatever happens in between. Each
/// receiver is paid by one transfer, when the chain says that something was claimed and not paid.
///
/// It keeps nothing: what is under way is in the store and in the manager.
public struct BatchClaimer: Sendable {
    private let store: VoucherStore
    private let driver: EVMManagerDriver
    private let nodes: EVMNodes
    private let sender: EVMAddress
    private let authorizer: Secp256k1.PrivateKey?
    private let feeLimit: UInt128

    /// A claimer that sends as `sender`, which has a lane in the manager.
    ///
    /// - Parameters:
    ///   - nodes: what enough of them say of the contract is believed, and no less.
    ///   - authorizer: the key of the channels' receiver authorizer, which signs each batch; `nil`
    ///     if the sender is itself the receiver or its authorizer.
    ///   - feeLimit: the most wei that one claim's gas may cost.
    public init(
        store: VoucherStore, driver: EVMManagerDriver, nodes: EVMNodes, sender: EVMAddress,
        authorizer: Secp256k1.PrivateKey? = nil, feeLimit: UInt128 = 100_000_000_000_000_000
    ) {
        self.store = store
        self.driver = driver
        self.nodes = nodes
        self.sender = sender
        self.authorizer = authorizer
        self.feeLimit = feeLimit
    }

    /// Asks the chain about all channels of this chain, or those given. Four calls each, a node.
    public func look(_ channels: [Digest]? = nil) async throws {
        for id in channels ?? store.look({ $0.channels }) {
            guard let channel = channel(id) else { continue }
            let state = try await nodes.state(of: channel)
            try await store.see(id, ChannelSighting(state, of: channel))
        }
    }

    /// Follows what is under way, and sends what is due; `everything` with whatever is unclaimed.
    public func step(everything: Bool = false) async throws -> ClaimRound {
        var round = ClaimRound()
        for claim in store.look({ $0.openClaims }) where isHere(claim) {
            try await follow(claim, &round)
        }
        let now = store.now
        let due = store.look { book in
            book.due(at: now, everything: everything).compactMap { book.entry($0) }
        }
        let rows = due.compactMap { entry -> BatchClaim.Row? in
            guard case .batch(let channel) = entry.terms, channel.chainID == nodes.chainID,
                let voucher = entry.claimable(at: now)
            else { return nil }
            let total = min(voucher.cumulative, entry.sighting.deposit)
            return BatchClaim.Row(channel, voucher, total: total)
        }
        for claim in try BatchClaim.packed(rows) { try await begin(claim, &round) }
        try await sweep(&round)
        return round
    }

    /// Has every receiver paid what was claimed for it. A transfer that was refused is sent again
    /// in the next turn of ten minutes.
    private func sweep(_ round: inout ClaimRound) async throws {
        let all = store.look { $0.channels }.compactMap { channel($0) }.map { channel in
            BatchSweep(
                contract: channel.contract, receiver: channel.config.receiver,
                token: channel.config.token)
        }
        let turn = store.now / 600
        for sweep in Set(all).sorted(by: {
            ($0.contract, $0.receiver, $0.token) < ($1.contract, $1.receiver, $1.token)
        }) {
            let sums = try await nodes.sums(of: sweep)
            guard sums.claimed > sums.paid else { continue }
            let ids = [turn - 1, turn].map { sweep.id(claimed: sums.claimed, turn: $0) }
            switch (driver.status(of: ids[0]), driver.status(of: ids[1])) {
            case (_, .closed(.failed(let failure))): round.refused.append("transfer: \(failure)")
            case (.absent, .absent), (.closed(.failed), .absent):
                try await driver.submit(
                    EVMIntent(
                        id: ids[1], from: sender, to: sweep.contract,
                        data: BatchCall.settle(receiver: sweep.receiver, token: sweep.token),
                        gasLimit: 0, feeLimit: feeLimit))
                round.open += 1
            default: round.open += 1
            }
        }
    }

    private func channel(_ id: Digest) -> BatchChannel? {
        guard case .batch(let channel)? = store.look({ $0.entry(id)?.terms }),
            channel.chainID == nodes.chainID
        else { return nil }
        return channel
    }

    private func isHere(_ claim: ChannelClaim) -> Bool {
        claim.rows.allSatisfy { channel($0.voucher.channel) != nil }
    }

    /// Writes a claim down and hands it to the manager. One that failed before gets another name.
    private func begin(_ claim: BatchClaim, _ round: inout ClaimRound) async throws {
        var attempt: UInt32 = 0
        while case .closed(.failed) = driver.status(of: claim.id(attempt: attempt)) {
            if let halves = claim.halves {
                for half in halves { try await begin(half, &round) }
                return
            }
            attempt += 1
        }
        let kept = ChannelClaim(
            id: claim.id(attempt: attempt),
            rows: claim.rows.map { ChannelClaim.Row($0.voucher, total: $0.total) },
            attempt: attempt)
        try await store.take(.claiming(kept))
        try await submit(claim, attempt)
        round.sent += 1
        round.open += 1
    }

    private func submit(_ claim: BatchClaim, _ attempt: UInt32) async throws {
        try await driver.submit(
            EVMIntent(
                id: claim.id(attempt: attempt), from: sender, to: claim.contract,
                data: try claim.callData(authorizer: authorizer), gasLimit: 0, feeLimit: feeLimit))
    }

    private func follow(_ kept: ChannelClaim, _ round: inout ClaimRound) async throws {
        let rows = kept.rows.compactMap { row in
            channel(row.voucher.channel).map { BatchClaim.Row($0, row.voucher, total: row.total) }
        }
        let claim = try BatchClaim(rows)
        switch driver.status(of: kept.id) {
        case .absent:
            try await submit(claim, kept.attempt)
            round.open += 1
        case .closed(.settled):
            try await store.take(.ended(kept.id, isSettled: true))
            round.settled += 1
        case .closed(.failed(let failure)):
            round.refused.append("\(failure)")
            try await store.take(.ended(kept.id, isSettled: false))
            if let halves = claim.halves {
                for half in halves { try await begin(half, &round) }
            }
        case .waiting, .inFlight, .closed: round.open += 1
        }
    }
}
