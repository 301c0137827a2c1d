import Primitives

/// What enough nodes of an EVM chain say of channels.
extension ChainNodes<EVMChain> {
    /// What the contract says of a channel, as of the newest block that enough nodes have deep
    /// enough. Four calls a node.
    public func state(of channel: BatchChannel) async throws(ChainError) -> BatchChannelState {
        let height = try await countedHeight()
        return try await agreed { node throws(ChainError) in
            try await node.state(of: channel, at: height)
        }
    }

    /// What was ever claimed for a receiver, and how much of it was paid to it, as of that block.
    func sums(of sweep: BatchSweep) async throws(ChainError) -> BatchSweep.Sums {
        let height = try await countedHeight()
        return try await agreed { node throws(ChainError) in
            try await node.sums(of: sweep, at: height)
        }
    }

    private func countedHeight() async throws(ChainError) -> UInt64 {
        all[0].finalHeight(head: try await commonHeight()) ?? 0
    }
}

/// What enough nodes of a cluster say of a channel.
public struct PaymentChannelAnswer: Hashable, Sendable {
    /// What is in the channel's account; `nil` if there is none.
    public let state: PaymentChannelState?
    /// This is as of this slot or a later one.
    public let slot: UInt64
}

/// What enough nodes of a Solana cluster say of channels and of what is sent for them.
extension ChainNodes<SolanaChain> {
    private struct Look: Sendable {
        let slot: UInt64
        let states: [PaymentChannelState?]
    }

    /// What confirmed blocks say of channels; `nil` for one on which too few nodes agree. Throws if
    /// too few answer at all. A call a node for each hundred, and one more.
    public func states(
        of channels: [PaymentChannel]
    ) async throws(ChainError) -> [PaymentChannelAnswer?] {
        let answers = await answers { node throws(ChainError) in
            // The slot first: the accounts are of no earlier one.
            let slot = try await node.slot(.confirmed)
            let accounts = try await node.accounts(channels.map(\.address))
            return Look(
                slot: slot,
                states: zip(channels, accounts).map { channel, account in
                    account.flatMap { PaymentChannelState($0, of: channel) }
                })
        }
        let looks = try enough(answers)
        return channels.indices.map { place in
            quorum.agreed(looks.map { $0.states[place] }).map { state in
                let slots = looks.filter { $0.states[place] == state }.map(\.slot)
                return PaymentChannelAnswer(state: state, slot: quorum.reached(slots) ?? 0)
            }
        }
    }

    /// A blockhash that enough nodes hold recent in their confirmed blocks, and the last height
    /// whose block may take a transaction with it, whatever a liar says.
    func blockhash() async throws(ChainError) -> (hash: Digest, lastValidHeight: UInt64) {
        let told = await answers { node throws(ChainError) in
            try await node.latestBlockhash().hash
        }
        let candidates = Set(told.compactMap { try? $0.get() }).sorted()
        let views = await answers { node throws(ChainError) in
            var recent: [Digest] = []
            for hash in candidates {
                if try await node.isRecent(hash, .confirmed) { recent.append(hash) }
            }
            // The height last: no hash is of a later block.
            return SolanaRecentView(
                recent: recent, height: try await node.blockHeight(.confirmed))
        }
        guard let found = quorum.recent(try enough(views)) else {
            throw .inconsistentNode("the nodes agree on no recent blockhash")
        }
        return (found.hash, found.height.saturatingSum(SolanaRecentHash.lifetime))
    }

    /// What has become of a transaction, from the evidence of enough nodes.
    func resolve(_ id: Signature, lastValidHeight: UInt64) async -> SolanaOutcome {
        do throws(ChainError) {
            return try await agreed { node throws(ChainError) in
                await node.resolve(id, lastValidHeight: lastValidHeight)
            }
        } catch {
            return .unknown(error)
        }
    }

    /// Gives a signed transaction to every node, without a trial; whether any took it.
    @discardableResult
    func submit(_ bytes: [UInt8], named id: Signature) async -> Bool {
        let answers = await answers { node throws(ChainError) in
            await node.submit(bytes, named: id)
        }
        return answers.contains { (try? $0.get()) == true }
    }

    /// The answers, if enough nodes gave one.
    private func enough<Value>(
        _ answers: [Result<Value, ChainError>]
    ) throws(ChainError) -> [Value] {
        let given = answers.compactMap { try? $0.get() }
        if given.count >= quorum.needed { return given }
        for case .failure(let error) in answers { throw error }
        throw .inconsistentNode("too few nodes answer")
    }
}
